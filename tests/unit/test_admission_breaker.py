"""The breaker of a casino and the pace of what is owed, over several objects as over several processes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from activities.admission import FAST, SLOW, AdmissionControl, NotAdmitted
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.domain.partners import Casino
from tests.unit.partner_database import CountedDatabase, PartnerDatabase

PROFILE = "{confirmation: reply, breaker: {failures: 3, window: 10, probe_every: 5}, owed_per_second: 10}"
WELL, LATE = CasinoAnswer("done", "ok"), CasinoAnswer(None, "timeout")


class BreakerFixture:
    """A casino, and as many processes as a test wants."""

    def __init__(self, database: PartnerDatabase, casino: Casino) -> None:
        self.database = database
        self.casino = casino

    def process(self, slots: int = 100) -> AdmissionControl:
        return AdmissionControl(CircuitBreakers(self.database.db, 0), slots)

    async def fail(self, times: int, process: AdmissionControl | None = None) -> None:
        for _ in range(times):
            await (process or self.process()).record_result(self.casino, LATE)

    async def later(self, column: str, seconds: int) -> None:
        """Let time pass for one column of the casino's row."""
        await self.database.sql(f"UPDATE casino_health SET {column} = {column} - interval '{seconds} seconds'")  # noqa: S608  words of this file

    async def takes(self) -> bool:
        return await self.process().may_stake(self.casino)


@pytest.fixture
async def breaker(database_url: str) -> AsyncIterator[BreakerFixture]:
    async with PartnerDatabase.at(database_url) as database:
        await database.onboarding.add_casino("royal", "http://royal.example", PROFILE)
        [casino_id] = await database.sql("SELECT casino_id FROM casino")
        yield BreakerFixture(database, await database.partners.casino(casino_id))


async def test_a_run_of_failures_opens_for_all_processes_and_not_before(breaker: BreakerFixture) -> None:
    await breaker.fail(2)
    assert await breaker.takes()
    await breaker.fail(1)
    assert not await breaker.takes()


async def test_a_definite_answer_ends_the_run(breaker: BreakerFixture) -> None:
    process = breaker.process()
    await breaker.fail(2, process)
    await process.record_result(breaker.casino, CasinoAnswer("no_money", "refused"))
    await breaker.fail(2, process)
    assert await breaker.takes()


async def test_failures_that_lie_apart_are_no_run(breaker: BreakerFixture) -> None:
    await breaker.fail(2)
    await breaker.later("failing_since", 11)
    await breaker.fail(2)
    assert await breaker.takes()


async def test_an_authentication_that_fails_opens_at_once(breaker: BreakerFixture) -> None:
    await breaker.process().record_result(breaker.casino, CasinoAnswer("unauthorised", "unauthorised", "401"))
    assert not await breaker.takes()


async def test_one_of_many_is_the_probe(breaker: BreakerFixture) -> None:
    await breaker.fail(3)
    await breaker.later("probe_at", 5)
    asked = await asyncio.gather(*(breaker.takes() for _ in range(20)))
    assert asked.count(True) == 1


async def test_a_probe_that_fails_leaves_it_open_and_one_that_does_not_closes_it_for_all(
    breaker: BreakerFixture,
) -> None:
    await breaker.fail(3)
    await breaker.later("probe_at", 5)
    probe = breaker.process()
    assert await probe.may_stake(breaker.casino)
    await breaker.fail(1, probe)
    assert not await breaker.takes()
    await breaker.later("probe_at", 5)
    assert await probe.may_stake(breaker.casino)
    await probe.record_result(breaker.casino, WELL)
    assert await breaker.takes()
    assert [(one.failures, one.open_since) for one in await CircuitBreakers(breaker.database.db, 0).shown()] == [
        (0, None)
    ]


async def test_what_is_owed_waits_for_the_probe_while_the_breaker_is_open(breaker: BreakerFixture) -> None:
    await breaker.fail(3)
    with pytest.raises(NotAdmitted) as busy:
        await breaker.process().wait_for_turn(breaker.casino)
    assert timedelta(seconds=4) < busy.value.wait <= timedelta(seconds=5)
    with pytest.raises(NotAdmitted):
        await breaker.process().check_credit(breaker.casino)
    await breaker.later("probe_at", 5)
    await breaker.process().wait_for_turn(breaker.casino)


async def test_turns_of_what_is_owed_are_given_out_at_the_pace_of_the_casino(breaker: BreakerFixture) -> None:
    processes = [CircuitBreakers(breaker.database.db, 0) for _ in range(5)]
    turns = [await processes[number % 5].owed_turn(breaker.casino) for number in range(40)]
    given = [turn for turn in turns if turn is not None]
    # A second ahead at ten a second, and the one that is now.
    assert 10 <= len(given) <= 20
    await breaker.database.sql("UPDATE casino_health SET owed_at = now() + interval '20 seconds'")
    assert await processes[0].owed_turn(breaker.casino) is None
    await breaker.database.sql("UPDATE casino_health SET owed_at = now() + interval '0.5 seconds'")
    first, second = [await process.owed_turn(breaker.casino) for process in processes[:2]]
    assert first is not None
    assert second is not None
    # A tenth of a second apart by the row, less what passed between the two questions.
    assert second - first <= timedelta(seconds=0.1)
    assert second > timedelta(seconds=0.3)


async def test_a_casino_that_is_well_costs_no_statement(breaker: BreakerFixture) -> None:
    counted = CountedDatabase(breaker.database.db)
    process = AdmissionControl(CircuitBreakers(counted, 60))
    assert await process.may_stake(breaker.casino)
    counted.statements.clear()
    for _ in range(5):
        assert await process.may_stake(breaker.casino)
        await process.check_credit(breaker.casino)
        await process.record_result(breaker.casino, WELL)
    assert counted.statements == []


async def test_a_casino_has_its_part_of_each_lane_and_no_more(breaker: BreakerFixture) -> None:
    process = breaker.process(slots=2)
    with process.slot(breaker.casino, FAST), process.slot(breaker.casino, FAST):
        with pytest.raises(NotAdmitted), process.slot(breaker.casino, FAST):
            raise AssertionError("a third place was given")
        with process.slot(breaker.casino, SLOW):
            pass
    with process.slot(breaker.casino, FAST):
        pass


async def test_a_breaker_is_shown_as_text(breaker: BreakerFixture) -> None:
    health = CircuitBreakers(breaker.database.db, 0)
    assert [one.description for one in await health.shown()] == ["closed"]
    await breaker.fail(1)
    assert [one.description for one in await health.shown()] == ["closed, 1 failed"]
    await breaker.fail(2)
    [told] = [one.description for one in await health.shown()]
    assert told.startswith("open since ")
