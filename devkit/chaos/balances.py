"""The balance of each player at its casino: what it began with, and what the books of the run come to."""

from collections.abc import Iterable
from decimal import Decimal

from devkit.chaos.cashback_books import OurCashback
from devkit.sandbox.provider.book import BookedBet, Outcome
from devkit.sandbox.provider.compare import CasinoMovement


def expected(
    money: Decimal,
    bets: Iterable[BookedBet],
    cashbacks: Iterable[OurCashback],
    unjudged: Iterable[CasinoMovement],
) -> Decimal:
    """Return the balance of a player who began with this money; ``unjudged`` is what no book of the run answers for."""
    moved = sum((_won(bet) for bet in bets), Decimal(0)) + sum((one.has_moved for one in cashbacks), Decimal(0))
    return money + moved + sum((_signed(one) for one in unjudged), Decimal(0))


def _won(bet: BookedBet) -> Decimal:
    """Return what a bet has left its player: all of it if it has settled, else nothing."""
    if bet.outcome is not Outcome.SETTLED:
        return Decimal(0)
    return (bet.win or Decimal(0)) + (bet.jackpot or Decimal(0)) - bet.stake.amount


def _signed(movement: CasinoMovement) -> Decimal:
    return movement.amount if movement.transaction_type > 0 else -movement.amount
