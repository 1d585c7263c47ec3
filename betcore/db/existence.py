"""Which keys exist: asked about keys that strangers name, who may make up any number of them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable
from time import monotonic
from typing import Generic, TypeVar

from betcore.runtime.tasks import retrieve

K = TypeVar("K", bound=Hashable)

# Seconds between two reads. A caller that is new to the process waits for so long at most, once.
_GAP = 0.1


class Existence(Generic[K]):
    """Tells which keys exist, with one read for all that ask meanwhile, and a pause before the next.

    Without it a flood of made-up keys is a flood of reads. ``find`` returns those of its keys that exist. A key that
    does not is believed for ``seconds``; of such keys ``size`` are kept, and the oldest leave.
    """

    def __init__(self, find: Callable[[Collection[K]], Awaitable[Collection[K]]], seconds: float, size: int = 4096):
        self._find = find
        self._seconds = seconds
        self._size = size
        self._absent: dict[K, float] = {}
        self._asked: set[K] = set()
        self._next: asyncio.Task[Collection[K]] | None = None
        self._turn = asyncio.Lock()
        self._not_before = 0.0

    async def has(self, key: K) -> bool:
        """Return whether the key exists. Raise the reader's error to all callers that wait for it."""
        if monotonic() < self._absent.get(key, 0.0):
            return False
        self._asked.add(key)
        if self._next is None:
            self._next = asyncio.create_task(self._read())
            self._next.add_done_callback(retrieve)
        # Shielded: a caller that gives up must not take the answer from those who wait beside it.
        return key in await asyncio.shield(self._next)

    async def _read(self) -> Collection[K]:
        async with self._turn:
            await asyncio.sleep(max(self._not_before - monotonic(), 0))
            asked, self._asked, self._next = self._asked, set(), None
            until = monotonic() + self._seconds
            try:
                found = await self._find(asked)
            finally:
                self._not_before = monotonic() + _GAP
        for key in asked.difference(found):
            self._absent.pop(key, None)
            if len(self._absent) >= self._size:
                del self._absent[next(iter(self._absent))]
            self._absent[key] = until
        return found
