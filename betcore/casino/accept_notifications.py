"""Hints that an Accept has been stored, from the API to the worker that waits for it, by PostgreSQL's NOTIFY.

A hint carries nothing but the movement's name: what counts is its row. A hint that is missed costs time, never money,
so nothing here is repeated or acknowledged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import asyncpg
import structlog
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.domain.errors import Misconfigured
from betcore.domain.ids import TransactionType, transaction_id
from betcore.runtime.settings import Settings

_log = structlog.get_logger()

CHANNEL = "betcore_accept"
_NOTIFY = text("SELECT pg_notify(:channel, :movement)")
_CONNECT_WITHIN = 3.0
# A connection that died without a word is found out this late.
_ASK_EVERY = 15.0
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def notify(engine: AsyncEngine, bet_id: int, transaction_type: TransactionType) -> None:
    """Tell every worker that the movement's Accept is in its row. Raises what the database raises.

    A statement of its own: NOTIFY holds a lock of the whole server until its transaction is over, and one that writes
    nothing has no log to flush under it.
    """
    async with engine.connect() as connection:
        await connection.execute(_NOTIFY, {"channel": CHANNEL, "movement": transaction_id(bet_id, transaction_type)})


class AcceptNotifications:
    """The hints that reach one process, while the block ``async with AcceptNotifications(settings)`` lasts.

    It has a connection of its own, and makes another one ``gap`` seconds after that is lost. ``listening`` is set
    while there is one. Raises Misconfigured(no_database) without an address.
    """

    def __init__(self, settings: Settings, gap: float = 1.0) -> None:
        if settings.database_url is None:
            raise Misconfigured("no database: set BETCORE_DATABASE_URL", code="no_database")
        url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
        self._url = url.render_as_string(hide_password=False)
        self._gap = gap
        self._expected: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begin to listen; nobody waits for the database here."""
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @asynccontextmanager
    async def expect(self, bet_id: int, transaction_type: TransactionType) -> AsyncIterator[asyncio.Event]:
        """An event that is set as soon as a hint of this movement arrives, from the beginning of the block on."""
        movement, told = transaction_id(bet_id, transaction_type), asyncio.Event()
        self._expected.setdefault(movement, set()).add(told)
        try:
            yield told
        finally:
            waiting = self._expected[movement]
            waiting.discard(told)
            if not waiting:
                del self._expected[movement]

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except _FAILURES as error:
                _log.warning("Accepts are not heard of just now", error=type(error).__name__)
            await asyncio.sleep(self._gap)

    async def _hear(self) -> None:
        """Listen until the connection is lost."""
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_WITHIN, server_settings={"application_name": "betcore hints"}
        )
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._tell)
            self.listening.set()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(_ASK_EVERY):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=_CONNECT_WITHIN)
        finally:
            self.listening.clear()
            connection.terminate()

    def _tell(self, _connection: Any, _pid: int, _channel: str, movement: Any) -> None:
        for told in self._expected.get(movement, ()):
            told.set()
