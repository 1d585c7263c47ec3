"""Comparing the provider's, the aggregator's and the casino's books."""

from dataclasses import replace
from decimal import Decimal

import pytest

from devkit.sandbox.provider.book import Book, BookedBet, Ending, Stake
from devkit.sandbox.provider.client import Answer
from devkit.sandbox.provider.compare import AggregatorBet, CasinoMovement, compare

TEN, ZERO, WIN = Decimal("10.00"), Decimal(0), Decimal("19.60")
REFUNDED = Ending(None)


def bet(
    opened: int | None, ending: Ending | None = None, end: int | None = 1, *, win: Decimal | None = None, why: str = ""
) -> BookedBet:
    """Return a bet whose first call and ending were answered with these codes; None is no definite answer.

    ``win`` makes it one of one step.
    """
    book = Book()
    made = book.open_bet(Stake("bet-1", 1, "session-1", "player-1", "round-1", "EUR", TEN, win))
    book.record(made, made.stake.opening, Answer(opened, 200, "", 1))
    if ending is not None:
        book.decide(made, ending)
    if made.closing not in (None, made.stake.opening):
        book.record(made, made.closing, Answer(end, 200, why, 1))
    return made


def row(
    state: str, win: Decimal | None = None, stake: Decimal | None = TEN, *, taken_back: bool = False
) -> AggregatorBet:
    return AggregatorBet(42, state, stake, win, (), taken_back)


def journal(*movements: tuple[int, Decimal], number: int = 42) -> list[CasinoMovement]:
    return [CasinoMovement(number, kind, amount) for kind, amount in movements]


SAYS_REVERSED, WANTED_REVERSED = "says settled and reversed", "says refunded: wanted settled and reversed"
SETTLED = journal((-1, TEN), (1, WIN))
TAKEN_BACK = journal((-1, TEN), (1, WIN), (-2, WIN), (2, TEN))

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
    "refused, its stake found and returned": (
        bet(7), row("refused", taken_back=True), journal((-1, TEN), (2, TEN))
    ),
    "one step": (bet(1, Ending(WIN), win=WIN), row("settled", WIN), SETTLED),
    "one step, loss": (bet(1, Ending(ZERO), win=ZERO), row("settled", ZERO), journal((-1, TEN), (1, ZERO))),
    "one step, no money": (bet(4, win=WIN), row("refused", WIN), journal()),
    "one step, no session": (bet(3, win=WIN), None, journal()),
    "reversed": (bet(1, REFUNDED, win=WIN), row("settled", WIN, taken_back=True), TAKEN_BACK),
    "reversed loss": (
        bet(1, REFUNDED, win=ZERO), row("settled", ZERO, taken_back=True), journal((-1, TEN), (1, ZERO), (2, TEN))
    ),
    "reversal refused": (bet(1, REFUNDED, 7, win=WIN, why="casino_refused"), row("settled", WIN), SETTLED),
    "one step called off, tombstone": (bet(None, REFUNDED, win=WIN), row("refunded", stake=None), journal()),
    "one step called off before its win": (
        bet(None, REFUNDED, win=WIN), row("refunded", WIN), journal((-1, TEN), (2, TEN))
    ),
    "one step called off after its win": (
        bet(None, REFUNDED, win=WIN), row("settled", WIN, taken_back=True), TAKEN_BACK
    ),
    "one step called off, refused": (
        bet(None, REFUNDED, 6, win=WIN, why="bet_refused"), row("refused", WIN), journal()
    ),
}  # fmt: skip

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
    "reversed, but not asked for": (
        bet(1, Ending(WIN)), row("settled", WIN, taken_back=True), journal((-1, TEN), (1, WIN)), SAYS_REVERSED
    ),
    "two steps, reversed": (bet(1, REFUNDED), row("settled", WIN, taken_back=True), TAKEN_BACK, SAYS_REVERSED),
    "two steps, called off and reversed": (
        bet(None, REFUNDED), row("settled", WIN, taken_back=True), TAKEN_BACK, SAYS_REVERSED
    ),
    "refused with money moved back twice": (
        bet(4), row("refused"), journal((-1, TEN), (2, TEN), (2, TEN)), "casino has"
    ),
    "refused, reversed, yet nothing moved": (bet(4), row("refused", taken_back=True), journal(), "casino has"),
    "one step, no answer": (bet(None, win=WIN), row("settled", WIN), SETTLED, "unresolved"),
    "one step, refund refused": (bet(1, REFUNDED, 6, win=WIN, why="already_settled"), row("settled", WIN), SETTLED,
        "contested: refund was answered 6 already_settled"),
    "one step, win missing": (bet(1, Ending(WIN), win=WIN), row("settled", WIN), journal((-1, TEN)), "casino has"),
    "one step, only its stake returned": (
        bet(1, REFUNDED, win=WIN), row("refunded", WIN), journal((-1, TEN), (2, TEN)), WANTED_REVERSED
    ),
    "one step, refunded and its win kept": (
        bet(1, REFUNDED, win=WIN), row("settled", WIN, taken_back=True), journal((-1, TEN), (1, WIN), (2, TEN)),
        "casino has",
    ),
    "one step, refund not carried out": (bet(1, REFUNDED, win=WIN), row("settled", WIN), SETTLED, "says settled"),
    "reversed at the casino, not in the row": (
        bet(1, REFUNDED, win=WIN), row("settled", WIN), TAKEN_BACK, "says settled"
    ),
    "reversal refused, yet moved": (
        bet(1, REFUNDED, 7, win=WIN, why="casino_refused"), row("settled", WIN), TAKEN_BACK, "casino has"
    ),
    "stake back before the win was": (
        bet(1, REFUNDED, win=WIN), row("settled", WIN, taken_back=True),
        journal((-1, TEN), (1, WIN), (2, TEN), (-2, WIN)), "casino has",
    ),
    "win of another amount taken back": (
        bet(1, REFUNDED, win=WIN), row("settled", WIN, taken_back=True),
        journal((-1, TEN), (1, WIN), (-2, TEN), (2, TEN)), "casino has",
    ),
    "a loss taken back": (
        bet(1, REFUNDED, win=ZERO), row("settled", ZERO, taken_back=True),
        journal((-1, TEN), (1, ZERO), (-2, ZERO), (2, TEN)), "casino has",
    ),
    "reversed with another win": (
        bet(1, REFUNDED, win=WIN), row("settled", TEN, taken_back=True), TAKEN_BACK, "win is"
    ),
    "row says refunded, casino took the win back": (
        bet(None, REFUNDED, win=WIN), row("refunded", WIN), TAKEN_BACK, "casino has"
    ),
    "row says reversed, casino paid no win": (
        bet(None, REFUNDED, win=WIN), row("settled", WIN, taken_back=True), journal((-1, TEN), (2, TEN)), "casino has"
    ),
}  # fmt: skip


def find(made: BookedBet, ours: AggregatorBet | None, movements: list[CasinoMovement]) -> list[str]:
    """Return the differences if the aggregator has recorded as done what the casino has of its bet."""
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
