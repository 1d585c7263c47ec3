"""``python -m betcore chaos``: put a stack of its own under load, break it by a schedule, and verify it afterwards."""

import asyncio
import shutil
import sys
import tempfile
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from betcore.cli.output import AsJson, emit, read_settings, reporting_errors

if TYPE_CHECKING:
    from devkit.stack.up import Ready

app = typer.Typer()


class _Over(Exception):
    pass


@app.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes in which faults are injected.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed draws the same faults and rounds.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, help="Bets begun per second.")] = 4,
    kinds: Annotated[str, typer.Option(help="Only faults whose kind begins with this, such as `casino`.")] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="The stack's folder, which must not exist; by default a temporary one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page, the summary and the raw lists.")] = Path(
        ".betcore/chaos"
    ),
    as_json: AsJson = False,
) -> None:
    """Run a stack under load, break it by a seeded schedule, let it come to rest, and check that no money is wrong.

    Exits with status 1 if any is; the stack's folder is kept then.
    """
    from devkit.chaos.report import write
    from devkit.chaos.run import Plan, Run
    from devkit.chaos.schedule import kinds_named
    from devkit.chaos.wiring import Wiring
    from devkit.stack import postgres
    from devkit.stack.folder import Folder
    from devkit.stack.up import PORTS, run

    if data_dir is not None and data_dir.exists():
        raise typer.BadParameter("is there already, and the folder goes when the run is good", param_hint="--data-dir")
    chosen = kinds_named(kinds)
    if not chosen:
        raise typer.BadParameter("no kind of fault begins so (docs/chaos.md)", param_hint="--kinds")
    folder = data_dir or Path(tempfile.mkdtemp(prefix="betcore-chaos-"))
    plan = Plan(minutes, seed, rate, chosen)
    found: dict[str, Any] = {}

    free: dict[str, Any] = dict.fromkeys(PORTS, 0)

    async def perform(wiring: Wiring, ready: "Ready") -> None:
        found.update(await Run(plan, read_settings(folder), wiring, _say).perform(ready))
        raise _Over

    async def everything() -> None:
        ours = Folder(folder)
        async with (
            postgres.running(folder / "casino") as casinos_database,
            aclosing(Wiring(casinos_database)) as wiring,
        ):
            work = partial(perform, wiring)
            await run(lambda: read_settings(folder, **free), ours, work, processes=2, wire=wiring)

    try:
        with reporting_errors(as_json), suppress(_Over):
            asyncio.run(everything())
    finally:
        if not found:
            _say(f"the run did not reach its end; the stack's folder is kept: {folder}")
    if not found:
        raise typer.Exit(1)
    name = f"chaos-{minutes:g}m-seed{seed}" + (f"-{kinds.strip().replace(' ', '-')}" if kinds else "")
    emit(found, as_json, _as_text(found, write(found, out, name)))
    if found["violations"]:
        _say(f"the stack's folder is kept: {folder}")
        raise typer.Exit(1)
    shutil.rmtree(folder, ignore_errors=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _as_text(found: dict[str, Any], page: Path) -> str:
    return "\n".join(
        (
            f"{len(found['faults'])} faults of {len(found['faults_by_kind'])} kinds, seed {found['seed']}; "
            f"{found['faults_that_met_nothing']} met nothing that they could have broken",
            f"{found['bets']} bets: "
            + _counted(found["outcomes"])
            + (f"; {found['set_aside']} set aside by a restore" if found["set_aside"] else ""),
            f"{sum(found['cashbacks'].values())} cashbacks: "
            + _counted(found["cashbacks"])
            + (f"; {found['cashbacks_set_aside']} set aside" if found["cashbacks_set_aside"] else ""),
            f"jackpots won: {_counted(found['jackpots'])}; {found['contributions_booked']} contributions booked",
            f"recovery: {found['recovery_seconds']}",
            f"longest doubt: {found['longest_doubt_seconds']}",
            f"drained in {found['drain_seconds']} s",
            f"violations: {found['violations']}",
            f"report: {page}",
        )
    )
