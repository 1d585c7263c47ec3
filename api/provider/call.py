"""A provider's call on its way through the API."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from betcore.domain.ids import BetKey
from betcore.domain.partners import Provider
from betcore.domain.proof import Proof

# Seconds before the deadline in which the answer is sent.
_TO_SEND_THE_ANSWER = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, when it was sent by the provider's clock, and until when (``time.monotonic()``) we may answer."""

    provider: Provider
    session_id: str
    request_id: str
    deadline: float
    sent_at: datetime
    proof: Proof | None = None

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the answer must be sent."""
        return max(self.deadline - _TO_SEND_THE_ANSWER - time.monotonic(), 0)

    @property
    def answer_by(self) -> datetime:
        """Return the deadline by the clock that workers have too."""
        return datetime.now(UTC) + timedelta(seconds=max(self.deadline - time.monotonic(), 0))

    def bet(self, provider_bet_id: str) -> BetKey:
        """Return the key of a bet of the calling provider."""
        return BetKey(self.provider.counterparty_id, provider_bet_id)
