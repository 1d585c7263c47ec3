"""What follows if two books differ, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.reconciliation import incident_kind
from betcore.domain.bet import BetRecord, BetState, ReversalRecord, ReversalState
from betcore.domain.cashback import CashbackRecord, CashbackState
from betcore.domain.compared_rows import OurBet, OurCashback, OurMovement, Ours
from betcore.domain.errors import Code
from betcore.domain.ids import BetKey, reconciliation_workflow_id, scheduled_reconciliation_workflow_id
from betcore.domain.money import Money
from betcore.domain.payment_list import Listed, moment
from betcore.domain.reconciliation import Difference, Kind, Outcome, compare

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SENT = NOW - timedelta(hours=1)
LEEWAY = timedelta(seconds=300)
TEN = Money.parse("10.00", "EUR")
STATES = ("sending", "done", "absent", "refused", "parked", "paid_by_hand")
TERMINAL = (BetState.SETTLED, BetState.REFUNDED, BetState.REFUSED)


def ours(kind: int, state: str, amount: Money = TEN, error_code: str | None = "200") -> OurMovement:
    last = SENT + timedelta(seconds=14) if kind < 0 else None
    return OurMovement(kind, amount, state, error_code, SENT, last)


def theirs(kind: int, **changed: Any) -> Listed:
    listed = Listed(kind, "10.00", "anna", f"7:{kind}", "SC-1", SENT + timedelta(seconds=1))
    return replace(listed, **changed)


def bet(state: BetState, *movements: OurMovement, reversal: ReversalState | None = None) -> OurBet:
    over = NOW if state in TERMINAL else None
    without = state is BetState.REFUSED or not any(one.state == "done" for one in movements)
    record = BetRecord(
        bet_id=7, owner="run", casino_id=1, player_id=1, game_id=1, round_id="r", currency="EUR", stake=TEN,
        win=None, state=state, refusal=Code.NO_MONEY if state is BetState.REFUSED else None, told_at=None,
        withdrawn_at=None, accepted_at=None if without else SENT, closed_at=over, accepted_balance=None,
        closed_balance=None, reversal=reversal and ReversalRecord(
            reversal_id=1, owner=None, state=reversal, lives=0, closed_balance=None,
            closed_at=None if reversal is ReversalState.REVERSING else NOW),
    )  # fmt: skip
    return OurBet(BetKey("c", "b"), "anna", record, movements)


def cashback(state: CashbackState, *movements: OurMovement) -> OurCashback:
    record = CashbackRecord(
        cashback_id=7, owner="run", casino_id=1, player_id=1, currency="EUR", amount=TEN, promo_code=None, state=state,
        lives=0, issued_at=None, cancel_asked_at=None, closed_at=None, issued_balance=None, cancelled_balance=None,
    )  # fmt: skip
    return OurCashback("anna", record, movements)


def look(one: Ours, *listed: Listed) -> list[Difference]:
    return compare(one, listed, LEEWAY, NOW)


def only(one: Ours, *listed: Listed) -> tuple[Kind, Outcome]:
    (found,) = look(one, *listed)
    return found.kind, found.remedy


LEFT = (Kind.LEFT_TO_THE_BET, Outcome.LEFT_TO_THE_BET)
ASKED = (Kind.MISSING_THERE, Outcome.ASKED_THE_BET)
MISSING_THERE, MISSING_HERE, AMOUNT, STATUS = (
    (kind, Outcome.INCIDENT) for kind in (Kind.MISSING_THERE, Kind.MISSING_HERE, Kind.AMOUNT, Kind.STATUS)
)
BACK = (Kind.MISSING_HERE, Outcome.RETURNED)
FOUND = (Kind.STATUS, Outcome.ASKED_THE_BET)
STAKED = ours(-1, "done")


ISSUED = ours(1, "done")


@pytest.mark.edge_case(222)
@pytest.mark.parametrize(
    ("one", "listed", "right"),
    [
        pytest.param(cashback(CashbackState.ISSUING, ours(1, "sending")), [], ASKED, id="owed-missing"),
        pytest.param(cashback(CashbackState.ISSUING, ours(1, "sending")), [theirs(1)], FOUND, id="owed-made"),
        pytest.param(cashback(CashbackState.ISSUING, ours(1, "parked")), [theirs(1)], FOUND, id="parked-made"),
        pytest.param(cashback(CashbackState.ISSUING), [theirs(1)], MISSING_HERE, id="never-sent"),
        pytest.param(cashback(CashbackState.ISSUED, ISSUED), [], MISSING_THERE, id="issued-missing"),
        pytest.param(cashback(CashbackState.ISSUED, ISSUED), [theirs(1, amount="10.01")], AMOUNT, id="another-amount"),
        pytest.param(cashback(CashbackState.ISSUED, ISSUED), [theirs(1), theirs(1)], AMOUNT, id="paid-twice"),
        pytest.param(cashback(CashbackState.ISSUED, ISSUED), [theirs(1), theirs(-1)], MISSING_HERE, id="a-stake"),
        pytest.param(
            cashback(CashbackState.CANCELLING, ISSUED, ours(-2, "sending")),
            [theirs(1), theirs(-2)],
            LEFT,
            id="in-doubt",
        ),
        pytest.param(
            cashback(CashbackState.CANCELLING, ISSUED, ours(-2, "parked")), [theirs(1), theirs(-2)], STATUS, id="parked"
        ),
        pytest.param(
            cashback(CashbackState.ISSUED, ISSUED, ours(-2, "absent")),
            [theirs(1), theirs(-2)],
            MISSING_HERE,
            id="taken-though-it-was-absent",
        ),
        pytest.param(
            cashback(CashbackState.CANCELLED, ISSUED, ours(-2, "done")), [theirs(1)], MISSING_THERE, id="cancel-missing"
        ),
    ],
)
def test_one_difference_of_a_cashback(one: OurCashback, listed: list[Listed], right: tuple[Kind, Outcome]) -> None:
    assert only(one, *listed) == right


@pytest.mark.edge_case(222)
@pytest.mark.parametrize(
    ("one", "listed"),
    [
        (cashback(CashbackState.ISSUING), []),
        (cashback(CashbackState.ISSUED, ISSUED), [theirs(1)]),
        (cashback(CashbackState.CANCELLED, ISSUED, ours(-2, "done")), [theirs(1), theirs(-2)]),
        (cashback(CashbackState.ISSUED, ISSUED, ours(-2, "refused")), [theirs(1)]),
        (cashback(CashbackState.ISSUED, ours(1, "paid_by_hand")), []),
    ],
)
def test_a_cashback_that_does_not_differ(one: OurCashback, listed: list[Listed]) -> None:
    assert look(one, *listed) == []


@pytest.mark.parametrize(("win", "remedy"), [("25.00", Outcome.INCIDENT), ("0.00", Outcome.RETURNED)])
def test_a_stake_is_not_returned_alone_if_its_win_is_there_too(win: str, remedy: Outcome) -> None:
    amount = Money.parse(win, "EUR")
    one = bet(BetState.REFUSED, ours(-1, "absent"), ours(1, "absent", amount))
    one = replace(one, record=one.record.model_copy(update={"one_step": True, "win": amount}))
    found = look(one, theirs(-1), theirs(1, amount=win))
    assert [(difference.kind, difference.remedy) for difference in found] == [
        (Kind.MISSING_HERE, remedy),
        (Kind.MISSING_HERE, Outcome.INCIDENT),
    ]
    assert only(one, theirs(-1)) == BACK


def test_equal_books_differ_nowhere() -> None:
    settled = bet(BetState.SETTLED, STAKED, ours(1, "done"))
    assert look(settled, theirs(1), theirs(-1)) == []
    assert look(bet(BetState.REFUNDED)) == []
    for state in ("absent", "refused", "parked"):
        assert look(bet(BetState.REFUSED, ours(-1, state))) == []
    assert look(settled, theirs(-1, transaction_id=None, partner_user_id=None, at=None), theirs(1, amount="10")) == []


@pytest.mark.parametrize(
    ("one", "listed", "expected"),
    [
        pytest.param(bet(BetState.ACCEPTING, ours(-1, "sending")), [theirs(-1)], LEFT, id="in-doubt-there"),
        pytest.param(bet(BetState.ACCEPTING, ours(-1, "sending")), [], LEFT, id="in-doubt-not-there"),
        pytest.param(bet(BetState.ACCEPTING, ours(-1, "parked")), [theirs(-1)], STATUS, id="parked-there"),
        pytest.param(
            bet(BetState.ACCEPTING, ours(-1, "parked"), ours(1, "sending")), [], LEFT, id="win-of-a-stake-in-doubt"
        ),
        pytest.param(
            bet(BetState.ACCEPTING, ours(-1, "parked"), ours(1, "sending")), [theirs(1)], LEFT, id="win-without-stake"
        ),
        pytest.param(
            bet(BetState.REFUSED, ours(-1, "absent"), ours(1, "absent")), [theirs(1)], MISSING_HERE, id="win-unearned"
        ),
        pytest.param(bet(BetState.ACCEPTANCE, STAKED), [], MISSING_THERE, id="stake-missing-there"),
        pytest.param(bet(BetState.ACCEPTANCE, STAKED), [theirs(-1), theirs(1)], MISSING_HERE, id="win-nobody-sent"),
        pytest.param(bet(BetState.SETTLING, STAKED, ours(1, "sending")), [theirs(-1)], ASKED, id="win-owed"),
        pytest.param(bet(BetState.REFUNDING, STAKED, ours(2, "sending")), [theirs(-1)], ASKED, id="return-owed"),
        pytest.param(
            bet(BetState.SETTLING, STAKED, ours(1, "sending")), [theirs(-1), theirs(1)], FOUND, id="win-made"
        ),
        pytest.param(
            bet(BetState.SETTLING, STAKED, ours(1, "parked")), [theirs(-1), theirs(1)], FOUND, id="win-parked-and-made"
        ),
        pytest.param(
            bet(BetState.REFUNDING, STAKED, ours(2, "parked")), [theirs(-1), theirs(2)], FOUND, id="return-made"
        ),
        pytest.param(
            bet(BetState.SETTLING, STAKED, ours(1, "parked")),
            [theirs(-1), theirs(1, amount="9.00")],
            AMOUNT,
            id="another-win-made",
        ),
        pytest.param(bet(BetState.SETTLED, STAKED, ours(1, "done")), [theirs(-1)], MISSING_THERE, id="win-missing"),
        pytest.param(
            bet(BetState.SETTLED, STAKED, ours(1, "paid_by_hand")), [theirs(-1), theirs(1)], STATUS, id="paid-twice"
        ),
        pytest.param(bet(BetState.REFUSED, ours(-1, "absent")), [theirs(-1)], BACK, id="refused-absent"),
        pytest.param(bet(BetState.REFUSED, ours(-1, "refused")), [theirs(-1)], BACK, id="refused-refused"),
        pytest.param(bet(BetState.REFUNDED, ours(-1, "absent")), [theirs(-1)], BACK, id="refunded-absent"),
        pytest.param(bet(BetState.REFUNDED), [theirs(-1)], MISSING_HERE, id="tombstone"),
        pytest.param(
            bet(BetState.REFUSED, ours(-1, "absent")), [theirs(-1, amount="10.01")], AMOUNT, id="not-our-amount"
        ),
        pytest.param(
            bet(BetState.REFUSED, ours(-1, "absent")), [theirs(-1, partner_user_id="eve")], AMOUNT, id="not-our-player"
        ),
        pytest.param(
            bet(BetState.REFUSED, ours(-1, "absent")), [theirs(-1, transaction_id="x")], AMOUNT, id="not-our-id"
        ),
        pytest.param(
            bet(BetState.REFUSED, ours(-1, "absent")), [theirs(-1), theirs(-1)], AMOUNT, id="taken-twice"
        ),
        pytest.param(
            bet(BetState.SETTLED, STAKED, ours(-2, "sending"), reversal=ReversalState.REVERSING),
            [theirs(-1), theirs(-2)],
            LEFT,
            id="claw-back-in-doubt",
        ),
        pytest.param(
            bet(BetState.SETTLED, STAKED, ours(-2, "absent"), reversal=ReversalState.REVERSING),
            [theirs(-1), theirs(-2)],
            LEFT,
            id="claw-back-between-windows",
        ),
        pytest.param(
            bet(BetState.SETTLED, STAKED, ours(-2, "refused"), reversal=ReversalState.REFUSED),
            [theirs(-1), theirs(-2)],
            MISSING_HERE,
            id="claw-back-after-its-end",
        ),
        pytest.param(
            bet(BetState.REFUSED, STAKED, ours(2, "sending"), reversal=ReversalState.REVERSING),
            [theirs(-1)],
            ASKED,
            id="reversal-owes",
        ),
    ],
)  # fmt: skip
def test_one_difference(one: OurBet, listed: list[Listed], expected: tuple[Kind, Outcome]) -> None:
    assert only(one, *listed) == expected


@pytest.mark.edge_case(95)
def test_what_was_paid_by_hand_and_is_listed_as_ours_is_paid_twice() -> None:
    (found,) = look(bet(BetState.SETTLED, STAKED, ours(1, "paid_by_hand")), theirs(-1), theirs(1))
    assert (incident_kind(found), found.theirs["transaction_id"]) == ("paid_twice", "7:1")
    (found,) = look(bet(BetState.ACCEPTING, ours(-1, "parked")), theirs(-1))
    assert incident_kind(found) == "reconciliation_status"


TAX = Money.parse("0.50", "EUR")


@pytest.mark.edge_case(133)
@pytest.mark.parametrize(
    ("sent", "listed", "differs"),
    [
        (TAX, "0.50", False),
        (TAX, "0.5000", False),
        (TAX, None, False),
        (None, "0.50", False),
        (TAX, "0.51", True),
        (TAX, "0.505", True),
        (TAX, "much", True),
    ],
)
def test_a_tax_is_compared_if_we_have_sent_one_and_the_casino_lists_one(
    sent: Money | None, listed: str | None, differs: bool
) -> None:
    found = look(bet(BetState.ACCEPTANCE, replace(STAKED, tax=sent)), theirs(-1, tax=listed))
    assert [(one.kind, one.remedy) for one in found] == ([AMOUNT] if differs else [])
    assert [(one.ours["tax"], one.theirs["tax"], one.theirs["reason"]) for one in found] == (
        [("0.50", listed, "other_tax")] if differs else []
    )


@pytest.mark.edge_case(133)
def test_a_stake_with_another_tax_is_not_returned() -> None:
    ended = bet(BetState.REFUSED, replace(ours(-1, "absent"), tax=TAX))
    assert only(ended, theirs(-1, tax="0.50")) == BACK
    assert only(ended, theirs(-1, tax="0.51")) == AMOUNT


def test_a_free_round_that_was_never_sent_is_not_missing() -> None:
    free = ours(-1, "done", Money(minor=0, currency="EUR"), error_code=None)
    assert look(bet(BetState.ACCEPTANCE, free)) == []
    assert only(bet(BetState.ACCEPTANCE, replace(free, error_code="200"))) == MISSING_THERE


@pytest.mark.parametrize(
    ("at", "late"),
    [
        (SENT + timedelta(seconds=314), False),
        (SENT + timedelta(seconds=315), True),
        (SENT - timedelta(seconds=300), False),
        (SENT - timedelta(seconds=301), True),
        (None, False),
    ],
)
def test_a_debit_from_a_moment_that_cannot_be_is_late(at: datetime | None, late: bool) -> None:
    found = look(bet(BetState.ACCEPTANCE, STAKED), theirs(-1, at=at))
    assert [(one.kind, one.remedy) for one in found] == ([(Kind.LATE, Outcome.NOTED)] if late else [])


def test_a_debit_of_the_future_is_late() -> None:
    open_long = replace(STAKED, not_after=NOW + timedelta(days=1))
    assert only(bet(BetState.ACCEPTANCE, open_long), theirs(-1, at=NOW + timedelta(seconds=301)))[0] is Kind.LATE


def test_what_is_said_names_no_player_and_can_be_stored() -> None:
    (found,) = look(
        bet(BetState.ACCEPTANCE, STAKED),
        theirs(-1, partner_user_id="eve", amount="9" * 999, partner_transaction_id="a\x00\ud800"),
    )
    said = f"{found.ours}{found.theirs}"
    assert "eve" not in said
    assert "anna" not in said
    assert found.theirs["partner_transaction_id"] == "a?"
    assert len(found.theirs["amount"]) == 200
    assert found.ours["player"] != found.theirs["player"]
    assert found.theirs["reason"] == "other_amount"


MOVEMENTS = st.lists(
    st.builds(ours, st.sampled_from([-2, -1, 1, 2]), st.sampled_from(STATES)),
    unique_by=lambda one: one.transaction_type,
)
LISTS = st.lists(
    st.builds(theirs, st.sampled_from([-2, -1, 1, 2, 4]), amount=st.sampled_from(["10.00", "9.00", "x"])), max_size=6
)


@given(st.sampled_from(list(BetState)), MOVEMENTS, LISTS)
def test_money_moves_only_for_what_no_workflow_resolves(
    state: BetState, movements: list[OurMovement], listed: list[Listed]
) -> None:
    one = bet(state, *movements)
    found = look(one, *listed)
    assert len({difference.transaction_type for difference in found}) == len(found)
    mine = {movement.transaction_type: movement for movement in movements}
    for difference in found:
        if difference.remedy is Outcome.RETURNED:
            assert one.ended_without_its_stake
            assert difference.transaction_type == -1
            assert mine[-1].state in ("absent", "refused")
        if difference.remedy is Outcome.ASKED_THE_BET:
            assert difference.transaction_type > 0
            state = mine[difference.transaction_type].state
            assert state == "sending" or (state == "parked" and difference.theirs)


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ("2026-11-22T12:00:00Z", NOW),
        ("2026-11-22T13:00:00+01:00", NOW),
        (int(NOW.timestamp()), NOW),
        (int(NOW.timestamp()) * 1000, NOW),
        ("2026-11-22T12:00:00", None),
        ("yesterday", None),
        (10**30, None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_a_timestamp_is_read_in_the_ways_that_are_clear(given_: object, read: datetime | None) -> None:
    assert moment(given_) == read


def test_ids_of_runs() -> None:
    there = datetime(2026, 11, 22, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    first = "reconciliation:royal:2026-11-22T01:00:00Z:2026-11-23T00:00:00Z"
    assert reconciliation_workflow_id("royal", *there) == first
    assert reconciliation_workflow_id("royal", *there, 2) == f"{first}:3"
    assert scheduled_reconciliation_workflow_id("royal", *there) == f"scheduled-{first}"
