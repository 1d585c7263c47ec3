"""A migrated PostgreSQL at rest, made once a run: each server of the tests starts from a copy of its folder."""

import asyncio
import os
import subprocess
from pathlib import Path

import asyncpg

from betcore.db.engine import create_engine
from betcore.db.migrate import migrate
from betcore.runtime.settings import Settings
from devkit.stack import postgres
from devkit.stack.database_roles import url_of
from devkit.stack.folder import Folder
from tests.locking import locked

# Beside the stack's own database: the one that a test's database is a copy of.
MIGRATED = "migrated"
# Nothing of a test has to survive a loss of power; what was committed survives a kill all the same.
_SETTINGS = "fsync = off\n"
# For a server that no test kills: a new database takes it half the time.
FAST = {
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
# Tells a run that a test starts where this run's cluster is.
_KNOWN = "TESTS_CLUSTER"
_made: Path | None = None


async def make_once(shared: Path) -> None:
    """Make the cluster in a folder that all processes of the run share, or find it there."""
    global _made
    folder = Path(os.environ.setdefault(_KNOWN, str(shared / "cluster")))
    async with locked(shared / "cluster.lock"):
        if not await asyncio.to_thread(folder.exists):
            await _make(shared / "cluster.new")
            (shared / "cluster.new").rename(folder)
    _made = folder


async def _make(path: Path) -> None:
    async with postgres.running(path, options={"fsync": "off", **FAST}) as url:
        engine = create_engine(Settings(database_url=url_of(url, "owner", Folder(path).keys())))
        await migrate(engine)
        await engine.dispose()
        connection = await asyncpg.connect(f"{url.rpartition('/')[0]}/postgres")
        await connection.execute(f"CREATE DATABASE {MIGRATED} TEMPLATE {postgres.DATABASE} STRATEGY FILE_COPY")
        await connection.close()
    with (path / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write(_SETTINGS)


def as_role(url: str, role: str) -> str:
    """Return the address of a database of a copied cluster, for a role such as ``api`` in place of the superuser."""
    assert _made is not None
    return url_of(url, role, Folder(_made).keys())


def copy_to(path: Path) -> None:
    """Give a new data folder the cluster and its keys. Outside of a run there is none, and a server makes its own."""
    if not (path / "postgres").exists():
        _copy(path, "postgres", "keys.json")


def keys_to(path: Path) -> None:
    """Give a new data folder the keys alone, so that ``as_role`` knows the passwords of the server that it gets."""
    _copy(path, "keys.json")


def _copy(path: Path, *names: str) -> None:
    if _made is not None:
        folder = Folder(path)
        for name in names:
            # The owner is copied too: root's PostgreSQL runs as another user.
            subprocess.run(("cp", "-a", str(_made / name), str(folder.path)), check=True)  # noqa: S607  the one in the path
