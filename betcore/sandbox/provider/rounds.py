"""The provider's game: a roll of a hundred-sided die, over 50 wins 1.96 times the stake.

Everything comes from the seed and the round's number, so that the same run can be played again.
"""

import hashlib
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

GAME_ID = "dice-1"
ODDS = Decimal("1.96")
SIDES, WINS_OVER = 100, 50
# One draw in twenty breaks down: that is what Refund is for.
FAILS_ONE_IN = 20
STAKES = tuple(Decimal(text) for text in ("0.50", "1.00", "2.50", "5.00", "10.00", "20.00"))


@dataclass(frozen=True, slots=True)
class Draw:
    """What the die showed; no roll where the draw failed."""

    roll: int | None

    def win(self, stake: Decimal) -> Decimal | None:
        """The win in the stake's own unit and decimals, rounded down; 0 for a loss, None for a failed draw."""
        if self.roll is None:
            return None
        won = stake * ODDS if self.roll > WINS_OVER else Decimal(0)
        return won.quantize(stake, rounding=ROUND_DOWN)


def draw(seed: int, number: int) -> Draw:
    """The draw of one round."""
    if chance(seed, number, "fails") % FAILS_ONE_IN == 0:
        return Draw(None)
    return Draw(chance(seed, number, "roll") % SIDES + 1)


def stake(seed: int, number: int) -> Decimal:
    """What the player puts on one round, in major units with two decimals."""
    return STAKES[chance(seed, number, "stake") % len(STAKES)]


def chance(seed: int, number: int, what: str) -> int:
    """A number that is always the same for the same question, and looks like chance."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}/{what}".encode()).digest()[:8], "big")
