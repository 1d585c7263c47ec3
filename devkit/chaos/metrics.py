"""The figures of a run, read from the providers' books once it is over."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devkit.sandbox.provider.book import BookedBet
from devkit.sandbox.provider.client import Operation


@dataclass(frozen=True, slots=True)
class TimedCall:
    """All sendings of one call: from the first one to its definite answer (None: there was none), in seconds.

    ``certain`` is when the doubt about it ended: with that answer or, if the call was given up and the bet called off,
    with the definite answer to what came after it.
    """

    bet_id: str
    operation: Operation
    first: float
    definite: float | None
    certain: float | None
    done: bool
    unknown: int

    @property
    def in_doubt(self) -> bool:
        """Return whether an answer was missing, or left the outcome unknown."""
        return self.unknown > 0


def timed_calls(bets: Iterable[BookedBet], began: datetime) -> list[TimedCall]:
    """Return every call of these bets, times counted from ``began``."""
    found = []
    for bet in bets:
        later = [(datetime.fromisoformat(one.at) - began).total_seconds() for one in bet.answers if one.definite]
        for operation in dict.fromkeys(one.operation for one in bet.answers):
            answers = [one for one in bet.answers if one.operation is operation]
            at = [(datetime.fromisoformat(one.at) - began).total_seconds() for one in answers]
            definite = next((moment for moment, one in zip(at, answers, strict=True) if one.definite), None)
            unknown = sum(not one.definite for one in answers)
            first = at[0] - answers[0].took_ms / 1000
            certain = next((moment for moment in later if moment >= at[0]), None) if definite is None else definite
            done = bet.was_done(operation)
            found.append(TimedCall(bet.stake.bet_id, operation, first, definite, certain, done, unknown))
    return found


_OPENINGS = (Operation.PAY_IN, Operation.PAY_IN_OUT)


def recovered(calls: Sequence[TimedCall], end: float) -> float | None:
    """Return the seconds from ``end`` until a stake that was first sent after it was confirmed; None if none was."""
    moments = [
        one.definite
        for one in calls
        if one.operation in _OPENINGS and one.done and one.first >= end and one.definite is not None
    ]
    return round(min(moments) - end, 2) if moments else None


def longest_doubt(calls: Iterable[TimedCall]) -> tuple[float, str | None]:
    """Return the longest time from a call's first sending until it was certain, if an answer was missing, and its
    bet."""
    doubts = [(one.certain - one.first, one.bet_id) for one in calls if one.in_doubt and one.certain is not None]
    seconds, bet_id = max(doubts, default=(0.0, None))
    return round(seconds, 2), bet_id


def series(bets: Sequence[BookedBet], calls: Sequence[TimedCall], began: datetime) -> list[dict[str, Any]]:
    """Return the run second by second."""
    begun = Counter(int(one.first) for one in calls if one.operation in _OPENINGS)
    definite: Counter[int] = Counter()
    unknown: Counter[int] = Counter()
    took: dict[int, list[int]] = {}
    for answer in (one for bet in bets for one in bet.answers):
        second = int((datetime.fromisoformat(answer.at) - began).total_seconds())
        (definite if answer.definite else unknown)[second] += 1
        took.setdefault(second, []).append(answer.took_ms)
    doubts = [(one.first, one.certain) for one in calls if one.in_doubt]
    return [
        {
            "at": second,
            "bets_begun": begun[second],
            "answers_definite": definite[second],
            "answers_unknown": unknown[second],
            "p99_ms": _part(took.get(second, []), 99),
            "open_doubts": sum(first <= second and (last is None or last > second) for first, last in doubts),
        }
        for second in range(max([*begun, *definite, *unknown, -1]) + 1)
    ]


def spread(seconds: Iterable[float | None]) -> dict[str, float | None]:
    """Return p50, p90 and max of the known values."""
    known = sorted(one for one in seconds if one is not None)
    return {"p50": _part(known, 50), "p90": _part(known, 90), "max": known[-1] if known else None}


def _part(values: Sequence[Any], part: int) -> Any:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * part // 100)] if ordered else None
