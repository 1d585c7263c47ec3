"""The proxy's configuration, in the HAProxy that Debian has: what passes to the API and the feed, and what does not."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from api.feed import hub

_ROOT = Path(__file__).parents[2]
_CONFIG = _ROOT / "deploy/proxy/haproxy.cfg"
_HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = pytest.mark.skipif(
    _HAPROXY is None and not os.environ.get("CI"), reason="make deploy-setup installs HAProxy"
)


@dataclass
class _Behind:
    """What stands behind the proxy: answers readiness on its port, and keeps what has arrived."""

    port: int = 0
    seen: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health/live":
            return web.Response()
        self.seen.append(request)
        if request.path.endswith("/hang-up"):
            assert request.transport is not None
            request.transport.abort()
        if request.headers.get("Upgrade") == "websocket":
            echo = web.WebSocketResponse()
            await echo.prepare(request)
            async for message in echo:
                await echo.send_str(message.data)
            return echo
        return web.json_response({"body": len(await request.read()), "from": request.headers["X-Forwarded-For"]})


@asynccontextmanager
async def _running(behind: _Behind) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", behind.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    behind.port = runner.addresses[0][1]
    yield
    await runner.cleanup()


@dataclass
class _Proxy:
    port: int
    trust: ssl.SSLContext
    api: _Behind
    feed: _Behind

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def raw(self, *parts: bytes) -> bytes:
        """Send bytes over TLS, and return all that comes until the proxy hangs up."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.trust, server_hostname="localhost"
        )
        for part in parts:
            writer.write(part)
            await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture(scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[_Proxy]:
    assert _HAPROXY is not None
    secrets = tmp_path_factory.mktemp("proxy")
    script = await asyncio.create_subprocess_exec("/bin/sh", str(_ROOT / "deploy/secrets.sh"), str(secrets))
    assert await script.wait() == 0
    api, feed = _Behind(), _Behind()
    async with _running(api), _running(feed):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {
            "PROXY_BIND": f"127.0.0.1:{port}",
            "PROXY_CERTIFICATE": str(secrets / "proxy.pem"),
            "PROXY_API": f"127.0.0.1:{api.port}",
            "PROXY_FEED": f"127.0.0.1:{feed.port}",
            "PROXY_REQUEST_TIME": "700ms",
            "PROXY_CONNECTIONS": "500",
        }
        checked = await asyncio.create_subprocess_exec(_HAPROXY, "-c", "-q", "-f", str(_CONFIG), env=environment)
        assert await checked.wait() == 0
        process = await asyncio.create_subprocess_exec(
            _HAPROXY, "-q", "-db", "-f", str(_CONFIG), env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        trust = ssl.create_default_context(cafile=str(secrets / "ca.pem"))
        made = _Proxy(port, trust, api, feed)
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            for path in ("/v1/ready", "/partnersmediator-service/ready"):
                while True:
                    try:
                        async with http.get(f"{made.url}{path}", ssl=trust) as answer:
                            if answer.status == 200:
                                break
                    except aiohttp.ClientError:
                        assert process.returncode is None
                    await asyncio.sleep(0.05)
        yield made
        process.kill()
        await process.wait()


@pytest.fixture
async def http(proxy: _Proxy) -> AsyncIterator[aiohttp.ClientSession]:
    proxy.api.seen.clear()
    proxy.feed.seen.clear()
    async with aiohttp.ClientSession(proxy.url, connector=aiohttp.TCPConnector(ssl=proxy.trust)) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "behind"),
    [
        ("/v1/sessions/1/balance", "api"),
        ("/mis-api/api/v2/auth/jwks", "api"),
        ("/webframe/v1.js", "api"),
        ("/partnersmediator-service/api/v2/x", "feed"),
        ("/live", "feed"),
        ("/live/static/a.js", "feed"),
    ],
)
async def test_paths_of_partners_pass(proxy: _Proxy, http: aiohttp.ClientSession, path: str, behind: str) -> None:
    async with http.post(path, data=b"x" * 60_000) as answer:
        assert answer.status == 200
        assert (await answer.json())["body"] == 60_000
    assert [len(proxy.api.seen), len(proxy.feed.seen)] == [int(behind == "api"), int(behind == "feed")]


@pytest.mark.parametrize(
    "path", ["/metrics", "/health/ready", "/docs", "/openapi.json", "/", "/lively", "//metrics", "/v1", "/%6detrics"]
)
async def test_what_is_for_operators_does_not(proxy: _Proxy, http: aiohttp.ClientSession, path: str) -> None:
    raw = await proxy.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert raw.startswith(b"HTTP/1.1 404")
    assert proxy.api.seen == proxy.feed.seen == []


async def test_a_caller_cannot_choose_its_address(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/x", headers={"X-Forwarded-For": "10.1.2.3"}) as answer:
        assert (await answer.json())["from"] == "127.0.0.1"


async def test_a_body_that_is_too_large_is_refused(proxy: _Proxy, http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/x", data=b"x" * 65_537) as answer:
        assert answer.status == 413
    assert proxy.api.seen == []


@pytest.mark.parametrize(
    "sent",
    [b"GET /v1/x HTTP/1.1\r\nHost: lo", b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"],
    ids=["headers", "body"],
)
async def test_a_caller_that_stops_in_the_middle_costs_the_api_nothing(
    proxy: _Proxy, http: aiohttp.ClientSession, sent: bytes
) -> None:
    assert (await proxy.raw(sent)).startswith(b"HTTP/1.1 408")
    assert proxy.api.seen == []


@pytest.mark.parametrize("path", hub.PATHS)
async def test_websockets_pass_to_the_feed(proxy: _Proxy, http: aiohttp.ClientSession, path: str) -> None:
    async with http.post(f"{path}/negotiate") as answer:
        assert answer.status == 200
    async with http.ws_connect(path) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"
    assert [len(proxy.api.seen), len(proxy.feed.seen)] == [0, 2]


async def test_a_call_that_may_have_arrived_is_never_sent_again(proxy: _Proxy, http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/hang-up", data=b"{}") as answer:
        assert answer.status == 502
    assert len(proxy.api.seen) == 1
