"""Migrations of databases in use: what the rows of an earlier schema are afterwards."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic import command
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.engine import create_engine
from betcore.db.migrate import config, migrate
from betcore.domain.profiles import CasinoProfile
from betcore.runtime.settings import Settings

# Profiles as operators gave them before there was a claim "aud".
PROFILES = {
    "default": {},
    "closes": {"send": {"close": True}, "attempt_timeout": 7},
    "slow": {"retry": {"first": 2}, "confirmation": "reply"},
}


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """A database without any schema."""
    server, _, _ = postgres_url.rpartition("/")
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE DATABASE earlier TEMPLATE template0 STRATEGY FILE_COPY")
    found = create_engine(Settings(database_url=SecretStr(f"{server}/earlier")))
    try:
        yield found
    finally:
        await found.dispose()
        await connection.execute("DROP DATABASE earlier")
        await connection.close()


async def _upgrade(engine: AsyncEngine, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, revision)

    async with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.run_sync(upgrade)


@pytest.mark.edge_case(101)
async def test_casinos_that_are_there_get_no_audience_and_keep_their_profiles(engine: AsyncEngine) -> None:
    """A JWT library that expects no audience may refuse a message that names one."""
    await _upgrade(engine, "0006")
    insert = "INSERT INTO casino (name, api_host, profile, secret) VALUES ($1, 'http://c', $2::text::jsonb, '')"
    async with engine.connect() as connection:
        for name, profile in PROFILES.items():
            await connection.exec_driver_sql(insert, (name, json.dumps(profile)))
        await migrate(engine)
        await connection.exec_driver_sql(insert, ("new", "{}"))
        rows = await connection.exec_driver_sql("SELECT name, profile FROM casino")
        found = {row.name: row.profile for row in rows}
    assert found == {
        "default": {"send": {"aud": False}},
        "closes": {"send": {"close": True, "aud": False}, "attempt_timeout": 7},
        "slow": {"retry": {"first": 2}, "confirmation": "reply", "send": {"aud": False}},
        "new": {},
    }
    sent = {name: CasinoProfile.model_validate(profile).send for name, profile in found.items()}
    assert {name: one.aud for name, one in sent.items()} == {
        "default": False,
        "closes": False,
        "slow": False,
        "new": True,
    }
    assert [name for name, one in sent.items() if one.close] == ["closes"]
