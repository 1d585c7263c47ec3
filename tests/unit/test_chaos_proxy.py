"""The proxy that breaks connections: every trouble on real sockets."""

import asyncio
from contextlib import suppress

import pytest

from devkit.chaos.proxy import Link, Trouble
from tests.unit.chaos_streams import LONG, Server, connect, hear_reset, let_go, linked, say, tear


async def test_without_trouble_bytes_and_half_closes_pass() -> None:
    got = asyncio.Queue[bytes]()

    async def answer_after_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.read())  # until the client has closed its half
        writer.write(LONG[::-1])
        writer.close()

    async with linked(answer_after_close) as (link, port):
        client = await connect(port)
        client[1].write(LONG)
        client[1].write_eof()
        assert await client[0].read() == LONG[::-1]
        assert got.get_nowait() == LONG
        await let_go(client)
        assert link.figures == {"connections": 1, "bytes": 2 * len(LONG)}


async def test_a_reset_of_either_side_reaches_the_other() -> None:
    server = Server()
    async with linked(server.echo) as (_, port):
        client = await connect(port)
        assert await say(client, b"hello") == b"hello"
        tear(client)
        assert await server.ends.get() == "reset"


async def test_a_server_that_does_not_listen_is_a_reset() -> None:
    server = Server()
    async with linked(server.echo) as (_, port):
        pass
    link = Link("nobody", "127.0.0.1", port)
    nobody = await link.open()
    assert await hear_reset(await connect(nobody)) == b""
    await link.close()


async def test_nothing_is_read_faster_than_it_is_taken() -> None:
    taking = asyncio.Event()
    got = asyncio.Queue[int]()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await taking.wait()
        got.put_nowait(len(await reader.read()))
        writer.close()

    async with linked(slow) as (link, port):
        client = await connect(port)
        client[1].transport.set_write_buffer_limits(high=0)
        size = 64 * 1024 * 1024
        client[1].write(bytes(size))
        client[1].write_eof()
        before = -1
        while before != link.figures["bytes"]:  # until nothing moves any more
            before = link.figures["bytes"]
            with suppress(TimeoutError):
                await asyncio.wait_for(got.get(), 0.2)
        assert before < size / 2
        taking.set()
        assert await got.get() == size
        await let_go(client)


async def test_delay_makes_each_chunk_wait_and_harms_none() -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        client = await connect(port)
        link.trouble(Trouble("delay", seconds=0.05))
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await say(client, b"ping") == b"ping"
        assert loop.time() - began >= 0.1  # there and back
        assert link.figures["delay"] == 2
        link.trouble(Trouble("delay", seconds=0.002))
        assert await say(client, LONG) == LONG
        assert server.heard == b"ping" + LONG
        await let_go(client)


async def test_healing_ends_a_delay_at_once() -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        client = await connect(port)
        link.trouble(Trouble("delay", seconds=3600))
        talking = asyncio.create_task(say(client, b"ping"))
        while not link.figures["delay"]:
            await asyncio.sleep(0)
        link.trouble(None)
        assert await talking == b"ping"
        assert await say(client, b"again") == b"again"
        await let_go(client)


async def test_a_black_hole_takes_everything_and_a_holed_stream_never_goes_on() -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        holed, idle = await connect(port), await connect(port)
        assert await say(holed, b"a") + await say(idle, b"b") == b"ab"
        link.trouble(Trouble("black_hole"))
        late = await connect(port)
        holed[1].write(b"lost")
        late[1].write(b"lost too")
        while link.figures["black_hole"] < 2:
            await asyncio.sleep(0)
        for streams in (holed, late):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(streams[0].read(1), 0.05)
        link.trouble(None)
        assert [await hear_reset(holed), await hear_reset(late)] == [b"", b""]
        assert await server.ends.get() == "reset"
        assert await say(idle, b"c") == b"c"  # lost nothing, goes on
        assert server.heard == b"abc"
        await let_go(idle)


async def test_an_answer_into_a_black_hole_is_lost_and_so_is_the_end_of_a_client() -> None:
    go, heard = asyncio.Event(), asyncio.Queue[str]()

    async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(b"answer")
        try:
            heard.put_nowait("eof" if not await reader.read() else "bytes")
        except ConnectionResetError:
            heard.put_nowait("reset")
        writer.close()

    async with linked(later) as (link, port):
        asking, leaving, torn = await connect(port), await connect(port), await connect(port)
        while len(link._pairs) < 3 or any(len(pair._writers) < 2 for pair in link._pairs.values()):
            await asyncio.sleep(0)
        link.trouble(Trouble("black_hole"))
        await let_go(leaving)
        tear(torn)
        go.set()
        while link.figures["black_hole"] < 3:
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.get(), 0.05)
        link.trouble(None)
        assert await hear_reset(asking) == b""
        assert [await heard.get() for _ in range(3)] == ["reset"] * 3


async def test_reset_ends_connections_that_exist_and_new_ones() -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        client = await connect(port)
        assert await say(client, b"a") == b"a"
        link.trouble(Trouble("reset"))
        assert await hear_reset(client) == b""
        assert await server.ends.get() == "reset"
        with suppress(ConnectionResetError):  # the reset may be as early as this
            assert await hear_reset(await connect(port)) == b""
        assert link.figures["reset"] == 2
        link.trouble(None)
        client = await connect(port)
        assert await say(client, b"b") == b"b"
        await let_go(client)


@pytest.mark.parametrize(("after", "passes"), [(0, b""), (3, b"abc"), (6, b"abcdef"), (8, b"abcdefgh")])
async def test_cut_lets_so_many_bytes_of_the_answer_pass(after: int, passes: bytes) -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        client = await connect(port)
        assert await say(client, b"before") == b"before"
        link.trouble(Trouble("cut", after_bytes=after))
        client[1].write(b"abcdef")
        if after > 6:
            assert await client[0].readexactly(6) == b"abcdef"  # shorter than the cut: whole
            client[1].write(b"ghi")
        assert await hear_reset(client) == passes[6 if after > 6 else 0 :]
        assert await server.ends.get() == "reset"
        assert link.figures["cut"] == 1
        assert server.heard == b"before" + (b"abcdefghi" if after > 6 else b"abcdef")


async def test_lose_answers_lets_the_server_work() -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        client = await connect(port)
        link.trouble(Trouble("lose_answers"))
        client[1].write(b"pay 10")
        assert await hear_reset(client) == b""
        assert await server.ends.get() == "reset"
        assert server.heard == b"pay 10"
        link.trouble(None)
        client = await connect(port)
        assert await say(client, b"pay 10") == b"pay 10"
        await let_go(client)


async def test_close_resets_what_is_open_and_the_port_is_free_again() -> None:
    server = Server()
    async with linked(server.echo) as (link, port):
        clients = [await connect(port) for _ in range(5)]
        for client in clients:
            assert await say(client, b"x") == b"x"
        link.trouble(Trouble("delay", seconds=3600))
        clients[0][1].write(b"stuck")
        while not link.figures["delay"]:
            await asyncio.sleep(0)
        await link.close()
        assert not [task for task in asyncio.all_tasks() if "chaos" in task.get_name()]
        for client in clients:
            assert await hear_reset(client) == b""
        with pytest.raises(ConnectionRefusedError):
            await connect(port)
        link.trouble(None)
        assert await link.open(port) == port
        again = await connect(port)
        assert await say(again, b"y") == b"y"
        await let_go(again)
