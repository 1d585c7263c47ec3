"""The engine: SQLAlchemy Core over asyncpg, every statement a transaction of its own."""

from typing import Any

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings


def create_engine(settings: Settings) -> AsyncEngine:
    """An engine in autocommit: one statement, one round trip, one transaction.

    Where several statements must stand or fall together they are written as one (with CTEs); onboarding, which is not
    in a hurry, opens transactions with ``isolation_level="READ COMMITTED"``. Raises Misconfigured without an address.
    """
    if settings.database_url is None:
        raise Misconfigured(
            "no database: start `python -m betcore up`, or set BETCORE_DATABASE_URL", code="no_database"
        )
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        # An error says what failed, never whose bet it was: values of players do not go into logs.
        hide_parameters=True,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        # Whoever waits has a deadline of its own, which ends sooner.
        pool_timeout=30,
        pool_reset_on_return=None,
        # JIT only costs time on statements of this size.
        connect_args={
            "timeout": 3,
            "command_timeout": 10,
            "server_settings": {"application_name": "betcore", "jit": "off", "timezone": "UTC"},
        },
    )


async def one_row(engine: AsyncEngine, statement: str, **given: Any) -> Any:
    """Run one statement, a transaction of its own; its row, or None."""
    async with engine.connect() as connection:
        return (await connection.execute(text(statement), given)).one_or_none()
