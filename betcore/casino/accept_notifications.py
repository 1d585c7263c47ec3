"""Notifications that an Accept was stored, from the API to the worker that waits for it, by PostgreSQL's NOTIFY.

A notification carries only the movement's id: its row alone counts. One that is missed costs time and never money, so
nothing here is repeated or acknowledged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import structlog

from betcore.db.database import FAILURES, Database, DatabaseError, connect, connection_options
from betcore.db.statement import NoRow, Statement
from betcore.domain.ids import TransactionType, transaction_id
from betcore.runtime.settings import Settings

_log = structlog.get_logger()

CHANNEL = "betcore_accept"
_NOTIFY = Statement(NoRow, "SELECT pg_notify(:channel, :movement)")
_CHECK_WITHIN = 3.0
# Seconds after which a connection that died without a message is noticed.
_CHECK_EVERY = 15.0


async def notify(database: Database, bet_id: int, transaction_type: TransactionType) -> None:
    """Notify every worker that the movement's Accept is in its row. Raise DatabaseError.

    NOTIFY holds a lock of the whole server until its transaction ends. It is a statement of its own, because a
    transaction that writes nothing has no log to flush under that lock.
    """
    await database.execute(_NOTIFY, channel=CHANNEL, movement=transaction_id(bet_id, transaction_type))


class AcceptNotifications:
    """Listens for one process, while the block ``async with AcceptNotifications(settings)`` lasts.

    It has a connection of its own, and opens another one ``gap`` seconds after that is lost. ``listening`` is set
    while there is one. Raises Misconfigured(no_database) without an address.
    """

    def __init__(self, settings: Settings, gap: float = 1.0) -> None:
        self._options = connection_options(settings, "betcore hints")
        self._gap = gap
        self._expected: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start to listen in the background, without waiting for the database."""
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @asynccontextmanager
    async def expect(self, bet_id: int, transaction_type: TransactionType) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set when a notification of this movement arrives after the block has begun."""
        movement, stored = transaction_id(bet_id, transaction_type), asyncio.Event()
        self._expected.setdefault(movement, set()).add(stored)
        try:
            yield stored
        finally:
            waiting = self._expected[movement]
            waiting.discard(stored)
            if not waiting:
                del self._expected[movement]

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (DatabaseError, *FAILURES) as error:
                _log.warning("Accepts are not heard of just now", error=type(error).__name__)
            await asyncio.sleep(self._gap)

    async def _listen_once(self) -> None:
        """Listen until the connection is lost."""
        connection = await connect(self._options)
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._notify)
            self.listening.set()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(_CHECK_EVERY):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=_CHECK_WITHIN)
        finally:
            self.listening.clear()
            connection.terminate()

    def _notify(self, _connection: object, _pid: int, _channel: str, movement: object) -> None:
        for stored in self._expected.get(str(movement), ()):
            stored.set()
