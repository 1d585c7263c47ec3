"""Work that is begun at a rate, and finished however long it takes."""

import asyncio
import time
from collections.abc import Coroutine
from itertools import count


class Stream:
    """Pieces of work, each a task of its own."""

    def __init__(self, rate: float) -> None:
        """Take the ``rate``, in pieces a second."""
        self._rate = rate
        self._tasks: set[asyncio.Task[object]] = set()

    def next_piece(self, place: int) -> Coroutine[object, object, object]:
        """Return the piece that is begun at this place; places count from 0."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Begin pieces until cancelled. Raises what a piece raises."""
        began = time.monotonic()
        for place in count():
            await asyncio.sleep(began + place / self._rate - time.monotonic())
            self._tasks.add(asyncio.create_task(self.next_piece(place)))
            for task in [one for one in self._tasks if one.done()]:
                task.result()
                self._tasks.remove(task)

    def give_up(self) -> None:
        """Cancel what was begun, and continue with what begins from here."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def finish(self, patience: float) -> None:
        """Wait until every piece has ended, or patience is over. Raises what a piece raises."""
        if not self._tasks:
            return
        done, _ = await asyncio.wait(self._tasks, timeout=patience)
        await self.aclose()
        for task in done:
            task.result()

    async def aclose(self) -> None:
        """Cancel what has not ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
