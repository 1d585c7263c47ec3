"""Comparing the provider's, the aggregator's and the casino's books."""

from dataclasses import replace
from decimal import Decimal

import pytest

from betcore.sandbox.provider.book import Book, BookedBet, Ending, Stake
from betcore.sandbox.provider.client import Answer, Operation
from betcore.sandbox.provider.compare import AggregatorBet, CasinoMovement, compare

TEN, ZERO, WIN = Decimal("10.00"), Decimal(0), Decimal("19.60")
REFUNDED = Ending(None)


def bet(pay_in: int | None, ending: Ending | None = None, end: int | None = 1) -> BookedBet:
    """A bet whose PayIn and ending were answered with these codes; None is no definite answer."""
    book = Book()
    made = book.open_bet(Stake("bet-1", 1, "session-1", "player-1", "round-1", "EUR", TEN))
    book.hear(made, Operation.PAY_IN, Answer(pay_in, 200, "", 1))
    if ending is not None:
        book.decide(made, ending)
        book.hear(made, ending.operation, Answer(end, 200, "", 1))
    return made


def row(state: str, win: Decimal | None = None, stake: Decimal | None = TEN) -> AggregatorBet:
    return AggregatorBet(42, state, stake, win, ())


def journal(*movements: tuple[int, Decimal], number: int = 42) -> list[CasinoMovement]:
    return [CasinoMovement(number, kind, amount) for kind, amount in movements]


EQUAL = {
    "win": (bet(1, Ending(WIN)), row("settled", WIN), journal((-1, TEN), (1, WIN))),
    "win, said 104": (bet(104, Ending(WIN), 104), row("settled", WIN), journal((-1, TEN), (1, WIN))),
    "loss": (bet(1, Ending(ZERO)), row("settled", ZERO), journal((-1, TEN), (1, ZERO))),
    "refund": (bet(1, REFUNDED), row("refunded"), journal((-1, TEN), (2, TEN))),
    "no money": (bet(4), row("refused"), journal()),
    "malformed, no row": (bet(2), None, journal()),
    "called off, tombstone": (bet(None, REFUNDED), row("refunded", stake=None), journal()),
    "called off, debited": (bet(None, REFUNDED), row("refunded"), journal((-1, TEN), (2, TEN))),
    "called off, refused": (bet(None, REFUNDED), row("refused"), journal()),
    "withdrawn": (bet(6), row("refunded"), journal((-1, TEN), (2, TEN))),
}

DIFFERENT = {
    "no answer": (bet(None), row("acceptance"), journal((-1, TEN)), "unresolved"),
    "pay-out refused": (bet(1, Ending(WIN), 6), row("refunded"), journal((-1, TEN), (2, TEN)), "contested"),
    "no row": (bet(1, Ending(WIN)), None, journal(), "no such bet"),
    "no row after a refusal": (bet(4), None, journal(), "no such bet"),
    "other state": (bet(1, Ending(WIN)), row("refunded"), journal((-1, TEN), (1, WIN)), "says refunded"),
    "told done, then refused": (bet(1, REFUNDED), row("refused"), journal((-1, TEN), (2, TEN)), "says refused"),
    "other stake": (bet(1, Ending(WIN)), row("settled", WIN, Decimal(9)), journal((-1, TEN), (1, WIN)), "stake is"),
    "other win": (bet(1, Ending(WIN)), row("settled", ZERO), journal((-1, TEN), (1, WIN)), "win is"),
    "double debit": (bet(1, Ending(WIN)), row("settled", WIN), journal((-1, TEN), (-1, TEN), (1, WIN)), "casino has"),
    "double credit": (bet(1, Ending(WIN)), row("settled", WIN), journal((-1, TEN), (1, WIN), (1, WIN)), "casino has"),
    "credit missing": (bet(1, Ending(WIN)), row("settled", WIN), journal((-1, TEN)), "casino has"),
    "return missing": (bet(1, REFUNDED), row("refunded"), journal((-1, TEN)), "casino has"),
    "no money, but refunded": (bet(4), row("refunded"), journal((-1, TEN), (2, TEN)), "says refunded"),
    "refused, but taken": (bet(4), row("refused"), journal((-1, TEN)), "casino has"),
    "refunded, but never taken": (bet(1, REFUNDED), row("refunded"), journal(), "casino has nothing"),
    "nobody's movement": (bet(4), row("refused"), journal((-1, TEN), number=43), "no book explains"),
}


def find(made: BookedBet, ours: AggregatorBet | None, movements: list[CasinoMovement]) -> list[str]:
    """What differs where the aggregator holds for done what the casino has for its bet."""
    if ours is not None:
        ours = replace(ours, movements=tuple(one for one in movements if one.casino_bet_id == ours.casino_bet_id))
    return [one.what for one in compare([made], {"bet-1": ours} if ours else {}, movements)]


@pytest.mark.parametrize("case", EQUAL)
def test_books_that_agree(case: str) -> None:
    assert find(*EQUAL[case]) == []


@pytest.mark.parametrize("case", DIFFERENT)
def test_books_that_differ(case: str) -> None:
    *books, what = DIFFERENT[case]
    found = find(*books)
    assert len([one for one in found if what in one]) == 1, found


def test_a_movement_that_the_aggregator_does_not_hold_for_done() -> None:
    called_off, refunded = bet(None, REFUNDED), {"bet-1": row("refunded")}
    (found,) = compare([called_off], refunded, journal((-1, TEN), (2, TEN)))
    assert found.what == "the aggregator holds for done nothing, the casino has stake 10.00, return 10.00"
