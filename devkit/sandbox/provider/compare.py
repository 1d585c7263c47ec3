"""Three books about the same bets: the provider's, the aggregator's, the casino's. They must agree.

The provider's answers are the measure. What was answered as settled must be settled everywhere with its stake and its
win; a bet that its answers refunded or refused must have left the player's money where it was. For each bet they leave
one or a few ways in which it may stand (``Standing``), and the other two books must show one of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from devkit.sandbox.provider.book import BookedBet, Outcome
from devkit.sandbox.provider.client import NOT_ENOUGH_MONEY, REFUSED

CLAW_BACK, STAKE, WIN, RETURN, JACKPOT = -2, -1, 1, 2, 4  # TransactionType at the casino
LEAVE_NO_ROW = (2, 3, 8)  # a malformed call, a session that is none, a bad signature; nothing else may leave none


@dataclass(frozen=True, slots=True)
class CasinoMovement:
    """One movement as the casino or the aggregator lists it, in major units; the type gives its direction."""

    casino_bet_id: int
    transaction_type: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class AggregatorBet:
    """The aggregator's row of a bet in major units, with the movements that it has as done.

    ``casino_bet_id`` is the number that the casino knows the bet by; ``reversed`` is a bet that was taken back after it
    had ended.
    """

    casino_bet_id: int
    state: str
    stake: Decimal | None
    win: Decimal | None
    movements: tuple[CasinoMovement, ...]
    reversed: bool = False


Leg = tuple[int, Decimal]  # TransactionType and amount


@dataclass(frozen=True, slots=True)
class Standing:
    """One way in which a bet may stand: the aggregator's row (None for no row), and what the casino has, in order."""

    state: str | None
    legs: tuple[Leg, ...]
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Something on which the books do not agree."""

    bet_id: str
    what: str


def compare(
    provider: Iterable[BookedBet],
    aggregator: Mapping[str, AggregatorBet],
    casino: Iterable[CasinoMovement],
) -> list[Difference]:
    """Return everything on which the three books differ; an empty list if they agree.

    ``aggregator`` is by the provider's bet id. ``casino`` holds all movements of the players in question: one that no
    bet of the book explains is a difference too.
    """
    movements: dict[int, list[CasinoMovement]] = defaultdict(list)
    for movement in casino:
        movements[movement.casino_bet_id].append(movement)
    found = []
    for bet in provider:
        bet_id, row = bet.stake.bet_id, aggregator.get(bet.stake.bet_id)
        at_casino = movements.pop(row.casino_bet_id, []) if row else []
        found += [Difference(bet_id, what) for what in _check(bet, row, at_casino)]
    for number, unexplained in movements.items():
        found.append(Difference(f"casino:{number}", f"the casino has {in_words(unexplained)}, no book explains it"))
    return found


def _check(bet: BookedBet, row: AggregatorBet | None, at_casino: Sequence[CasinoMovement]) -> list[str]:
    outcome = bet.outcome
    if outcome is Outcome.OPEN:
        return ["unresolved: the provider has no definite answer"]
    if outcome is Outcome.CONTESTED:
        return [f"contested: {_last_answer(bet)}"]
    allowed = _standings(bet, outcome)
    shown = (row.state, row.reversed) if row else (None, False)
    fitting = [one for one in allowed if (one.state, one.reversed) == shown]
    found = (
        None
        if fitting
        else f"provider says {outcome}, the aggregator {_row_in_words(*shown)}: wanted {_wanted(allowed)}",
        _check_amounts(bet, row) if row else None,
        _check_casino(bet, fitting or allowed, at_casino),
        _check_between(row.movements if row else (), at_casino),
    )
    return [what for what in found if what is not None]


def _standings(bet: BookedBet, outcome: Outcome) -> list[Standing]:
    """Return every way in which the bet may stand, given the answers that the provider received."""
    if outcome is Outcome.SETTLED:
        return [Standing("settled", _settled_legs(bet))]
    answer = bet.definite(bet.stake.opening)
    if outcome is Outcome.REFUNDED and bet.was_opened:
        return [_reversed(bet) if bet.stake.one_step else Standing("refunded", _returned_legs(bet))]
    if outcome is Outcome.REFUSED and answer is not None and answer.code in (NOT_ENOUGH_MONEY, REFUSED):
        return _untouched("refused", bet)
    # The provider never learned that the stake was taken: refused and refunded are the same to it and to the player.
    standings = _untouched("refused", bet) + _untouched("refunded", bet)
    if outcome is Outcome.REFUNDED and bet.stake.one_step:
        standings.append(_reversed(bet))
    if outcome is Outcome.REFUSED and answer is not None and answer.code in LEAVE_NO_ROW:
        standings.append(Standing(None, ()))
    return standings


def _untouched(state: str, bet: BookedBet) -> list[Standing]:
    # A stake that appears at the casino after the bet has ended without it is returned by a reversal beside the bet.
    returned = _returned_legs(bet)
    return [Standing(state, ()), Standing(state, returned), Standing(state, returned, reversed=True)]


def _reversed(bet: BookedBet) -> Standing:
    """Return the movements of a reversed bet of one step: the win is taken back first, if there is one, then the
    stake returned."""
    settled, win = _settled_legs(bet), bet.win
    back = ((CLAW_BACK, win),) if win else ()
    return Standing("settled", (*settled, *back, (RETURN, bet.stake.amount)), reversed=True)


def _settled_legs(bet: BookedBet) -> tuple[Leg, ...]:
    jackpot = ((JACKPOT, bet.jackpot),) if bet.jackpot else ()
    return (STAKE, bet.stake.amount), (WIN, bet.win or Decimal(0)), *jackpot


def _returned_legs(bet: BookedBet) -> tuple[Leg, ...]:
    return (STAKE, bet.stake.amount), (RETURN, bet.stake.amount)


def _row_in_words(state: str | None, is_reversed: bool) -> str:
    return "has no such bet" if state is None else f"says {state}" + (" and reversed" if is_reversed else "")


def _wanted(allowed: Sequence[Standing]) -> str:
    words = {(one.state or "no row") + (" and reversed" if one.reversed else "") for one in allowed}
    return " or ".join(sorted(words))


def _check_amounts(bet: BookedBet, row: AggregatorBet) -> str | None:
    if row.stake is not None and row.stake != bet.stake.amount:
        return f"provider's stake is {bet.stake.amount}, the aggregator's {row.stake}"
    if row.state == "settled" and row.win != bet.win:
        return f"provider's win is {bet.win}, the aggregator's {row.win}"
    return None


def _check_casino(bet: BookedBet, allowed: Sequence[Standing], at_casino: Sequence[CasinoMovement]) -> str | None:
    legs = tuple((one.transaction_type, one.amount) for one in at_casino)
    if any(legs == one.legs for one in allowed):
        return None
    return f"provider says {bet.outcome} with stake {bet.stake.amount}, the casino has {in_words(at_casino)}"


def _check_between(ours: Sequence[CasinoMovement], at_casino: Sequence[CasinoMovement]) -> str | None:
    if _counted(ours) == _counted(at_casino):
        return None
    return f"the aggregator holds for done {in_words(ours)}, the casino has {in_words(at_casino)}"


def _counted(movements: Sequence[CasinoMovement]) -> Counter[tuple[int, Decimal]]:
    return Counter((one.transaction_type, one.amount) for one in movements)


def in_words(movements: Sequence[CasinoMovement]) -> str:
    """Return movements in words, in their order."""
    names = {STAKE: "stake", WIN: "win", CLAW_BACK: "win back", RETURN: "return", JACKPOT: "jackpot"}
    words = [f"{names.get(one.transaction_type, one.transaction_type)} {one.amount}" for one in movements]
    return ", ".join(words) or "nothing"


def _last_answer(bet: BookedBet) -> str:
    answer = bet.definite(bet.closing) if bet.closing else None
    return f"{answer.operation} was answered {answer.code} {answer.reason}".rstrip() if answer else "no answer"
