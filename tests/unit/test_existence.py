"""The question whether keys exist: strangers make up any number of them, and few reads answer all."""

import asyncio
from collections.abc import Collection

from betcore.db import existence
from betcore.db.existence import Existence


class Source:
    """Names that start with "k" exist; every read is kept, and waits while the gate is closed."""

    def __init__(self) -> None:
        self.reads: list[set[str]] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, keys: Collection[str]) -> Collection[str]:
        self.reads.append(set(keys))
        self.asked.set()
        await self.gate.wait()
        if "broken" in keys:
            raise OSError("no database")
        return {key for key in keys if key.startswith("k")}


async def test_keys_that_are_asked_about_at_once_share_a_read() -> None:
    source = Source()
    known = Existence(source.find, seconds=3600)
    keys = [f"x{number}" for number in range(1000)] + ["k1"]
    found = await asyncio.gather(*map(known.has, keys))
    assert found == [False] * 1000 + [True]
    assert source.reads == [set(keys)]


async def test_what_is_asked_during_a_read_shares_the_next_one_after_a_pause() -> None:
    source = Source()
    known = Existence(source.find, seconds=3600)
    source.gate.clear()
    first = asyncio.create_task(known.has("x1"))
    await source.asked.wait()
    others = [asyncio.create_task(known.has(key)) for key in ("k1", "k2", "x2")]
    await asyncio.sleep(0)
    assert source.reads == [{"x1"}]
    ended = asyncio.get_running_loop().time()
    source.gate.set()
    assert [await one for one in (first, *others)] == [False, True, True, False]
    assert source.reads == [{"x1"}, {"k1", "k2", "x2"}]
    assert asyncio.get_running_loop().time() >= ended + existence._GAP


async def test_what_does_not_exist_is_believed_and_what_exists_is_asked_about_again() -> None:
    source = Source()
    known = Existence(source.find, seconds=3600)
    assert [await known.has(key) for key in ("x1", "x1", "k1", "k1")] == [False, False, True, True]
    assert source.reads == [{"x1"}, {"k1"}, {"k1"}]


async def test_what_is_kept_is_bounded_and_the_oldest_leaves() -> None:
    source = Source()
    known = Existence(source.find, seconds=3600, size=2)
    for key in ("x1", "x2", "x3", "x3", "x2", "x1"):
        assert not await known.has(key)
    assert source.reads == [{"x1"}, {"x2"}, {"x3"}, {"x1"}]


async def test_a_key_that_came_to_exist_is_found_when_its_time_is_over() -> None:
    source = Source()
    impatient = Existence(source.find, seconds=0)
    assert [await impatient.has("x1"), await impatient.has("x1")] == [False, False]
    assert source.reads == [{"x1"}, {"x1"}]


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    source = Source()
    known = Existence(source.find, seconds=3600)
    found = await asyncio.gather(*map(known.has, ("broken", "x1", "k1")), return_exceptions=True)
    assert [type(one) for one in found] == [OSError] * 3
    assert [await known.has("x1"), await known.has("k1")] == [False, True]


async def test_a_caller_that_gives_up_takes_the_answer_from_nobody_else() -> None:
    source = Source()
    known = Existence(source.find, seconds=3600)
    source.gate.clear()
    one, other = (asyncio.create_task(known.has(key)) for key in ("k1", "k2"))
    await source.asked.wait()
    one.cancel()
    source.gate.set()
    assert await other
