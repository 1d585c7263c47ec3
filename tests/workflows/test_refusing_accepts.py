"""A casino that takes movements and refuses them by Accept: the row paces the sends, and wakes no parked movement."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from betcore.domain.accepts import AcceptOutcome
from betcore.domain.bet import BetState
from betcore.domain.messages import Action, Operate, Operated, PayIn
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, events, reverse, start, working
from tests.workflows.confirming_casino import CLAW_BACK, PAY_OUT, RETURN, STAKE, ConfirmingCasino

FAILED, BLOCKED, NO_MONEY = 102823, 103805, 103802
# Gaps of 0.4, 0.8, 1.6, 2, 2, ... seconds.
PACED = "{attempt_timeout: 0.5, message_lifetime: 120, retry: {first: 0.4, factor: 2, cap: 2}}"
QUICK = "{attempt_timeout: 0.5, retry: {first: 0.1, cap: 0.2}}"
SENDS = 4
# Without it a credit would be found by payments/info after a few sends.
NOTHING_LISTED = {"kind": "error_code", "error_code": 103804, "path": "/payments/info"}


@asynccontextmanager
async def _playing(
    database_url: str, client: Client, profile: str = PACED
) -> AsyncIterator[tuple[InProcessCasino, ConfirmingCasino]]:
    async with (
        open_casino(database_url, casino=profile, confirmation="accept") as casino,
        working(client, casino),
    ):
        await casino.hints.listening.wait()
        yield casino, ConfirmingCasino(casino, client)


@asynccontextmanager
async def _refusing(
    casino: InProcessCasino, confirming: ConfirmingCasino, bet: PayIn, kind: int, code: int
) -> AsyncIterator[None]:
    """Have the casino refuse every send of a movement at once, with two equal Accepts."""

    async def refuse() -> None:
        seen = 0
        while True:
            made = await _sends(casino, kind)
            if len(made) > seen:
                seen = len(made)
                await confirming.accepts(bet, kind, code)
                # The second Accept comes when the first one was classified, and before the next send.
                await asyncio.sleep(0.25)
                await confirming.accepts(bet, kind, code)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(refuse())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sends(casino: InProcessCasino, kind: int) -> list[datetime]:
    calls = await casino.casino_calls()
    return [datetime.fromisoformat(call["at"]) for call in calls if call["transaction_type"] == kind]


async def _taken(client: Client, casino: InProcessCasino, confirming: ConfirmingCasino, bet: PayIn) -> Handle:
    """Open a bet whose stake the casino has confirmed."""
    playing = asyncio.create_task(start(client, bet))
    await confirming.sent(STAKE)
    await confirming.accepts(bet, STAKE)
    record, handle = await playing
    await casino.calls.mark_told(record.bet_id, "r")
    return handle


async def _movement(casino: InProcessCasino, kind: int) -> Any:
    (row,) = await casino.sql("SELECT * FROM movement WHERE transaction_type = :k", k=kind)
    return row


def _paced(sends: list[datetime]) -> None:
    """Assert that each send comes no earlier than the gap after the previous one."""
    gaps = [timedelta(seconds=gap) for gap in (0.4, 0.8, 1.6)]
    assert [later - earlier >= gap for (earlier, later), gap in zip(pairwise(sends), gaps, strict=False)] == [True] * 3


async def _pay_out(casino: InProcessCasino, bet: PayIn, handle: Handle) -> None:
    await handle.signal("pay_out", casino.pay_out(bet, "25.00"))


async def _refund(casino: InProcessCasino, bet: PayIn, handle: Handle) -> None:
    await handle.signal("refund", casino.refund(bet))


@pytest.mark.edge_case(91)
@pytest.mark.parametrize(
    ("resolve", "kind", "ends"), [(_pay_out, PAY_OUT, BetState.SETTLED), (_refund, RETURN, BetState.REFUNDED)]
)
async def test_what_is_owed_and_refused_by_accept_is_sent_at_the_pace_of_the_profile(
    database_url: str,
    temporal: Client,
    resolve: Callable[[InProcessCasino, PayIn, Handle], Awaitable[None]],
    kind: int,
    ends: BetState,
) -> None:
    async with _playing(database_url, temporal) as (casino, confirming):
        bet = await casino.pay_in()
        handle = await _taken(temporal, casino, confirming, bet)
        await casino.faults(NOTHING_LISTED)
        async with _refusing(casino, confirming, bet, kind, FAILED):
            await resolve(casino, bet, handle)
            await confirming.sent(kind, SENDS)
        _paced(await _sends(casino, kind))
        history = await events(handle)
        # One look at the row for each refusal, and not for its repeats.
        assert history.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) <= 1 + await _counted(casino, kind)
        # The next Accept confirms it, and is read at once.
        await eventually(lambda: _confirms(confirming, bet, kind))
        assert await handle.result() is ends


async def _confirms(confirming: ConfirmingCasino, bet: PayIn, kind: int) -> bool:
    return await confirming.accepts(bet, kind) in (AcceptOutcome.STORED, AcceptOutcome.REPEATED)


async def _counted(casino: InProcessCasino, kind: int) -> int:
    return (await casino.attempts())[kind]


@pytest.mark.edge_case(91)
async def test_a_stake_that_may_have_been_taken_is_sent_again_at_the_pace_of_the_profile(
    database_url: str, temporal: Client
) -> None:
    async with _playing(database_url, temporal) as (casino, confirming):
        # Its first answer is lost: no refusal ends it any more.
        await casino.faults({"kind": "drop", "path": "/payments/make", "times": 1})
        bet = await casino.pay_in(seconds=60)
        handle = await begin(temporal, bet)
        await confirming.sent(STAKE, 2)
        async with _refusing(casino, confirming, bet, STAKE, NO_MONEY):
            await confirming.sent(STAKE, SENDS + 1)
        _paced((await _sends(casino, STAKE))[1:])
        await eventually(lambda: _confirms(confirming, bet, STAKE))
        await eventually(lambda: _is_accepted(casino, bet))
        await _refund(casino, bet, handle)
        await confirming.sent(RETURN)
        await eventually(lambda: _confirms(confirming, bet, RETURN))
        assert await handle.result() is BetState.REFUNDED


async def _is_accepted(casino: InProcessCasino, bet: PayIn) -> bool:
    return (await casino.row(bet)).accepted_at is not None


@pytest.mark.edge_case(91)
async def test_a_claw_back_that_may_have_been_taken_is_sent_again_at_the_pace_of_the_profile(
    database_url: str, temporal: Client
) -> None:
    async with _playing(database_url, temporal) as (casino, confirming):
        bet = await casino.pay_in_out()
        playing = asyncio.create_task(start(temporal, bet))
        for kind in (STAKE, PAY_OUT):
            await confirming.sent(kind)
            await confirming.accepts(bet, kind)
        settled, _ = await playing
        await casino.faults({"kind": "drop", "path": "/payments/make", "times": 1})
        reversing = asyncio.create_task(reverse(temporal, casino.reverse(bet, settled), casino.refund(bet)))
        await confirming.sent(CLAW_BACK, 2)
        async with _refusing(casino, confirming, bet, CLAW_BACK, NO_MONEY):
            await confirming.sent(CLAW_BACK, SENDS + 1)
        _paced((await _sends(casino, CLAW_BACK))[1:])
        await eventually(lambda: _confirms(confirming, bet, CLAW_BACK))
        await confirming.sent(RETURN)
        await eventually(lambda: _confirms(confirming, bet, RETURN))
        record, _ = await reversing
        assert record.reversal is not None
        assert record.reversal.state == "reversed"


@pytest.mark.edge_case(91)
async def test_refusals_by_accept_open_the_breaker_and_a_success_closes_it(database_url: str, temporal: Client) -> None:
    breaking = (
        "{attempt_timeout: 0.5, breaker: {failures: 3, window: 60, probe_every: 60}, retry: {first: 0.1, cap: 0.2}}"
    )
    async with _playing(database_url, temporal, breaking) as (casino, confirming):
        bet = await casino.pay_in()
        handle = await _taken(temporal, casino, confirming, bet)
        await casino.faults(NOTHING_LISTED)
        async with _refusing(casino, confirming, bet, PAY_OUT, FAILED):
            await _pay_out(casino, bet, handle)
            await eventually(lambda: _is_open(casino))
        # A success counts although no send is allowed: the next probe of the breaker is a minute away.
        await eventually(lambda: _confirms(confirming, bet, PAY_OUT))
        async with asyncio.timeout(30):
            assert await handle.result() is BetState.SETTLED
        assert not await _is_open(casino)


@pytest.mark.edge_case(91)
async def test_a_stake_that_an_accept_refuses_for_good_is_no_failure_of_the_casino(
    database_url: str, temporal: Client
) -> None:
    breaking = "{breaker: {failures: 1, window: 60, probe_every: 60}}"
    async with _playing(database_url, temporal, breaking) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.sent(STAKE)
        await confirming.accepts(bet, STAKE, NO_MONEY)
        record, _ = await playing
        assert record.state is BetState.REFUSED
        assert not await _is_open(casino)


async def _is_open(casino: InProcessCasino) -> bool:
    return bool(await casino.sql("SELECT 1 FROM casino_health WHERE open_since IS NOT NULL"))


# What is parked


@asynccontextmanager
async def _parked(
    database_url: str, client: Client
) -> AsyncIterator[tuple[InProcessCasino, ConfirmingCasino, PayIn, Handle]]:
    """Open a bet whose win the casino has refused for good, by Accept."""
    async with _playing(database_url, client, QUICK) as (casino, confirming):
        bet = await casino.pay_in()
        handle = await _taken(client, casino, confirming, bet)
        await _pay_out(casino, bet, handle)
        await confirming.asked_the_row(bet, PAY_OUT)
        await confirming.accepts(bet, PAY_OUT, BLOCKED)
        await eventually(lambda: _has_state(casino, "parked"))
        yield casino, confirming, bet, handle


async def _has_state(casino: InProcessCasino, state: str) -> bool:
    found = await casino.sql("SELECT state FROM movement WHERE transaction_type = :k", k=PAY_OUT)
    return [row.state for row in found] == [state]


@pytest.mark.edge_case(92)
async def test_a_refusing_accept_leaves_what_is_parked_as_it_is(database_url: str, temporal: Client) -> None:
    async with _parked(database_url, temporal) as (casino, confirming, bet, handle):
        sends = len(await _sends(casino, PAY_OUT))
        signals = (await events(handle)).count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        for _ in range(5):
            assert await confirming.accepts(bet, PAY_OUT, BLOCKED) is AcceptOutcome.REPEATED
        # The signal of an older API, or one that was on its way when the movement was parked.
        await handle.signal("accept", {"transaction_type": PAY_OUT, "success": False})
        await asyncio.sleep(1)
        assert await _has_state(casino, "parked")
        assert len(await _sends(casino, PAY_OUT)) == sends
        assert [incident.kind for incident in await casino.incidents()] == ["parked"]
        # The one signal that the test has sent, and no activity because of it.
        told = (await events(handle)).count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        assert told <= signals + 1
        assert await casino.sql("SELECT 1 FROM bet_event WHERE kind = 'tried_again'") == []


@pytest.mark.edge_case(92)
async def test_a_success_wakes_what_is_parked_though_a_refusal_stands_there(
    database_url: str, temporal: Client
) -> None:
    async with _parked(database_url, temporal) as (casino, confirming, bet, handle):
        sends = len(await _sends(casino, PAY_OUT))
        assert await confirming.accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        assert await handle.result() is BetState.SETTLED
        assert (len(await _sends(casino, PAY_OUT)), (await _movement(casino, PAY_OUT)).state) == (sends, "done")
        assert [incident.kind for incident in await casino.incidents()] == ["parked"]


@pytest.mark.edge_case(92)
async def test_a_refusal_for_what_the_answer_to_make_has_parked_is_stored(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, QUICK) as (casino, confirming):
        bet = await casino.pay_in()
        handle = await _taken(temporal, casino, confirming, bet)
        await casino.faults({"kind": "error_code", "error_code": BLOCKED, "path": "/payments/make"})
        await _pay_out(casino, bet, handle)
        await eventually(lambda: _has_state(casino, "parked"))
        assert await confirming.accepts(bet, PAY_OUT, NO_MONEY) is AcceptOutcome.STORED
        moved = await _movement(casino, PAY_OUT)
        assert (moved.state, moved.accept_code, moved.error_code) == ("parked", "103802", "103802")
        assert [incident.kind for incident in await casino.incidents()] == ["parked"]
        # An operator's retry sends it: the refusal that stands there was seen.
        await casino.faults()
        sends = len(await _sends(casino, PAY_OUT))
        order = Operate(action=Action.RETRY, operator="ann", reason="a test")
        assert (await handle.execute_update("operate", order, result_type=Operated)).done
        await confirming.sent(PAY_OUT, sends + 1)
        await eventually(lambda: _confirms(confirming, bet, PAY_OUT))
        assert await handle.result() is BetState.SETTLED
