"""The probe that a worker makes by itself of a casino whose breaker is open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import pytest

from activities.admission import AdmissionControl
from activities.breaker_probes import BreakerProbes
from betcore.casino.client import CasinoClient
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.database import Database, open_database
from betcore.domain.partners import Casino
from betcore.runtime.settings import Settings
from devkit.stack.ports import free
from tests.unit.partner_database import PartnerDatabase

pytestmark = pytest.mark.edge_case(100)
PROFILE = "{confirmation: reply, breaker: {failures: 3, window: 10, probe_every: 5}}"
LATE, WELL = CasinoAnswer(None, "timeout"), CasinoAnswer("done", "ok", value=[])
KNOWN = [WELL, CasinoAnswer("bet_unknown", "bet_unknown", "103804"), CasinoAnswer("failed", "failed", "102823")]
UNCLEAR = [
    LATE,
    CasinoAnswer(None, "http_404"),
    CasinoAnswer("not_sent", "not_sent"),
    CasinoAnswer("unauthorised", "unauthorised", "401"),
]


class Asked:
    """Casinos that answer every question in one way."""

    def __init__(self, answer: CasinoAnswer) -> None:
        self.answer = answer
        self.bets: list[tuple[str, int]] = []

    async def info(self, casino: Casino, bet_id: int, _within: timedelta) -> CasinoAnswer:
        self.bets.append((casino.name, bet_id))
        await asyncio.sleep(0)
        return self.answer


class BreakerFixture:
    """A casino whose breaker is open."""

    def __init__(self, database: PartnerDatabase, casino: Casino) -> None:
        self.database = database
        self.casino = casino

    def probing(self, asked: Asked, database: Database | None = None) -> BreakerProbes:
        """Return a worker process."""
        health = CircuitBreakers(database or self.database.db, 0)
        return BreakerProbes(health, self.database.partners, cast(CasinoClient, asked))

    async def opens(self, casino: Casino | None = None) -> None:
        await CircuitBreakers(self.database.db, 0).failed(casino or self.casino, at_once=True)

    async def later(self, seconds: int) -> None:
        await self.database.sql(f"UPDATE casino_health SET probe_at = probe_at - interval '{seconds} seconds'")  # noqa: S608  words of this file

    async def shown(self) -> list[str]:
        return [one.description.partition(" since")[0] for one in await CircuitBreakers(self.database.db, 0).shown()]


@pytest.fixture
async def breaker(database_url: str) -> AsyncIterator[BreakerFixture]:
    async with PartnerDatabase.at(database_url) as database:
        await database.onboarding.add_casino("royal", "http://royal.example", PROFILE)
        [casino_id] = await database.sql("SELECT casino_id FROM casino")
        breaker = BreakerFixture(database, await database.partners.casino(casino_id))
        await breaker.opens()
        yield breaker


@pytest.mark.parametrize("answer", KNOWN, ids=lambda answer: answer.kind)
async def test_a_casino_that_answers_is_back_and_one_failure_away_from_open(
    breaker: BreakerFixture, answer: CasinoAnswer
) -> None:
    await breaker.later(10)
    asked = Asked(answer)
    await breaker.probing(asked).probe_all()
    assert (asked.bets, await breaker.shown()) == ([("royal", 0)], ["closed, 2 failed"])
    movements = AdmissionControl(CircuitBreakers(breaker.database.db, 0))
    assert await movements.may_stake(breaker.casino)
    await movements.record_result(breaker.casino, LATE)
    assert await breaker.shown() == ["open"]
    assert not await movements.may_stake(breaker.casino)


async def test_a_movement_that_is_answered_ends_what_the_probe_has_left(breaker: BreakerFixture) -> None:
    await breaker.later(10)
    await breaker.probing(Asked(WELL)).probe_all()
    movements = AdmissionControl(CircuitBreakers(breaker.database.db, 0))
    assert await movements.may_stake(breaker.casino)
    await movements.record_result(breaker.casino, CasinoAnswer("done", "ok"))
    for _ in range(2):
        await movements.record_result(breaker.casino, LATE)
    assert await breaker.shown() == ["closed, 2 failed"]


@pytest.mark.parametrize("answer", UNCLEAR, ids=lambda answer: answer.kind)
async def test_an_unclear_answer_leaves_it_open(breaker: BreakerFixture, answer: CasinoAnswer) -> None:
    await breaker.later(10)
    asked = Asked(answer)
    for _ in range(2):
        await breaker.probing(asked).probe_all()
    assert (len(asked.bets), await breaker.shown()) == (1, ["open"])


async def test_a_movement_is_the_probe_before_a_question_is(breaker: BreakerFixture) -> None:
    asked = Asked(WELL)
    await breaker.probing(asked).probe_all()
    await breaker.later(5)
    # Due for a movement, and for an interval for nothing else.
    await breaker.probing(asked).probe_all()
    assert asked.bets == []
    assert await AdmissionControl(CircuitBreakers(breaker.database.db, 0)).may_stake(breaker.casino)
    await breaker.later(9)
    await breaker.probing(asked).probe_all()
    assert asked.bets == []


async def test_of_all_processes_one_asks(breaker: BreakerFixture) -> None:
    await breaker.later(10)
    asked = Asked(LATE)
    await asyncio.gather(*(breaker.probing(asked).probe_all() for _ in range(10)))
    assert len(asked.bets) == 1


async def test_a_casino_that_cannot_be_read_keeps_no_other_one_open(breaker: BreakerFixture) -> None:
    await breaker.database.onboarding.add_casino("windsor", "http://windsor.example", PROFILE)
    [number] = await breaker.database.sql("SELECT casino_id FROM casino WHERE name = 'windsor'")
    await breaker.opens(await breaker.database.partners.casino(number))
    await breaker.later(10)
    profile = """UPDATE casino SET profile = '{"version": 7}' WHERE name = 'royal'"""
    await breaker.database.sql(profile)
    await breaker.probing(Asked(WELL)).probe_all()
    assert await breaker.shown() == ["open", "closed, 2 failed"]


async def test_without_a_database_it_goes_on_until_it_is_cancelled(
    breaker: BreakerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.breaker_probes._EVERY", timedelta(milliseconds=1))
    nowhere: Any = f"postgresql://u:p@127.0.0.1:{free(1)[0]}/x"
    async with open_database(Settings(database_url=nowhere)) as database:
        task = asyncio.create_task(breaker.probing(Asked(WELL), database).keep())
        try:
            await asyncio.wait([task], timeout=0.3)
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    assert task.cancelled()
