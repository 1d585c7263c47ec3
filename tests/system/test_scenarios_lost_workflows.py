"""Edge case 81: workflows that are terminated, lost, cancelled or reset while their rows are open."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.ids import resumed_reversal_workflow_id, resumed_workflow_id
from betcore.temporal.schedules import SWEEP
from betcore.temporal.visibility import BET_STATUS, CASINO, GAME, NEEDS_ATTENTION, PLAYER, PROVIDER, SETTLE_BY
from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    BACK,
    DONE,
    HASTY,
    NO_LIST,
    REFUNDED,
    SETTLED,
    STAKED,
    UNAVAILABLE,
    UNKNOWN,
    Journal,
    bet_after,
    bet_with_stake_taken,
    bets_locked,
    fault,
)
from tests.watch import holds, sent

# A debit may be sent again for long enough to be sent by the next life.
QUICK = "{message_lifetime: 600, retry: {first: 0.1, cap: 0.5}}"
# Long enough for many stakes to be sent at once before it.
DEADLINE = "answer_deadline: 2.5"
WITHIN = 120

T = TypeVar("T")
Call = Callable[[TestPartner, str], Awaitable[Answer]]


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """A stack that soon resumes bets without a workflow."""
    return sweeping


@asynccontextmanager
async def _sweep_paused(stack: Stack) -> AsyncIterator[None]:
    """Inside this block nothing is resumed."""
    schedule = stack.client.get_schedule_handle(SWEEP)
    await schedule.pause()

    async def at_rest() -> bool:
        return not (await schedule.describe()).info.running_actions

    await eventually(at_rest)
    try:
        yield
    finally:
        await schedule.unpause()


async def _terminated(handle: Any) -> None:
    await handle.terminate()


async def _deleted(handle: Any) -> None:
    """Gone with its history, as with Temporal's store."""
    execution = WorkflowExecution(workflow_id=handle.id)
    service, namespace = handle._client.workflow_service, handle._client.namespace
    await service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=namespace, workflow_execution=execution)
    )


async def _runs(handle: Any) -> bool:
    try:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise


@dataclass(frozen=True)
class Case:
    """How a bet reaches the state in which its workflow is lost: ``calls``, the last of them while its movement meets
    ``fault``; which calls end it afterwards, and what the casino's journal has then."""

    calls: list[Call]
    kind: int | None
    ends: list[Call]
    journal: Journal
    status: str
    fault: str = "lost"
    reversal: bool = False


CASES = {
    "in acceptance, to be won": Case(
        [TestPartner.pay_in], None, [TestPartner.pay_in, TestPartner.pay_out], SETTLED, "open"
    ),
    "in acceptance, to be lost": Case(
        [TestPartner.pay_in], None, [TestPartner.refund, TestPartner.pay_in], REFUNDED, "open"
    ),
    "debit unknown": Case([TestPartner.pay_in], -1, [TestPartner.pay_in, TestPartner.pay_out], SETTLED, "unknown"),
    "debit not taken": Case(
        [TestPartner.pay_in], -1, [TestPartner.pay_in, TestPartner.refund], REFUNDED, "unknown", "error"
    ),
    "win owed": Case(
        [TestPartner.pay_in, TestPartner.pay_out], 1, [TestPartner.pay_out, TestPartner.pay_in], SETTLED, "owed"
    ),
    "win owed, not taken": Case(
        [TestPartner.pay_in, TestPartner.pay_out], 1, [TestPartner.pay_out], SETTLED, "owed", "error"
    ),
    "return owed": Case(
        [TestPartner.pay_in, TestPartner.refund], 2, [TestPartner.refund, TestPartner.pay_in], REFUNDED, "owed"
    ),
    "one step, win owed": Case([TestPartner.pay_in_out], 1, [TestPartner.pay_in_out], SETTLED, "owed"),
    "one step, win owed, refunded": Case([TestPartner.pay_in_out], 1, [TestPartner.refund], BACK, "owed"),
    "one step, debit unknown": Case([TestPartner.pay_in_out], -1, [TestPartner.pay_in_out], SETTLED, "unknown"),
    "claw-back unknown": Case(
        [TestPartner.pay_in_out, TestPartner.refund],
        -2,
        [TestPartner.refund, TestPartner.pay_in_out],
        BACK,
        "unknown",
        reversal=True,
    ),
    "reversal's return owed": Case(
        [TestPartner.pay_in_out, TestPartner.refund],
        2,
        [TestPartner.refund, TestPartner.pay_in_out],
        BACK,
        "owed",
        reversal=True,
    ),
}


@dataclass
class Lost:
    """A bet of a case, of a partner of its own."""

    case: Case
    partner: TestPartner
    bet: str

    @classmethod
    async def of(cls, stack: Stack, case: Case) -> "Lost":
        """Play it up to the moment at which its workflow is lost."""
        partner = await stack.partner(provider=DEADLINE, casino=QUICK)
        broken = [] if case.kind is None else [fault(case.fault, case.kind), NO_LIST]
        bet = await bet_after(partner, [partial(call, partner) for call in case.calls], *broken)
        await holds(lambda: partner.sent(bet), lambda found: not broken or found.count(case.kind) > 3)
        return cls(case, partner, bet)

    async def resumed(self) -> Any:
        """Wait until another life runs; its description."""
        bet_id = (await self.partner.row(self.bet)).bet_id
        name = (resumed_reversal_workflow_id if self.case.reversal else resumed_workflow_id)(bet_id, 1)
        handle = self.partner.stack.client.get_workflow_handle(name)
        await eventually(lambda: _runs(handle), WITHIN)

        async def seen() -> bool:
            status = (await handle.describe()).typed_search_attributes.get(BET_STATUS)
            return status == self.case.status

        await eventually(seen, WITHIN)
        return (await handle.describe()).typed_search_attributes

    @property
    def first(self) -> Any:
        """The workflow that is lost."""
        return self.partner.reversal(self.bet) if self.case.reversal else self.partner.workflow(self.bet)

    async def unanswered(self) -> None:
        """Check that what the rows do not decide is answered 99 while the bet has no workflow."""
        for call in self.case.ends:
            decided = call is TestPartner.pay_in and self.case.kind != -1
            decided |= call is TestPartner.pay_in_out and self.case.reversal
            play = partial(call, self.partner, self.bet)
            assert (await (until(play) if decided else play())).outcome == (DONE if decided else UNKNOWN)

    async def goes_on(self) -> None:
        """Check that another workflow takes the bet over, and ends it."""
        attributes = await self.resumed()
        assert attributes.get(NEEDS_ATTENTION) == (self.case.kind is not None)
        assert (attributes.get(CASINO), attributes.get(PROVIDER), attributes.get(GAME)) == (
            self.partner.casino,
            self.partner.provider,
            "dice",
        )
        assert None not in (attributes.get(PLAYER), attributes.get(SETTLE_BY))
        await self.partner.faults()
        for call in self.case.ends:
            assert (await until(partial(call, self.partner, self.bet))).outcome in (DONE, (6, "already_refunded"))
        for call in self.case.ends:
            assert (await call(self.partner, self.bet)).code != 99
        assert await self.partner.journal(self.bet) == self.case.journal
        row = await self.partner.row(self.bet)
        assert (row.closed_at is not None, row.lives) == (True, 0 if self.case.reversal else 1)

    async def ends_in_its_first_workflow(self) -> None:
        """Let the casino answer again, and check that no other workflow takes the bet over."""
        await self.partner.faults()
        for call in self.case.ends:
            assert (await until(partial(call, self.partner, self.bet))).outcome in (DONE, (6, "already_refunded"))
        assert await self.partner.journal(self.bet) == self.case.journal
        assert (await self.partner.row(self.bet)).lives == 0


@pytest.mark.edge_case(81)
@pytest.mark.parametrize("lose", [_terminated, _deleted])
async def test_a_bet_without_a_workflow_is_resumed(stack: Stack, lose: Callable[[Any], Awaitable[None]]) -> None:
    lost = await _all(CASES, lambda name: Lost.of(stack, CASES[name]))
    async with _sweep_paused(stack):
        for one in lost:
            await lose(one.first)
        for one in lost:
            await eventually(partial(_is_gone, one.first), WITHIN)
        await asyncio.gather(*(one.unanswered() for one in lost))
    by_name = dict(zip(CASES, lost, strict=True))
    await _all(CASES, lambda name: by_name[name].goes_on())


async def _is_gone(handle: Any) -> bool:
    return not await _runs(handle)


async def _noted(name: str, play: Awaitable[T]) -> T:
    try:
        return await play
    except BaseException as error:
        error.add_note(f"played with: {name}")
        raise


async def _all(names: Iterable[str], play: Callable[[str], Awaitable[T]]) -> list[T]:
    """Play cases at the same time."""
    return await asyncio.gather(*(_noted(name, play(name)) for name in names))


@pytest.mark.edge_case(81)
async def test_every_lost_workflow_is_followed_by_another(stack: Stack) -> None:
    lost = await Lost.of(stack, CASES["win owed"])
    bet_id = (await lost.partner.row(lost.bet)).bet_id
    await lost.first.terminate()
    for life in (1, 2, 3):
        handle = stack.client.get_workflow_handle(resumed_workflow_id(bet_id, life))
        await eventually(partial(_runs, handle), WITHIN)
        await eventually(partial(_lives, lost, life), WITHIN)
        if life < 3:
            await handle.terminate()
    await lost.partner.faults()
    assert (await until(partial(lost.partner.pay_out, lost.bet))).outcome == DONE
    assert await lost.partner.journal(lost.bet) == SETTLED


def _freeze(stack: Stack, number: signal.Signals) -> None:
    os.kill(stack.pid("worker-1"), number)


@pytest.mark.edge_case(81, 14)
@pytest.mark.parametrize("call", [TestPartner.pay_in, TestPartner.pay_in_out], ids=["pay_in", "pay_in_out"])
async def test_a_bet_that_is_lost_before_its_row_is_refused(stack: Stack, call: Call) -> None:
    partner = await stack.partner(provider=HASTY)
    bet = partner.new_bet()
    _freeze(stack, signal.SIGSTOP)
    try:
        assert (await call(partner, bet)).outcome == UNKNOWN
        await partner.workflow(bet).terminate()
        assert [(await call(partner, bet)).outcome for _ in range(2)] == [UNAVAILABLE] * 2
    finally:
        _freeze(stack, signal.SIGCONT)
    # The worker is awake again: others are served.
    assert (await until(partial(call, partner, other := partner.new_bet()))).outcome == DONE
    assert await partner.journal(other) == (STAKED if call is TestPartner.pay_in else SETTLED)
    assert (await call(partner, bet)).outcome == UNAVAILABLE
    assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert await partner.sent(bet) == []


@pytest.mark.edge_case(81)
async def test_a_bet_that_is_lost_while_it_opens_its_row(stack: Stack) -> None:
    """The worker is at the row when the workflow is terminated, and a repeat buries the bet: one of them wins."""
    partner = await stack.partner()
    bets = [partner.new_bet() for _ in range(3)]
    async with bets_locked(partner) as waiting:
        first = [asyncio.create_task(partner.pay_in(bet)) for bet in bets]
        await waiting(3)
        for bet in bets:
            await partner.workflow(bet).terminate()
        again = [asyncio.create_task(until(partial(partner.pay_in, bet), WITHIN)) for bet in bets]
        await waiting(6)
    for bet, heard, repeat in zip(bets, first, again, strict=True):
        said = (await repeat).outcome
        assert said in (DONE, UNAVAILABLE)
        assert (await heard).outcome in (UNKNOWN, said)
        assert (await partner.pay_in(bet)).outcome == said
        assert await partner.journal(bet) == (STAKED if said == DONE else [])
        if said == DONE:
            assert (await until(partial(partner.pay_out, bet), WITHIN)).outcome == DONE
            assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(81)
async def test_a_cancelled_workflow_goes_on_and_files_an_incident(stack: Stack) -> None:
    async def play(name: str) -> None:
        lost = await Lost.of(stack, CASES[name])
        await lost.first.cancel()
        await holds(lambda: lost.partner.incidents(lost.bet), lambda found: found == ["cancelled"])
        assert await _runs(lost.first)
        await lost.ends_in_its_first_workflow()

    await _all(["in acceptance, to be won", "win owed", "return owed", "debit unknown", "claw-back unknown"], play)


async def _reset(handle: Any) -> None:
    """Reset to the end of the first workflow task, as the UI does."""
    told = await handle.describe()

    async def ends() -> list[int]:
        completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return [event.event_id for event in (await handle.fetch_history()).events if event.event_type == completed]

    # A task that was missed is done once more, though its row has answered.
    await holds(ends, bool)
    first, *_ = await ends()
    client = handle._client
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=told.run_id),
            reason="somebody pressed the button",
            workflow_task_finish_event_id=first,
            request_id=str(uuid4()),
        )
    )


@pytest.mark.edge_case(81)
async def test_a_reset_workflow_moves_no_money_twice(stack: Stack) -> None:
    async def play(name: str) -> None:
        lost = await Lost.of(stack, CASES[name])
        sends = len(await lost.partner.sent(lost.bet))
        await _reset(lost.first)
        if lost.case.kind is not None:
            # The run that goes on sends again what had no answer.
            await sent(lost.partner, lost.bet, sends + 2)
        await lost.ends_in_its_first_workflow()

    await _all(CASES, play)


@pytest.mark.edge_case(81)
async def test_the_schedule_outlives_its_workers(stack: Stack) -> None:
    schedule = stack.client.get_schedule_handle(SWEEP)
    lost = await Lost.of(stack, CASES["in acceptance, to be won"])
    pid = stack.pid("worker-1")
    os.kill(pid, signal.SIGKILL)
    await lost.first.terminate()
    await holds(lambda: _pid(stack), lambda found: found != pid)
    before = (await schedule.describe()).info.num_actions
    # The worker that starts finds the schedule there, and leaves it working.
    await eventually(lambda: _has_acted(schedule, before), WITHIN)
    (interval,) = (await schedule.describe()).schedule.spec.intervals
    assert interval.every.total_seconds() == 2
    await lost.goes_on()


async def _pid(stack: Stack) -> int:
    return stack.pid("worker-1")


async def _has_acted(schedule: Any, before: int) -> bool:
    return bool((await schedule.describe()).info.num_actions > before)


async def _lives(lost: Lost, life: int) -> bool:
    return bool((await lost.partner.row(lost.bet)).lives == life)


@pytest.mark.edge_case(81)
async def test_a_schedule_that_was_deleted_is_made_anew(stack: Stack) -> None:
    schedule = stack.client.get_schedule_handle(SWEEP)
    await schedule.delete()

    async def is_there() -> bool:
        try:
            return bool((await schedule.describe()).info.num_actions)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False

    await eventually(is_there, WITHIN)


@pytest.mark.edge_case(46, 81)
async def test_a_reversal_that_is_lost_before_its_row_is_taken_up_from_the_refund(stack: Stack) -> None:
    partner = await stack.partner(provider=DEADLINE, casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in_out)
    # Its workflow, on a queue without a worker: it ends before it has done anything.
    gone = partner.reversal(bet)
    await stack.client.start_workflow("Reversal", id=gone.id, task_queue="nobody")
    await gone.terminate()
    assert (await partner.refund(bet)).outcome == UNKNOWN
    assert (await until(lambda: partner.refund(bet), WITHIN)).outcome == DONE
    assert await partner.journal(bet) == BACK
