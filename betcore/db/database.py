"""The database of a process: its connections, and the one way in which named statements reach it.

Everything that a bet needs goes through here, straight to asyncpg. ``betcore.db.engine`` is for what is in no hurry.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeVar

import asyncpg

from betcore.db import tls
from betcore.db.statement import NoRow, Statement
from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings

R = TypeVar("R")

_CONNECT_WITHIN = 3.0
_STATEMENT_WITHIN = 10.0
# For a connection of the pool. Every caller has a deadline of its own, which ends sooner.
_FREE_WITHIN = 30.0
# For the server's acknowledgement that a statement was cancelled.
_CANCEL_WITHIN = 2.0
# For the end of what still runs when the process stops.
_CLOSE_WITHIN = 3.0
# More than there are statements: each is prepared once for each connection.
_PREPARED = 512
# What asyncpg raises if the database, or what was asked of it, is at fault.
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class DatabaseError(Exception):
    """A statement has failed, or its outcome is unknown. The text never shows the values of the statement.

    ``unreachable`` is whether the server cannot be reached, or did not answer in time.
    """

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class _Statements:
    """Runs statements; how, its subclasses know."""

    async def one_row(self, statement: Statement[R], **given: object) -> R | None:
        """Run a statement; return its row, or None. Raise ValueError if there are more, DatabaseError."""
        found = await self._records(statement, given)
        if len(found) > 1:
            raise ValueError(f"{len(found)} rows, not one")
        return statement.made(found[0]) if found else None

    async def all_rows(self, statement: Statement[R], **given: object) -> list[R]:
        """Run a statement; return its rows. Raise DatabaseError."""
        return [statement.made(record) for record in await self._records(statement, given)]

    async def execute(self, statement: Statement[NoRow], **given: object) -> None:
        """Run a statement that returns nothing. Raise DatabaseError."""
        await self._records(statement, given)

    async def _records(self, statement: Statement[R], given: dict[str, object]) -> list[Any]:
        raise NotImplementedError


class Transaction(_Statements):
    """Runs statements in one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def _records(self, statement: Statement[R], given: dict[str, object]) -> list[Any]:
        return await _fetch(self._connection, statement, given)


class Database(_Statements):
    """The connections of one process to its database; each statement is a transaction of its own, one round trip.

    Statements that must stand or fall together are written as one, with CTEs.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._returning: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def transaction(
        self, isolation: Literal["read_committed", "repeatable_read"] = "read_committed", *, readonly: bool = False
    ) -> AsyncIterator[Transaction]:
        """Run the block in one transaction: committed at its end, rolled back if the block raises."""
        connection = await self._take()
        try:
            transaction = connection.transaction(isolation=isolation, readonly=readonly)
            await _watched(transaction.start())
            yield Transaction(connection)
            await _watched(transaction.commit())
        except BaseException:
            # The server rolls back what its client has left.
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    async def _records(self, statement: Statement[R], given: dict[str, object]) -> list[Any]:
        connection = await self._take()
        try:
            found = await _fetch(connection, statement, given)
        except BaseException:
            # Not waited for: who gave the statement up is not to wait for a server that may be gone.
            task = asyncio.create_task(self._return(connection))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)
            raise
        await self._pool.release(connection)
        return found

    async def _take(self) -> Any:
        try:
            async with asyncio.timeout(_FREE_WITHIN):
                return await self._pool.acquire()
        except FAILURES as failure:
            raise described(failure) from None

    async def _return(self, connection: Any) -> None:
        """Give back a connection whose statement failed or was given up; the latter is cancelled at the server first.

        The connection is closed if the server does not acknowledge that. If a connection is lost, by that or before,
        all others are opened anew: each of them would cost one more caller its time.
        """
        lost = _is_lost(connection)
        try:
            await self._pool.release(connection, timeout=_CANCEL_WITHIN)
        except FAILURES:
            lost = True
        if lost:
            await self._pool.expire_connections()


@asynccontextmanager
async def open_database(settings: Settings, operator: str | None = None) -> AsyncIterator[Database]:
    """Open the database for the length of the block. A connection is made when it is needed, not before.

    ``operator`` is the person whose changes of the configuration these are. Raise Misconfigured: ``no_database``
    without an address, and what ``betcore.db.tls`` says of TLS.
    """
    await tls.check(settings, connection_options(settings))
    pool = asyncpg.create_pool(
        **connection_options(settings, operator=operator),
        min_size=0,
        # A connection lives as long as the server keeps it.
        max_queries=math.inf,
        max_size=settings.database_pool_size,
        max_inactive_connection_lifetime=0,
        init=_prepare,
        reset=_keep,
    )
    await pool
    try:
        yield Database(pool)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await pool.close()


def connection_options(settings: Settings, application: str = "betcore", operator: str | None = None) -> dict[str, Any]:
    """Return how asyncpg connects to the database of the settings.

    Raise Misconfigured: ``no_database`` without an address, ``invalid_settings`` for TLS that is set in a wrong way.
    """
    if settings.database_url is None:
        raise Misconfigured(
            "no database: start `python -m betcore up`, or set BETCORE_DATABASE_URL", code="no_database"
        )
    return {
        **tls.options(settings),
        "dsn": settings.database_url.get_secret_value(),
        "timeout": _CONNECT_WITHIN,
        "command_timeout": _STATEMENT_WITHIN,
        "statement_cache_size": _PREPARED,
        "max_cached_statement_lifetime": 0,
        "max_cacheable_statement_size": 0,
        # JIT only costs time on statements of this size.
        "server_settings": {"application_name": application, "jit": "off", "timezone": "UTC"} | _named(operator),
    }


def _named(operator: str | None) -> dict[str, str]:
    """Return the setting by which the triggers of the configuration learn who changes it."""
    return {} if operator is None else {"betcore.operator": operator}


def _is_lost(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The pool has taken it back already, because it was closed.
        return True


async def connect(options: Mapping[str, Any]) -> Any:
    """Return a connection of asyncpg beside those of a pool, by ``connection_options``. Raise DatabaseError."""
    try:
        return await asyncpg.connect(**options)
    except FAILURES as failure:
        raise described(failure) from None


async def _prepare(connection: Any) -> None:
    """Let jsonb come as what it says, and go as text."""
    await connection.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")


async def _keep(_: Any) -> None:
    """Send no round trip when a connection is given back: no statement changes its session."""


async def _fetch(connection: Any, statement: Statement[R], given: dict[str, object]) -> list[Any]:
    arguments = statement.arguments(given)
    try:
        found: list[Any] = await connection.fetch(statement.query, *arguments)
    except FAILURES as failure:
        raise described(failure) from None
    return found


async def _watched(step: Any) -> None:
    try:
        await step
    except FAILURES as failure:
        raise described(failure) from None


def described(failure: Exception) -> DatabaseError:
    """Return a failure of asyncpg without the values of its statement, which are players' and partners'.

    PostgreSQL names them in an error's details, and in the message of a data exception (class 22); asyncpg in that of
    a value that it cannot send.
    """
    name, message = type(failure).__name__, str(failure)
    if isinstance(failure, asyncpg.PostgresError):
        # The message alone: as text it has the details too.
        message = "" if failure.sqlstate.startswith("22") else str(failure.args[0])
    elif isinstance(failure, ValueError):
        message = ""
    return DatabaseError(f"{name}: {message}" if message else name, unreachable=isinstance(failure, OSError))
