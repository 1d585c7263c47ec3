"""Two lists of movements compared by sums over ranges of BetIds, in memory of a fixed size."""

from collections import defaultdict

# Ranges of BetIds with a sum of their own: only the bets of a range that differs are compared one by one. BetIds come
# from time, so that most of them belong to no bet: bets are read by their count, never by a range of BetIds.
_RANGES = 65_536


class RangeSums:
    """Count and sums of the movements in each range of BetIds, ours minus the casino's: equal lists leave zeros.

    Its size is fixed, whatever the number of movements.
    """

    def __init__(self, first: int, last: int) -> None:
        self.share = (last - first) // _RANGES + 1
        self._left: dict[int, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))

    def add(self, bet_id: int, transaction_type: int) -> None:
        """Add a movement that the casino has."""
        value = bet_id * 8 + transaction_type
        self.take(bet_id // self.share, -1, -value, -(value**2))

    def take_one(self, bet_id: int, transaction_type: int) -> None:
        """Add a movement that we have."""
        value = bet_id * 8 + transaction_type
        self.take(self.range_of(bet_id), 1, value, value**2)

    def range_of(self, bet_id: int) -> int:
        """Return the number of the range in which a BetId lies."""
        return bet_id // self.share

    def take(self, share: int, made: int, first: int, second: int) -> None:
        """Add movements that we have, already summed up."""
        left = self._left[share]
        now = (left[0] + made, left[1] + first, left[2] + second)
        self._left[share] = now
        if not any(now):
            del self._left[share]

    def uneven(self) -> list[int]:
        """Return the ranges in which the two lists differ."""
        return sorted(self._left)
