"""TLS to PostgreSQL, at a server that takes nothing else; of one of its databases it wants client certificates."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from betcore.casino.accept_notifications import AcceptNotifications, notify
from betcore.db.bets import Bets
from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.engine import create_engine
from betcore.db.statement import NoRow, Statement
from betcore.domain.ids import TransactionType
from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from tests import tls_postgres
from tests.api.wire import Signer, post, running_api
from tests.certificates import Authority, Pair
from tests.in_process_casino import open_casino
from tests.partner import eventually
from tests.tls_postgres import CERTIFIED, TlsPostgres
from tests.unit.partner_database import refused
from tests.workflows.bets import working

_ROOT = Path(__file__).parents[2]
_SLEEP = Statement(NoRow, "SELECT pg_sleep(600)")
_SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'"
_CONNECTIONS = """
SELECT jsonb_agg(jsonb_build_array(application_name, ssl, client_dn))
FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'betcore_worker'
"""

Given = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """The server, the authority of its certificates, and another one."""

    server: TlsPostgres
    ours: Authority
    strangers: Authority
    certificate: Pair

    @property
    def full(self) -> Given:
        """Return settings by which a process checks the server."""
        return {"database_tls": "verify-full", "database_tls_ca": self.ours.ca}

    def as_client(self, certificate: Pair) -> Given:
        """Return settings by which it also shows a certificate."""
        return {**self.full, "database_tls_cert": certificate.certificate, "database_tls_key": certificate.key}

    def worker(self, given: Given, **where: str) -> Settings:
        """Return the settings of a worker."""
        return Settings.model_validate({"database_url": self.server.url("worker", **where), **given})


@pytest.fixture(scope="module")
async def place(migrated_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    if tls_postgres.programs() is None and not os.environ.get("CI"):
        pytest.skip("make deploy-setup installs PostgreSQL")
    folder = tmp_path_factory.mktemp("tls")
    ours, strangers = Authority(folder / "ours"), Authority(folder / "strangers")
    certificate = ours.signs("server", hosts=("localhost",))
    async with tls_postgres.running(folder / "server", certificate, ours) as server:
        yield Place(server, ours, strangers, certificate)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings) as database:
        yield database


@pytest.mark.parametrize("way", ["require", "verify-full", "client certificate"])
async def test_every_connection_of_a_process_is_encrypted(place: Place, way: str) -> None:
    """The statements of bets and their cancelling, what waits for Accepts, and the engine of migrations."""
    name = None
    settings = place.worker({"database_tls": "require"} if way == "require" else place.full)
    if way == "client certificate":
        name = "/CN=betcore_worker"
        settings = place.worker(place.as_client(place.ours.signs("betcore_worker")), database=CERTIFIED)
    async with opened(settings) as database, AcceptNotifications(settings) as notifications:
        async with asyncio.timeout(60):
            await notifications.listening.wait()
            async with notifications.expect(7, TransactionType.ACCEPT_BET) as stored:
                await notify(database, 7, TransactionType.ACCEPT_BET)
                await stored.wait()
        await _is_cancelled_at_the_server(place, database)
        engine = create_engine(settings)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            found = json.loads(await place.server.ask(_CONNECTIONS))
        await engine.dispose()
    assert len(found) >= 3
    assert "betcore hints" in [application for application, *_ in found]
    assert {(encrypted, shown) for _, encrypted, shown in found} == {(True, name)}


async def _is_cancelled_at_the_server(place: Place, database: Database) -> None:
    """Give up a statement: another connection is opened to cancel it."""
    given_up = asyncio.create_task(database.execute(_SLEEP))
    await eventually(lambda: place.server.ask(_SLEEPING))
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up

    async def is_over() -> bool:
        return await place.server.ask(_SLEEPING) == 0

    await eventually(is_over)


async def test_a_bet_is_played_between_processes_that_show_certificates(place: Place, temporal_address: str) -> None:
    by_name = {role: place.as_client(place.ours.signs(f"betcore_{role}")) for role in ("api", "worker")}
    settings = place.worker(by_name["worker"], database=CERTIFIED)
    environment = {name: str(value) for name, value in by_name["api"].items()}
    address = place.server.url("api", database=CERTIFIED)
    client = await connect(Settings(temporal_address=temporal_address))
    async with (
        open_casino(f"{place.server.superuser.rpartition('/')[0]}/{CERTIFIED}") as made,
        opened(settings) as database,
        AcceptNotifications(settings) as hints,
        running_api(address, temporal_address, **environment) as api,
        working(client, replace(made, database=database, bets=Bets(database), hints=hints)),
    ):
        provider = await made.partners.provider(made.counterparty_id)
        assert provider is not None
        bets, signer = f"/v1/sessions/{made.session.session_id}/bets", Signer(made.counterparty_id, provider.secrets[0])
        for operation, amount in (("pay-in", "betAmount"), ("pay-out", "winAmount")):
            body = {"betId": "over-tls", "gameRoundId": "round", amount: "10.00"}
            done = await post(api, signer, json.dumps(body).encode(), f"{bets}/{operation}")
            assert done.outcome == (200, 1, None), done.body
        assert await made.journal() == [(-1, "10.00"), (1, "10.00")]


async def test_a_process_that_says_nothing_of_tls_is_encrypted_if_the_server_can(place: Place) -> None:
    async with opened(place.worker({})) as database:
        await notify(database, 7, TransactionType.ACCEPT_BET)


async def test_what_does_not_agree_is_refused_at_start_in_words(place: Place, postgres_url: str) -> None:
    stranger = place.strangers.signs("betcore_worker")
    expired = place.ours.signs("betcore_worker", until=-timedelta(hours=1))
    plaintext = Settings.model_validate({"database_url": postgres_url, "database_tls": "require"})
    authority = "not good: (unable to get local issuer certificate|self-signed certificate)"
    wrong = [
        (authority, place.worker({**place.full, "database_tls_ca": place.strangers.ca})),
        (authority, place.worker({"database_tls": "verify-full"})),
        (
            "not good: IP address mismatch, certificate is not valid for '127.0.0.1'",
            place.worker(place.full, host="127.0.0.1"),
        ),
        ("offers no TLS, and BETCORE_DATABASE_TLS wants it", plaintext),
        ("no pg_hba.conf entry .* no encryption", place.worker({"database_tls": "off"})),
        ("connection requires a valid client certificate", place.worker(place.full, database=CERTIFIED)),
        ("may not take BETCORE_DATABASE_TLS_CERT", place.worker(place.as_client(stranger))),
        ("may not take BETCORE_DATABASE_TLS_CERT", place.worker(place.as_client(expired))),
    ]
    for words, settings in wrong:
        with refused("tls_refused", words):
            async with opened(settings):
                pass


async def test_the_certificate_of_another_role_is_told_as_a_wrong_password(place: Place) -> None:
    """By PostgreSQL: a process starts, as with a password that is being changed, and can do nothing."""
    other = place.as_client(place.ours.signs("betcore_api"))
    async with opened(place.worker(other, database=CERTIFIED)) as database:
        with pytest.raises(DatabaseError, match="password authentication failed"):
            await notify(database, 7, TransactionType.ACCEPT_BET)


async def test_an_expired_certificate_of_the_server_is_refused(place: Place) -> None:
    await place.server.show(place.ours.signs("expired", hosts=("localhost",), until=-timedelta(hours=1)))
    try:
        with refused("tls_refused", "PostgreSQL's certificate is not good: certificate has expired"):
            async with opened(place.worker(place.full)):
                pass
    finally:
        await place.server.show(place.certificate)


def test_a_process_with_a_wrong_authority_does_not_start(place: Place, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "BETCORE_DATA_DIR": str(tmp_path),
        "BETCORE_DATABASE_URL": place.server.url("worker"),
        "BETCORE_DATABASE_TLS": "verify-full",
        "BETCORE_DATABASE_TLS_CA": str(place.strangers.ca),
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


async def test_what_contradicts_itself_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    nowhere, url = tmp_path / "none.pem", "postgresql://u:p@h:1/x"
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    client = ours.signs("client")
    ca, cert, key = ours.ca, client.certificate, client.key
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
