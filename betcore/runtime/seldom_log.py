"""Log lines about what can happen any number of times in a minute: one of each kind."""

from time import monotonic

import structlog

_log = structlog.get_logger()
_EVERY = 60.0


class SeldomLog:
    """Logs a kind of event once a minute at most; the line says how many there were since the last one.

    Without it a flood at the port is a flood in the log, which fills the disk.
    """

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._count: dict[str, int] = {}

    def warning(self, event: str, **fields: object) -> None:
        """Log the event, or only count it."""
        self._count[event] = self._count.get(event, 0) + 1
        if monotonic() >= self._next.get(event, 0.0):
            self._next[event] = monotonic() + _EVERY
            _log.warning(event, times=self._count.pop(event), **fields)
