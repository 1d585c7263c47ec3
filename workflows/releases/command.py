"""``python -m betcore replay --open N``: can this code go on with the workflows that are open now?

The gate before a release gets work: what it names would stand still there.
"""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.workflow import _Definition

from betcore.cli.context import Json
from betcore.cli.output import AsJson, DataDir, emit, read_settings, reporting_errors
from betcore.domain.errors import Unavailable
from betcore.runtime.settings import Settings
from betcore.temporal import histories
from betcore.temporal.client import connect
from workflows.releases.registry import AUTO_UPGRADE
from workflows.releases.replay import WHAT_TO_DO, Replayed, replay
from workflows.support.signals import SignalsOfOneArgument


def command(
    most: Annotated[
        int, typer.Option("--open", min=1, max=100_000, help="At most this number of each kind, the newest.")
    ] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Replay open workflows of the running system with the code of this checkout or image. Nothing is changed.

    Prints a line for each workflow that this code cannot go on with, and exits with status 1 if there is one.
    """
    with reporting_errors(as_json):
        done = asyncio.run(_replayed(read_settings(data_dir), most))
        emit(done, as_json, _as_text(done))
    if done["failed"]:
        raise typer.Exit(1)


async def _replayed(settings: Settings, most: int) -> Json:
    # The SDK writes a line for each failure to standard output, where the result belongs.
    silent = Runtime(telemetry=TelemetryConfig(logging=None))
    try:
        client = await connect(settings, silent)
    except RuntimeError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    counts, failed = Counter[str](), list[Json]()
    converter, interceptors = client.data_converter, [SignalsOfOneArgument()]
    for workflow in AUTO_UPGRADE:
        for kind in histories.kinds(_Definition.must_from_class(workflow).name or ""):
            async for history in histories.open_ones(client, kind, most):
                found = await replay(history, AUTO_UPGRADE, converter, interceptors, silent)
                counts[str(kind)] += 1
                if found.reason is not None:
                    failed.append(_failure(str(kind), found))
    return {"release": settings.release, "replayed": counts.total(), "kinds": counts, "failed": failed}


def _failure(kind: str, found: Replayed) -> Json:
    return {"workflow_id": found.name, "kind": kind, "difference": found.difference, "reason": found.reason}


def _as_text(done: Json) -> str:
    lines = [f"{one['workflow_id']} ({one['kind']}): {one['difference']}" for one in done["failed"]]
    kinds = ", ".join(f"{kind} {count}" for kind, count in done["kinds"].items()) or "none"
    lines.append(f"release {done['release']}: {done['replayed']} open workflows replayed: {kinds}")
    if done["failed"]:
        return "\n".join([*lines, f"{len(done['failed'])} would stand still. {WHAT_TO_DO}"])
    return "\n".join([*lines, "this release can go on with all of them"])
