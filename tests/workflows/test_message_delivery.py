"""The API's messages while no worker runs, and to a bet that ends before it has received them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    WorkflowUpdateHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from api.provider.balances import Balances
from api.provider.call import Call
from api.provider.operations import BetOperations
from api.provider.schemas import PayOutBody, RefundBody
from api.provider.stake_admission import StakeAdmission
from api.provider.winnings import Winnings
from api.provider.workflow_client import BetWorkflowClient
from betcore.db.jackpot_pools import JackpotPools
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.errors import Contradiction, OutcomeUnknown
from betcore.domain.ids import BetKey
from betcore.domain.messages import PayIn, PayOut, Refund
from tests.in_process_casino import open_casino
from tests.workflows.bets import begin, events, start, update, working


class _OvertakenUpdates(Interceptor):
    """Updates that do not arrive; a copy of the call from another process ends the bet meanwhile."""

    def __init__(self, copy: Callable[[], Awaitable[object]]) -> None:
        self.copy = copy

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Return the interceptor of calls to Temporal."""
        copy = self.copy

        class Overtaken(OutboundInterceptor):
            async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
                try:
                    await asyncio.Event().wait()
                finally:
                    await copy()
                raise AssertionError("an event that nobody sets")

        return Overtaken(next)


@pytest.mark.edge_case(76)
async def test_pay_out_and_refund_are_kept_while_every_worker_is_down(database_url: str, temporal: Client) -> None:
    messages = BetWorkflowClient(temporal)
    async with open_casino(database_url) as casino:

        async def hand_over(bet: PayIn, *, paid: bool) -> None:
            send, call = (
                (messages.pay_out, casino.pay_out(bet, "5.00")) if paid else (messages.refund, casino.refund(bet))
            )
            with pytest.raises(OutcomeUnknown):
                await send(BetKey(bet.counterparty_id, bet.provider_bet_id), None, call, 1.5)  # type: ignore[operator]

        # Several calls: whether a long poll of the server ends just before the deadline differs from call to call.
        bets = [await casino.pay_in(seconds=60) for _ in range(10)]
        handles = [await begin(temporal, bet) for bet in bets]
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(hand_over(bet, paid=number % 2 == 0) for number, bet in enumerate(bets)))
        assert asyncio.get_running_loop().time() - began < 3
        for handle in handles:
            assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED in await events(handle)
        async with working(temporal, casino):
            states = [await handle.result() for handle in handles]
        assert states == [BetState.SETTLED, BetState.REFUNDED] * 5


@pytest.mark.edge_case(5, 7)
@pytest.mark.parametrize("paid", [True, False])
async def test_a_bet_that_ends_before_it_hears_a_call_is_answered_from_its_row(
    database_url: str, temporal: Client, paid: bool
) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        call = casino.pay_out(bet, "5.00") if paid else casino.refund(bet)
        name = "pay_out" if paid else "refund"
        interceptor = _OvertakenUpdates(lambda: update(handle, name, call))
        messages = BetWorkflowClient(Client(**{**temporal.config(), "interceptors": [interceptor]}))
        send = messages.pay_out if paid else messages.refund
        key = BetKey(bet.counterparty_id, bet.provider_bet_id)
        assert await send(key, None, call, 1.0) is None  # type: ignore[operator]
        assert await handle.result() is (BetState.SETTLED if paid else BetState.REFUNDED)


@pytest.mark.edge_case(83)
@pytest.mark.parametrize("paid", [True, False])
async def test_only_equal_calls_share_an_answer(database_url: str, temporal: Client, paid: bool) -> None:
    """No worker runs. Without it the call of the right round and player inherits the rejection of a wrong one."""
    messages = BetWorkflowClient(temporal)
    async with open_casino(database_url) as casino:
        bets = [await casino.pay_in(seconds=60) for _ in range(5)]
        for bet in bets:
            await begin(temporal, bet)

        def sent(bet: PayIn, **other: object) -> asyncio.Task[BetRecord | None]:
            key = BetKey(bet.counterparty_id, bet.provider_bet_id)
            if paid:
                call = casino.pay_out(bet, "5.00").model_copy(update=other)
                return asyncio.create_task(messages.pay_out(key, None, call, 60))
            return asyncio.create_task(messages.refund(key, None, casino.refund(bet).model_copy(update=other), 60))

        wrong = [sent(bet, player_id=bet.player_id + 1) for bet in bets]
        wrong += [sent(bet, round_id="another") for bet in bets if paid]
        await asyncio.sleep(0.5)
        right = [sent(bet) for bet in bets for _ in range(3)]
        await asyncio.sleep(0.5)
        async with working(temporal, casino):
            found = await asyncio.gather(*wrong, return_exceptions=True)
            assert [type(answer) for answer in found] == [Contradiction] * len(wrong)
            records = await asyncio.gather(*right)
        assert {record and record.state for record in records} == {BetState.SETTLED if paid else BetState.REFUNDED}


@pytest.mark.edge_case(83)
async def test_a_right_call_comes_through_a_flood_of_wrong_ones(database_url: str, temporal: Client) -> None:
    """Temporal accepts ten waiting updates of a workflow; a call beyond them is sent as a signal, which it keeps."""
    messages = BetWorkflowClient(temporal)
    async with open_casino(database_url) as casino:
        bet = await casino.pay_in(seconds=60)
        handle = await begin(temporal, bet)
        key, right = BetKey(bet.counterparty_id, bet.provider_bet_id), casino.pay_out(bet, "5.00")
        flood = [right.model_copy(update={"round_id": f"wrong-{number}"}) for number in range(15)]
        sends = [asyncio.create_task(messages.pay_out(key, None, call, 2)) for call in flood]
        await asyncio.sleep(0.5)
        sends.append(asyncio.create_task(messages.pay_out(key, None, right, 2)))
        found = await asyncio.gather(*sends, return_exceptions=True)
        assert [type(answer) for answer in found] == [OutcomeUnknown] * 16
        async with working(temporal, casino):
            assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "5.00")]


@pytest.mark.edge_case(83)
async def test_an_update_that_finds_no_place_is_a_signal_at_once(database_url: str, temporal: Client) -> None:
    class Full(Interceptor):
        """A server that refuses every further update."""

        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            class Refusing(OutboundInterceptor):
                async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
                    raise RPCError("limit of in-flight updates", RPCStatusCode.RESOURCE_EXHAUSTED, b"")

            return Refusing(next)

    messages = BetWorkflowClient(Client(**{**temporal.config(), "interceptors": [Full()]}))
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        key = BetKey(bet.counterparty_id, bet.provider_bet_id)
        with pytest.raises(OutcomeUnknown):
            await messages.refund(key, None, casino.refund(bet), 60)
        assert await handle.result() is BetState.REFUNDED
        # If the bet has ended meanwhile its row answers.
        assert await messages.refund(key, None, casino.refund(bet), 60) is None


class _Rejecting(BetWorkflowClient):
    """Workflows that reject every update."""

    async def pay_out(self, bet: BetKey, record: BetRecord | None, call: PayOut, seconds: float) -> BetRecord | None:
        raise Contradiction

    async def refund(self, bet: BetKey, record: BetRecord | None, call: Refund, seconds: float) -> BetRecord | None:
        raise Contradiction


@pytest.mark.edge_case(83)
async def test_a_rejection_is_final_only_if_the_row_says_the_same(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino:
        balances = Balances(casino.calls, casino.partners, casino.casinos)
        admission, winnings = StakeAdmission(casino.calls, 0), Winnings(casino.bets, JackpotPools(casino.database))
        workflows = _Rejecting(temporal)
        bets = BetOperations(casino.calls, casino.bets, casino.partners, balances, workflows, admission, winnings)
        bet = await casino.pay_in()

        async def said() -> list[str | None]:
            provider = await casino.partners.provider(casino.counterparty_id)
            assert provider is not None
            known, due = bet.provider_bet_id, time.monotonic() + 60
            pay_outs = [
                PayOutBody(betId=known, winAmount="5.00", gameRoundId=one) for one in (bet.round_id, "another-round")
            ]
            now, session = datetime.now(UTC), casino.session.session_id
            calls = [Call(provider, session, f"{known}:{time.monotonic_ns()}", due, now) for _ in range(3)]
            heard = [await bets.pay_out(call, body) for call, body in zip(calls, pay_outs, strict=False)]
            return [reply.code for reply in (*heard, await bets.refund(calls[2], RefundBody(betId=known)))]

        # Without a row only the workflow's own rejection of this call can answer it.
        assert await said() == ["different_data"] * 3
        await casino.bets.open(bet, "run", BetState.ACCEPTING, None)
        assert await said() == ["outcome_unknown", "different_data", "outcome_unknown"]
