"""What a provider hears of a bet that has a reversal, given the rows. The rest is played over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest

from betcore.domain import answers
from betcore.domain.bet import BetRecord, BetState, ReversalRecord, ReversalState
from betcore.domain.errors import Code
from betcore.domain.messages import PayOut, Refund
from betcore.domain.money import Money

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEN = Money(minor=1000, currency="EUR")
REFUND = Refund(player_id=1, answer_by=NOW)


def _record(state: BetState, reversal: ReversalState | None = None, **more: Any) -> BetRecord:
    given: dict[str, Any] = dict.fromkeys(BetRecord.model_fields)
    given |= {"bet_id": 7, "casino_id": 1, "player_id": 1, "game_id": 1, "round_id": "r", "currency": "EUR"}
    given |= {"stake": TEN, "state": state, "one_step": False, "lives": 0}
    if reversal:
        given["reversal"] = ReversalRecord(
            reversal_id=3, owner=None, state=reversal, lives=0, closed_at=None, closed_balance=None
        )
    return BetRecord(**{**given, **more})


@pytest.mark.parametrize(
    ("reversal", "answer"),
    [
        (None, Code.OUTCOME_UNKNOWN),
        (ReversalState.REVERSING, Code.OUTCOME_UNKNOWN),
        (ReversalState.REVERSED, None),
        (ReversalState.REFUSED, Code.CASINO_REFUSED),
    ],
)
def test_a_refund_of_one_step_hears_of_its_reversal(reversal: ReversalState | None, answer: Code | None) -> None:
    assert answers.to_refund(_record(BetState.SETTLED, reversal, one_step=True), REFUND) is answer


def test_a_refund_after_a_payout_is_what_the_profile_makes_of_it() -> None:
    settled = _record(BetState.SETTLED)
    assert answers.to_refund(settled, REFUND) is Code.ALREADY_SETTLED
    reverse = REFUND.model_copy(update={"after_pay_out": "reverse"})
    assert answers.to_refund(settled, reverse) is Code.OUTCOME_UNKNOWN
    # What was reversed stays so, though the profile has changed since.
    assert answers.to_refund(_record(BetState.SETTLED, ReversalState.REVERSED), REFUND) is None


def test_no_refund_is_answered_before_the_money_is_back() -> None:
    # It had ended without its stake, which the casino turned out to have taken.
    assert answers.to_refund(_record(BetState.REFUNDED), REFUND) is None
    assert answers.to_refund(_record(BetState.REFUNDED, ReversalState.REVERSING), REFUND) is Code.OUTCOME_UNKNOWN
    assert answers.to_refund(_record(BetState.REFUNDED, ReversalState.REVERSED), REFUND) is None
    refused = _record(BetState.REFUSED, ReversalState.REVERSING, refusal=Code.CASINO_UNAVAILABLE)
    assert answers.to_refund(refused, REFUND) is Code.BET_REFUSED


def test_winnings_that_were_taken_back_are_not_answered_as_paid() -> None:
    call = PayOut(player_id=1, round_id="r", win=TEN, answer_by=NOW)
    assert answers.to_pay_out(_record(BetState.SETTLED, win=TEN), call) is None
    assert answers.to_pay_out(_record(BetState.SETTLED, win=TEN, reversed_by=3), call) is Code.ALREADY_REFUNDED


@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_winnings_in_another_currency_are_other_data(currency: str) -> None:
    call = PayOut(player_id=1, round_id="r", win=Money(minor=1000, currency=currency), answer_by=NOW)
    for state in (BetState.ACCEPTING, BetState.ACCEPTANCE):
        assert answers.to_pay_out(_record(state), call) is Code.DIFFERENT_DATA
        ours = call.model_copy(update={"win": TEN})
        assert answers.to_pay_out(_record(state), ours) is Code.OUTCOME_UNKNOWN
