"""Grafana's boards, without Grafana: each panel's expressions, asked of a Prometheus that scrapes a running stack."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import yaml

from devkit.stack import ports
from tests.partner import PATIENCE, Stack, TestPartner, eventually
from tests.spawned import spawned
from tests.system.test_alerts import BOARDS

PROMETHEUS = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(
    PROMETHEUS is None and not os.environ.get("CI"), reason="make observability-setup installs Prometheus"
)


@pytest.fixture(scope="module")
async def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Debian's Prometheus, which scrapes the stack every second: its address."""
    folder, (port,) = tmp_path_factory.mktemp("prometheus"), ports.free(1)
    jobs = {
        "betcore-api": [stack.addresses["api_inner"]],
        "betcore-feed": [stack.addresses["feed_inner"]],
        "betcore-worker": stack.addresses["workers"],
    }
    scraped = [
        {"job_name": job, "static_configs": [{"targets": [address.removeprefix("http://") for address in addresses]}]}
        for job, addresses in jobs.items()
    ]
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": scraped}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *spawned(str(PROMETHEUS), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        assert process.returncode is None, (folder / "log").read_text()
        try:
            async with stack.http.get(f"{url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    try:
        await eventually(ready)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def lines(http: aiohttp.ClientSession, prometheus: str, expression: str) -> int:
    """Return how many lines a panel draws for an expression."""
    async with http.get(f"{prometheus}/api/v1/query", params={"query": expression}) as answer:
        found = await answer.json()
    assert found["status"] == "success", (expression, found)
    return sum(row["value"][1] != "NaN" for row in found["data"]["result"])


def panels() -> Iterator[tuple[str, list[str], str]]:
    """Yield the panels of all boards: title, expressions, and what it means if it is empty, else nothing."""
    for board in BOARDS:
        for panel in json.loads(board.read_text())["panels"]:
            empty = panel["fieldConfig"]["defaults"].get("noValue", "")
            yield panel["title"], [target["expr"] for target in panel["targets"]], empty


async def test_every_panel_shows_something_or_says_why_not(stack: Stack, partner: TestPartner, prometheus: str) -> None:
    async def empty() -> list[str]:
        settled = partner.new_bet()
        assert (await partner.pay_in(settled)).code == 1
        assert (await partner.pay_out(settled)).code == 1
        # All are asked, so that one that Prometheus refuses is noticed.
        found = {title: [await lines(stack.http, prometheus, one) for one in asked] for title, asked, _ in panels()}
        return [title for title, _, says in panels() if not says and not all(found[title])]

    left: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while left := await empty():
                await asyncio.sleep(1)
    except TimeoutError:
        pytest.fail(f"empty: {left}")
