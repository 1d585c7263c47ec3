"""A casino that takes what is sent and refuses it by Accept: the row paces the sends, and nothing parked is woken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from betcore.db.accepts import Outcome
from betcore.domain.messages import Action, BetState, Operate, Operated, PayIn
from tests.floor import Floor, open_floor
from tests.workflows.accepting import CLAW_BACK, PAY_OUT, RETURN, STAKE, Casino
from tests.workflows.bets import Handle, begin, events, eventually, reverse, start, working

FAILED, BLOCKED, NO_MONEY = 102823, 103805, 103802
# Gaps of 0.4, 0.8, 1.6, 2, 2, ... seconds.
PACED = "{attempt_timeout: 0.5, message_lifetime: 120, retry: {first: 0.4, factor: 2, cap: 2}}"
QUICK = "{attempt_timeout: 0.5, retry: {first: 0.1, cap: 0.2}}"
SENDS = 4
# Else what is owed would be found there after a few sends.
NOTHING_LISTED = {"kind": "error_code", "error_code": 103804, "path": "/payments/info"}


@asynccontextmanager
async def _playing(database_url: str, client: Client, casino: str = PACED) -> AsyncIterator[tuple[Floor, Casino]]:
    async with (
        open_floor(database_url, casino=casino, confirmation="accept") as floor,
        working(client, floor),
    ):
        await floor.hints.listening.wait()
        yield floor, Casino(floor, client)


@asynccontextmanager
async def _refusing(floor: Floor, casino: Casino, bet: PayIn, kind: int, code: int) -> AsyncIterator[None]:
    """The casino refuses every send of a movement as soon as it has it, and says so twice."""

    async def refuse() -> None:
        seen = 0
        while True:
            made = await _sends(floor, kind)
            if len(made) > seen:
                seen = len(made)
                await casino.accepts(bet, kind, code)
                # Again when the first one was judged, and before the next send.
                await asyncio.sleep(0.25)
                await casino.accepts(bet, kind, code)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(refuse())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sends(floor: Floor, kind: int) -> list[datetime]:
    calls = await floor.casino_calls()
    return [datetime.fromisoformat(call["at"]) for call in calls if call["transaction_type"] == kind]


async def _taken(client: Client, floor: Floor, casino: Casino, bet: PayIn) -> Handle:
    """A bet whose stake the casino has confirmed."""
    playing = asyncio.create_task(start(client, bet))
    await casino.sent(STAKE)
    await casino.accepts(bet, STAKE)
    record, handle = await playing
    await floor.calls.mark_told(record.bet_id, "r")
    return handle


async def _movement(floor: Floor, kind: int) -> Any:
    (row,) = await floor.sql("SELECT * FROM movement WHERE transaction_type = :k", k=kind)
    return row


def _paced(sends: list[datetime]) -> None:
    """Each send comes the gap after the one before at the earliest."""
    gaps = [timedelta(seconds=gap) for gap in (0.4, 0.8, 1.6)]
    assert [later - earlier >= gap for (earlier, later), gap in zip(pairwise(sends), gaps, strict=False)] == [True] * 3


async def _pay_out(floor: Floor, bet: PayIn, handle: Handle) -> None:
    await handle.signal("pay_out", floor.pay_out(bet, "25.00"))


async def _refund(floor: Floor, bet: PayIn, handle: Handle) -> None:
    await handle.signal("refund", floor.refund(bet))


@pytest.mark.edge_case(91)
@pytest.mark.parametrize(
    ("resolve", "kind", "ends"), [(_pay_out, PAY_OUT, BetState.SETTLED), (_refund, RETURN, BetState.REFUNDED)]
)
async def test_what_is_owed_and_refused_by_accept_is_sent_at_the_pace_of_the_profile(
    database_url: str,
    temporal: Client,
    resolve: Callable[[Floor, PayIn, Handle], Awaitable[None]],
    kind: int,
    ends: BetState,
) -> None:
    async with _playing(database_url, temporal) as (floor, casino):
        bet = await floor.pay_in()
        handle = await _taken(temporal, floor, casino, bet)
        await floor.faults(NOTHING_LISTED)
        async with _refusing(floor, casino, bet, kind, FAILED):
            await resolve(floor, bet, handle)
            await casino.sent(kind, SENDS)
        _paced(await _sends(floor, kind))
        history = await events(handle)
        # One look at the row for each refusal, and not for its repeats.
        assert history.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) <= 1 + await _counted(floor, kind)
        # The next Accept confirms it, and is heard at once.
        await eventually(lambda: _confirms(casino, bet, kind))
        assert await handle.result() is ends


async def _confirms(casino: Casino, bet: PayIn, kind: int) -> bool:
    return await casino.accepts(bet, kind) in (Outcome.STORED, Outcome.REPEATED)


async def _counted(floor: Floor, kind: int) -> int:
    return (await floor.attempts())[kind]


@pytest.mark.edge_case(91)
async def test_a_stake_that_may_have_been_taken_is_sent_again_at_the_pace_of_the_profile(
    database_url: str, temporal: Client
) -> None:
    async with _playing(database_url, temporal) as (floor, casino):
        # Its first answer is lost: no refusal ends it any more.
        await floor.faults({"kind": "drop", "path": "/payments/make", "times": 1})
        bet = await floor.pay_in(seconds=60)
        handle = await begin(temporal, bet)
        await casino.sent(STAKE, 2)
        async with _refusing(floor, casino, bet, STAKE, NO_MONEY):
            await casino.sent(STAKE, SENDS + 1)
        _paced((await _sends(floor, STAKE))[1:])
        await eventually(lambda: _confirms(casino, bet, STAKE))
        await eventually(lambda: _is_accepted(floor, bet))
        await _refund(floor, bet, handle)
        await casino.sent(RETURN)
        await eventually(lambda: _confirms(casino, bet, RETURN))
        assert await handle.result() is BetState.REFUNDED


async def _is_accepted(floor: Floor, bet: PayIn) -> bool:
    return (await floor.row(bet)).accepted_at is not None


@pytest.mark.edge_case(91)
async def test_a_claw_back_that_may_have_been_taken_is_sent_again_at_the_pace_of_the_profile(
    database_url: str, temporal: Client
) -> None:
    async with _playing(database_url, temporal) as (floor, casino):
        bet = await floor.pay_in_out()
        playing = asyncio.create_task(start(temporal, bet))
        for kind in (STAKE, PAY_OUT):
            await casino.sent(kind)
            await casino.accepts(bet, kind)
        settled, _ = await playing
        await floor.faults({"kind": "drop", "path": "/payments/make", "times": 1})
        reversing = asyncio.create_task(reverse(temporal, floor.reverse(bet, settled), floor.refund(bet)))
        await casino.sent(CLAW_BACK, 2)
        async with _refusing(floor, casino, bet, CLAW_BACK, NO_MONEY):
            await casino.sent(CLAW_BACK, SENDS + 1)
        _paced((await _sends(floor, CLAW_BACK))[1:])
        await eventually(lambda: _confirms(casino, bet, CLAW_BACK))
        await casino.sent(RETURN)
        await eventually(lambda: _confirms(casino, bet, RETURN))
        record, _ = await reversing
        assert record.reversal is not None
        assert record.reversal.state == "reversed"


@pytest.mark.edge_case(91)
async def test_refusals_by_accept_open_the_breaker_and_a_success_closes_it(database_url: str, temporal: Client) -> None:
    breaking = (
        "{attempt_timeout: 0.5, breaker: {failures: 3, window: 60, probe_every: 60}, retry: {first: 0.1, cap: 0.2}}"
    )
    async with _playing(database_url, temporal, breaking) as (floor, casino):
        bet = await floor.pay_in()
        handle = await _taken(temporal, floor, casino, bet)
        await floor.faults(NOTHING_LISTED)
        async with _refusing(floor, casino, bet, PAY_OUT, FAILED):
            await _pay_out(floor, bet, handle)
            await eventually(lambda: _is_open(floor))
        # What the casino confirms is heard though nothing may be sent: the next probe is a minute away.
        await eventually(lambda: _confirms(casino, bet, PAY_OUT))
        async with asyncio.timeout(30):
            assert await handle.result() is BetState.SETTLED
        assert not await _is_open(floor)


@pytest.mark.edge_case(91)
async def test_a_stake_that_an_accept_refuses_for_good_is_no_failure_of_the_casino(
    database_url: str, temporal: Client
) -> None:
    breaking = "{breaker: {failures: 1, window: 60, probe_every: 60}}"
    async with _playing(database_url, temporal, breaking) as (floor, casino):
        bet = await floor.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await casino.sent(STAKE)
        await casino.accepts(bet, STAKE, NO_MONEY)
        record, _ = await playing
        assert record.state is BetState.REFUSED
        assert not await _is_open(floor)


async def _is_open(floor: Floor) -> bool:
    return bool(await floor.sql("SELECT 1 FROM casino_health WHERE open_since IS NOT NULL"))


# What is parked


@asynccontextmanager
async def _parked(database_url: str, client: Client) -> AsyncIterator[tuple[Floor, Casino, PayIn, Handle]]:
    """A bet whose win the casino has refused for good, by Accept."""
    async with _playing(database_url, client, QUICK) as (floor, casino):
        bet = await floor.pay_in()
        handle = await _taken(client, floor, casino, bet)
        await _pay_out(floor, bet, handle)
        await casino.asked_the_row(bet, PAY_OUT)
        await casino.accepts(bet, PAY_OUT, BLOCKED)
        await eventually(lambda: _has_state(floor, "parked"))
        yield floor, casino, bet, handle


async def _has_state(floor: Floor, state: str) -> bool:
    found = await floor.sql("SELECT state FROM movement WHERE transaction_type = :k", k=PAY_OUT)
    return [row.state for row in found] == [state]


@pytest.mark.edge_case(92)
async def test_a_refusing_accept_leaves_what_is_parked_as_it_is(database_url: str, temporal: Client) -> None:
    async with _parked(database_url, temporal) as (floor, casino, bet, handle):
        sends = len(await _sends(floor, PAY_OUT))
        signals = (await events(handle)).count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        for _ in range(5):
            assert await casino.accepts(bet, PAY_OUT, BLOCKED) is Outcome.REPEATED
        # What an older API sends as a signal, or one that was on its way when the movement was parked.
        await handle.signal("accept", {"transaction_type": PAY_OUT, "success": False})
        await asyncio.sleep(1)
        assert await _has_state(floor, "parked")
        assert len(await _sends(floor, PAY_OUT)) == sends
        assert [incident.kind for incident in await floor.incidents()] == ["parked"]
        # The one signal that the test has sent, and nothing done about it.
        told = (await events(handle)).count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        assert told <= signals + 1
        assert await floor.sql("SELECT 1 FROM bet_event WHERE kind = 'tried_again'") == []


@pytest.mark.edge_case(92)
async def test_a_success_wakes_what_is_parked_though_a_refusal_stands_there(
    database_url: str, temporal: Client
) -> None:
    async with _parked(database_url, temporal) as (floor, casino, bet, handle):
        sends = len(await _sends(floor, PAY_OUT))
        assert await casino.accepts(bet, PAY_OUT) is Outcome.STORED
        assert await handle.result() is BetState.SETTLED
        assert (len(await _sends(floor, PAY_OUT)), (await _movement(floor, PAY_OUT)).state) == (sends, "done")
        assert [incident.kind for incident in await floor.incidents()] == ["parked"]


@pytest.mark.edge_case(92)
async def test_a_refusal_for_what_the_answer_to_make_has_parked_is_stored(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, QUICK) as (floor, casino):
        bet = await floor.pay_in()
        handle = await _taken(temporal, floor, casino, bet)
        await floor.faults({"kind": "error_code", "error_code": BLOCKED, "path": "/payments/make"})
        await _pay_out(floor, bet, handle)
        await eventually(lambda: _has_state(floor, "parked"))
        assert await casino.accepts(bet, PAY_OUT, NO_MONEY) is Outcome.STORED
        moved = await _movement(floor, PAY_OUT)
        assert (moved.state, moved.accept_code, moved.error_code) == ("parked", "103802", "103802")
        assert [incident.kind for incident in await floor.incidents()] == ["parked"]
        # An operator's retry sends it: the refusal that stands there was seen.
        await floor.faults()
        sends = len(await _sends(floor, PAY_OUT))
        order = Operate(action=Action.RETRY, operator="ann", reason="a test")
        assert (await handle.execute_update("operate", order, result_type=Operated)).done
        await casino.sent(PAY_OUT, sends + 1)
        await eventually(lambda: _confirms(casino, bet, PAY_OUT))
        assert await handle.result() is BetState.SETTLED
