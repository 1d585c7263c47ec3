"""The targets of the service's cost, and whether a run holds them."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.bets.figures import Ratio
from bench.bets.rounds import Load, Results

SERVICE, EQUAL, LEAN = "service", "equal", "lean"
_UNDER_LOAD = (8, 16)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target: the ratio must be at most, or at least, the limit."""

    what: str
    load: str
    limit: float
    at_least: bool
    ratio: Ratio

    @property
    def holds(self) -> bool:
        """Return whether the median of the rounds holds it."""
        return self.ratio.median >= self.limit if self.at_least else self.ratio.median <= self.limit

    def row(self) -> dict[str, object]:
        """Return the verdict as it is kept."""
        sense = "at least" if self.at_least else "at most"
        return {
            "target": self.what,
            "load": self.load,
            "limit": f"{sense} {self.limit:g}",
            "median": self.ratio.median,
            "low": self.ratio.low,
            "high": self.ratio.high,
            "holds": self.holds,
        }


def verdicts(results: Results) -> list[Verdict]:
    """Return the verdicts on all targets for which the run has figures."""
    return [
        Verdict(what, str(load), limit, at_least, ratio)
        for load in results.rounds
        if load.confirmation == "reply"
        for what, limit, at_least, ratio in _of(results, load)
        if ratio is not None
    ]


def _of(results: Results, load: Load) -> Iterator[tuple[str, float, bool, Ratio | None]]:
    first = load.kind.calls[0]
    shown = {"pay_in": "PayIn", "pay_in_out": "PayInOut"}[first]
    if load.in_flight == 1:
        added = results.ratio(load, f"{first}_p50", SERVICE, EQUAL, LEAN)
        yield f"{shown} p50 to equal and lean floor added up", 1.3, False, added
    if load.in_flight in _UNDER_LOAD:
        cpu = results.ratio(load, "cpu_own", SERVICE, EQUAL, LEAN)
        yield "CPU of API and worker to equal and lean floor added up", 1.25, False, cpu
        yield "bets/s to the equal floor", 0.85, True, results.ratio(load, "bets_per_s", SERVICE, EQUAL)
        yield f"{shown} p99 to the equal floor", 1.4, False, results.ratio(load, f"{first}_p99", SERVICE, EQUAL)
    if load.in_flight == 16:
        tail = results.within(load, SERVICE, f"{first}_p95", f"{first}_p50")
        yield f"{shown} p95 to its own p50", 1.5, False, tail
