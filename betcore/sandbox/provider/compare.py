"""Three books about the same bets: the provider's, the aggregator's, the casino's. They must say the same.

The provider's answers are the measure. What it was told is settled must be settled everywhere with its stake and its
win; a bet that it holds for refunded or refused must have left the player's money where it was.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from betcore.sandbox.provider.book import BookedBet, Outcome
from betcore.sandbox.provider.client import NOT_ENOUGH_MONEY, REFUSED, Operation

STAKE, WIN, RETURN = -1, 1, 2  # TransactionType at the casino


@dataclass(frozen=True, slots=True)
class CasinoMovement:
    """One movement as the casino or the aggregator tells it, in major units; the type says which way it went."""

    casino_bet_id: int
    transaction_type: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class AggregatorBet:
    """The aggregator's row of a bet in major units, with the movements that it holds for done.

    ``casino_bet_id`` is the number that the casino knows the bet by.
    """

    casino_bet_id: int
    state: str
    stake: Decimal | None
    win: Decimal | None
    movements: tuple[CasinoMovement, ...]


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
    """Everything on which the three books differ; an empty list where they agree.

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
        found.append(Difference(f"casino:{number}", f"the casino has {_told(unexplained)}, no book explains it"))
    return found


def _check(bet: BookedBet, row: AggregatorBet | None, at_casino: Sequence[CasinoMovement]) -> list[str]:
    outcome = bet.outcome
    if outcome is Outcome.OPEN:
        return ["unresolved: the provider has no definite answer"]
    if outcome is Outcome.CONTESTED:
        return [f"contested: {_last_words(bet)}"]
    found = (
        _check_row(bet, outcome, row),
        _check_casino(bet, outcome, at_casino),
        _check_between(row.movements if row else (), at_casino),
    )
    return [what for what in found if what is not None]


def _check_row(bet: BookedBet, outcome: Outcome, row: AggregatorBet | None) -> str | None:
    if row is None:
        # A malformed call, a session that is none and a bad signature leave no row; nothing else may.
        said = bet.definite(Operation.PAY_IN)
        leaves_none = outcome is Outcome.REFUSED and said is not None and said.code in (2, 3, 8)
        return None if leaves_none else f"provider says {outcome}, the aggregator has no such bet"
    if row.state not in _states(bet, outcome):
        return f"provider says {outcome}, the aggregator says {row.state}"
    if row.stake is not None and row.stake != bet.stake.amount:
        return f"provider's stake is {bet.stake.amount}, the aggregator's {row.stake}"
    win = bet.ending.win if bet.ending else None
    if outcome is Outcome.SETTLED and row.win != win:
        return f"provider's win is {win}, the aggregator's {row.win}"
    return None


def _states(bet: BookedBet, outcome: Outcome) -> tuple[str, ...]:
    if outcome is Outcome.SETTLED:
        return ("settled",)
    if bet.was_done(Operation.PAY_IN):
        return ("refunded",)
    said = bet.definite(Operation.PAY_IN)
    if said is not None and said.code in (NOT_ENOUGH_MONEY, REFUSED):
        return ("refused",)
    # The provider never heard that the stake was taken: refused and refunded are the same to it and to the player.
    return ("refunded", "refused")


def _check_casino(bet: BookedBet, outcome: Outcome, at_casino: Sequence[CasinoMovement]) -> str | None:
    amount = bet.stake.amount
    taken_and_returned = [(STAKE, amount), (RETURN, amount)]
    if outcome is Outcome.SETTLED:
        win = bet.ending.win if bet.ending and bet.ending.win is not None else Decimal(0)
        allowed = [[(STAKE, amount), (WIN, win)]]
    elif bet.was_done(Operation.PAY_IN):
        allowed = [taken_and_returned]
    else:
        allowed = [[], taken_and_returned]
    if any(_counted(at_casino) == Counter(one) for one in allowed):
        return None
    return f"provider says {outcome} with stake {amount}, the casino has {_told(at_casino)}"


def _check_between(ours: Sequence[CasinoMovement], at_casino: Sequence[CasinoMovement]) -> str | None:
    if _counted(ours) == _counted(at_casino):
        return None
    return f"the aggregator holds for done {_told(ours)}, the casino has {_told(at_casino)}"


def _counted(movements: Sequence[CasinoMovement]) -> Counter[tuple[int, Decimal]]:
    return Counter((one.transaction_type, one.amount) for one in movements)


def _told(movements: Sequence[CasinoMovement]) -> str:
    names = {STAKE: "stake", WIN: "win", RETURN: "return"}
    words = [f"{names.get(one.transaction_type, one.transaction_type)} {one.amount}" for one in movements]
    return ", ".join(words) or "nothing"


def _last_words(bet: BookedBet) -> str:
    said = bet.definite(bet.ending.operation) if bet.ending else None
    return f"{said.operation} was answered {said.code} {said.reason}".rstrip() if said else "no answer"
