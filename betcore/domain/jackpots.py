"""Jackpots: what a bet wins beside its winnings, and the pools of this service."""

import re
from dataclasses import dataclass
from decimal import Decimal

from betcore.domain.errors import InvalidInput, Malformed
from betcore.domain.message_base import Message
from betcore.domain.money import Money


class Jackpot(Message):
    """What a provider's call asks to pay beside the winnings: an amount of the provider's own, or one of our pools.

    Exactly one of both is given.
    """

    amount: Money | None = None
    jackpot_id: int | None = None

    def __str__(self) -> str:
        return f"pool {self.jackpot_id}" if self.amount is None else f"{self.amount.currency} {self.amount}"


@dataclass(frozen=True, slots=True)
class NewPool:
    """A pool that an operator adds: whose it is, what contributes to it, and how much.

    Stakes of one game of the provider contribute, or those of all its games of a category. ``seed`` is what the pool
    begins with, and begins with again after each win.
    """

    casino: str
    name: str
    provider: str
    game_id: str | None
    category: str | None
    share: Decimal
    seed: Money

    def __post_init__(self) -> None:
        """Raise InvalidInput(invalid_operation) unless it has a game or a category, and not both."""
        if (self.game_id is None) == (self.category is None):
            raise InvalidInput("a jackpot is of one game, or of a category: name one", code="invalid_operation")


# Exactly as written: a share that was rounded once would be wrong in every contribution.
_SHARE = re.compile(r"0\.[0-9]{1,8}")


def share(text: str) -> Decimal:
    """Return the part of each stake that goes to a pool. Raises InvalidInput(invalid_operation)."""
    if not _SHARE.fullmatch(text) or not Decimal(text):
        raise InvalidInput("share: between 0 and 1, such as 0.015, at most 8 decimals", code="invalid_operation")
    return Decimal(text)


def seed(text: str, currency: str) -> Money:
    """Return what a pool begins with, in major units. Raises InvalidInput(invalid_operation)."""
    return _money("seed", text, currency)


def adjustment(text: str, currency: str) -> int:
    """Return an amount in minor units that is put into a pool, or below zero if it is taken out.

    Raises InvalidInput(invalid_operation), also for nothing.
    """
    minor = _money("amount", text.removeprefix("-"), currency).minor
    if not minor:
        raise InvalidInput("amount: nothing would change", code="invalid_operation")
    return -minor if text.startswith("-") else minor


def _money(name: str, text: str, currency: str) -> Money:
    try:
        return Money.parse(text, currency)
    except Malformed as error:
        raise InvalidInput(f"{name}: {error}", code="invalid_operation") from None
