"""Releases of the worker side by side, with money: from workers without a version to a wrong release, and back.

The wrong one has a step more before each movement, without ``workflow.patched``.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType

from betcore.temporal import executions
from tests import command_line
from tests.partner import ROOT, Stack, TestPartner, until
from tests.spawned import spawned
from tests.system.deployments import changed_sources, deployed
from tests.system.scenarios import CREDIT, DONE, SETTLED, STAKED, UNKNOWN, bet_with_stake_taken, journal_becomes
from tests.watch import has_status, holds

# A wrong release lets calls time out.
PROVIDER, CASINO = "answer_deadline: 3", "{retry: {first: 0.1, cap: 0.3}}"
PINNED = "WorkflowType = 'Sweep' AND TemporalWorkflowVersioningBehavior = 'Pinned'"
_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@dataclass
class Play:
    """The bets of one partner, and the operator's commands."""

    stack: Stack
    partner: TestPartner
    bets: list[str] = field(default_factory=list)

    async def open(self, number: int) -> list[str]:
        """Open bets that wait for their PayOut."""
        new = [await bet_with_stake_taken(self.partner, self.partner.pay_in) for _ in range(number)]
        self.bets += new
        return new

    async def open_until_led_by(self, release: str) -> str:
        """Open bets until this release has got one, and return it."""
        while True:
            (bet,) = await self.open(1)
            if await self.led(bet) == {release}:
                return bet

    async def owe(self, bet: str) -> None:
        """Settle a bet while the casino takes no win: it is sent again and again on the other task queue."""
        await self.partner.faults({"kind": "error", "path": "/payments/make", "transaction_type": CREDIT})
        assert (await self.partner.pay_out(bet)).outcome == UNKNOWN
        await has_status(self.partner, bet, "owed", True)

    async def pay_what_is_owed(self) -> None:
        """Let the casino take wins again."""
        await self.partner.faults()

    async def win(self, *bets: str) -> None:
        """Settle bets, as a provider does who repeats its call until it is answered."""
        for bet in bets:
            assert (await until(lambda bet=bet: self.partner.pay_out(bet))).outcome == DONE  # type: ignore[misc]

    async def led(self, bet: str) -> set[str]:
        """Return the releases that have completed a workflow task of a bet."""
        events = (await self.partner.workflow(bet).fetch_history()).events
        tasks = [one.workflow_task_completed_event_attributes for one in events if one.event_type == _COMPLETED]
        return {one.deployment_version.build_id for one in tasks}

    async def release(self, *arguments: str) -> dict[str, Any]:
        """Run ``release ...`` and return what it prints; a change is made by ann."""
        changes = () if arguments[0] in ("show", "wait") else ("--operator", "ann", "--reason", "a test")
        done = await command_line.run(self.stack.folder, "release", *arguments, *changes, "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def shown(self, release: str) -> dict[str, Any]:
        """Return the line of a release in ``release show``, or an empty one."""
        lines: list[dict[str, Any]] = (await self.release("show"))["releases"]
        return next((line for line in lines if line["release"] == release), {})


async def _gate(stack: Stack, sources: Path) -> tuple[int, dict[str, Any]]:
    """Run the gate of a release, as its image does, and return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *spawned(sys.executable, "-m", "betcore", "replay", "--open", "50", "--json"),
        cwd=sources,
        env={**os.environ, "BETCORE_DATA_DIR": str(stack.folder)},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, json.loads(printed)


def _versioned(name: str) -> dict[str, str]:
    return {"BETCORE_WORKER_VERSIONING": "true", "BETCORE_WORKER_BUILD_ID": name, "BETCORE_SWEEP_SECONDS": "2"}


async def a_wrong_release_comes_and_goes(stack: Stack, sources: Path, shares: Sequence[int]) -> None:
    """Ramp a wrong release to each of these shares of the bets, and take it back: no bet may be lost by it.

    The stack has no workers of its own; ``sources`` is a folder for the release's.
    """
    play = Play(stack, await stack.partner(PROVIDER, CASINO))
    wrong = await asyncio.to_thread(changed_sources, sources, patched=False)
    async with deployed(stack, name="unversioned") as unversioned, deployed(stack, ROOT, "good", **_versioned("good")):
        before = await play.open(3)
        assert [await play.led(bet) for bet in before] == [{""}] * 3
        await play.owe(before[1])
        # Workers without a version carry on all bets until an operator says otherwise.
        await holds(lambda: play.shown("good"), lambda line: line.get("status") == "inactive")
        assert (await play.release("set", "--release", "good"))["current"] == "good"
        await unversioned.stop()
        await play.pay_what_is_owed()
        await play.win(*before[:2])
        assert [await play.led(bet) for bet in before] == [{"", "good"}, {"", "good"}, {""}]
        # What the schedules begin ends in the release that has begun it.
        await holds(lambda: executions.count(stack.client, PINNED), bool)
        opened = await play.open(3)

        (right, can_go_on), (status, cannot) = await asyncio.gather(_gate(stack, ROOT), _gate(stack, wrong))
        assert (right, can_go_on["failed"], can_go_on["kinds"]) == (0, [], {"Bet open": 4})
        assert (status, len(cannot["failed"]), cannot["kinds"]) == (1, 4, {"Bet open": 4})
        assert "the code now does timer of 0.05 s" in cannot["failed"][0]["difference"]

        async with deployed(stack, wrong, "wrong", **_versioned("wrong")):
            await holds(lambda: play.shown("wrong"), lambda line: line.get("status") == "inactive")
            for percent in shares:
                await _ramped(play, percent)
            await _made_current(play, opened[0], opened[1])
            await play.win(opened[0])
            await _led_astray_and_reset(play, [f"ramp of {percent} %" for percent in shares])
    for bet in play.bets:
        assert await play.partner.journal(bet) == SETTLED
        await play.partner.workflow(bet).result()
    result = await command_line.run(stack.folder, "verify", "--json")
    assert (result.exit_code, json.loads(result.stdout)["violations"]) == (0, [])


async def _ramped(play: Play, percent: int) -> None:
    """Ramp it: it gets a part of the new bets, and of the open ones; take the ramp away again."""
    assert (await play.release("ramp", str(percent), "--release", "wrong"))["ramping"] == "wrong"
    await play.open_until_led_by("wrong")
    assert (await play.release("reset", "wrong"))["error"]["code"] == "operation_refused"
    assert await play.release("roll-back") == {"current": "good", "ramping": None, "percent": 0}
    assert await play.led((await play.open(1))[0]) == {"good"}


async def _made_current(play: Play, bet: str, owed: str) -> None:
    """Make it current: open bets stand still, which is noticed; roll it back."""
    await play.owe(owed)
    assert (await play.release("set", "--release", "wrong"))["current"] == "wrong"
    assert (await play.partner.pay_out(bet)).outcome == UNKNOWN
    await holds(lambda: play.shown("wrong"), lambda line: line["failing"] > 0)
    assert await play.partner.journal(bet) == STAKED
    await play.pay_what_is_owed()
    await play.open(1)
    assert await play.release("roll-back") == {"current": "good", "ramping": None, "percent": 0}


async def _led_astray_and_reset(play: Play, ramps: Sequence[str]) -> None:
    """Reset what the wrong release has led, and settle all bets."""
    led = {bet: await play.led(bet) for bet in play.bets}
    astray = [bet for bet, releases in led.items() if "wrong" in releases]
    assert len(astray) >= 2
    # Its history is the wrong release's.
    assert (await play.partner.pay_out(astray[0])).outcome == UNKNOWN
    ids = {play.partner.workflow(bet).id for bet in astray}
    for given, carried_out in ((), False), (("--carry-out",), True):
        done = await play.release("reset", "wrong", *given)
        assert done["carried_out"] is carried_out
        assert {one["workflow_id"] for one in done["workflows"]} == ids
    # Its PayOut was filed, and is delivered again.
    await journal_becomes(play.partner, astray[0], SETTLED)
    await play.win(*play.bets)
    events = await play.partner.sql(
        "SELECT data FROM bet_event WHERE kind = 'operate' AND data->>'action' = 'reset' AND data->>'operator' = 'ann'"
    )
    assert len(events) == len(astray)
    changes = [what.removesuffix(", by ann: a test") for what in (await play.shown("wrong"))["changes"].values()]
    came, went = "wrong is current, after good", "good is current, after wrong"
    assert changes == [*(change for ramp in ramps for change in (ramp, "no ramp any more")), came, went]
    assert await play.release("wait", "wrong") == {"release": "wrong", "pinned": 0}
