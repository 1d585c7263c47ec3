"""Histories of every path replay with today's code: a bet may be open across any deploy."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.histories.record import PATHS
from worker import WORKFLOWS

_FOLDER = Path(__file__).parents[1] / "histories"
_FILES = sorted(_FOLDER.glob("*.json"))


@pytest.mark.row(67)
@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    history = WorkflowHistory.from_json(file.stem, await asyncio.to_thread(file.read_text))
    replay = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    result = await replay.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None, (
        f"{file.name} does not replay: {result.replay_failure}\n"
        "A bet that took this path and is still open would stop. Keep the old commands behind "
        "workflow.patched(...), and record a new history for the new path (make histories)."
    )


def test_every_path_has_a_history() -> None:
    assert {file.stem for file in _FILES} == set(PATHS)
