"""A provider's call on its way through the API, and what is said to it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from betcore.db.partners import Provider
from betcore.domain.money import Money

# Kept back of the deadline for the answer to travel.
_FOR_THE_ANSWER = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, until when (``time.monotonic()``) we may answer, and when it was sent by the provider's clock."""

    provider: Provider
    session_id: str
    request_id: str
    deadline: float
    sent_at: datetime

    @property
    def left(self) -> float:
        """Seconds until the answer must be on its way."""
        return max(self.deadline - _FOR_THE_ANSWER - time.monotonic(), 0)

    @property
    def answer_by(self) -> datetime:
        """The deadline on the clock that other machines have too."""
        return datetime.now(UTC) + timedelta(seconds=max(self.deadline - time.monotonic(), 0))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider hears; ``code`` None is "done"."""

    code: str | None
    message: str = ""
    currency: str | None = None
    balance: Money | None = None
