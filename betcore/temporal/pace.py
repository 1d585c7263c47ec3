"""How fast this process asks Temporal, whose list operators and all processes share."""

from asyncio import sleep
from time import monotonic


class Pace:
    """Gives turns: ``burst`` at once after a rest, then ``per_second``."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._gap = 1 / per_second
        self._ahead = (burst - 1) * self._gap
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn; callers at once get theirs one after the other."""
        now = monotonic()
        at = max(self._next, now - self._ahead)
        self._next = at + self._gap
        if at > now:
            await sleep(at - now)
