"""Valid signatures over garbage: every answer is the documented one, and nothing moves at the casino.

pytest tests/fuzz                            2,500 requests of seed 1
pytest tests/fuzz --soak                     100,000 of a seed that is printed
FUZZ_SEED=7 FUZZ_CASE=123 pytest tests/fuzz  one case again, signed anew
"""

import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fuzz.run import Fuzzer
from tests.fuzz.scene import Scene, feed_address, moved, set_up
from tests.partner import Stack, start_stack

SHORT, LONG = 2_500, 100_000
# The effect of a slice is looked for after it, so that a culprit is one of few.
SLICE = 5_000
# Pools, caches and the heap are filled by then, whatever there was to fill them with.
WARM = 5
# In a soak less than 200 bytes a request; otherwise 6 KiB, for the allocator's steps of a MiB or two are as large.
MAX_GROWTH = 1.10


@dataclass(frozen=True)
class Ran:
    """What a run came to."""

    fuzzer: Fuzzer
    warm_kib: int
    end_kib: int
    seconds: float


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack of this file alone: its whole database is compared. All calls of the feed come from one address."""
    many = {"BETCORE_FEED_CALLS_PER_SECOND": "10000"}
    async with start_stack(tmp_path_factory.mktemp("fuzz"), "--processes", "1", **many) as running:
        yield running


@pytest.fixture(scope="module")
async def scene(stack: Stack) -> Scene:
    return await set_up(stack)


async def test_whatever_is_sent_the_answer_is_documented_and_nothing_moves(
    scene: Scene, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    soak = request.config.getoption("--soak")
    fuzzer = _fuzzer(scene, soak)
    before = await scene.state()
    assert all(before[f"journal {partner.casino}"] for partner in (scene.partner, scene.other, scene.accepting))
    if "FUZZ_CASE" in os.environ:
        await fuzzer.send_only(int(os.environ["FUZZ_CASE"]))
        _show(fuzzer)
        assert moved(before, await scene.state()) == []
        return
    ran = await _run(fuzzer, before, LONG if soak else SHORT)
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(_figures(ran))}\n")
    assert await scene.refused() == fuzzer.refused
    assert ran.end_kib <= ran.warm_kib * MAX_GROWTH
    await scene.at_the_end()
    assert _complaints(scene.stack) == []


def _fuzzer(scene: Scene, soak: bool) -> Fuzzer:
    seed = int(os.environ.get("FUZZ_SEED", secrets.randbelow(10**9) if soak else 1))
    ports = (urlsplit(address).port or 0 for address in (scene.stack.addresses["api"], feed_address(scene.stack)))
    return Fuzzer(seed, scene, *ports)


async def _run(fuzzer: Fuzzer, before: dict[str, object], requests: int) -> Ran:
    """Everything in slices. A wrong answer is shown with the request, an effect with the slice that had it."""
    started, warm, slice_ = time.monotonic(), 0, min(SLICE, requests // WARM)
    while fuzzer.sent < requests:
        first = fuzzer.sent
        await fuzzer.scene.log_in()
        await fuzzer.send(min(slice_, requests - fuzzer.sent))
        _show(fuzzer)
        changes = moved(before, await fuzzer.scene.state())
        assert changes == [], f"seed {fuzzer.seed}: in requests {first} to {fuzzer.sent}"
        if not warm and fuzzer.sent >= requests // WARM:
            warm = _resident_kib(fuzzer.scene.stack)
    return Ran(fuzzer, warm, _resident_kib(fuzzer.scene.stack), time.monotonic() - started)


def _show(fuzzer: Fuzzer) -> None:
    """Fail with the requests that were answered wrongly, each in full: FUZZ_SEED and FUZZ_CASE make it again."""
    if fuzzer.failures:
        pytest.fail("answered wrongly:\n" + "\n".join(fuzzer.failures), pytrace=False)


def _figures(ran: Ran) -> dict[str, object]:
    fuzzer = ran.fuzzer
    return {
        "seed": fuzzer.seed,
        "requests": fuzzer.sent,
        "seconds": round(ran.seconds, 1),
        "warm_mib": round(ran.warm_kib / 1024, 1),
        "end_mib": round(ran.end_kib / 1024, 1),
        "ratio": round(ran.end_kib / ran.warm_kib, 3),
        "heard": dict(fuzzer.heard.most_common()),
    }


def _resident_kib(stack: Stack) -> int:
    status = Path(f"/proc/{stack.pid('api')}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _complaints(stack: Stack) -> list[str]:
    """Return the lines of both logs about unexpected errors: a 503 hides them, the log does not."""
    logs = ((stack.folder / "logs" / f"{name}.log").read_text() for name in ("api", "feed"))
    lines = [line for log in logs for line in log.splitlines()]
    return [
        line for line in lines if '"level": "error"' in line or '"level": "critical"' in line or "Traceback" in line
    ]
