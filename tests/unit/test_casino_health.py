"""The row of a casino's health under many hands: counts are exact, and what one process learns reaches the others."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import event

from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.partners import Casino
from tests.unit.house import House

PROFILE = "{confirmation: reply, breaker: {failures: 20, window: 10, probe_every: 5}, owed_per_second: 10}"
LONG = 3600


@dataclass(frozen=True)
class Ward:
    """Two casinos over one database."""

    house: House
    royal: Casino
    windsor: Casino

    def processes(self, number: int, cache_seconds: float = 0) -> list[CircuitBreakers]:
        return [CircuitBreakers(self.house.engine, cache_seconds) for _ in range(number)]


@pytest.fixture
async def ward(database_url: str) -> AsyncIterator[Ward]:
    async with House.at(database_url) as house:
        casinos = []
        for name in ("royal", "windsor"):
            await house.onboarding.add_casino(name, f"http://{name}.example", PROFILE)
            [casino_id] = await house.sql(f"SELECT casino_id FROM casino WHERE name = '{name}'")  # noqa: S608  words of this file
            casinos.append(await house.partners.casino(casino_id))
        yield Ward(house, *casinos)


async def test_failures_at_the_same_time_are_all_counted_and_one_of_them_opens(ward: Ward) -> None:
    processes = ward.processes(5)
    opened = await asyncio.gather(*(processes[number % 5].failed(ward.royal) for number in range(20)))
    assert await ward.house.sql("SELECT failures FROM casino_health") == [20]
    assert opened.count(True) == 1


async def test_one_failure_less_opens_nothing(ward: Ward) -> None:
    processes = ward.processes(5)
    opened = await asyncio.gather(*(processes[number % 5].failed(ward.royal) for number in range(19)))
    assert not any(opened)
    assert not await ward.processes(1)[0].is_open(ward.royal)


async def test_the_trouble_of_one_casino_is_not_the_others(ward: Ward) -> None:
    (health,) = ward.processes(1)
    await health.failed(ward.royal, at_once=True)
    assert await health.is_open(ward.royal)
    assert not await health.is_open(ward.windsor)
    assert [(one.casino, one.open_since is not None) for one in await health.shown()] == [
        ("royal", True),
        ("windsor", False),
    ]


async def test_what_another_process_reports_is_seen_when_the_cache_is_over_and_ones_own_at_once(ward: Ward) -> None:
    one, patient, impatient = ward.processes(2, LONG) + ward.processes(1)
    assert not await patient.is_open(ward.royal)
    await one.failed(ward.royal, at_once=True)
    assert [await health.is_open(ward.royal) for health in (one, patient, impatient)] == [True, False, True]
    await one.answered(ward.royal)
    assert [await health.is_open(ward.royal) for health in (one, impatient)] == [False, False]


async def test_an_answer_ends_the_run_of_another_process_that_was_read_of(ward: Ward) -> None:
    one, other = ward.processes(2)
    await one.failed(ward.royal)
    await other.is_open(ward.royal)
    await other.answered(ward.royal)
    assert await ward.house.sql("SELECT failures FROM casino_health") == [0]


async def test_an_answer_is_written_once_after_a_failure_and_then_no_more(ward: Ward) -> None:
    (health,) = ward.processes(1, LONG)
    await health.failed(ward.royal)
    statements: list[str] = []
    event.listen(
        ward.house.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(str(given[2]))
    )
    for _ in range(3):
        await health.answered(ward.royal)
    assert len(statements) == 1


async def test_the_breaker_and_the_pace_do_not_touch_each_other(ward: Ward) -> None:
    (health,) = ward.processes(1)
    await health.owed_turn(ward.royal)
    [owed_at] = await ward.house.sql("SELECT owed_at FROM casino_health")
    assert [one.told for one in await health.shown()] == ["closed", "closed"]
    await health.failed(ward.royal, at_once=True)
    await health.answered(ward.royal)
    assert await ward.house.sql("SELECT owed_at FROM casino_health") == [owed_at]


async def test_every_turn_moves_the_clock_of_all_by_one_gap(ward: Ward) -> None:
    processes = ward.processes(5)
    # Far enough ahead that the clock of the row alone decides, and not when a statement came.
    await processes[0].owed_turn(ward.royal)
    await ward.house.sql("UPDATE casino_health SET owed_at = now() + interval '0.9 seconds'")
    [before] = await ward.house.sql("SELECT owed_at FROM casino_health")
    turns = await asyncio.gather(*(processes[number % 5].owed_turn(ward.royal) for number in range(60)))
    [after] = await ward.house.sql("SELECT owed_at FROM casino_health")
    given = [turn for turn in turns if turn is not None]
    assert given
    assert len(given) < 60
    assert after - before == timedelta(seconds=0.1) * len(given)


async def test_a_turn_that_is_refused_is_not_taken(ward: Ward) -> None:
    (health,) = ward.processes(1)
    await health.owed_turn(ward.royal)
    await ward.house.sql("UPDATE casino_health SET owed_at = now() + interval '1 hour'")
    before = await ward.house.sql("SELECT owed_at FROM casino_health")
    assert await health.owed_turn(ward.royal) is None
    assert await ward.house.sql("SELECT owed_at FROM casino_health") == before
    assert await health.owed_turn(ward.windsor) == timedelta()
