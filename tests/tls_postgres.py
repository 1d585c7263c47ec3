"""A PostgreSQL that takes TLS alone, for tests: Debian's, because the wheel's is built without."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from betcore.db.engine import create_engine
from betcore.db.migrate import migrate
from betcore.runtime.settings import Settings
from devkit.stack import ports
from devkit.stack.folder import Folder
from devkit.stack.postgres import DATABASE, USER, Postgres
from devkit.stack.supervisor import Supervisor
from tests import cluster
from tests.certificates import Authority, Pair
from tests.partner import eventually

CERTIFIED = "certified"
# The first line that fits decides. Without TLS none fits.
_RULES = f"""
hostssl all {USER} 127.0.0.1/32 scram-sha-256
hostssl {CERTIFIED} all 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def programs() -> Path | None:
    """Return the folder of the programs of Debian's newest PostgreSQL, None without one."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in found), key=lambda path: int(path.parent.name), default=None)


class _Debians(Postgres):
    locale = ("--locale=C.UTF-8",)

    def program(self, name: str) -> Path:
        found = programs()
        assert found is not None, "make deploy-setup installs PostgreSQL"
        return found / name


@dataclass(frozen=True)
class TlsPostgres:
    """A running server, whose certificate is for localhost alone, and for no address.

    Of its two databases, ``certified`` wants a client certificate in the name of the role.
    """

    port: int
    superuser: str
    files: Path

    def url(self, role: str, *, host: str = "localhost", database: str = DATABASE) -> str:
        """Return the address of a database for a role."""
        return f"{cluster.as_role(self.superuser, role).rpartition('@')[0]}@{host}:{self.port}/{database}"

    async def show(self, certificate: Pair) -> None:
        """Show another certificate to connections from now on."""
        self.put_certificate(certificate)
        before = await self.ask("SELECT pg_conf_load_time() FROM pg_reload_conf()")

        async def has_loaded() -> bool:
            return bool(await self.ask("SELECT pg_conf_load_time()") > before)

        await eventually(has_loaded)

    async def ask(self, query: str) -> Any:
        """Return the first value of a query of the superuser."""
        connection = await asyncpg.connect(self.superuser)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    def put_certificate(self, certificate: Pair) -> None:
        """Put a certificate and its key where the server reads them."""
        self.put("server.pem", certificate.certificate.read_bytes())
        self.put("server.key", certificate.key.read_bytes())

    def put(self, name: str, data: bytes) -> None:
        """Write a file of the server; the owner of one that is there stays."""
        path = self.files / name
        path.touch(mode=0o600)
        path.write_bytes(data)


@asynccontextmanager
async def running(path: Path, certificate: Pair, authority: Authority) -> AsyncIterator[TlsPostgres]:
    """Run it for the length of the block, migrated, with the passwords of the run's cluster.

    The authority has signed its certificate, and signs those of its clients.
    """
    cluster.keys_to(path)
    folder, (port,), files = Folder(path), ports.free(1), path / "tls"
    options = {
        "fsync": "off",
        "hba_file": str(files / "pg_hba.conf"),
        "ssl": "on",
        "ssl_cert_file": str(files / "server.pem"),
        "ssl_key_file": str(files / "server.key"),
        "ssl_ca_file": str(files / "clients.pem"),
    }
    server = _Debians(folder, port, options)
    with folder.locked():
        async with Supervisor(folder) as supervisor:
            await server.prepare()
            files.mkdir(mode=0o700)
            found = TlsPostgres(port, server.url.replace(ports.HOST, "localhost"), files)
            found.put("pg_hba.conf", _RULES.encode())
            found.put("clients.pem", authority.ca.read_bytes())
            found.put_certificate(certificate)
            _give(files, server.cluster)
            await supervisor.start(server.service())
            await _fill(found, authority)
            yield found


def _give(folder: Path, cluster: Path) -> None:
    """Give a folder with all its files to the user as whom the server runs: it takes no key of another one."""
    if os.geteuid() == 0:
        owner = cluster.stat()
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)


async def _fill(server: TlsPostgres, authority: Authority) -> None:
    """Make the tables by the TLS that the tests are about, and a copy of the database."""
    given = {"database_url": server.url("owner"), "database_tls": "verify-full", "database_tls_ca": authority.ca}
    engine = create_engine(Settings.model_validate(given))
    await migrate(engine)
    await engine.dispose()
    await server.ask(f"CREATE DATABASE {CERTIFIED} TEMPLATE {DATABASE}")
