"""``python -m tests.model.replay FILE --data-dir DIR``: play a script again, at a stack that runs.

Each step prints the answer now, the answer when the script was written, and the allowed ones. Exit status 1 if an
answer or a state is not allowed. The stack's sweep should come round often (``BETCORE_SWEEP_SECONDS``), and its stakes
should be booked to jackpots by the script alone (``BETCORE_JACKPOT_SECONDS``).
"""

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from betcore.db.database import open_database
from betcore.db.engine import create_engine
from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from tests import partner
from tests.model.play import Play, Step, as_allowed
from tests.partner import Stack


def as_text(script: list[Step]) -> str:
    """Return a script as text: a step a line."""
    return "\n".join(f"{number:3} {_line(step)}" for number, step in enumerate(script, 1))


def _line(step: Step) -> str:
    match step["do"]:
        case other if "heard" not in step:
            return f"{other}, which cannot be played"
        case "calls":
            calls = "  |  ".join(f"POST {call['path']} {json.dumps(call['body'])}" for call in step["calls"])
            return f"{calls}\n      heard {_short(step['heard'])}  allowed {_short(step['allowed'])}"
        case "rest":
            return f"rest{''.join(_rested(step))}\n      balances {_short(step['heard']['balances'])}"
        case other:
            given = {name: value for name, value in step.items() if name not in ("do", "heard", "allowed")}
            heard = f"\n      heard {step['heard']}  allowed {step['allowed']}" if "allowed" in step else ""
            return f"{other} {_short(given)}{heard}"


def _rested(step: Step) -> Iterator[str]:
    ends = step["allowed"]["bets"] | step["allowed"]["cashbacks"]
    for name, view in (step["heard"]["bets"] | step["heard"]["cashbacks"]).items():
        allowed = ends[name]
        yield f"\n      {name}: {_short(view)}"
        if view not in allowed:
            yield f"\n        allowed {_short(allowed)}"


def _short(value: Any) -> str:
    return json.dumps(value).replace('"', "").replace("\\", "")


async def replay(stack: Stack, script: list[Step]) -> tuple[list[Step], list[str]]:
    """Play a script, and return it with the answers of now and those that are not allowed."""
    play, played, wrong = Play(stack), [], []
    for number, step in enumerate(script, 1):
        now = step | {"heard": await play.do(step)}
        played.append(now)
        if not _is_allowed(now):
            wrong.append(f"step {number}: {_line(now)}")
    return played, wrong


def _is_allowed(step: Step) -> bool:
    heard: Any = step["heard"]
    allowed: Any = step.get("allowed")
    match step["do"]:
        case "calls":
            answers = [as_allowed(call, said) for call, said in zip(step["calls"], heard, strict=True)]
            return answers in (allowed or [])
        case "rest":
            bets = all(view in allowed["bets"][name] for name, view in heard["bets"].items())
            pools = all(pool in allowed["pools"][name] for name, pool in heard["pools"].items())
            cashbacks = all(view in allowed["cashbacks"][name] for name, view in heard["cashbacks"].items())
            return bets and pools and cashbacks and heard["balances"] == allowed.get("balances", heard["balances"])
        case _:
            return allowed is None or heard in allowed


async def _main(script: list[Step], data_dir: Path) -> int:
    settings = Settings(data_dir=data_dir)
    addresses = {
        "api": f"http://127.0.0.1:{settings.api_port}",
        "sandbox_casino": f"http://127.0.0.1:{settings.sandbox_casino_port}",
    }
    # The stack may know the names that an earlier process has given to its partners.
    partner._numbers = itertools.count(time.time_ns())
    engine = create_engine(settings)
    try:
        async with partner.caller() as http, open_database(settings) as database:
            stack = Stack(data_dir, addresses, settings, engine, database, await connect(settings), http)
            played, wrong = await replay(stack, script)
    finally:
        await engine.dispose()
    print(as_text(played))  # noqa: T201
    print("\nnot allowed:\n" + "\n".join(wrong) if wrong else "\nall is as it may be")  # noqa: T201
    return 1 if wrong else 0


def main() -> int:
    """Run the command."""
    words = argparse.ArgumentParser(prog="python -m tests.model.replay", description=__doc__)
    words.add_argument("file", type=Path, help="the script, a step a line")
    words.add_argument("--data-dir", type=Path, default=Path(".betcore"), help="folder of the running stack")
    given = words.parse_args()
    script = [json.loads(line) for line in given.file.read_text().splitlines()]
    return asyncio.run(_main(script, given.data_dir))


if __name__ == "__main__":
    raise SystemExit(main())
