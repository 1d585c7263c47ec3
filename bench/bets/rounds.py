"""The rounds of a comparison: every target in turn under the same load, in another order each round."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.bets.figures import Figures, Ratio, medians
from bench.bets.measuring import Window, measure
from bench.bets.processes import Watch
from bench.bets.workload import BetKind, Target

# Seconds for which each target plays before anything counts, how many bets at once, and how long that may take.
_WARM_UP, _WARM_UP_IN_FLIGHT, _TO_WARM_UP = 2.0, 8, 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """What targets are put under: the way in which the casino confirms, the kind of bet, and how many in flight."""

    confirmation: str
    kind: BetKind
    in_flight: int

    def __str__(self) -> str:
        return f"{self.kind} by {self.confirmation}, {self.in_flight} in flight"


@dataclass(slots=True)
class Results:
    """The figures of every round by load and target."""

    rounds: dict[Load, dict[str, list[Figures]]] = field(default_factory=dict)

    def add(self, load: Load, target: str, figures: Figures) -> None:
        """Keep the figures of one measurement."""
        self.rounds.setdefault(load, {}).setdefault(target, []).append(figures)

    def ratio(self, load: Load, figure: str, target: str, *bases: str) -> Ratio | None:
        """Return the ratio of a target's figure to that of one base, or to the sum of several; None if one is
        missing."""
        found = self.rounds.get(load, {})
        if any(figure not in one for name in (target, *bases) for one in found.get(name, [{}])):
            return None
        sums = (sum(one[figure] for one in together) for together in zip(*(found[name] for name in bases), strict=True))
        return Ratio.of(zip((one[figure] for one in found[target]), sums, strict=True))

    def within(self, load: Load, target: str, figure: str, base: str) -> Ratio | None:
        """Return the ratio of two figures of one target; None if one is missing."""
        found = self.rounds.get(load, {}).get(target, [])
        if not found or any(figure not in one or base not in one for one in found):
            return None
        return Ratio.of((one[figure], one[base]) for one in found)

    def rows(self) -> list[dict[str, object]]:
        """Return a row for each load and target: the medians, and the figures of each round."""
        return [
            {
                "confirmation": load.confirmation,
                "kind": str(load.kind),
                "in_flight": load.in_flight,
                "target": target,
                "medians": medians(rounds),
                "rounds": [{name: round(value, 3) for name, value in one.items()} for one in rounds],
            }
            for load, targets in self.rounds.items()
            for target, rounds in targets.items()
        ]


Plan = Mapping[Load, Sequence[Target]]


async def play_rounds(plan: Plan, rounds: int, window: Window, watch: Watch) -> Results:
    """Measure every target under each load it is planned for, in each of the rounds."""
    results = Results()
    for number, load, target in _in_order(plan, rounds):
        figures = await measure(target, load.kind, load.in_flight, window, watch)
        results.add(load, target.name, figures)
        rate, cpu = figures["bets_per_s"], figures["cpu_own"]
        say(f"round {number + 1} of {rounds}, {load}: {target.name} {rate:.1f} bets/s, {cpu:.1f} ms of its own CPU")
    return results


async def warm_up(targets: Iterable[Target], kinds: Iterable[BetKind], watch: Watch) -> None:
    """Let every target play a little: caches fill, statements get prepared, and code is loaded."""
    for target in targets:
        for kind in kinds:
            await watch.within(_TO_WARM_UP, _play_for(target, kind, _WARM_UP))


async def _play_for(target: Target, kind: BetKind, seconds: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await target.play(kind, _WARM_UP_IN_FLIGHT, stop)


def _in_order(plan: Plan, rounds: int) -> Iterator[tuple[int, Load, Target]]:
    """Yield all measurements: neighbours in time are compared, and none is always the first."""
    for number in range(rounds):
        for load, targets in plan.items():
            turn = number % len(targets)
            order = [*targets[turn:], *targets[:turn]]
            yield from ((number, load, target) for target in (order if number % 2 == 0 else reversed(order)))


def say(line: str) -> None:
    """Print a line about the progress, with the time, on standard error."""
    print(time.strftime("%T"), line, file=sys.stderr, flush=True)
