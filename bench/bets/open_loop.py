"""Players who arrive at a rate of their own, however slow the answers are, and what becomes of each bet."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.bets.figures import Figures, quantile
from bench.bets.measuring import Window
from bench.bets.workload import BetKind
from devkit.sandbox.provider.client import AggregatorClient, Call, refund

# Seconds that what has begun may take to end once no more players arrive.
_TO_DRAIN = 90.0
_OVERLOADED = "overloaded"
# Calls are refused for good when nothing about them ever changes; until then an unknown outcome is asked for again.
_SENDS = 40


class Fate(StrEnum):
    """What became of a bet: played to its end; turned away at once; of unknown outcome first; or refused."""

    USEFUL = "useful"
    SHED = "shed"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A bet that has been played: when it began and ended, and the milliseconds of its first PayIn."""

    fate: Fate
    began_at: float
    ended_at: float
    milliseconds: float


async def play_arrival(client: AggregatorClient, calls: Sequence[Call]) -> Arrival:
    """Play a bet of two steps as a provider does that follows the protocol.

    A PayIn that is answered ``overloaded`` did nothing: the player goes away. After any other unknown outcome the
    provider refunds the bet. The PayOut is sent until its answer is definite.
    """
    pay_in, pay_out = calls
    began = time.monotonic()
    answer = await client.send(pay_in)
    took = (time.monotonic() - began) * 1000
    if answer.done:
        settled = await client.repeat(pay_out, lambda _: None, sends=_SENDS)
        fate = Fate.USEFUL if settled.done else Fate.UNKNOWN
    elif answer.definite:
        fate = Fate.REFUSED
    elif answer.reason == _OVERLOADED:
        fate = Fate.SHED
    else:
        fate = Fate.UNKNOWN
        await client.repeat(_refund_of(pay_in), lambda _: None, sends=_SENDS)
    return Arrival(fate, began, time.monotonic(), took)


async def arrive(
    client: AggregatorClient, calls: Callable[[BetKind], Sequence[Call]], rate: float, window: Window, seed: int
) -> list[Arrival]:
    """Let players arrive at this rate a second, by chance, for ramp and window, and return all bets when they are over.

    What is still not over after a minute and a half is left out: it counts as arrived, and as not useful.
    """
    chance, bets = random.Random(seed), set[asyncio.Task[Arrival]]()  # noqa: S311  seeded, so that rounds differ alike
    began = at = time.monotonic()
    while (at := at + chance.expovariate(rate)) < began + window.ramp + window.seconds:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        bets.add(asyncio.create_task(play_arrival(client, calls(BetKind.TWO_STEP))))
    done, late = await asyncio.wait(bets, timeout=_TO_DRAIN)
    for one in late:
        one.cancel()
    return [one.result() for one in done]


def arrival_figures(arrivals: Sequence[Arrival], began: float, window: Window) -> Figures:
    """Return the rate at which bets came to a useful end in the window, and what the others heard, how fast."""
    opened, closed = began + window.ramp, began + window.ramp + window.seconds
    useful = [one for one in arrivals if one.fate is Fate.USEFUL and opened <= one.ended_at < closed]
    found: Figures = {"useful_per_s": len(useful) / window.seconds}
    arrived = [one for one in arrivals if opened <= one.began_at < closed]
    found["offered_per_s"] = len(arrived) / window.seconds
    for fate in Fate:
        took = [one.milliseconds for one in arrived if one.fate is fate]
        found[str(fate)] = float(len(took))
        if took:
            found |= {f"{fate}_p50": quantile(took, 0.5), f"{fate}_p99": quantile(took, 0.99)}
    return found


def _refund_of(pay_in: Call) -> Call:
    return refund(pay_in.session_id, json.loads(pay_in.body)["betId"])
