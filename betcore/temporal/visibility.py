"""Bets and cashbacks in the Temporal UI: search attributes, summary and timeline. They hold no personal data."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from betcore.domain.bet import BetState, ReversalState
from betcore.domain.cashback import CashbackRecord, CashbackState
from betcore.domain.casino_values import short
from betcore.domain.live_rounds import LiveRound, PlayStatus, RoundState
from betcore.domain.messages import CashbackOrder, PayIn, Reverse
from betcore.domain.money import Money
from betcore.domain.open_bets import Resumption
from betcore.domain.records import Record

CASINO = SearchAttributeKey.for_keyword("Casino")
PROVIDER = SearchAttributeKey.for_keyword("Provider")
PLAYER = SearchAttributeKey.for_keyword("Player")
GAME = SearchAttributeKey.for_keyword("Game")
BET_STATUS = SearchAttributeKey.for_keyword("BetStatus")
NEEDS_ATTENTION = SearchAttributeKey.for_bool("NeedsAttention")
SETTLE_BY = SearchAttributeKey.for_datetime("SettleBy")

# What comes next, by what holds a workflow up.
_TROUBLE = {
    "unknown": "it is sent again until its last moment, and then looked for at the casino. Nothing is to be done.",
    "owed": "it is sent again, with growing gaps, until the casino has made it. `ops retry` sends it now.",
    "parked": "operators decide. `ops show` has the reason, `ops retry` tries it again, `ops mark-...` ends it.",
    "in_review": "its win is beyond a limit: two operators release it (`ops release`) or refuse it (`ops refuse`).",
    "overdue": "it waits for its PayOut. `ops settle` or `ops void` ends it.",
    "closing": "the casino is asked again to close the bet. No money and no answer waits for that.",
    "reopening": "the casino is asked again to open the bet, so that it can be taken back.",
}
# What comes next, by the state of the row, while nothing holds the workflow up.
_ORDINARY: dict[str, str] = {
    BetState.ACCEPTING: "the casino takes the stake, or refuses it.",
    BetState.ACCEPTANCE: "the PayOut or Refund of the provider decides.",
    BetState.SETTLING: "the casino pays the win.",
    BetState.REFUNDING: "the casino gives the stake back.",
    ReversalState.REVERSING: "the casino takes the win back, if there is one, and gives the stake back.",
    CashbackState.ISSUING: "the casino pays the cashback.",
    CashbackState.ISSUED: "nothing, unless operators cancel it.",
    CashbackState.CANCELLING: "the casino takes the cashback back.",
}
_OVER = "nothing: it is over."

# Characters that format text inside a line of Markdown. A colon before slashes, a dot after www and an at sign turn
# plain text into links.
_ACTIVE = re.compile(r"[\\`*_\[\]<>~|&@#]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def summary(argument: PayIn | Reverse | CashbackOrder, attributes: TypedSearchAttributes) -> str:
    """Return a workflow's line in the list of workflows, by its start argument and its search attributes."""
    match argument:
        case PayIn():
            win = f", win {argument.win}" if argument.win else ""
            game = plain(attributes.get(GAME, ""))
            return f"stake {_amount(argument.stake)}{win} · {game} · {plain(argument.round_id)}"
        case Reverse():
            return _back(argument)
        case CashbackOrder():
            return f"cashback {_amount(argument.amount)}"


def details(argument: PayIn | Reverse | CashbackOrder, attributes: TypedSearchAttributes) -> str:
    """Return whose money a workflow moves and for what, as Markdown: what it starts with, and keeps."""
    facts: dict[str, object] = {
        "Provider": attributes.get(PROVIDER),
        "Casino": attributes.get(CASINO),
        "Player": attributes.get(PLAYER),
        "Game": attributes.get(GAME),
    }
    match argument:
        case PayIn():
            facts |= {"Round": argument.round_id, "Bet": argument.provider_bet_id}
        case Reverse():
            facts |= {"Bet": argument.provider_bet_id, "BetId": argument.bet_id}
        case CashbackOrder():
            facts |= {"CashbackId": argument.cashback_id}
    return "\n".join(f"- {name}: **{plain(str(fact))}**" for name, fact in facts.items() if fact is not None)


def _back(reverse: Reverse) -> str:
    return f"back: stake {_amount(reverse.stake)}" + (f", win {reverse.win}" if reverse.win else "")


def head_of_bet(pay_in: PayIn) -> str:
    """Return the first line of a bet's timeline."""
    win = f" · win {pay_in.win}" if pay_in.win else ""
    return f"**Bet {plain(pay_in.provider_bet_id)}** · {_amount(pay_in.stake)}{win} · round {plain(pay_in.round_id)}"


def head_of_reversal(reverse: Reverse) -> str:
    """Return the first line of a reversal's timeline."""
    return f"**Reversal of bet {plain(reverse.provider_bet_id)}** · {_back(reverse)}"


def head_of_cashback(order: CashbackOrder) -> str:
    """Return the first line of a cashback's timeline."""
    return f"**Cashback** · {_amount(order.amount)}"


def live_game_details(running: LiveRound | None) -> str:
    """Return what the workflow of a live game shows: the round that runs, None if none does, and what comes next."""
    if running is None:
        return "No round runs.\n\n**Next:** the provider announces one."
    play = f", {running.play_status}" if running.play_status else ""
    moment = running.next_moment
    if running.state is RoundState.AWAITING:
        comes = "the provider begins the round."
    elif moment is None:
        comes = "the provider reports what the round comes to."
    elif moment == running.betting_closes_at and running.play_status is PlayStatus.BETTING:
        comes = f"betting closes at {_second(moment)}."
    else:
        comes = f"the provider reports the results. They are late at {_second(moment)}."
    return f"Round {running.edition} ({plain(running.round_id)}): **{running.state}{play}**\n\n**Next:** {comes}"


def story_link(ui: str, namespace: str, workflow_id: str, run_id: str) -> str:
    """Return the address at which the Temporal UI tells a workflow's story: its summary, details and timeline."""
    workflow = quote(workflow_id, safe="")
    return f"{ui.rstrip('/')}/namespaces/{namespace}/workflows/{workflow}/{run_id}/user-metadata"


def plain(text: str) -> str:
    """Return text of a casino, a provider or an operator for Markdown: shown unchanged, never a link or a picture."""
    return _ACTIVE.sub(r"\\\g<0>", short(text))


def _amount(amount: Money) -> str:
    return f"{amount.currency} {amount}"


def at_start(
    *, casino: str, provider: str, player_ref: str, game: str, settle_by: datetime, status: str = "open"
) -> TypedSearchAttributes:
    """Return the search attributes that a bet or a reversal starts with: at the start they cost no event."""
    return TypedSearchAttributes(
        [
            *_of_movements(casino, player_ref, status),
            SearchAttributePair(PROVIDER, provider),
            SearchAttributePair(GAME, game),
            SearchAttributePair(SETTLE_BY, settle_by),
        ]
    )


def _of_movements(casino: str, player_ref: str, status: str) -> list[SearchAttributePair[Any]]:
    """Return the search attributes that every workflow has which moves money."""
    return [
        SearchAttributePair(CASINO, casino),
        SearchAttributePair(PLAYER, player_ref),
        SearchAttributePair(BET_STATUS, status),
        SearchAttributePair(NEEDS_ATTENTION, False),
    ]


def of_resumption(resumption: Resumption) -> TypedSearchAttributes:
    """Return the search attributes of a workflow that takes an open row on or over."""
    played = resumption.played
    if played is None:
        return TypedSearchAttributes(_of_movements(resumption.casino, resumption.player_ref, resumption.status))
    return at_start(
        casino=resumption.casino,
        provider=played.provider,
        player_ref=resumption.player_ref,
        game=played.game,
        settle_by=played.settle_by,
        status=resumption.status,
    )


def of_reversal(bet: TypedSearchAttributes) -> TypedSearchAttributes:
    """Return the search attributes that a reversal starts with, from those of its bet."""
    return bet.updated(SearchAttributePair(BET_STATUS, "reversing"), SearchAttributePair(NEEDS_ATTENTION, False))


class Timeline:
    """The timeline of a bet, a reversal or a cashback as Markdown, for the details of its workflow.

    It keeps the newest lines; the table of events has all. It ends with what comes next.
    """

    # A bet that owes money for months would grow its history with its timeline.
    _LINES = 100

    def __init__(self, head: str, settle_by: datetime | None = None) -> None:
        self._head = head
        self._settle_by = settle_by
        self._lines: list[str] = []
        self._trouble, self._since = "", ""

    def needs(self, status: str, since: datetime) -> None:
        """Show what holds the workflow up, and since when, until ``goes_on``."""
        self._trouble, self._since = status, f" · **{status}** since {_second(since)}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the lines."""
        return tuple(self._lines)

    def resume(self, lines: Sequence[str]) -> None:
        """Take over the lines of an earlier run."""
        self._lines = list(lines)

    def goes_on(self) -> None:
        """Show that nothing holds the workflow up any more."""
        self._trouble = self._since = ""

    def add(self, at: datetime, what: str) -> None:
        """Add a line."""
        moment = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
        self._lines = [*self._lines[-self._LINES :], f"- `{moment}` {plain(what)}"]

    def text(self, record: Record | None) -> str:
        """Return the whole text: the state of the bet or the cashback, what has happened, and what comes next."""
        state = "not opened yet"
        if isinstance(record, CashbackRecord):
            state = f"CashbackId {record.cashback_id} · **{record.state}**"
        elif record:
            reason = f" ({record.refusal})" if record.refusal else ""
            reversal = f" · reversal **{record.reversal.state}**" if record.reversal else ""
            state = f"BetId {record.bet_id} · **{record.state}**{reason}{reversal}"
        lines = [*self._lines, ""] if self._lines else []
        return "\n".join([f"{self._head} · {state}{self._since}", "", *lines, f"**Next:** {self._next(record)}"])

    def _next(self, record: Record | None) -> str:
        if self._trouble in _TROUBLE:
            return _TROUBLE[self._trouble]
        if record is None:
            return "its row is written, and its first message sent to the casino."
        reversal = None if isinstance(record, CashbackRecord) else record.reversal
        state = record.state if reversal is None else reversal.state
        what_next = _ORDINARY.get(state, _OVER)
        if state is BetState.ACCEPTANCE and self._settle_by is not None:
            what_next += f" It is overdue at {_second(self._settle_by)}."
        return what_next


def _second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
