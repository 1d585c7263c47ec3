"""What people read in Temporal's UI: short, and the words of others are no Markdown."""

from datetime import UTC, datetime

import pytest

from betcore.domain.activity_inputs import Progress, Step
from betcore.domain.bet import BetRecord, BetState, ReversalRecord, ReversalState
from betcore.domain.casino_values import short
from betcore.domain.messages import CashbackOrder, PayIn, Reverse
from betcore.domain.money import Money
from betcore.domain.policy import MovementPolicy
from betcore.temporal import visibility
from betcore.temporal.visibility import Timeline, plain

# A text, and its Markdown.
WRITTEN = {
    "**done**": r"\*\*done\*\*",
    "[pay](http://x.example)": r"\[pay\](http\://x.example)",
    "![](//x.example/a.png)": r"!\[\](//x.example/a.png)",
    "<b>a</b>": r"\<b\>a\</b\>",
    "`code` ~~out~~ |cell|": r"\`code\` \~\~out\~\~ \|cell\|",
    "www.x.example a@x.example": r"www\.x.example a\@x.example",
    "a\n# head\n- item": r"a \# head - item",
    "&lt;\\": r"\&lt;\\",
    "no_money": r"no\_money",
    "a\x00\ud83d": "a?",
    "12.00 EUR (round 7)": "12.00 EUR (round 7)",
}


@pytest.mark.edge_case(86)
@pytest.mark.parametrize(("text", "shown"), WRITTEN.items())
def test_text_of_partners_is_no_markdown(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.edge_case(86)
def test_a_line_of_the_timeline_stays_one_line() -> None:
    timeline = Timeline("head")
    timeline.add(datetime(2026, 11, 26, tzinfo=UTC), "an operator asks: **yes**\n\n# now " + "x" * 10_000)
    *_, line, _, _ = timeline.text(None).split("\n")
    assert line.startswith(r"- `2026-11-26 00:00:00.000` an operator asks: \*\*yes\*\*  \# now x")
    assert len(line) < 600


@pytest.mark.edge_case(86)
def test_what_temporal_is_given_is_short() -> None:
    assert len(Step(progress=Progress.UNKNOWN, detail="x" * 100_000).detail) == 500
    assert short("x" * 500) == "x" * 500
    assert short("x" * 501) == "x" * 497 + "..."


def test_the_details_end_with_what_comes_next() -> None:
    settle_by = datetime(2026, 11, 27, 9, tzinfo=UTC)
    timeline = Timeline("head", settle_by)
    assert timeline.text(None).splitlines() == [
        "head · not opened yet",
        "",
        "**Next:** its row is written, and its first message sent to the casino.",
    ]
    timeline.add(datetime(2026, 11, 27, 8, tzinfo=UTC), "debit the stake: done")
    waiting = timeline.text(played_bet(state=BetState.ACCEPTANCE)).splitlines()
    assert waiting[0] == "head · BetId 7 · **acceptance**"
    assert waiting[2:] == [
        "- `2026-11-27 08:00:00.000` debit the stake: done",
        "",
        "**Next:** the PayOut or Refund of the provider decides. It is overdue at 2026-11-27 09:00:00 UTC.",
    ]
    assert timeline.text(played_bet(state=BetState.SETTLED)).splitlines()[-1] == "**Next:** nothing: it is over."


def test_what_holds_a_workflow_up_says_since_when_and_what_comes_next() -> None:
    timeline, since = Timeline("head"), datetime(2026, 11, 27, 8, tzinfo=UTC)
    for status, what_next in (("owed", "it is sent again"), ("closing", "the casino is asked again to close")):
        timeline.needs(status, since)
        head, *_, last = timeline.text(None).splitlines()
        assert head.endswith(f" · **{status}** since 2026-11-27 08:00:00 UTC")
        assert last.startswith(f"**Next:** {what_next}")
    timeline.goes_on()
    assert timeline.text(None).splitlines()[0] == "head · not opened yet"


def test_each_state_that_is_not_the_end_says_what_comes_next() -> None:
    for state in BetState:
        over = Timeline("head").text(played_bet(state=state)).endswith("**Next:** nothing: it is over.")
        assert over == state.is_terminal
    for reversal in ReversalState:
        record = played_bet(state=BetState.SETTLED, reversal=reversal)
        over = Timeline("head").text(record).endswith("**Next:** nothing: it is over.")
        assert over == (reversal is not ReversalState.REVERSING)


def test_what_a_workflow_starts_with_says_who_plays_where_and_what() -> None:
    attributes = visibility.at_start(
        casino="royal",
        provider="acme",
        player_ref="5f7db790-249b-4dca-99b8-14c84ab7966e",
        game="dice",
        settle_by=datetime(2026, 11, 27, 9, tzinfo=UTC),
    )
    of_money = MovementPolicy.model_construct()
    cashback = CashbackOrder.model_construct(cashback_id=4, amount=Money(minor=500, currency="EUR"), policy=of_money)
    reverse = Reverse.model_construct(bet_id=7, provider_bet_id="b_1", stake=Money(minor=500, currency="EUR"), win=None)
    pay_in = PayIn.model_construct(
        provider_bet_id="b_1", round_id="r-7", stake=Money(minor=500, currency="EUR"), partner_user_id="anna", win=None
    )
    place = [
        "- Provider: **acme**",
        "- Casino: **royal**",
        "- Player: **5f7db790-249b-4dca-99b8-14c84ab7966e**",
        "- Game: **dice**",
    ]
    assert visibility.details(pay_in, attributes).splitlines() == [*place, "- Round: **r-7**", r"- Bet: **b\_1**"]
    assert visibility.details(reverse, attributes).splitlines() == [*place, r"- Bet: **b\_1**", "- BetId: **7**"]
    assert visibility.details(cashback, attributes).splitlines() == [*place, "- CashbackId: **4**"]
    assert visibility.summary(pay_in, attributes) == "stake EUR 5.00 · dice · r-7"


def test_a_link_leads_to_the_story_of_a_workflow() -> None:
    link = visibility.story_link("https://ui.example/", "bets", "bet:8d0e:a/b", "01a2")
    assert link == "https://ui.example/namespaces/bets/workflows/bet%3A8d0e%3Aa%2Fb/01a2/user-metadata"


def played_bet(state: BetState, reversal: ReversalState | None = None) -> BetRecord:
    """Return the row of a bet in a state, with a reversal in one."""
    reversal_record = reversal and ReversalRecord.model_construct(state=reversal)
    return BetRecord.model_construct(bet_id=7, state=state, refusal=None, reversal=reversal_record)
