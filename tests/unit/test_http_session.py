"""The session that calls casinos: what it tells them, and whom it takes for one."""

import ast
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from betcore.casino.http_session import http_session
from tests.certificates import Authority
from tests.tls_proxy import context_of

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def casino(seen: list[str | None], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port, and keep the cookie of each call."""

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "casino=a; Path=/"})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "localhost", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_cookies_are_not_kept() -> None:
    seen: list[str | None] = []
    async with casino(seen) as port, http_session() as http:
        for _ in range(2):
            async with http.get(f"http://localhost:{port}/"):
                pass
    assert seen == [None, None]


async def test_a_server_that_is_not_the_casino_gets_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sits between has a certificate of another authority, or for another name."""
    authority, stranger = Authority(tmp_path / "authority"), Authority(tmp_path / "stranger")
    # What aiohttp makes of the system's authorities when it is imported.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=authority.ca))
    seen: list[str | None] = []
    for signed in (stranger.signs("casino", hosts=("localhost",)), authority.signs("other", hosts=("other.example",))):
        async with casino(seen, context_of(signed)) as port, http_session() as http:
            # ``CasinoClient`` knows by this error that no byte of the message has left.
            with pytest.raises(aiohttp.ClientConnectorError, match="certificate verify failed"):
                await http.get(f"https://localhost:{port}/")
    assert seen == []
    async with (
        casino(seen, context_of(authority.signs("casino", hosts=("localhost",)))) as port,
        http_session() as http,
    ):
        await http.get(f"https://localhost:{port}/")
    assert seen == [None]


def test_every_session_of_the_product_is_such_a_one() -> None:
    """The sandbox partners stand for other companies' programs, and have their own."""
    product = [
        ROOT / "worker.py",
        *(p for part in ("api", "activities", "betcore", "devkit") for p in (ROOT / part).rglob("*.py")),
    ]
    makers = [
        file.relative_to(ROOT).as_posix()
        for file in product
        if "sandbox/" not in file.as_posix()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ClientSession")
    ]
    assert makers == ["betcore/casino/http_session.py"]
