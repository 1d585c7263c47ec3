"""A worker's own answers: what it lacks is named, and a port that is taken ends its start with a message."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from betcore.casino.http_session import http_session
from betcore.db.database import open_database
from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings
from betcore.telemetry.temporal_metrics import TemporalMetrics
from betcore.telemetry.worker_endpoint import WorkerEndpoint
from devkit.stack.ports import free


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session() as session:
        yield session


async def asked(http: aiohttp.ClientSession, port: int, path: str) -> tuple[int, str]:
    async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_what_a_worker_lacks_is_named(http: aiohttp.ClientSession) -> None:
    port, nothing = free(2)
    metrics = TemporalMetrics(http)
    client = await Client.connect(f"127.0.0.1:{nothing}", lazy=True, runtime=metrics.runtime)
    url = SecretStr(f"postgresql://u:p@127.0.0.1:{nothing}/x")
    async with open_database(Settings(database_url=url)) as database:
        endpoint = WorkerEndpoint(database, client, metrics, lambda: False)
        async with endpoint.serve("127.0.0.1", port):
            assert (await asked(http, port, "/health/live"))[0] == 200
            assert await asked(http, port, "/health/ready") == (
                503,
                '{"database": false, "temporal": false, "polling": false}',
            )
            # Its own metrics, and those of the SDK.
            metrics.runtime.metric_meter.create_counter("counted_by_the_sdk").add(1)
            status, text = await asked(http, port, "/metrics")
            assert status == 200
            assert "betcore_casino_answers" in text
            assert "counted_by_the_sdk_total 1" in text
            with pytest.raises(Misconfigured, match=f"127.0.0.1:{port} .*BETCORE_WORKER_METRICS_PORT"):
                async with endpoint.serve("127.0.0.1", port):
                    pass
