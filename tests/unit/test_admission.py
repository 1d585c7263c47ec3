"""What casinos' answers mean for their breakers, and what a worker still does without its database."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from activities.admission import FAST, SLOW, AdmissionControl, Lane, NotAdmitted
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.database import open_database
from betcore.domain.partners import Casino
from betcore.domain.profiles import CasinoProfile
from betcore.runtime.settings import Settings
from devkit.stack.ports import free
from tests.unit.partner_database import PartnerDatabase

UNCLEAR = ("timeout", "connection", "http_500", "http_404", "not_json", "no_error_code", "unmapped_code", "mismatch")
DEFINITE = ("done", "no_money", "failed", "duplicate", "player_blocked", "bet_unknown")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as database:
        yield database


async def royal(database: PartnerDatabase, failures: int) -> Casino:
    profile = f"{{confirmation: reply, breaker: {{failures: {failures}}}}}"
    await database.onboarding.add_casino("royal", "http://royal.example", profile)
    [casino_id] = await database.sql("SELECT casino_id FROM casino")
    return await database.partners.casino(casino_id)


def number(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("kind", UNCLEAR)
async def test_what_decides_nothing_is_a_failure(database: PartnerDatabase, kind: str) -> None:
    casino, admission = await royal(database, 1), AdmissionControl(CircuitBreakers(database.db, 0))
    before = number("betcore_breaker_opened_total", casino="royal")
    await admission.record_result(casino, CasinoAnswer(None, kind))
    assert not await admission.may_stake(casino)
    assert number("betcore_breaker_opened_total", casino="royal") == before + 1
    # It is open already: nothing is opened by what comes after.
    await admission.record_result(casino, CasinoAnswer(None, kind))
    assert number("betcore_breaker_opened_total", casino="royal") == before + 1


async def test_a_connection_that_cannot_be_made_is_a_failure(database: PartnerDatabase) -> None:
    casino, admission = await royal(database, 1), AdmissionControl(CircuitBreakers(database.db, 0))
    await admission.record_result(casino, CasinoAnswer("not_sent", "not_sent"))
    assert not await admission.may_stake(casino)


@pytest.mark.parametrize("meaning", DEFINITE)
async def test_a_refusal_is_an_answer_and_closes_the_breaker(database: PartnerDatabase, meaning: str) -> None:
    casino, admission = await royal(database, 1), AdmissionControl(CircuitBreakers(database.db, 0))
    await admission.record_result(casino, CasinoAnswer(None, "timeout"))
    await admission.record_result(casino, CasinoAnswer(meaning, meaning))
    assert await admission.may_stake(casino)


async def test_an_answer_goes_on_without_the_database() -> None:
    nowhere = SecretStr(f"postgresql://u:p@127.0.0.1:{free(1)[0]}/x")
    casino = Casino(1, 1, "royal", "http://royal.example", CasinoProfile(), disabled=False)
    async with open_database(Settings(database_url=nowhere)) as database:
        admission = AdmissionControl(CircuitBreakers(database, 0))
        await admission.record_result(casino, CasinoAnswer(None, "timeout"))
        await admission.record_result(casino, CasinoAnswer("unauthorised", "unauthorised", "401"))


@pytest.mark.parametrize("lane", [FAST, SLOW])
async def test_a_place_is_counted_while_it_is_taken_and_free_after_an_error(
    database: PartnerDatabase, lane: Lane
) -> None:
    casino, admission = await royal(database, 1), AdmissionControl(CircuitBreakers(database.db, 0), slots=1)
    labels = {"casino": "royal", "lane": str(lane)}
    busy = number("betcore_casino_busy_total", **labels)
    with suppress(OSError), admission.slot(casino, lane):
        assert number("betcore_casino_calls_in_flight", **labels) == 1
        with pytest.raises(NotAdmitted), admission.slot(casino, lane):
            raise AssertionError("a second place was given")
        raise OSError
    assert number("betcore_casino_calls_in_flight", **labels) == 0
    assert number("betcore_casino_busy_total", **labels) == busy + 1
    with admission.slot(casino, lane):
        pass


async def test_a_casino_without_places_leaves_those_of_another(database: PartnerDatabase) -> None:
    casino, admission = await royal(database, 1), AdmissionControl(CircuitBreakers(database.db, 0), slots=1)
    other = Casino(casino.casino_id + 1, 2, "windsor", "http://windsor.example", CasinoProfile(), disabled=False)
    with admission.slot(casino, FAST), admission.slot(other, FAST):
        pass
