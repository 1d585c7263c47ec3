"""Health and metrics: a part that is down is named soon, even if it hangs instead of refusing."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from temporalio.client import Client

from api import health
from betcore.db.database import open_database
from betcore.db.engine import create_engine
from betcore.db.incidents import KINDS
from betcore.runtime.settings import Settings
from betcore.telemetry import health as answers
from devkit.stack.ports import free
from tests.api.wire import Answer, Api, served
from tests.partner import Stack, TestPartner
from tests.unit.partner_database import PartnerDatabase


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a healthy server however busy the machine is."""
    monkeypatch.setattr(answers, "_WITHIN", 60)


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """Open a port that takes connections and never sends a byte."""
    stop = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stop.set()
        server.close()


async def asked_of(database_url: str, temporal_address: str, path: str = "/health/ready") -> Answer:
    """Return the answer of an API over this database and Temporal."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(Settings(database_url=database_url)))
        app = FastAPI()
        app.include_router(health.router(database, await Client.connect(temporal_address, lazy=True)))
        api = await stack.enter_async_context(served(app))
        return await api.get(path)


async def incidents(stack: Stack) -> dict[str, float]:
    """Return the gauge of a running API by kind of incident."""
    async with stack.http.get(stack.addresses["api_inner"] + "/metrics") as answer:
        return gauge(await answer.text())


def gauge(metrics: str) -> dict[str, float]:
    found = re.findall(r'^betcore_incidents\{kind="(\w+)"\} (\S+)$', metrics, re.MULTILINE)
    return {kind: float(value) for kind, value in found}


def breakers(metrics: str, name: str) -> dict[str, float]:
    found = re.findall(rf'^{name}\{{casino="(\w+)"\}} (\S+)$', metrics, re.MULTILINE)
    return {casino: float(value) for casino, value in found}


async def test_all_up(api: Api) -> None:
    for port in (api, api.inner):
        assert (await port.get("/health/live")).body == {"status": "up"}
    found = await api.inner.get("/health/ready")
    assert (found.status, found.body) == (200, {"database": True, "temporal": True})


async def test_the_part_that_is_down_is_named(database_url: str, temporal_address: str) -> None:
    nowhere = f"127.0.0.1:{free(1)[0]}"
    found = await asked_of(f"postgresql://u:p@{nowhere}/x", temporal_address)
    assert (found.status, found.body) == (503, {"database": False, "temporal": True})
    found = await asked_of(database_url, nowhere)
    assert (found.status, found.body) == (503, {"database": True, "temporal": False})


async def test_parts_that_hang_are_down_after_the_same_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_WITHIN", 3)
    async with silent_port() as port:
        began = time.monotonic()
        found = await asked_of(f"postgresql://u:p@127.0.0.1:{port}/x", f"127.0.0.1:{port}")
        took = time.monotonic() - began
    assert (found.status, found.body) == (503, {"database": False, "temporal": False})
    assert 3 <= took < 6  # six would be one after the other


async def test_incidents_are_counted_as_they_stand_in_the_table(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).code == 1
    for amount in ("12.00", "13.00", "12.00"):
        assert (await partner.pay_in(bet, amount)).outcome == (6, "different_data")
    # The third incident equals the first.
    assert await partner.incidents(bet) == ["different_data"] * 2
    # Other processes of the run file incidents on this stack too, before and after the gauge is read.
    before, shown, after = await _filed(partner), await incidents(stack), await _filed(partner)
    assert set(KINDS) <= set(shown)
    assert all(before.get(kind, 0) <= count <= after.get(kind, 0) for kind, count in shown.items())


async def _filed(partner: TestPartner) -> dict[str, int]:
    """Return how many incidents of each kind stand in the table."""
    rows = await partner.sql("SELECT kind, count(*) AS filed FROM incident GROUP BY kind")
    return {row.kind: row.filed for row in rows}


async def test_a_process_that_just_started_counts_what_others_have_filed(
    database_url: str, temporal_address: str
) -> None:
    engine = create_engine(Settings(database_url=database_url))
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO incident (kind, ours, theirs) VALUES ('parked', '{}', '{}')"))
    await engine.dispose()
    found = (await asked_of(database_url, temporal_address, "/metrics")).raw.decode()
    assert gauge(found) == dict.fromkeys(KINDS, 0) | {"parked": 1}
    assert "\nbetcore_incidents_readable 1.0\n" in found


async def test_breakers_are_shown_as_they_stand_in_the_table(database_url: str, temporal_address: str) -> None:
    async with PartnerDatabase.at(database_url) as database:
        for casino in ("royal", "windsor"):
            await database.onboarding.add_casino(casino, f"http://{casino}.example", confirmation="reply")
        await database.sql(
            "INSERT INTO casino_health (casino_id, failures, failing_since, open_since, probe_at)"
            " SELECT casino_id, 10, now(), now() - interval '1 hour', now() FROM casino WHERE name = 'royal'"
        )
    found = (await asked_of(database_url, temporal_address, "/metrics")).raw.decode()
    assert breakers(found, "betcore_breaker_open") == {"royal": 1, "windsor": 0}
    seconds = breakers(found, "betcore_breaker_open_seconds")
    assert seconds["windsor"] == 0
    assert 3600 <= seconds["royal"] < 3660


async def test_metrics_are_served_without_the_database(temporal_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_WITHIN", 1)
    async with silent_port() as hanging:
        for port in (free(1)[0], hanging):
            async with asyncio.timeout(30):
                found = await asked_of(f"postgresql://u:p@127.0.0.1:{port}/x", temporal_address, "/metrics")
            metrics = found.raw.decode()
            assert (found.status, gauge(metrics)) == (200, {})
            assert breakers(metrics, "betcore_breaker_open") == {}
            assert "\nbetcore_incidents_readable 0.0\n" in metrics
            assert "\n# TYPE betcore_calls_total counter\n" in metrics
