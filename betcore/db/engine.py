"""The engine: SQLAlchemy Core, for migrations and for setting up partners. What a bet needs goes by ``database``."""

from functools import partial
from typing import Any, TypeVar

from sqlalchemy import CursorResult, ExceptionContext, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from betcore.db.database import FAILURES, DatabaseError, connect, connection_options, described
from betcore.db.statement import maker
from betcore.runtime.settings import Settings

R = TypeVar("R")


def create_engine(settings: Settings, operator: str | None = None) -> AsyncEngine:
    """Return an engine in autocommit; it connects as ``database`` does, and raises DatabaseError.

    What must stand or fall together opens a transaction with ``isolation_level="READ COMMITTED"``. ``operator`` is the
    person whose changes of the configuration these are. Raise Misconfigured(no_database) without an address.
    """
    options = connection_options(settings, operator=operator)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, options),
        isolation_level="AUTOCOMMIT",
        # Else an error's parameters, which may be secrets, go into logs.
        hide_parameters=True,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
    )
    event.listen(engine.sync_engine, "handle_error", _described, retval=True)
    return engine


def _described(context: ExceptionContext) -> DatabaseError | None:
    wrapped = context.original_exception
    for failure in (wrapped.__cause__, wrapped):
        if isinstance(failure, FAILURES):
            return described(failure)
    return None


def typed(result: CursorResult[Any], row: type[R]) -> list[R]:
    """Return the rows of a result as a dataclass; columns that it has no field for are left out."""
    made = maker(row)
    return [made(found) for found in result.mappings()]
