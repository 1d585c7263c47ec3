"""Jackpots: what a bet wins beside its winnings."""

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
