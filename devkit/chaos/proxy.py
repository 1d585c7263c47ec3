"""A TCP proxy with faults on demand, one for each pair of processes.

It moves bytes and knows no protocol. A half-close of one side is a half-close for the other, a reset is a reset, and
nothing is read from one side faster than the other side takes it.
"""

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Kind = Literal["delay", "black_hole", "reset", "cut", "lose_answers"]

_CHUNK = 64 * 1024
# With no time to linger, closing a socket discards what was not sent and sends the peer a RST.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a link does to its connections.

    ``delay``: each chunk waits, in both directions. ``black_hole``: bytes, closes and resets are taken and go nowhere;
    new connections are accepted and receive nothing; a connection that lost anything is reset when the trouble ends,
    for a stream with a hole in it must never go on. ``reset``: connections are reset, new ones too. ``cut``: the first
    bytes of the answer pass, then the connection is reset. ``lose_answers``: what the client sends arrives, but the
    answer is thrown away and the connection is reset.
    """

    kind: Kind
    # delay: before each chunk.
    seconds: float = 0
    # cut: how many bytes of the answer pass, counted from the moment the trouble began.
    after_bytes: int = 0
    # lose_answers: only an answer with these bytes in one chunk is lost, earlier ones pass; empty: the first answer.
    marker: bytes = b""


class Link:
    """One TCP proxy on loopback in front of one server, for one client."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        # "connections", "bytes" that passed, and under the name of each kind how often it took effect: chunks that
        # were delayed; for the other kinds, connections that lost something or were reset.
        self.figures: Counter[str] = Counter()
        self.current: Trouble | None = None
        self.changed = asyncio.Event()
        self._server_at = (host, port)
        self._listener: asyncio.Server | None = None
        self._pairs: dict[asyncio.Task[None], _Pair] = {}

    async def open(self, port: int = 0) -> int:
        """Listen on loopback, on a free port if none is given, and return the port. Raises OSError if it is taken."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", port)
        found: int = self._listener.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Stop listening and reset every connection; no task and no socket is left."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        while self._pairs:
            for pair in self._pairs.values():
                pair.reset()
            await asyncio.gather(*self._pairs, return_exceptions=True)
        if listener is not None:
            await listener.wait_closed()

    def trouble(self, trouble: Trouble | None) -> None:
        """Apply this trouble from now on, to existing and to new connections; None ends it."""
        self.current = trouble
        self.changed.set()
        self.changed = asyncio.Event()
        for pair in self._pairs.values():
            pair.meet(trouble)

    @property
    def swallows(self) -> bool:
        """Return whether bytes go nowhere now."""
        return self.current is not None and self.current.kind == "black_hole"

    async def server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a new connection to the server. Raises OSError if it does not listen."""
        return await asyncio.open_connection(*self._server_at, limit=_CHUNK)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.figures["connections"] += 1
        pair = _Pair(self, reader, writer)
        task = asyncio.get_running_loop().create_task(pair.run(), name=f"chaos link {self.name}")
        pair.task = task
        self._pairs[task] = pair
        task.add_done_callback(self._forget)
        pair.meet(self.current)

    def _forget(self, task: asyncio.Task[None]) -> None:
        pair = self._pairs.pop(task)
        # A task that was cancelled before its first step has closed nothing.
        pair.drop()


class _Pair:
    """A client's connection and the one to the server that belongs to it."""

    task: asyncio.Task[None]

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._link = link
        self._reader, self._writers = reader, [writer]
        self._over = self._holed = False
        self._answered = 0
        _unbuffered(writer)

    def meet(self, trouble: Trouble | None) -> None:
        """Apply another trouble, or the end of the last one."""
        self._answered = 0
        if self._over:
            return
        if trouble is not None and trouble.kind == "reset":
            self._hit("reset")
            self.reset()
        elif self._holed and not self._link.swallows:
            self.reset()

    def reset(self) -> None:
        """Reset both sides: each receives a RST."""
        self._over = True
        for writer in self._writers:
            if not writer.transport.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()
        self.task.cancel()

    def drop(self) -> None:
        """Let go of both sockets."""
        for writer in self._writers:
            writer.close()

    async def run(self) -> None:
        """Carry bytes both ways until both sides have closed or one was lost."""
        try:
            await self._both_ways()
        except* OSError:
            self.reset()
        finally:
            self.drop()
            for writer in self._writers:
                with suppress(OSError):
                    await writer.wait_closed()

    async def _both_ways(self) -> None:
        if self._link.swallows:
            # Its opening is lost already: the server does not know of it.
            self._lose()
            while await self._reader.read(_CHUNK):
                pass
            return
        answers, server = await self._link.server()
        self._writers.append(server)
        _unbuffered(server)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._carry(self._reader, server, answer=False))
            ways.create_task(self._carry(answers, self._writers[0], answer=True))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                await self._pass(chunk, writer, answer=answer)
        except OSError:
            if not self._link.swallows:
                raise
        if self._link.swallows:
            self._lose()
            await asyncio.Event().wait()  # until the trouble ends, which resets this pair
        writer.write_eof()

    async def _pass(self, chunk: bytes, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        if (trouble := self._link.current) is not None and trouble.kind == "delay":
            self._hit("delay")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._link.changed.wait(), trouble.seconds)
            trouble = self._link.current
        if self._link.swallows:
            self._lose()
            return
        room = self._room(chunk, trouble) if answer else None
        passing = chunk if room is None else chunk[:room]
        writer.write(passing)
        await writer.drain()
        self._link.figures["bytes"] += len(passing)
        if trouble is not None and room is not None:
            self._hit(trouble.kind)
            self.reset()
            await asyncio.Event().wait()  # this task is being cancelled

    def _room(self, chunk: bytes, trouble: Trouble | None) -> int | None:
        """Return how many bytes of this chunk of the answer may pass before the reset; None: all, and no reset."""
        if trouble is None:
            return None
        if trouble.kind == "lose_answers" and trouble.marker in chunk:
            return 0
        if trouble.kind != "cut":
            return None
        room = trouble.after_bytes - self._answered
        self._answered += len(chunk)
        return room if room <= len(chunk) else None

    def _lose(self) -> None:
        if not self._holed:
            self._holed = True
            self._hit("black_hole")

    def _hit(self, kind: Kind) -> None:
        self._link.figures[kind] += 1


def _unbuffered(writer: asyncio.StreamWriter) -> None:
    """Make drain() wait until the kernel has taken every byte."""
    writer.transport.set_write_buffer_limits(high=0)
