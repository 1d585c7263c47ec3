"""Real servers for the tests: PostgreSQL and Temporal from their wheels, and whole stacks, once a run."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from betcore.db.engine import create_engine
from betcore.db.migrate import migrate
from betcore.settings import Settings
from betcore.stack import postgres, temporal
from tests.table import Stack, start_stack

_TEMPLATE = "migrated"
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak``: the model and the fuzzer go on for long."""
    parser.addoption("--soak", action="store_true", help="large budgets for tests/model and tests/fuzz")


@pytest.fixture(scope="session")
async def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A PostgreSQL of this run, with a migrated template database."""
    # Nothing here has to survive a loss of power.
    async with postgres.running(tmp_path_factory.mktemp("postgres"), options={"fsync": "off"}) as url:
        await _execute(url, f"CREATE DATABASE {_TEMPLATE}")
        engine = create_engine(Settings(database_url=_database(url, _TEMPLATE)))
        await migrate(engine)
        await engine.dispose()
        yield url


@pytest.fixture(scope="session")
async def new_database(postgres_url: str) -> Callable[[], Awaitable[str]]:
    """Makes fresh migrated databases."""

    async def make() -> str:
        name = f"test_{next(_numbers)}"
        await _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return _database(postgres_url, name)

    return make


@pytest.fixture
async def database_url(new_database: Callable[[], Awaitable[str]]) -> str:
    """A fresh migrated database."""
    return await new_database()


@pytest.fixture(scope="session")
async def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Temporal server of this run, in which days can be skipped."""
    skipping = ("frontend.WorkflowTimeSkippingEnabled=true",)
    async with temporal.running(tmp_path_factory.mktemp("temporal"), dynamic_config=skipping) as address:
        yield address


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole stack, two workers, for tests that only use it."""
    async with start_stack(tmp_path_factory.mktemp("stack"), "--processes", "2") as running:
        yield running


def _database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
