"""Edge case 67: a worker with other workflow code takes over while bets wait, in every state in which a bet can wait.

The stack runs without workers; the tests deploy them: today's, and copies of it that were changed.
"""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from betcore.temporal.visibility import BET_STATUS
from tests.partner import ROOT, Stack, TestPartner, eventually, start_stack, until
from tests.spawned import spawned
from tests.system.scenarios import (
    BACK,
    CLAW_BACK,
    CREDIT,
    DONE,
    NO_LIST,
    REFUNDED,
    RETURN,
    SETTLED,
    STAKED,
    UNKNOWN,
    Journal,
    bet_after,
    bet_with_stake_taken,
    journal_becomes,
)
from tests.watch import holds

T = TypeVar("T")
R = TypeVar("R")

MAKE = "/payments/make"
# A debit that is repeated for longer than the tests take, and one that is soon looked for instead.
PATIENT = "{message_lifetime: 120, retry: {first: 0.1, cap: 0.3}}"
SHORT_LIVED = "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.2, retry: {first: 0.1, cap: 0.3}}"
# A stake is not sent after its call's deadline, which a worker that has just begun should meet.
PLAIN = "answer_deadline: 3"
REVERSING = "{answer_deadline: 3, refund_after_pay_out: reverse}"
OVERDUE = "{answer_deadline: 3, unconfirmed_within: 2, settle_within: 3}"

# The release: what each file gets in front of which line. The sources are copied, and changed there.
BEFORE_THE_DEBIT, BEFORE_THE_CREDIT = "assess the stake", "announce the credit"
STEPS = {
    "workflows/bet.py": ("        step = await self._movements.debit(self._stake_debit())\n", BEFORE_THE_DEBIT),
    "workflows/support/movements.py": ("        step = await self._try_fast(sending)\n", BEFORE_THE_CREDIT),
}


def _release(folder: Path, *, patched: bool) -> Path:
    """Return a copy of the worker's sources in which a timer runs before the debit and before a credit."""
    for name in ("activities", "betcore", "workflows"):
        # With what Python has compiled, which holds for the files that are not changed here.
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "worker.py", folder)
    for name, (line, step) in STEPS.items():
        text = (folder / name).read_text()
        assert text.count(line) == 1, f"{name} has no longer this line: {line}"
        indent = line[: len(line) - len(line.lstrip())]
        timer = f'await workflow.sleep(0.05, summary="{step}")\n'
        new = f'{indent}if workflow.patched("{step}"):\n{indent}    {timer}' if patched else f"{indent}{timer}"
        (folder / name).write_text(text.replace(line, new + line))
    return folder


class Deployment:
    """The one worker process of a stack that has none of its own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._process: Process | None = None
        self._log = stack.folder / "deployed.log"

    async def deploy(self, sources: Path) -> None:
        """Run the worker of these sources and no other."""
        await self.stop()
        environment = {"BETCORE_DATA_DIR": str(self._stack.folder), "BETCORE_WORKFLOW_SANDBOX": "true"}
        with self._log.open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *spawned(sys.executable, "worker.py"),
                cwd=sources,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )

        async def ready() -> bool:
            said = await asyncio.to_thread(self._log.read_text)
            assert process.returncode is None, said
            return "worker ready" in said

        await eventually(ready, 60)

    async def stop(self) -> None:
        """Stop the worker as a release does: it finishes what it has begun."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await self._process.wait() == 0
        self._process = None

    def kill(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


@pytest.fixture(scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without workers."""
    async with start_stack(tmp_path_factory.mktemp("bare"), "--processes", "0") as running:
        yield running


@asynccontextmanager
async def _deployed(stack: Stack, sources: Path = ROOT) -> AsyncIterator[Deployment]:
    deployment = Deployment(stack)
    try:
        await deployment.deploy(sources)
        yield deployment
        await deployment.stop()
    finally:
        deployment.kill()


def _fault(kind: str, transaction_type: int | None = None, **given: object) -> dict[str, object]:
    about = {} if transaction_type is None else {"transaction_type": transaction_type}
    return {"kind": kind, "path": MAKE, **about, **given}


@dataclass(frozen=True)
class Wait:
    """A bet that waits when the worker is replaced. ``calls`` brought it there, the last one at a casino with
    ``faults``; ``shows`` is its BetStatus. ``later`` are the calls that bring it to its end, and ``steps`` those of
    the release's that it took."""

    calls: tuple[str, ...]
    faults: tuple[dict[str, object], ...]
    shows: str
    later: tuple[str, ...]
    journal: Journal
    steps: tuple[str, ...] = ()
    meanwhile: str | None = None  # while no worker runs
    provider: str = PLAIN
    casino: str = PATIENT


NEXT = (BEFORE_THE_CREDIT,)
WAITS = {
    "told, then won": Wait(("pay_in",), (), "open", ("pay_in", "pay_out"), SETTLED, NEXT),
    "told, then refunded": Wait(("pay_in",), (), "open", ("pay_in", "refund"), REFUNDED, NEXT),
    "won while no worker ran": Wait(("pay_in",), (), "open", ("pay_out",), SETTLED, NEXT, "pay_out"),
    "overdue": Wait(("pay_in",), (), "overdue", ("pay_out",), SETTLED, NEXT, provider=OVERDUE),
    "unknown, and taken": Wait(("pay_in",), (_fault("lost"),), "unknown", ("pay_in", "pay_out"), SETTLED, NEXT),
    "unknown, and not taken": Wait(("pay_in",), (_fault("drop"),), "unknown", ("pay_in", "refund"), REFUNDED, NEXT),
    "looked for": Wait(
        ("pay_in",),
        (_fault("lost", times=1), {"kind": "error"}),
        "unknown",
        ("pay_in", "pay_out"),
        SETTLED,
        NEXT,
        casino=SHORT_LIVED,
    ),
    "win owed": Wait(("pay_in", "pay_out"), (_fault("error"),), "owed", ("pay_out",), SETTLED),
    "win owed, and paid": Wait(("pay_in", "pay_out"), (_fault("lost"), NO_LIST), "owed", ("pay_out",), SETTLED),
    "stake owed": Wait(("pay_in", "refund"), (_fault("error"),), "owed", ("refund",), REFUNDED),
    "win of one step owed": Wait(("pay_in_out",), (_fault("error", CREDIT),), "owed", ("pay_in_out",), SETTLED),
    "parked": Wait(("pay_in", "pay_out"), (_fault("error_code", error_code=103805),), "parked", (), STAKED),
    "win not taken back": Wait(
        ("pay_in_out", "refund"), (_fault("error", CLAW_BACK),), "unknown", ("refund",), BACK, NEXT
    ),
    "stake owed by a reversal": Wait(("pay_in_out", "refund"), (_fault("error", RETURN),), "owed", ("refund",), BACK),
    "stake owed by a reversal of two steps": Wait(
        ("pay_in", "pay_out", "refund"),
        (_fault("error", RETURN),),
        "owed",
        ("refund",),
        BACK,
        provider=REVERSING,
    ),
}


@dataclass
class Waiting:
    """One of these bets."""

    wait: Wait
    partner: TestPartner
    bet: str

    @classmethod
    async def open(cls, stack: Stack, wait: Wait) -> "Waiting":
        """Bring a bet to the state in which it waits."""
        partner = await stack.partner(provider=wait.provider, casino=wait.casino)
        waiting = cls(
            wait, partner, await bet_after(partner, [getattr(partner, name) for name in wait.calls], *wait.faults)
        )
        await holds(waiting.status, lambda status: status == wait.shows)
        if wait.casino == SHORT_LIVED:
            await holds(waiting.partner.calls, lambda calls: any(call["path"] == "/payments/info" for call in calls))
        return waiting

    async def definitely(self, name: str) -> None:
        """Make a call until it is answered, with 1."""
        assert (await until(lambda: getattr(self.partner, name)(self.bet))).outcome == DONE

    async def in_vain(self, name: str) -> None:
        """Make a call that is answered with 99."""
        assert (await getattr(self.partner, name)(self.bet)).outcome == UNKNOWN

    async def go_on(self) -> None:
        """After the deploy, at a casino that works: to the end that the provider hears of, and its repeats."""
        await self.partner.faults()
        for name in self.wait.later:
            await self.definitely(name)
            await self.definitely(name)
        if not self.wait.later:
            await self.in_vain("pay_out")
        assert await self.partner.journal(self.bet) == self.wait.journal
        assert await _steps(self.handle) == list(self.wait.steps)
        assert await _failed(self.partner.workflow(self.bet)) == []
        assert await _failed(self.handle) == []

    async def status(self) -> str | None:
        """Return the search attributes that operators see."""
        told: str | None = (await self.handle.describe()).typed_search_attributes.get(BET_STATUS)
        return told

    @property
    def handle(self) -> Any:
        """Return the workflow that waits: the bet's, or its reversal's."""
        reverses = self.wait.journal == BACK
        return self.partner.reversal(self.bet) if reverses else self.partner.workflow(self.bet)


async def _steps(handle: Any) -> list[str]:
    """Return the steps of the release that a workflow took, by their patches' markers."""
    markers = [event.marker_recorded_event_attributes for event in (await handle.fetch_history()).events]
    told = [str(marker.details["patch-data"]) for marker in markers if marker.marker_name == "core_patch"]
    return [step for text in told for step in (BEFORE_THE_DEBIT, BEFORE_THE_CREDIT) if step in text]


async def _failed(handle: Any) -> list[int]:
    """Return the causes of a workflow's failed tasks."""
    return [
        event.workflow_task_failed_event_attributes.cause
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]


async def _each(cases: dict[str, T], play: Callable[[T], Coroutine[Any, Any, R]]) -> dict[str, R]:
    """Play every case at once; a failure names its case."""

    async def one(name: str, case: T) -> R:
        try:
            return await play(case)
        except BaseException as error:
            error.add_note(f"played: {name}")
            raise

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(one(name, case)) for name, case in cases.items()}
    return {name: task.result() for name, task in tasks.items()}


@pytest.mark.edge_case(67)
async def test_bets_in_every_state_go_on_under_the_next_release(bare: Stack, tmp_path: Path) -> None:
    release = _release(tmp_path, patched=True)
    async with _deployed(bare) as deployment:
        waiting = await _each(WAITS, lambda wait: Waiting.open(bare, wait))
        await deployment.stop()
        for one in waiting.values():
            if one.wait.meanwhile:
                await one.in_vain(one.wait.meanwhile)
        await deployment.deploy(release)
        await _each(waiting, Waiting.go_on)
        partner = await bare.partner()
        bet = partner.new_bet()
        new = Waiting(WAITS["told, then won"], partner, bet)
        for call in ("pay_in", "pay_out"):
            await new.definitely(call)
        assert await _steps(new.handle) == [BEFORE_THE_DEBIT, BEFORE_THE_CREDIT]
        assert await partner.journal(bet) == SETTLED


async def _stuck(handle: Any) -> None:
    """Wait until a workflow cannot go on for the code it meets."""
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    await holds(lambda: _failed(handle), lambda causes: cause in causes)


@pytest.mark.edge_case(67)
async def test_a_release_without_patched_stops_bets_and_the_right_one_heals_them(bare: Stack, tmp_path: Path) -> None:
    wrong, right = _release(tmp_path / "wrong", patched=False), _release(tmp_path / "right", patched=True)
    async with _deployed(bare) as deployment:
        told = await Waiting.open(bare, WAITS["told, then won"])
        owed = await Waiting.open(bare, WAITS["win of one step owed"])
        await deployment.deploy(wrong)
        await told.in_vain("pay_out")
        await owed.partner.faults()
        await asyncio.gather(_stuck(told.handle), _stuck(owed.handle))
        # An owed win is paid by an activity, which knows nothing of workflows; the other bet's is not begun.
        await journal_becomes(owed.partner, owed.bet, SETTLED)
        assert await told.partner.journal(told.bet) == STAKED
        assert (await told.partner.row(told.bet)).state == "acceptance"
        partner = await bare.partner(provider=PLAIN)
        late = Waiting(WAITS["told, then won"], partner, await bet_with_stake_taken(partner, partner.pay_in))

        await deployment.deploy(right)
        await asyncio.gather(told.definitely("pay_out"), owed.definitely("pay_in_out"))
        # A bet that the wrong release opened has the wrong release's history; it is begun anew from its row.
        await late.in_vain("pay_out")
        await _stuck(late.handle)
        await _reset(bare, late.handle)
        await late.definitely("pay_out")
        for one in (told, owed, late):
            assert await one.partner.journal(one.bet) == SETTLED
            # The row says it before the workflow has ended; one that failed raises here.
            await one.handle.result()


async def _reset(stack: Stack, handle: Any) -> None:
    """Reset to the first workflow task, as the UI does."""
    events = (await handle.fetch_history()).events
    first = next(e.event_id for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await stack.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=stack.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="opened by a release that was withdrawn",
            workflow_task_finish_event_id=first,
            request_id=handle.id,
        )
    )
