"""Figures of one measurement, their medians over the rounds, and the ratios of two targets in the same round."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.bets.workload import BetKind, PlayedBet

Figures = dict[str, float]
# Tails are only shown if there are enough calls to have one.
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class NothingMeasured(Exception):
    """No bet was over in the time in which bets were counted."""


def quantile(values: Sequence[float], part: float) -> float:
    """Return the nearest-rank quantile: the smallest value that at least this part of them does not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * part // 1)  # rounded up
    return ordered[max(0, int(rank) - 1)]


def figures_of(kind: BetKind, played: Iterable[PlayedBet], began: float, ended: float) -> Figures:
    """Return rate and latencies of the bets that were over in this time. Raise NothingMeasured if none was."""
    inside = [bet for bet in played if began <= bet.ended_at < ended]
    done = [bet for bet in inside if not bet.refused]
    if not done:
        raise NothingMeasured(f"no bet was over in {ended - began:.1f} s")
    found = {
        "bets": float(len(done)),
        "bets_per_s": len(done) / (ended - began),
        "refused": float(len(inside) - len(done)),
        "unknown_answers": float(sum(bet.unknown for bet in inside)),
    }
    for place, call in enumerate(kind.calls):
        took = [bet.milliseconds[place] for bet in done]
        found |= {f"{call}_{name}": quantile(took, part) for name, part in _QUANTILES.items()}
    return found


def cpu_figures(before: Mapping[str, float], after: Mapping[str, float], own: frozenset[str], bets: float) -> Figures:
    """Return the milliseconds of CPU a bet of each kind of process, of a target's own, and of all but the driver."""
    spent = {name: (after[name] - before[name]) * 1000 / bets for name in after}
    return {
        **{f"cpu_{name}": value for name, value in spent.items()},
        "cpu_own": sum(value for name, value in spent.items() if name in own),
        "cpu_all": sum(value for name, value in spent.items() if name != "driver"),
    }


def medians(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each figure that all rounds have."""
    names = [name for name in rounds[0] if all(name in one for one in rounds)]
    return {name: round(statistics.median(one[name] for one in rounds), 2) for name in names}


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' own ratios, and the smallest and the largest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> "Ratio | None":
        """Return the ratio of these pairs, one of each round; None if a round has nothing to divide by."""
        given = list(pairs)
        if not given or not all(base > 0 for _, base in given):
            return None
        found = [value / base for value, base in given]
        return cls(round(statistics.median(found), 3), round(min(found), 3), round(max(found), 3))
