"""TLS to PostgreSQL, at a server that takes nothing else, and wants a client certificate if a test says so."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from betcore.casino.accept_notifications import AcceptNotifications, notify
from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.statement import NoRow, Statement
from betcore.domain.ids import TransactionType
from betcore.runtime.settings import Settings
from tests import cluster
from tests.certificates import Authority, Pair
from tests.tls_proxy import as_postgres, context_of, in_front_of
from tests.unit.partner_database import refused

_ROOT = Path(__file__).parents[2]
_SLEEP = Statement(NoRow, "SELECT pg_sleep(600)")
_NAMES = "SELECT application_name FROM pg_stat_activity WHERE usename = 'betcore_worker'"


@dataclass
class Server:
    """A PostgreSQL that speaks TLS alone; its certificate is for localhost, and for no address."""

    plaintext_url: str
    authority: Authority
    stranger: Authority
    client: Pair
    port: int = 0
    wants_certificate: bool = False

    def url(self, host: str = "localhost") -> str:
        """Return its address for a worker."""
        address = urlsplit(cluster.as_role(self.plaintext_url, "worker"))
        return address._replace(netloc=f"{address.netloc.rpartition('@')[0]}@{host}:{self.port}").geturl()

    def settings(self, host: str = "localhost", **given: object) -> Settings:
        """Return the settings of a worker, with what is given of ``database_tls...``."""
        return Settings.model_validate({"database_url": self.url(host), **given})


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "strangers")
    found = Server(database_url, authority, stranger, authority.signs("client"))
    context = context_of(authority.signs("server", hosts=("localhost",)), authority.ca, required=False)
    address = urlsplit(database_url)
    behind = (address.hostname or "", address.port or 0)
    with in_front_of(behind, context, as_postgres(lambda: found.wants_certificate)) as port:
        found.port = port
        yield found


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings) as database:
        yield database


@pytest.mark.parametrize("way", ["require", "verify-full", "client certificate"])
async def test_every_connection_of_a_process_is_encrypted(server: Server, way: str) -> None:
    """The statements of bets, what waits for Accepts, and the engine of migrations."""
    given: dict[str, object] = {"database_tls": "require"}
    if way != "require":
        given = {"database_tls": "verify-full", "database_tls_ca": server.authority.ca}
    if way == "client certificate":
        server.wants_certificate = True
        given |= {"database_tls_cert": server.client.certificate, "database_tls_key": server.client.key}
    settings = server.settings(**given)
    async with opened(settings) as database, AcceptNotifications(settings) as notifications:
        async with asyncio.timeout(60):
            await notifications.listening.wait()
            async with notifications.expect(7, TransactionType.ACCEPT_BET) as stored:
                await notify(database, 7, TransactionType.ACCEPT_BET)
                await stored.wait()
        given_up = asyncio.create_task(database.execute(_SLEEP))
        await asyncio.sleep(0.1)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await notify(database, 7, TransactionType.ACCEPT_BET)
        engine = create_engine(settings)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            looking = await asyncpg.connect(server.plaintext_url)
            found = await looking.fetch(_NAMES)
            await looking.close()
        await engine.dispose()
    # All of them have passed a server that takes no plaintext.
    assert sorted(row["application_name"] for row in found)[-1] == "betcore hints"
    assert len(found) >= 3


async def test_a_process_that_says_nothing_of_tls_is_encrypted_if_the_server_can(server: Server) -> None:
    async with opened(server.settings()) as database:
        await notify(database, 7, TransactionType.ACCEPT_BET)


async def test_what_does_not_agree_is_refused_at_start_in_words(server: Server, postgres_url: str) -> None:
    full = {"database_tls": "verify-full", "database_tls_ca": server.authority.ca}
    stranger = server.stranger.signs("client")
    plaintext = Settings.model_validate({"database_url": postgres_url, "database_tls": "require"})
    wrong = {
        "not good: (unable to get local issuer|self-signed) certificate": server.settings(
            **{**full, "database_tls_ca": server.stranger.ca}
        ),
        "not good: (self-signed certificate|unable to get)": server.settings(database_tls="verify-full"),
        "not good: IP address mismatch, certificate is not valid for '127.0.0.1'": server.settings(
            host="127.0.0.1", **full
        ),
        "offers no TLS, and BETCORE_DATABASE_TLS wants it": plaintext,
        "no pg_hba.conf entry .* no encryption": server.settings(database_tls="off"),
        "may not take BETCORE_DATABASE_TLS_CERT": server.settings(
            **full, database_tls_cert=stranger.certificate, database_tls_key=stranger.key
        ),
    }
    for words, settings in wrong.items():
        with refused("tls_refused", words):
            async with opened(settings):
                pass
    server.wants_certificate = True
    with refused("tls_refused", "connection requires a valid client certificate"):
        async with opened(server.settings(**full)):
            pass


def test_a_process_with_a_wrong_authority_does_not_start(server: Server, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "BETCORE_DATA_DIR": str(tmp_path),
        "BETCORE_DATABASE_URL": server.url(),
        "BETCORE_DATABASE_TLS": "verify-full",
        "BETCORE_DATABASE_TLS_CA": str(server.stranger.ca),
    }
    done = subprocess.run(
        [sys.executable, "worker.py"], cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "PostgreSQL's certificate is not good" in done.stderr


async def test_a_server_that_is_away_keeps_no_process_from_starting() -> None:
    away = Settings(database_url=SecretStr("postgresql://u:p@127.0.0.1:1/x"), database_tls="require")
    async with opened(away):
        pass


async def test_what_contradicts_itself_is_refused_before_anything_is_sent(server: Server, tmp_path: Path) -> None:
    nowhere, url = tmp_path / "none.pem", "postgresql://u:p@h:1/x"
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    ca, cert, key = server.authority.ca, server.client.certificate, server.client.key
    wrong: list[tuple[dict[str, object], str]] = [
        (
            {"database_url": f"{url}?sslmode=require"},
            "BETCORE_DATABASE_URL: sslmode is not read .* BETCORE_DATABASE_TLS",
        ),
        ({"database_url": f"{url}?application_name=x&ssl=true"}, "BETCORE_DATABASE_URL: ssl is not read"),
        ({"database_tls": "require", "database_tls_ca": ca}, "_CA is of use with BETCORE_DATABASE_TLS=verify-full"),
        ({"database_tls_ca": ca}, "_CA is of use with BETCORE_DATABASE_TLS=verify-full"),
        ({"database_tls": "verify-full", "database_tls_cert": cert}, "go together"),
        ({"database_tls": "off", "database_tls_cert": cert, "database_tls_key": key}, "is of use with TLS"),
        ({"database_tls": "verify-full", "database_tls_ca": nowhere}, "BETCORE_DATABASE_TLS_CA: .*No such file"),
        ({"database_tls": "verify-full", "database_tls_ca": junk}, "BETCORE_DATABASE_TLS_CA: not a certificate"),
        ({"database_tls": "require", "database_tls_cert": cert, "database_tls_key": ca}, "_CERT, .*_KEY: not a"),
    ]
    for given, words in wrong:
        with refused("invalid_settings", words):
            async with opened(Settings.model_validate({"database_url": url, **given})):
                pass
