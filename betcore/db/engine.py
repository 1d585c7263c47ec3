"""The engine: SQLAlchemy Core over asyncpg, every statement a transaction of its own, its rows typed."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast, get_args, get_type_hints

from sqlalchemy import CursorResult, RowMapping, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings


def create_engine(settings: Settings) -> AsyncEngine:
    """Return an engine in autocommit: one statement, one round trip, one transaction.

    Statements that must stand or fall together are written as one, with CTEs. Onboarding, which is not in a hurry,
    opens transactions with ``isolation_level="READ COMMITTED"``. Raise Misconfigured without an address.
    """
    if settings.database_url is None:
        raise Misconfigured(
            "no database: start `python -m betcore up`, or set BETCORE_DATABASE_URL", code="no_database"
        )
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        # Else an error's parameters, the values of players, go into logs.
        hide_parameters=True,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        # Every caller has a deadline of its own, which ends sooner.
        pool_timeout=30,
        pool_reset_on_return=None,
        # JIT only costs time on statements of this size.
        connect_args={
            "timeout": 3,
            "command_timeout": 10,
            "server_settings": {"application_name": "betcore", "jit": "off", "timezone": "UTC"},
        },
    )


# A dataclass, as what makes a row of columns.
Row = Callable[..., object]
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class NoRow:
    """The row of a statement that only writes."""


class Statement(Generic[R_co]):
    """The text of one SQL statement, and the dataclass that its rows become.

    A field of the dataclass is the column of that name. A field that is a dataclass itself is made of the columns of
    the same row; if the first of them is NULL, it is None.
    """

    def __init__(self, row: type[R_co], sql: str) -> None:
        self.row = row
        self.sql = sql
        self.text = text(sql)


async def one_row(engine: AsyncEngine, statement: Statement[R], **given: object) -> R | None:
    """Run one statement, a transaction of its own; return its row, or None. Raise ValueError if there are more."""
    found = await all_rows(engine, statement, **given)
    if len(found) > 1:
        raise ValueError(f"{len(found)} rows, not one")
    return found[0] if found else None


async def all_rows(engine: AsyncEngine, statement: Statement[R], **given: object) -> list[R]:
    """Run one statement, a transaction of its own; return its rows."""
    async with engine.connect() as connection:
        return await rows(connection, statement, **given)


async def execute(engine: AsyncEngine, statement: Statement[NoRow], **given: object) -> None:
    """Run one statement that returns nothing, a transaction of its own."""
    async with engine.connect() as connection:
        await connection.execute(statement.text, given)


async def rows(connection: AsyncConnection, statement: Statement[R], **given: object) -> list[R]:
    """Run a statement in the connection's transaction; return its rows."""
    return typed(await connection.execute(statement.text, given), statement.row)


def typed(result: CursorResult[Any], row: type[R]) -> list[R]:
    """Return the rows of a result as a dataclass; columns that it has no field for are left out."""
    return [_made(row, found) for found in result.mappings()]


def _made(row: Callable[..., R], columns: RowMapping) -> R:
    values = (
        columns[name] if part is None else None if columns[_key(part)] is None else _made(part, columns)
        for name, part in parts(row)
    )
    return row(*values)


@cache
def parts(row: Row) -> list[tuple[str, Row | None]]:
    """Return the fields of a row, each with its dataclass if it is one."""
    hints = get_type_hints(row)
    return [(field.name, _part(hints[field.name])) for field in fields(cast(Any, row))]


def _part(hint: Any) -> Row | None:
    return next((kind for kind in (hint, *get_args(hint)) if is_dataclass(kind) and isinstance(kind, type)), None)


def _key(row: Row) -> str:
    name, part = parts(row)[0]
    return name if part is None else _key(part)
