"""How many new stakes may be in flight at once: a limit that follows how long they wait for a worker.

Past saturation one more stake in flight makes no bet faster, it only lets all of them wait longer, until the providers'
deadlines pass and every call has cost all that a bet costs for an unknown outcome. Before that, one more in flight is
more bets a second. The limit is therefore the number at which a stake waits a certain share of its time: that number
is the throughput times that wait (Little's law), on any machine and with any number of workers.
"""

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, sqrt
from statistics import fmean

# The share of the time to its deadline that a stake should wait until a worker opens its bet.
TARGET = 0.2
# Waits that are measured for one change of the limit, and by how much it changes at most.
WAITS = 20
_SMALLEST, _LARGEST = 0.5, 1.5
# The limit of a process that has measured nothing, and the lowest limit: that many find out when the workers are back.
FIRST = 32
LEAST = 8
# The share of the limit that stakes for one casino may take: one that is suddenly slow holds its stakes long, and would
# leave the others no place until the limit has risen.
OF_ONE_CASINO = 0.75


@dataclass(slots=True)
class StakeLimit:
    """The limit of one process. ``most`` is its ceiling.

    A *round* lasts from one change of the limit to the next, and only stakes that were let in during a round are its
    samples: the wait of an earlier one is that of the limit before, and would be corrected twice.
    """

    most: int
    in_flight: int = 0
    round: int = 0
    _limit: float = field(init=False)
    _of_casino: Counter[int] = field(default_factory=Counter)
    _peak: int = 0
    _reached: bool = False
    _waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._limit = min(FIRST, self.most)

    @property
    def limit(self) -> int:
        """Return how many stakes may be in flight now."""
        return int(self._limit)

    def is_full(self) -> bool:
        """Return whether there is no place for a stake, whatever its casino is."""
        if self.in_flight < self.limit:
            return False
        self._reached = True
        return True

    def enter(self, casino_id: int) -> bool:
        """Count one more stake in flight, and return True; return False if there is no place for it."""
        if self.is_full():
            return False
        if self._of_casino[casino_id] >= ceil(self.limit * OF_ONE_CASINO):
            self._reached = True
            return False
        self.in_flight += 1
        self._of_casino[casino_id] += 1
        self._peak = max(self._peak, self.in_flight)
        return True

    def leave(self, casino_id: int) -> None:
        """Count one stake less."""
        self.in_flight -= 1
        self._of_casino[casino_id] -= 1

    def waited(self, share: float, entered: int) -> None:
        """Take in the wait of a stake that was let in during the round ``entered``, as a share of its time."""
        if entered != self.round:
            return
        self._waits.append(share)
        if len(self._waits) < WAITS:
            return
        # Waits follow the number in flight, so the quotient itself would be the right step if the mean were exact. Its
        # root goes half of the way, and the noise of twenty waits does not throw the limit about.
        step = min(max(sqrt(TARGET / max(fmean(self._waits), TARGET / 100)), _SMALLEST), _LARGEST)
        # A limit that turned no stake away would rise without end while there is little to do. If waits are long all
        # the same, it is what was in flight that was too much: the limit may be far above.
        if step < 1 or self._reached:
            base = self._limit if self._reached else self._peak
            self._limit = min(max(base * step, min(LEAST, self.most)), self.most)
        self.round, self._peak, self._reached = self.round + 1, 0, False
        self._waits.clear()
