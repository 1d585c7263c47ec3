"""The session that calls casinos: no cookie of one goes to another, or back to itself."""

import ast
from pathlib import Path

from aiohttp import web

from betcore.casino.http_session import http_session

ROOT = Path(__file__).parents[2]


async def test_cookies_are_not_kept() -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "casino=a; Path=/"})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0)
    await site.start()
    try:
        async with http_session() as http:
            for _ in range(2):
                async with http.get(f"http://localhost:{runner.addresses[0][1]}/"):
                    pass
    finally:
        await runner.cleanup()
    assert seen == [None, None]


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
