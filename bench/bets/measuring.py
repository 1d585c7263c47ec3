"""One measurement: so many bets in flight at a target, looked at for a while in which nothing begins or ends."""

import asyncio
import time
from dataclasses import dataclass

from bench.bets.figures import Figures, cpu_figures, figures_of
from bench.bets.processes import Watch, cpu_seconds
from bench.bets.workload import BetKind, Target

# Seconds that bets may take to end once no more begin, before a run counts as hanging.
_TO_DRAIN = 120.0


@dataclass(frozen=True, slots=True)
class Window:
    """How long a target is under load before bets count, and for how long they count, in seconds."""

    ramp: float
    seconds: float


async def measure(target: Target, kind: BetKind, in_flight: int, window: Window, watch: Watch) -> Figures:
    """Return rate, latencies and CPU a bet of the bets that end in the window.

    Bets are in flight before it begins and after it has ended: as much of them is left out at the one end as is counted
    too much at the other.
    """
    whole = window.ramp + window.seconds + _TO_DRAIN
    return await watch.within(whole, _measure(target, kind, in_flight, window))


async def _measure(target: Target, kind: BetKind, in_flight: int, window: Window) -> Figures:
    stop = asyncio.Event()
    playing = asyncio.create_task(target.play(kind, in_flight, stop))
    try:
        await asyncio.wait([playing], timeout=window.ramp)
        before, began = cpu_seconds(target.pids), time.monotonic()
        # A target that fails ends the measurement at once.
        await asyncio.wait([playing], timeout=window.seconds)
        after, ended = cpu_seconds(target.pids), time.monotonic()
        stop.set()
        played = await playing
    finally:
        playing.cancel()
        await asyncio.wait([playing])
    found = figures_of(kind, played, began, ended)
    return found | cpu_figures(before, after, target.own, found["bets"])
