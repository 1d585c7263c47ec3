"""A casino that confirms with Accept, against the workflow: when it is sent again, and what an Accept costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from betcore.domain.accepts import AcceptOutcome
from betcore.domain.bet import BetState
from tests.in_process_casino import InProcessCasino, open_casino
from tests.workflows.bets import begin, events, resumed, start, update, working
from tests.workflows.confirming_casino import PAY_OUT, RETURN, STAKE, ConfirmingCasino

HURRIED = "{attempt_timeout: 0.5, retry: {first: 0.1, cap: 0.2}}"


@asynccontextmanager
async def _playing(
    database_url: str, client: Client, profile: str = "{}"
) -> AsyncIterator[tuple[InProcessCasino, ConfirmingCasino]]:
    casinos: AbstractAsyncContextManager[InProcessCasino] = open_casino(
        database_url, casino=profile, confirmation="accept"
    )
    async with casinos as casino, working(client, casino):
        await casino.hints.listening.wait()
        yield casino, ConfirmingCasino(casino, client)


def _tasks(history: list[int]) -> int:
    return history.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)


@pytest.mark.edge_case(38)
async def test_a_quick_accept_costs_no_workflow_task(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.sent(STAKE)
        assert await confirming.accepts(bet, STAKE) is AcceptOutcome.STORED
        record, handle = await playing
        assert (record.state, str(record.accepted_balance)) == (BetState.ACCEPTANCE, "990.00")
        paying = asyncio.create_task(update(handle, "pay_out", casino.pay_out(bet, "25.00")))
        await confirming.sent(PAY_OUT)
        assert await confirming.accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        assert (await paying).state is BetState.SETTLED
        history = await events(handle)
        # As at a casino whose response to make is final: two tasks, no signal, no timer beyond the usual one.
        assert _tasks(history) == 2
        assert history.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) == 0
        assert len(history) == 17
        assert await casino.attempts() == {STAKE: 1, PAY_OUT: 1}


@pytest.mark.edge_case(38)
async def test_a_later_accept_costs_one_workflow_task_and_no_other_send(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, HURRIED) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.asked_the_row(bet, STAKE)
        assert await confirming.accepts(bet, STAKE) is AcceptOutcome.STORED
        record, handle = await playing
        assert record.state is BetState.ACCEPTANCE
        history = await events(handle)
        assert (_tasks(history), history.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)) == (2, 1)
        assert history.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 0
        assert await casino.attempts() == {STAKE: 1}
        assert len(await casino.casino_calls()) == 1


@pytest.mark.edge_case(39)
async def test_an_accept_before_the_answer_to_make_is_kept_for_it(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal) as (casino, confirming):
        await casino.faults({"kind": "hold_after", "path": "/payments/make"})
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await casino.held()
        assert await confirming.accepts(bet, STAKE) is AcceptOutcome.STORED
        await casino.release()
        record, handle = await playing
        assert record.state is BetState.ACCEPTANCE
        assert _tasks(await events(handle)) == 1
        assert await casino.attempts() == {STAKE: 1}


@pytest.mark.edge_case(39)
async def test_an_accept_whose_make_has_lost_its_answer_is_enough(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, HURRIED) as (casino, confirming):
        await casino.faults({"kind": "lost", "path": "/payments/make"})
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.sent(STAKE)
        assert await confirming.accepts(bet, STAKE) in (AcceptOutcome.STORED, AcceptOutcome.REPEATED)
        record, _ = await playing
        assert record.state is BetState.ACCEPTANCE


@pytest.mark.edge_case(38)
async def test_a_refusal_by_accept_ends_a_bet_that_was_sent_once(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, HURRIED) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.asked_the_row(bet, STAKE)
        assert await confirming.accepts(bet, STAKE, 103802) is AcceptOutcome.STORED
        record, handle = await playing
        assert (record.state, record.refusal) == (BetState.REFUSED, "no_money")
        assert await handle.result() is BetState.REFUSED


@pytest.mark.edge_case(38)
async def test_a_debit_without_an_accept_is_decided_by_payments_info(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    async with _playing(database_url, skipping.client, HURRIED) as (casino, confirming):
        # The casino's journal has it, its Accept never comes. The PayIn was not answered: the stake goes back.
        bet = await casino.pay_in(seconds=2)
        handle = await begin(skipping.client, bet)
        ending = asyncio.create_task(handle.result())
        await confirming.sent(RETURN)
        await confirming.accepts(bet, RETURN)
        assert await ending is BetState.REFUNDED
        assert (await casino.row(bet)).accepted_at is not None
        assert [call["path"] for call in await casino.casino_calls()].count("/payments/info") == 1


@pytest.mark.edge_case(38)
async def test_a_credit_without_an_accept_is_made_again_until_there_is_one(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    profile = "{attempt_timeout: 0.5, accept_within: 1, retry: {first: 0.1, cap: 0.2}}"
    async with _playing(database_url, skipping.client, profile) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(skipping.client, bet))
        await confirming.sent(STAKE)
        await confirming.accepts(bet, STAKE)
        _, handle = await playing
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await confirming.sent(PAY_OUT, 3)
        assert await confirming.accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(STAKE, "10.00"), (PAY_OUT, "25.00")]


@pytest.mark.edge_case(38)
async def test_a_credit_that_an_accept_refuses_is_sent_again(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, HURRIED) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.sent(STAKE)
        await confirming.accepts(bet, STAKE)
        _, handle = await playing
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await confirming.sent(PAY_OUT)
        assert await confirming.accepts(bet, PAY_OUT, 102823) is AcceptOutcome.STORED
        # The earlier refusal does not keep the Accept of the next send from counting.
        await confirming.sent(PAY_OUT, 2)
        assert await confirming.accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        assert await handle.result() is BetState.SETTLED


@pytest.mark.edge_case(39)
async def test_a_success_for_a_stake_that_ended_refused_goes_back(database_url: str, temporal: Client) -> None:
    async with _playing(database_url, temporal, HURRIED) as (casino, confirming):
        bet = await casino.pay_in()
        playing = asyncio.create_task(start(temporal, bet))
        await confirming.sent(STAKE)
        await confirming.accepts(bet, STAKE, 103802)
        record, handle = await playing
        assert await handle.result() is BetState.REFUSED
        assert await confirming.accepts(bet, STAKE) is AcceptOutcome.ENDED
        assert (await casino.row(bet)).state == "refused"
        assert [incident.kind for incident in await casino.incidents()] == ["debited_after_the_end"]
        await resumed(casino, temporal)
        returning = temporal.get_workflow_handle(f"resume-reversal:{record.bet_id}:1")
        await confirming.sent(RETURN)
        await confirming.accepts(bet, RETURN)
        assert await returning.result() == "reversed"
        # A repeated Accept does not return the stake a second time.
        assert await confirming.accepts(bet, STAKE) in (AcceptOutcome.ENDED, AcceptOutcome.REPEATED)
        assert await casino.journal() == [(STAKE, "10.00"), (RETURN, "10.00")]


@pytest.mark.edge_case(39)
async def test_no_send_is_counted_while_an_accept_waits_to_be_read(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, confirmation="accept") as casino:
        bet = await casino.pay_in()
        assert (await casino.bets.open(bet, "run", BetState.ACCEPTING, None)).counted
        assert await ConfirmingCasino(casino, temporal).accepts(bet, STAKE, 103802) is AcceptOutcome.STORED
        claim = await casino.bets.open(bet, "run", BetState.ACCEPTING, None)
        assert (claim.counted, claim.attempts) == (False, 1)
        assert claim.accept is not None
        assert claim.accept.error_code == "103802"
