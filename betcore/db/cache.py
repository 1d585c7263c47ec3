"""A bounded cache in front of a reader: what changes rarely is read at intervals, by one caller at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

from betcore.runtime.tasks import retrieve

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key, each trusted for ``seconds`` after it was asked for; the oldest leave when ``size`` is reached.

    Absent values (None) are kept apart, so that callers who ask for unknown keys push no real value out.
    """

    def __init__(self, load: Callable[[K], Awaitable[V | None]], seconds: float, size: int = 4096) -> None:
        self._load = load
        self._seconds = seconds
        self._size = size
        self._present: dict[K, tuple[float, V | None]] = {}
        self._absent: dict[K, tuple[float, V | None]] = {}
        self._loading: dict[K, asyncio.Task[V | None]] = {}

    async def get(self, key: K) -> V | None:
        """Return the value, from the cache or from the reader. Raise the reader's error to all callers that wait; keep
        none."""
        found = self._present.get(key) or self._absent.get(key)
        if found and monotonic() < found[0]:
            return found[1]
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._read(key))
            task.add_done_callback(retrieve)
        # Shielded: a caller that gives up must not take the answer from those who wait beside it.
        return await asyncio.shield(task)

    def knows(self, key: K) -> bool:
        """Return whether a value is kept for the key, however old."""
        return key in self._present

    def forget(self) -> None:
        """Drop everything that is kept."""
        self._present.clear()
        self._absent.clear()

    async def _read(self, key: K) -> V | None:
        until = monotonic() + self._seconds
        try:
            value = await self._load(key)
        finally:
            del self._loading[key]
        self._present.pop(key, None)
        self._absent.pop(key, None)
        kept = self._absent if value is None else self._present
        while len(kept) >= self._size:
            del kept[next(iter(kept))]
        kept[key] = (until, value)
        return value
