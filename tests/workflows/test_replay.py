"""Histories of every path replay with today's code: a bet may be open across any deploy."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from betcore.telemetry.trace_cause import Cause
from tests.histories.record import PATHS
from tests.workflows.changed import A_THOUGHT, Broken, Changed, Patched, Thought, Thoughtless, release
from workflows.releases.registry import WORKFLOWS
from workflows.releases.replay import Replayed, replay
from workflows.support.causes import CausesPassed

_FOLDER = Path(__file__).parents[1] / "histories"
_FILES = sorted(_FOLDER.glob("*.json"))
# A step before the debit must not disturb any bet whose debit is done, wherever it stands now.
_BETS = ["won", "debit_pursued_in_the_slow_lane", "pay_out_owed_for_a_while", "won_in_one_step", "resumed_bet"]


async def _replay(name: str, workflows: Sequence[type]) -> Replayed:
    text = await asyncio.to_thread((_FOLDER / f"{name}.json").read_text)
    return await replay(WorkflowHistory.from_json(name, text), workflows)


@pytest.mark.edge_case(67)
@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    replayed = await _replay(file.stem, WORKFLOWS)
    assert replayed.complaint is None, replayed.complaint
    # A complaint is made of these, and would mislead if it were not so.
    assert [str(step) for _, step in replayed.then] == [str(step) for step in replayed.now]


@pytest.mark.edge_case(67)
async def test_a_worker_with_traces_replays_what_began_without() -> None:
    def took(cause: Cause, message: str, facts: Mapping[str, str]) -> Cause:
        raise AssertionError("a replay has taken a message")

    for file in _FILES:
        history = WorkflowHistory.from_json(file.stem, await asyncio.to_thread(file.read_text))
        assert (await replay(history, WORKFLOWS, interceptors=[CausesPassed(took)])).complaint is None


def test_every_path_has_a_history() -> None:
    assert {file.stem for file in _FILES} == set(PATHS)


@pytest.mark.edge_case(67)
@pytest.mark.parametrize("name", _BETS)
async def test_a_changed_bet_is_named_with_what_to_do(name: str) -> None:
    complaint = (await _replay(name, release(Changed))).complaint
    assert complaint is not None
    first = "take_over" if name == "resumed_bet" else "try_stake"
    where = f"history {name}, event {5 if name == 'resumed_bet' else 6}"
    assert complaint.startswith(f"{where}: it has local activity {first}, the code now does timer of 1 s.\n")
    assert "workflow.patched(...)" in complaint
    assert "Nondeterminism error" in complaint


@pytest.mark.edge_case(67)
@pytest.mark.parametrize("name", _BETS)
async def test_the_same_change_behind_patched_replays(name: str) -> None:
    assert (await _replay(name, release(Patched))).complaint is None


@pytest.mark.edge_case(67)
async def test_a_bet_that_breaks_on_the_way_is_named_too() -> None:
    complaint = (await _replay("won", release(Broken))).complaint
    assert complaint is not None
    assert complaint.startswith(
        "history won, event 14: it has local activity try_credit, the code now does nothing: it"
    )
    assert "it fails with 'unforeseen'" in complaint


@pytest.mark.edge_case(67)
async def test_a_patch_that_is_taken_out_too_early_is_named(temporal_address: str) -> None:
    client = await Client.connect(temporal_address)
    async with Worker(client, task_queue="thoughts", workflows=[Thought]):
        handle = await client.start_workflow(Thought.run, id="thought", task_queue="thoughts")
        await handle.result()
    history = await handle.fetch_history()
    kept, gone = await replay(history, [Thought]), await replay(history, [Thoughtless])
    assert (kept.complaint, [str(step) for _, step in kept.then]) == (None, [str(step) for step in kept.now])
    assert gone.complaint is not None
    where = f"history thought, event 5: it has patch {A_THOUGHT}, the code now does timer of 0.01 s."
    assert gone.complaint.startswith(where)
