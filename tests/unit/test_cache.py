"""The cache in front of partners and keys: bounded, one reader at a time, no error kept."""

import asyncio

import pytest

from betcore.db.cache import Cache


class Source:
    """Names that start with "k" exist; every read is counted, and waits while the gate is closed."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, key: str) -> str | None:
        self.read.append(key)
        self.asked.set()
        await self.gate.wait()
        if key == "broken":
            raise OSError("no database")
        return key.upper() if key.startswith("k") else None


async def test_a_value_is_read_again_when_its_time_is_over() -> None:
    source = Source()
    impatient = Cache(source.load, seconds=0)
    assert [await impatient.get("k1"), await impatient.get("k1")] == ["K1", "K1"]
    assert source.read == ["k1", "k1"]


async def test_what_is_kept_is_bounded_and_the_oldest_leaves() -> None:
    source = Source()
    small = Cache(source.load, seconds=3600, size=2)
    for key in ("k1", "k2", "k3", "k3", "k2", "k1"):
        await small.get(key)
    assert source.read == ["k1", "k2", "k3", "k1"]


async def test_what_does_not_exist_is_kept_too_and_pushes_nothing_real_out() -> None:
    source = Source()
    small = Cache(source.load, seconds=3600, size=2)
    for key in ("k1", "x1", "x1", "x2", "x3", "x4", "k1", "x1"):
        await small.get(key)
    assert source.read == ["k1", "x1", "x2", "x3", "x4", "x1"]


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    source = Source()
    cached = Cache(source.load, seconds=3600)
    heard = await asyncio.gather(*(cached.get("broken") for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in heard] == [OSError] * 3
    assert source.read == ["broken"]
    with pytest.raises(OSError, match="no database"):
        await cached.get("broken")
    assert source.read == ["broken"] * 2


async def test_a_caller_who_gives_up_leaves_the_answer_to_the_others() -> None:
    source = Source()
    source.gate.clear()
    cached = Cache(source.load, seconds=3600)
    hasty, patient = asyncio.create_task(cached.get("k1")), asyncio.create_task(cached.get("k1"))
    await source.asked.wait()
    hasty.cancel()
    source.gate.set()
    assert await patient == "K1"
    with pytest.raises(asyncio.CancelledError):
        await hasty
    assert source.read == ["k1"]


async def test_what_is_forgotten_is_read_again() -> None:
    source = Source()
    cached = Cache(source.load, seconds=3600)
    await cached.get("k1")
    cached.forget()
    await cached.get("k1")
    assert source.read == ["k1", "k1"]
