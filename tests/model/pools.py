"""The specification of a jackpot's pool as a program: what it may hold, and who may have taken it, in which order.

As in ``book`` what may be so is a set. A bet that wins takes what the pool has at a moment of its own; the amount that
its provider hears, or that its row has, narrows the set. Amounts are in minor units.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.model.reachable import reachable


@dataclass(frozen=True, slots=True)
class Pool:
    """One thing that may be so. ``won`` has bets and what they have taken, in their order."""

    seed: int
    amount: int
    won: tuple[tuple[str, int], ...] = ()
    disabled: bool = False

    def taken_by(self, bet: str) -> "Pool":
        """Return the pool after a bet has won it (edge cases 192, 194)."""
        taken = max(self.amount, 0)
        seeded = self.seed if self.amount > 0 and not self.disabled else 0
        return replace(self, amount=self.amount - taken + seeded, won=(*self.won, (bet, taken)))


Pools = frozenset[Pool]


def of_seed(seed: int) -> Pools:
    """Return a new pool."""
    return frozenset({Pool(seed, seed)})


def closure(pools: Iterable[Pool], bets: Iterable[str]) -> Pools:
    """Return all that may have become of a pool, if each of these bets may have won it by now."""
    winners = list(bets)
    return reachable(pools, lambda pool: [pool.taken_by(bet) for bet in winners if bet not in dict(pool.won)])


def after(pools: Pools, bet: str, amount: int) -> Pools:
    """Return what is left if a bet has won this amount; nothing if it cannot have."""
    return frozenset(pool for pool in pools if (bet, amount) in pool.won)


def adjusted(pools: Pools, amount: int) -> dict[str, Pools]:
    """Return an operator's possible answers, "done" or "refused", with the pool then (edge case 198)."""
    done = frozenset(pool for pool in pools if pool.amount + amount >= min(pool.amount, 0))
    heard = {"done": grown(done, amount), "refused": pools - done}
    return {said: found for said, found in heard.items() if found}


def grown(pools: Pools, amount: int) -> Pools:
    """Return the pool with an amount more."""
    return frozenset(replace(pool, amount=pool.amount + amount) for pool in pools)


def disabled(pools: Pools) -> Pools:
    """Return the pool after it was disabled."""
    return frozenset(replace(pool, disabled=True) for pool in pools)


class Contributions:
    """The stakes that a pool has counted, and what they have added to it: no fraction is ever lost (edge case 190)."""

    def __init__(self, share: Decimal) -> None:
        self._share = share
        self._counted: dict[str, int] = {}
        self._ended: set[str] = set()
        self._added = 0

    def book(self, settled: Mapping[str, int], taken_back: Iterable[str], *, disabled: bool) -> int:
        """Return what the pool has more after all that has settled is booked.

        ``settled`` are the stakes of all settled bets that can win it. A bet that settles once the pool is disabled
        counts for nothing, and one that is taken back counts no more.
        """
        for bet, stake in settled.items():
            if bet not in self._ended and not disabled:
                self._counted[bet] = stake
            self._ended.add(bet)
        for bet in taken_back:
            self._counted[bet] = 0
        before, self._added = self._added, int(self._share * sum(self._counted.values()) // 1)
        return self._added - before
