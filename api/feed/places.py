"""How many websockets a process keeps, and where the numbering of a reader's ticks goes on."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic

from prometheus_client import Counter as CounterMetric
from prometheus_client import Gauge

CONNECTIONS = Gauge("betcore_feed_connections", "Websockets that are open.")
ENDED = CounterMetric("betcore_feed_connections_ended", "Websockets that the feed has ended, by reason.", ["reason"])

# Seconds after a disconnect in which the numbers of a reader's ticks go on.
_KEPT_FOR = 60.0
# Connections that may be open without a handshake: each has fifteen seconds for it.
_UNSHAKEN = 256
# The golden ratio spreads any number of clients evenly over the phases.
_SPREAD = 0.618033988749895


class Places:
    """Counts connections. ``most`` of a process, ``per_casino`` of them for one casino."""

    def __init__(self, most: int, per_casino: int) -> None:
        self._most = most
        self._per_casino = per_casino
        self._of_casino: Counter[int] = Counter()
        self._open = 0
        self._unshaken = 0
        self._numbers = count()

    def is_free(self, casino_id: int) -> bool:
        """Return whether there is a place for one more connection of a casino."""
        return self._open < self._most and self._of_casino[casino_id] < self._per_casino and self._unshaken < _UNSHAKEN

    @contextmanager
    def taken(self, casino_id: int) -> Iterator[float]:
        """Hold a place for the block, and give it a phase: from 0 to below 1, its own part of each tick."""
        self._open += 1
        self._of_casino[casino_id] += 1
        CONNECTIONS.inc()
        try:
            yield next(self._numbers) * _SPREAD % 1
        finally:
            CONNECTIONS.dec()
            self._open -= 1
            self._of_casino[casino_id] -= 1
            if not self._of_casino[casino_id]:
                del self._of_casino[casino_id]

    @contextmanager
    def shaking_hands(self) -> Iterator[None]:
        """Count a connection as one without a handshake for the block."""
        self._unshaken += 1
        try:
            yield
        finally:
            self._unshaken -= 1


class Sequences:
    """Keeps, for a minute after a disconnect, the next number of the ticks of an access token and a game.

    Another process knows nothing of them: there the numbers begin at 0.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[tuple[str, int], tuple[float, int]] = OrderedDict()

    def resume(self, token_id: str, game_type: int) -> int:
        """Return the number with which the ticks begin."""
        self._forget()
        return self._left.get((token_id, game_type), (0.0, 0))[1]

    def leave(self, token_id: str, game_type: int, number: int) -> None:
        """Keep the number that would have come next; of several connections with one token, the highest."""
        self._forget()
        _, known = self._left.pop((token_id, game_type), (0.0, 0))
        self._left[token_id, game_type] = (monotonic() + _KEPT_FOR, max(known, number))

    def _forget(self) -> None:
        now = monotonic()
        while self._left and next(iter(self._left.values()))[0] < now:
            self._left.popitem(last=False)
