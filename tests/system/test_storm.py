"""Many bets at a casino that loses answers, with workers that die all the time: in the end all books agree."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.table import ROOT, Stack, start_stack

BETS, RATE = 150, 5
KILL_EVERY = 8
# A debit that a killed worker leaves in doubt until its last moment is looked for within seconds, not minutes.
PROFILE = "{confirmation: reply, clock_leeway: 3, effect_within: 1}"


async def _betcore(stack: Stack, *words: str) -> dict[str, Any]:
    """What a command of ours says. It must succeed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "betcore", *words, "--json", "--data-dir", str(stack.folder)), cwd=ROOT, stdout=PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    answer: dict[str, Any] = json.loads(said)
    return answer


async def _kill_the_worker(stack: Stack, killed: list[int]) -> None:
    while True:
        await asyncio.sleep(KILL_EVERY)
        # Between a crash and the restart there is nobody to kill.
        with suppress(ProcessLookupError, IndexError):
            pid = stack.pid("worker-1")
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)


@pytest.mark.row(26, 66)
async def test_books_agree_after_a_storm(tmp_path: Path) -> None:
    async with start_stack(tmp_path, "--processes", "1") as stack:
        profile = tmp_path / "casino.yaml"
        profile.write_text(PROFILE)
        await _betcore(stack, "casino", "set-profile", "--name", "sandbox-casino", "--profile", str(profile))
        lost = ("--kind", "lost", "--path", "/payments/make", "--probability", "0.2", "--seed", "1")
        await _betcore(stack, "sandbox", "break", *lost)
        killed: list[int] = []
        killer = asyncio.create_task(_kill_the_worker(stack, killed))
        try:
            said = await _betcore(stack, "play", "--bets", str(BETS), "--rate", str(RATE))
        finally:
            killer.cancel()
        faults = await _betcore(stack, "sandbox", "faults")
    assert (said["differences"], said["unresolved"], said["not_at_rest"], said["not_begun"]) == ([], [], [], 0)
    assert sum(said["outcomes"].values()) == BETS
    assert len(set(killed)) >= 3
    assert sum(fault["fired"] for fault in faults["faults"]) > BETS / 5
