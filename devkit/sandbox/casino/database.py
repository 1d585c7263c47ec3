"""The casino's own schema in PostgreSQL."""

from pathlib import Path

import asyncpg

_SCHEMA = Path(__file__).with_name("schema.sql")
_SCHEMA_LOCK = 0x5CA51D0


async def open_pool(database_url: str, size: int = 10) -> asyncpg.Pool:
    """Open connections to ``postgresql://user:password@host:port/name``; the caller closes them."""
    return await asyncpg.create_pool(database_url, min_size=1, max_size=size)


async def create_schema(pool: asyncpg.Pool) -> None:
    """Make what is missing of the schema. Servers that start together wait for each other."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL client_min_messages = warning")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
        await connection.execute(_SCHEMA.read_text())
