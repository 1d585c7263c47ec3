"""The judgement of cashbacks, pools and balances: what is lost, doubled or off by one is noticed, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from devkit.chaos import balances, cashback_books, pools
from devkit.chaos.cashback_books import OurCashback
from devkit.chaos.cashbacks import Order, Way
from devkit.chaos.pools import Pool
from devkit.sandbox.provider.book import BookedBet, Ending, ReceivedAnswer, Stake
from devkit.sandbox.provider.client import Jackpot, Operation
from devkit.sandbox.provider.compare import CasinoMovement

FIVE = Decimal("5.00")
ORDER = Order(1, "c", "anna", FIVE, Way.ONCE, cashback_id=7, ended=True)
CANCELLED = replace(ORDER, cancelled=True, way=Way.CANCELLED)
ISSUED = OurCashback(7, "c", "anna", ORDER.key, FIVE, "issued")
TAKEN_BACK = replace(ISSUED, state="cancelled")
KEPT = replace(ISSUED, incidents=("cashback_not_cancelled",))
CREDIT, DEBIT = CasinoMovement(7, 1, FIVE), CasinoMovement(7, -2, FIVE)


def _differences(order: Order, rows: Sequence[OurCashback], *entries: CasinoMovement, casino: str = "c") -> list[str]:
    return [one.what for one in cashback_books.compare([order], rows, {casino: entries})]


@pytest.mark.parametrize(
    ("order", "row", "entries"),
    [
        (ORDER, ISSUED, [CREDIT]),
        (CANCELLED, TAKEN_BACK, [CREDIT, DEBIT]),
        (CANCELLED, KEPT, [CREDIT]),
        (replace(CANCELLED, kept=True), KEPT, [CREDIT]),
        # The first cancel was absent, and it was asked for again.
        (CANCELLED, replace(TAKEN_BACK, incidents=KEPT.incidents), [CREDIT, DEBIT]),
    ],
)
def test_books_that_agree_show_no_difference(order: Order, row: OurCashback, entries: list[CasinoMovement]) -> None:
    assert _differences(order, [row], *entries) == []


@pytest.mark.parametrize(
    ("order", "rows", "entries", "what"),
    [
        (ORDER, [], [], "it is 0 cashbacks"),
        (ORDER, [ISSUED], [], "it is issued with 5.00, the casino has nothing"),
        (ORDER, [ISSUED], [CREDIT, CREDIT], "it is issued with 5.00, the casino has win 5.00, win 5.00"),
        (ORDER, [ISSUED], [replace(CREDIT, amount=Decimal("5.01"))], "it is issued with 5.00, the casino has win 5.01"),
        (ORDER, [ISSUED, replace(ISSUED, cashback_id=8)], [CREDIT], "it is 2 cashbacks"),
        (ORDER, [replace(ISSUED, state="issuing", at_rest=False)], [CREDIT], "its cancel was never asked for"),
        (ORDER, [TAKEN_BACK], [CREDIT, DEBIT], "its cancel was never asked for, and it is cancelled"),
        (ORDER, [replace(ISSUED, player="bert")], [CREDIT], "ordered was"),
        (ORDER, [replace(ISSUED, amount=Decimal("5.01"))], [CREDIT], "ordered was"),
        (replace(ORDER, cashback_id=8), [ISSUED], [CREDIT], "ordered was"),
        (replace(ORDER, ended=False), [ISSUED], [CREDIT], "unresolved"),
        (replace(ORDER, wrong=["it was answered twice"]), [ISSUED], [CREDIT], "it was answered twice"),
        # An operator who is not informed of it takes the money for taken back.
        (CANCELLED, [ISSUED], [CREDIT], "its cancel was answered with: it is asked for, and it is issued"),
        (CANCELLED, [TAKEN_BACK], [CREDIT], "it is cancelled with 5.00, the casino has win 5.00"),
        (CANCELLED, [TAKEN_BACK], [DEBIT, CREDIT], "it is cancelled with 5.00, the casino has win back 5.00, win"),
        (CANCELLED, [KEPT], [CREDIT, DEBIT], "it is not cancelled with 5.00, the casino has win 5.00, win back"),
        (replace(CANCELLED, kept=True), [TAKEN_BACK], [CREDIT, DEBIT], "its cancel was answered with: the casino"),
    ],
)
def test_what_differs_is_noticed(
    order: Order, rows: list[OurCashback], entries: list[CasinoMovement], what: str
) -> None:
    assert any(found.startswith(what) for found in _differences(order, rows, *entries))


def test_what_no_order_explains_is_noticed() -> None:
    stranger = replace(ISSUED, cashback_id=9, key="operator:other")
    assert _differences(ORDER, [ISSUED, stranger], CREDIT) == ["operator:other: no order explains it"]
    left = replace(CREDIT, casino_bet_id=9)
    assert _differences(ORDER, [ISSUED], CREDIT, left) == ["c has win 5.00, no order explains it"]
    # Made at another casino than that of its player.
    assert len(_differences(ORDER, [ISSUED], CREDIT, casino="d")) == 2


def test_cashbacks_are_counted_by_their_ends() -> None:
    rows = [ISSUED, ISSUED, KEPT, TAKEN_BACK, replace(ISSUED, at_rest=False)]
    assert cashback_books.ends(rows) == {"issued": 2, "not cancelled": 1, "cancelled": 1, "open": 1}


def _bet(
    name: str, stake: str, win: str | None, jackpot: Jackpot | None = None, answered: str | None = None
) -> BookedBet:
    """Return a bet that was settled, or refunded without a win; its last answer names this jackpot."""
    operation = Operation.REFUND if win is None else Operation.PAY_OUT
    heard = [
        ReceivedAnswer("2030-01-01T00:00:00+00:00", one, 1, 200, "", 5, True, None, amount)
        for one, amount in ((Operation.PAY_IN, None), (operation, answered and Decimal(answered)))
    ]
    ending = Ending(win and Decimal(win), jackpot)
    return BookedBet(Stake(name, 1, "s", "anna", "r", "EUR", Decimal(stake)), ending, heard)


GRAND = Jackpot(pool=1)
BETS = [
    _bet("won", "10.00", "19.60", GRAND, "100.15"),
    _bet("lost", "0.50", "0.00"),
    _bet("back", "20.00", None),
    _bet("seed", "2.50", "0.00", GRAND, "100.00"),
]
# Of 13.00 staked 19 minor units are added; two seeds of three are won.
POOL = Pool(1, Decimal("0.0151"), 10000, 10004, 1300, 19, 3, {"won": 10015, "seed": 10000})


def test_a_pool_that_is_as_the_book_has_it_shows_no_difference() -> None:
    assert pools.compare(POOL, BETS) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 10005},
        {"contributed": 20, "amount": 10005},
        {"stakes": 1301},
        {"stakes": 3300, "contributed": 49, "amount": 10034},
    ],
)
def test_a_pool_that_is_off_by_one_is_noticed(changed: dict[str, Any]) -> None:
    found = pools.compare(replace(POOL, **changed), BETS)
    assert len(found) == 1
    assert "stakes, contributions and amount" in found[0]


def test_a_jackpot_that_was_paid_and_not_answered_is_noticed() -> None:
    silent = [_bet("won", "10.00", "19.60", GRAND), *BETS[1:]]
    assert pools.compare(POOL, silent, whole=False) == ["pool 1: won was answered None, and 10015 was taken"]
    paid_to_another = replace(POOL, wins={**POOL.wins, "lost": 10000})
    assert pools.compare(paid_to_another, BETS, whole=False) == ["pool 1: lost was answered None, and 10000 was taken"]
    assert pools.compare(paid_to_another, BETS, ["lost"], whole=False) == []


def test_a_jackpot_that_was_answered_and_not_paid_is_noticed() -> None:
    kept = replace(POOL, wins={"won": 10014})
    assert pools.compare(kept, BETS, whole=False) == [
        "pool 1: seed was answered 10000, and None was taken",
        "pool 1: won was answered 10015, and 10014 was taken",
    ]


def test_a_balance_is_what_all_books_come_to() -> None:
    hundred = Decimal(100)
    assert balances.expected(hundred, BETS[:3], [], []) == Decimal("209.25")
    assert balances.expected(hundred, [], [ISSUED, TAKEN_BACK, KEPT], []) == Decimal("110.00")
    assert balances.expected(hundred, [], [], [CREDIT, DEBIT, replace(DEBIT, transaction_type=-1)]) == Decimal("95.00")
