"""The provider's game: a roll of a hundred-sided die, over 50 wins 1.96 times the stake.

Everything follows from the seed and the round's number, so that the same run can be played again.
"""

import hashlib
from decimal import ROUND_DOWN, Decimal

GAME_ID = "dice-1"
ODDS = Decimal("1.96")
SIDES, WINS_OVER = 100, 50
# One draw in twenty breaks down: that is what Refund is for. In rounds of one step, in which a Refund takes two legs
# back, it is one in six, so that a short run has some of them.
FAILS_ONE_IN, ONE_STEP_FAILS_ONE_IN = 20, 6
ONE_STEP_SHARE = Decimal("0.25")
# A jackpot of the provider's own, as a multiple of the stake.
JACKPOT_TIMES = 100
STAKES = tuple(Decimal(text) for text in ("0.50", "1.00", "2.50", "5.00", "10.00", "20.00"))


def is_one_step(seed: int, number: int, share: Decimal = ONE_STEP_SHARE) -> bool:
    """Return whether stake and win of the round are sent together; ``share``, from 0 to 1, is the part of such
    rounds."""
    return chance(seed, number, "one step") % 10_000 < share * 10_000


def roll(seed: int, number: int) -> int:
    """Return what the die shows, 1 to 100."""
    return chance(seed, number, "roll") % SIDES + 1


def win(seed: int, number: int, stake: Decimal) -> Decimal:
    """Return what the die gives, in the stake's own unit and decimals, rounded down; 0 for a loss."""
    won = stake * ODDS if roll(seed, number) > WINS_OVER else Decimal(0)
    return won.quantize(stake, rounding=ROUND_DOWN)


def fails(seed: int, number: int, *, one_step: bool) -> bool:
    """Return whether the draw breaks down after the stake was taken; in one step the win has been sent by then."""
    return chance(seed, number, "fails") % (ONE_STEP_FAILS_ONE_IN if one_step else FAILS_ONE_IN) == 0


def wins_jackpot(seed: int, number: int, share: Decimal) -> bool:
    """Return whether the round wins a jackpot beside its win; ``share``, from 0 to 1, is the part of such rounds."""
    return chance(seed, number, "jackpot") % 10_000 < share * 10_000


def stake(seed: int, number: int) -> Decimal:
    """Return the player's stake for one round, in major units with two decimals."""
    return STAKES[chance(seed, number, "stake") % len(STAKES)]


def chance(seed: int, number: int, what: str) -> int:
    """Return a number that is always the same for the same question, and looks like chance."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}/{what}".encode()).digest()[:8], "big")
