"""Bringing a database to the newest schema."""

import asyncio
from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db.roles import PREFIX, ROLES, Role, statements

# Any number: of two processes that migrate at the same time, one waits until the other has given it back.
_LOCK = 7_310_521
_AGAIN_AFTER = timedelta(seconds=0.5)


def config() -> Config:
    """Alembic's configuration, without a file of its own."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("path_separator", "os")
    return made


def _upgrade(connection: Connection) -> None:
    # SQLAlchemy begins with its first statement; migrations talk to the driver, and have to be in the transaction too.
    event.listen(connection, "begin", lambda begun: begun.exec_driver_sql("SELECT 1"))
    alembic = config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")


async def migrate(engine: AsyncEngine) -> list[Role]:
    """Upgrade the database to the newest schema, then give its roles their privileges; return the roles it lacks.

    Each migration is a transaction, and so are the grants. One that is interrupted is repeated by the next call.
    """
    async with engine.execution_options(isolation_level="READ COMMITTED").connect() as connection:
        # A statement that waits for the lock is one that an index, made by the lock's holder, waits for in turn.
        while not await _locked(connection):  # noqa: ASYNC110  another process has it
            await asyncio.sleep(_AGAIN_AFTER.total_seconds())
        try:
            await connection.run_sync(_upgrade)
            await connection.rollback()
            missing = await _grant(connection)
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            await connection.commit()
    return missing


async def _grant(connection: AsyncConnection) -> list[Role]:
    """Give each role that exists its privileges, in the connection's transaction; return the roles that do not exist.

    Raise DatabaseError if the connection's user neither owns the tables nor is a superuser.
    """
    known = set((await connection.execute(text("SELECT rolname FROM pg_roles"))).scalars())
    missing = [role for role in ROLES if f"{PREFIX}{role}" not in known]
    for role in ROLES:
        if role not in missing:
            for statement in statements(role):
                await connection.execute(text(statement))
    return missing


async def _locked(connection: AsyncConnection) -> bool:
    """Take the lock for the session, unless another one has it; return whether it is ours."""
    found = await connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
    await connection.commit()
    return bool(found.scalar_one())
