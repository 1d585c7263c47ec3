"""Real servers for the tests: PostgreSQL and Temporal from their wheels, and whole stacks.

Each process of a run starts a server when a test needs it first, and shares it with all later tests.
"""

import gc
import itertools
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from xdist.remote import Producer

from devkit.stack import postgres, temporal
from tests import cluster
from tests.order import TogetherByStack, long_first
from tests.partner import Stack, share_stack

# Sources are compiled once, whatever the environment says, and not by each of the hundred processes of a run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Modules and collected tests are millions of objects that live as long as the process: the garbage collector, which
# would go through all of them again and again, leaves them out.
gc.disable()

_numbers = itertools.count(1)
# PostgreSQL and Temporal flush each commit. On a disk the tests wait for that; a run needs about 3 GiB.
_MEMORY = Path("/dev/shm")
_ROOM = 8 * 2**30


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak``: the model, the fuzzer and the bets of a jackpot go on for long; a release on production's servers."""
    parser.addoption("--soak", action="store_true", help="large budgets for what make soak runs")


def pytest_configure(config: pytest.Config) -> None:
    """Take SIGTERM as Ctrl-C, so that fixtures stop their servers, and keep the servers' files in memory."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> None:
    # A shell starts what runs in its background with SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no process is left alone with one at the end."""
    long_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """All is collected: from here on there is garbage."""
    gc.freeze()
    gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherByStack:
    """Files that share a stack of their own go to one process."""
    return TogetherByStack(config, log)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of the run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
async def migrated_cluster(run_folder: Path) -> None:
    """Servers start from a copy of one migrated cluster."""
    await cluster.make_once(run_folder)


@pytest.fixture(scope="session")
async def postgres_url(migrated_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A PostgreSQL with a migrated template database."""
    folder = tmp_path_factory.mktemp("postgres")
    cluster.copy_to(folder)
    async with postgres.running(folder, options=cluster.FAST) as url:
        yield url


@pytest.fixture(scope="session")
async def new_database(postgres_url: str) -> Callable[[], Awaitable[str]]:
    """Makes fresh migrated databases."""

    async def make() -> str:
        name = f"test_{next(_numbers)}"
        await _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {cluster.MIGRATED} STRATEGY FILE_COPY")
        return _database(postgres_url, name)

    return make


@pytest.fixture
async def database_url(new_database: Callable[[], Awaitable[str]], postgres_url: str) -> AsyncIterator[str]:
    """A fresh migrated database, dropped after the test: each takes 10 MiB of memory, and a run makes a thousand."""
    url = await new_database()
    yield url
    await _execute(postgres_url, f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture(scope="session")
async def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Temporal server in which days can be skipped."""
    skipping = ("frontend.WorkflowTimeSkippingEnabled=true",)
    async with temporal.running(tmp_path_factory.mktemp("temporal"), dynamic_config=skipping) as address:
        yield address


@pytest.fixture(scope="session")
async def stack(migrated_cluster: None, run_folder: Path) -> AsyncIterator[Stack]:
    """The whole stack, two workers: for tests that only use it, in all processes of the run."""
    async with share_stack(run_folder / "stack", "--processes", "2") as running:
        yield running


def _database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
