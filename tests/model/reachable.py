"""What a state can become: the walk that the books of bets, cashbacks and pools share."""

from collections.abc import Callable, Iterable
from typing import TypeVar

S = TypeVar("S")


def reachable(start: Iterable[S], steps: Callable[[S], Iterable[S]]) -> frozenset[S]:
    """Return these states, and all that any number of ``steps`` makes of them."""
    found = set(start)
    new = list(found)
    while new:
        for step in steps(new.pop()):
            if step not in found:
                found.add(step)
                new.append(step)
    return frozenset(found)
