"""The policy of movements and of bets: the part of the profiles that they follow until they end."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field

from betcore.domain.message_base import Message
from betcore.domain.money import Money
from betcore.domain.profiles import CasinoProfile, ProviderProfile


class Retry(Message):
    """Backoff of the slow lane."""

    first: timedelta
    factor: float
    cap: timedelta

    def gap(self, attempts: int) -> timedelta:
        """Return the gap after the given number of attempts."""
        return min(self.first * self.factor ** min(attempts - 1, 30), self.cap)


class MovementPolicy(Message):
    """The part of a casino's profile that movements follow to their end, even if an operator changes the profile."""

    message_lifetime: timedelta
    attempt_timeout: timedelta
    fast_attempts: int
    absence_after: timedelta
    effect_within: timedelta
    retry: Retry
    close: bool
    # How long an Accept may take; None if the casino's answer to make is final.
    accept_within: timedelta | None = None
    # Limits in major units by currency. An operator's action above its limit, or in a currency without a limit, needs
    # a second operator.
    approval_above: dict[str, Decimal] = Field(default_factory=dict)

    def needs_approval(self, amount: Money) -> bool:
        """Return whether an operator's action that moves this amount needs a second operator."""
        limit = self.approval_above.get(amount.currency)
        return limit is None or Decimal(str(amount)) > limit

    @classmethod
    def of_casino(cls, casino: CasinoProfile) -> "MovementPolicy":
        """Return the policy of movements that begin now."""
        return cls(
            message_lifetime=timedelta(seconds=casino.message_lifetime),
            attempt_timeout=timedelta(seconds=casino.attempt_timeout),
            fast_attempts=casino.fast_attempts,
            absence_after=casino.absence_after,
            effect_within=timedelta(seconds=casino.effect_within),
            retry=Retry(
                first=timedelta(seconds=casino.retry.first),
                factor=casino.retry.factor,
                cap=timedelta(seconds=casino.retry.cap),
            ),
            close=casino.send.close,
            accept_within=timedelta(seconds=casino.accept_within) if casino.confirmation == "accept" else None,
            approval_above=casino.approval_above,
        )


class BetPolicy(MovementPolicy):
    """The part of both profiles that a bet follows until it ends, even if an operator changes the profiles."""

    unconfirmed_within: timedelta
    settle_within: timedelta
    on_overdue: Literal["hold", "refund"]

    @classmethod
    def of(cls, provider: ProviderProfile, casino: CasinoProfile) -> "BetPolicy":
        """Return the policy of a bet that starts now."""
        return cls(
            unconfirmed_within=timedelta(seconds=provider.unconfirmed_within),
            settle_within=timedelta(seconds=provider.settle_within),
            on_overdue=provider.on_overdue,
            **dict(MovementPolicy.of_casino(casino)),
        )
