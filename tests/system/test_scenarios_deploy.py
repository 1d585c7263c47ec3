"""Edge case 67: a worker with other workflow code takes over while bets wait, in every state in which a bet can wait.

The stack runs without workers; the tests deploy them: today's, and copies of it that were changed.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause

from betcore.temporal.visibility import BET_STATUS
from tests import command_line
from tests.partner import Stack, TestPartner, start_stack, until
from tests.system.deployments import BEFORE_THE_CREDIT, BEFORE_THE_DEBIT, changed_sources, deployed
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


@pytest.fixture(scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without workers."""
    async with start_stack(tmp_path_factory.mktemp("bare"), "--processes", "0") as running:
        yield running


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
    release = changed_sources(tmp_path, patched=True)
    async with deployed(bare) as deployment:
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
    wrong, right = changed_sources(tmp_path / "wrong", patched=False), changed_sources(tmp_path / "right", patched=True)
    async with deployed(bare) as deployment:
        told = await Waiting.open(bare, WAITS["told, then won"])
        owed = await Waiting.open(bare, WAITS["win of one step owed"])
        await deployment.deploy(wrong, BETCORE_WORKER_BUILD_ID="wrong")
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
        command = ("release", "reset", "wrong", "--operator", "ann", "--reason", "was withdrawn", "--carry-out")
        done = await command_line.run(bare.folder, *command, "--json")
        assert [one["workflow_id"] for one in json.loads(done.stdout)["workflows"]] == [late.handle.id]
        await late.definitely("pay_out")
        for one in (told, owed, late):
            assert await one.partner.journal(one.bet) == SETTLED
            # The row says it before the workflow has ended; one that failed raises here.
            await one.handle.result()
