"""New stakes beyond the limit are answered at once and touch nothing; everything else passes."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from api.provider.call import Call
from api.provider.stake_admission import StakeAdmission
from api.provider.stake_limit import FIRST, WAITS
from betcore.db.onboarding import Onboarding
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.errors import OutcomeUnknown
from betcore.domain.ids import BetKey, bet_workflow_id
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from tests.api.wire import JSON, Answer, Api, Signer, running_api
from tests.in_process_casino import SECRET_KEY, InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import working

DONE, OVERLOADED = (200, 1, None), (503, 99, "overloaded")
UNHURRIED = "{answer_deadline: 120, unconfirmed_within: 600}"
PATIENT = "{attempt_timeout: 120, message_lifetime: 240}"
TRACES = ("bet", "movement", "bet_event", "incident", "early_pay_out")


@dataclass(frozen=True)
class Place:
    """An API that lets few new stakes in, and its partners."""

    api: Api
    casino: InProcessCasino
    signer: Signer
    temporal: Client

    async def call(self, operation: str, **body: str) -> Answer:
        path, sent = f"/v1/sessions/{self.casino.session.session_id}/bets/{operation}", json.dumps(body).encode()
        return await self.api.send("POST", path, [JSON, *self.signer.sign(sent).items()], sent)

    async def pay_in(self, bet: str) -> Answer:
        return await self.call("pay-in", betId=bet, betAmount="10.00", gameRoundId="round-1")

    async def pay_in_out(self, bet: str) -> Answer:
        return await self.call("pay-in-out", betId=bet, betAmount="10.00", winAmount="25.00", gameRoundId="round-1")

    async def pay_out(self, bet: str) -> Answer:
        return await self.call("pay-out", betId=bet, winAmount="25.00", gameRoundId="round-1")

    async def refund(self, bet: str) -> Answer:
        return await self.call("refund", betId=bet)

    async def traces(self) -> dict[str, Any]:
        """Return what a call may leave: rows, and calls at the casino."""
        found: dict[str, Any] = {table: await self.casino.sql(f"SELECT * FROM {table}") for table in TRACES}  # noqa: S608
        return found | {"casino": await self.casino.casino_calls()}

    async def has_workflow(self, bet: str) -> bool:
        try:
            key = BetKey(self.casino.counterparty_id, bet)
            await self.temporal.get_workflow_handle(bet_workflow_id(key)).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def metric(self, name: str) -> float:
        """Return a metric of the API without labels."""
        found = re.search(rf"^{name} (\S+)$", (await self.api.inner.get("/metrics")).raw.decode(), re.MULTILINE)
        assert found is not None
        return float(found[1])


async def _place(
    database_url: str, temporal_address: str, provider: str, stakes_in_flight: int
) -> AsyncIterator[Place]:
    temporal = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    async with (
        open_casino(database_url, provider, PATIENT, confirmation="reply") as casino,
        running_api(database_url, temporal_address, stakes_in_flight=str(stakes_in_flight)) as api,
    ):
        found = await casino.partners.provider(casino.counterparty_id)
        assert found is not None
        yield Place(api, casino, Signer(found.counterparty_id, found.secrets[0]), temporal)


@pytest.fixture
async def narrow(database_url: str, temporal_address: str) -> AsyncIterator[Place]:
    """At most two new stakes at once, and time enough for each."""
    async for place in _place(database_url, temporal_address, UNHURRIED, 2):
        yield place


@pytest.fixture
async def hasty(database_url: str, temporal_address: str) -> AsyncIterator[Place]:
    """A provider that waits for two seconds, and a limit that is measured."""
    async for place in _place(database_url, temporal_address, "answer_deadline: 2", 1000):
        yield place


async def _sends(place: Place) -> int:
    return sum(call["path"] == "/payments/make" for call in await place.casino.casino_calls())


@asynccontextmanager
async def _held(place: Place, *stakes: Awaitable[Answer]) -> AsyncIterator[None]:
    """Send new stakes, which the casino holds during this block and takes at its end."""
    await place.casino.faults({"kind": "hold", "transaction_type": -1, "times": len(stakes)})
    due = await _sends(place) + len(stakes)
    calls = [asyncio.ensure_future(stake) for stake in stakes]

    async def sent() -> bool:
        return await _sends(place) == due

    try:
        await eventually(sent)
        yield
    finally:
        # Also if a test fails: the API waits for the calls that it has.
        await place.casino.release()
        answers = await asyncio.gather(*calls)
    assert {answer.outcome for answer in answers} == {DONE}


@pytest.mark.edge_case(106)
async def test_only_new_stakes_are_turned_away_and_they_touch_nothing(narrow: Place) -> None:
    async with working(narrow.temporal, narrow.casino):
        for bet in ("won", "off"):
            assert (await narrow.pay_in(bet)).outcome == DONE
        async with _held(narrow, narrow.pay_in("held-1"), narrow.pay_in_out("held-2")):
            before, shed = await narrow.traces(), await narrow.metric("betcore_stakes_shed_total")
            for stake in (narrow.pay_in, narrow.pay_in_out, narrow.pay_in):
                answer = await stake("new")
                assert (answer.outcome, answer.headers["retry-after"]) == (OVERLOADED, "1")
            assert await narrow.traces() == before
            assert not await narrow.has_workflow("new")
            assert await narrow.metric("betcore_stakes_shed_total") == shed + 3
            assert await narrow.metric("betcore_stakes_in_flight") == 2
            # Money that is owed, and the outcome of a bet that is known, wait for no stake.
            assert (await narrow.pay_out("won")).outcome == DONE
            assert (await narrow.refund("off")).outcome == DONE
            assert (await narrow.refund("never-came")).outcome == DONE
            assert (await narrow.pay_in("won")).outcome == DONE
        # Nothing was recorded against the bet that was turned away: the same bet is taken now.
        assert (await narrow.pay_in("new")).outcome == DONE
        assert (await narrow.pay_in_out("of-one-step")).outcome == DONE


@pytest.mark.edge_case(106)
async def test_a_request_id_that_was_turned_away_is_used_up(narrow: Place) -> None:
    """Without it whoever has recorded the call could place the bet after its provider has given it up."""
    body = json.dumps({"betId": "new", "betAmount": "10.00", "gameRoundId": "round-1"}).encode()
    path = f"/v1/sessions/{narrow.casino.session.session_id}/bets/pay-in"
    recorded = [JSON, *narrow.signer.sign(body).items()]
    async with working(narrow.temporal, narrow.casino):
        async with _held(narrow, narrow.pay_in("held-1"), narrow.pay_in("held-2")):
            assert (await narrow.api.send("POST", path, recorded, body)).outcome == OVERLOADED
        assert (await narrow.api.send("POST", path, recorded, body)).outcome == (401, 8, "not_authorised")
        assert await narrow.casino.journal() == [(-1, "10.00")] * 2


@pytest.mark.edge_case(106)
async def test_a_repeat_of_a_known_bet_passes_at_another_process_that_is_full(
    narrow: Place, database_url: str, temporal_address: str
) -> None:
    async with (
        running_api(database_url, temporal_address, stakes_in_flight="1") as api,
        working(narrow.temporal, narrow.casino),
    ):
        full = replace(narrow, api=api)
        async with _held(narrow, narrow.pay_in("known"), full.pay_in("other")):
            repeat = asyncio.create_task(full.pay_in("known"))
            # One that is turned away would be answered before these.
            for _ in range(3):
                assert (await full.pay_in("new")).outcome == OVERLOADED
        assert (await repeat).outcome == DONE


async def _until_definite(call: Callable[[], Awaitable[Answer]]) -> Answer:
    while (answer := await call()).body["_responseCode"] == 99:
        await asyncio.sleep(0.1)
    return answer


@pytest.mark.edge_case(106)
async def test_copies_of_one_new_stake_take_one_place(narrow: Place) -> None:
    async with working(narrow.temporal, narrow.casino):
        answers = await asyncio.gather(*(narrow.pay_in(bet) for bet in ("one", "two") * 8))
    assert {answer.outcome for answer in answers} == {DONE}


@pytest.mark.edge_case(106)
async def test_the_limit_falls_while_no_worker_runs_and_recovers_by_itself(hasty: Place) -> None:
    answers = await asyncio.gather(*(hasty.pay_in(f"early-{number}") for number in range(WAITS)))
    assert {answer.outcome for answer in answers} == {(503, 99, "outcome_unknown")}

    async def fallen() -> bool:
        return await hasty.metric("betcore_stake_limit") == WAITS // 2

    await eventually(fallen)
    # How fast this machine is decides nothing from here on.
    vault = Vault.of(Settings(secret_key=SECRET_KEY))
    await Onboarding(hasty.casino.engine, vault).change("provider", "p", profile=UNHURRIED)
    async with working(hasty.temporal, hasty.casino):
        bets = [f"late-{number}" for number in range(3 * WAITS)]
        answers = await asyncio.gather(*(_until_definite(partial(hasty.pay_in, bet)) for bet in bets))
    assert {answer.outcome for answer in answers} == {DONE}
    assert await hasty.metric("betcore_stake_limit") > WAITS // 2


@pytest.mark.edge_case(106)
@pytest.mark.parametrize("opened", [True, False])
async def test_a_casino_that_does_not_answer_lowers_no_limit(narrow: Place, opened: bool) -> None:
    """Stakes whose outcome is unknown at the deadline: the rows say that a worker had begun them, or that none had."""
    casino, admission = narrow.casino, StakeAdmission(narrow.casino.calls, 1000)
    provider = await casino.partners.provider(casino.counterparty_id)
    assert provider is not None
    call = Call(provider, casino.session.session_id, "0" * 32, time.monotonic() + 120, datetime.now(UTC))

    async def unknown() -> BetRecord | None:
        raise OutcomeUnknown

    for _ in range(WAITS):
        bet = await casino.pay_in()
        if opened:
            await casino.bets.open(bet, "run", BetState.ACCEPTING, None)
        with pytest.raises(OutcomeUnknown):
            await admission.send(call, call.bet(bet.provider_bet_id), bet.casino_id, datetime.now(UTC), unknown)

    await admission.close()
    assert (await narrow.metric("betcore_stake_limit") == FIRST) == opened
