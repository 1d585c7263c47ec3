"""A hostile request and the one answer that is right."""

from dataclasses import dataclass

from tests.fuzz.wire import Request

# HTTP status; _responseCode or ErrorCode; and the reason or the jackpot of an answer to a provider, what stands under
# Value.Valid of auth/verify, or the pools with their amounts.
Told = tuple[int, int, object]


@dataclass(frozen=True, slots=True)
class Case:
    """``told`` is None if no answer is read. ``again`` is sent after the first one's answer; ``refused`` is the bet
    that has a refusal in its row afterwards."""

    request: Request
    told: Told | None
    again: Request | None = None
    again_told: Told | None = None
    refused: str = ""

    @property
    def requests(self) -> int:
        """Return how many requests it is."""
        return 1 if self.again is None else 2
