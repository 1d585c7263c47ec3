"""An answer that the proxy loses is an effect all the same: a commit of PostgreSQL, a POST."""

from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from devkit.chaos.proxy import Link, Trouble


async def test_a_commit_whose_answer_is_lost_is_a_commit(database_url: str) -> None:
    address = urlsplit(database_url)
    assert address.hostname is not None
    assert address.port is not None
    link = Link("postgres", address.hostname, address.port)
    port = await link.open()
    through = address._replace(netloc=address.netloc.replace(f":{address.port}", f":{port}")).geturl()
    direct = await asyncpg.connect(database_url)
    try:
        await direct.execute("CREATE TABLE thing (id int PRIMARY KEY)")
        for number, trouble in enumerate((Trouble("lose_answers"), Trouble("lose_answers", marker=b"COMMIT\0"))):
            connection = await asyncpg.connect(through)
            transaction = connection.transaction()
            if trouble.marker:
                link.trouble(trouble)  # everything before the commit is answered
            await transaction.start()
            await connection.execute("INSERT INTO thing VALUES ($1)", number)
            link.trouble(trouble)
            with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
                await transaction.commit()
            assert connection.is_closed()
            link.trouble(None)
            assert await direct.fetchval("SELECT count(*) FROM thing WHERE id = $1", number) == 1
        assert link.figures["lose_answers"] == 2
        healed = await asyncpg.connect(through)
        assert await healed.fetchval("SELECT count(*) FROM thing") == 2
        await healed.close()
    finally:
        await direct.close()
        await link.close()


async def test_http_an_answer_lost_is_an_effect_all_the_same() -> None:
    done: list[bytes] = []

    async def pay(request: web.Request) -> web.Response:
        done.append(await request.read())
        return web.Response(text="paid")

    app = web.Application()
    app.router.add_post("/pay", pay)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    link = Link("http", *runner.addresses[0][:2])
    url = f"http://127.0.0.1:{await link.open()}/pay"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            for expected, trouble in enumerate((Trouble("lose_answers"), Trouble("cut", after_bytes=20)), 1):
                link.trouble(trouble)
                with pytest.raises(aiohttp.ClientError):
                    await http.post(url, data=b"10")
                assert len(done) == expected
            for trouble in (Trouble("reset"), None):
                link.trouble(trouble)
                if trouble:
                    with pytest.raises(aiohttp.ClientError):
                        await http.post(url, data=b"11")
            async with http.post(url, data=b"12") as response:
                assert await response.text() == "paid"
        assert done == [b"10", b"10", b"12"]
    finally:
        await link.close()
        await runner.cleanup()
