"""The row of a casino's health under many hands: counts are exact, and what one process learns reaches the others."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from betcore.db.circuit_breakers import CircuitBreakers
from betcore.domain.partners import Casino
from tests.unit.partner_database import CountedDatabase, PartnerDatabase

PROFILE = "{confirmation: reply, breaker: {failures: 20, window: 10, probe_every: 5}, owed_per_second: 10}"
LONG = 3600


@dataclass(frozen=True)
class BreakerFixture:
    """Two casinos over one database."""

    database: PartnerDatabase
    royal: Casino
    windsor: Casino

    def processes(self, number: int, cache_seconds: float = 0) -> list[CircuitBreakers]:
        return [CircuitBreakers(self.database.db, cache_seconds) for _ in range(number)]


@pytest.fixture
async def breaker(database_url: str) -> AsyncIterator[BreakerFixture]:
    async with PartnerDatabase.at(database_url) as database:
        casinos = []
        for name in ("royal", "windsor"):
            await database.onboarding.add_casino(name, f"http://{name}.example", PROFILE)
            [casino_id] = await database.sql(f"SELECT casino_id FROM casino WHERE name = '{name}'")  # noqa: S608  words of this file
            casinos.append(await database.partners.casino(casino_id))
        yield BreakerFixture(database, *casinos)


async def test_failures_at_the_same_time_are_all_counted_and_one_of_them_opens(breaker: BreakerFixture) -> None:
    processes = breaker.processes(5)
    opened = await asyncio.gather(*(processes[number % 5].failed(breaker.royal) for number in range(20)))
    assert await breaker.database.sql("SELECT failures FROM casino_health") == [20]
    assert opened.count(True) == 1


async def test_one_failure_less_opens_nothing(breaker: BreakerFixture) -> None:
    processes = breaker.processes(5)
    opened = await asyncio.gather(*(processes[number % 5].failed(breaker.royal) for number in range(19)))
    assert not any(opened)
    assert not await breaker.processes(1)[0].is_open(breaker.royal)


async def test_the_trouble_of_one_casino_is_not_the_others(breaker: BreakerFixture) -> None:
    (health,) = breaker.processes(1)
    await health.failed(breaker.royal, at_once=True)
    assert await health.is_open(breaker.royal)
    assert not await health.is_open(breaker.windsor)
    assert [(one.casino, one.open_since is not None) for one in await health.shown()] == [
        ("royal", True),
        ("windsor", False),
    ]


async def test_what_another_process_reports_is_seen_when_the_cache_is_over_and_ones_own_at_once(
    breaker: BreakerFixture,
) -> None:
    one, patient, impatient = breaker.processes(2, LONG) + breaker.processes(1)
    assert not await patient.is_open(breaker.royal)
    await one.failed(breaker.royal, at_once=True)
    assert [await health.is_open(breaker.royal) for health in (one, patient, impatient)] == [True, False, True]
    await one.answered(breaker.royal)
    assert [await health.is_open(breaker.royal) for health in (one, impatient)] == [False, False]


async def test_an_answer_ends_the_run_of_another_process_that_was_read_of(breaker: BreakerFixture) -> None:
    one, other = breaker.processes(2)
    await one.failed(breaker.royal)
    await other.is_open(breaker.royal)
    await other.answered(breaker.royal)
    assert await breaker.database.sql("SELECT failures FROM casino_health") == [0]


async def test_an_answer_is_written_once_after_a_failure_and_then_no_more(breaker: BreakerFixture) -> None:
    counted = CountedDatabase(breaker.database.db)
    health = CircuitBreakers(counted, LONG)
    await health.failed(breaker.royal)
    counted.statements.clear()
    for _ in range(3):
        await health.answered(breaker.royal)
    assert len(counted.statements) == 1


async def test_the_breaker_and_the_pace_do_not_touch_each_other(breaker: BreakerFixture) -> None:
    (health,) = breaker.processes(1)
    await health.owed_turn(breaker.royal)
    [owed_at] = await breaker.database.sql("SELECT owed_at FROM casino_health")
    assert [one.description for one in await health.shown()] == ["closed", "closed"]
    await health.failed(breaker.royal, at_once=True)
    await health.answered(breaker.royal)
    assert await breaker.database.sql("SELECT owed_at FROM casino_health") == [owed_at]


async def test_every_turn_moves_the_clock_of_all_by_one_gap(breaker: BreakerFixture) -> None:
    processes = breaker.processes(5)
    # Far enough ahead that the clock of the row alone decides, and not when a statement came.
    await processes[0].owed_turn(breaker.royal)
    await breaker.database.sql("UPDATE casino_health SET owed_at = now() + interval '0.9 seconds'")
    [before] = await breaker.database.sql("SELECT owed_at FROM casino_health")
    turns = await asyncio.gather(*(processes[number % 5].owed_turn(breaker.royal) for number in range(60)))
    [after] = await breaker.database.sql("SELECT owed_at FROM casino_health")
    given = [turn for turn in turns if turn is not None]
    assert given
    assert len(given) < 60
    assert after - before == timedelta(seconds=0.1) * len(given)


async def test_a_turn_that_is_refused_is_not_taken(breaker: BreakerFixture) -> None:
    (health,) = breaker.processes(1)
    await health.owed_turn(breaker.royal)
    await breaker.database.sql("UPDATE casino_health SET owed_at = now() + interval '1 hour'")
    before = await breaker.database.sql("SELECT owed_at FROM casino_health")
    assert await health.owed_turn(breaker.royal) is None
    assert await breaker.database.sql("SELECT owed_at FROM casino_health") == before
    assert await health.owed_turn(breaker.windsor) == timedelta()
