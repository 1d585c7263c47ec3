"""A bet and its reversal as their rows stand."""

from datetime import datetime
from enum import StrEnum

from betcore.errors import Code
from betcore.message import Message
from betcore.money import Money


class BetState(StrEnum):
    """Where a bet stands; the last three are terminal."""

    ACCEPTING = "accepting"
    ACCEPTANCE = "acceptance"
    SETTLING = "settling"
    REFUNDING = "refunding"
    SETTLED = "settled"
    REFUNDED = "refunded"
    REFUSED = "refused"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self in (BetState.SETTLED, BetState.REFUNDED, BetState.REFUSED)


class ReversalState(StrEnum):
    """Where a reversal stands; the last two are terminal."""

    REVERSING = "reversing"
    REVERSED = "reversed"
    REFUSED = "refused"


class ReversalRecord(Message):
    """A reversal's row as it stands."""

    reversal_id: int
    owner: str | None
    state: ReversalState
    lives: int
    closed_at: datetime | None
    # The balance that the casino named with the return of the stake.
    closed_balance: Money | None


class BetRecord(Message):
    """A bet's row as it stands: the one thing from which answers are given. Stake is None on a tombstone."""

    bet_id: int
    owner: str | None
    casino_id: int
    player_id: int
    game_id: int
    round_id: str | None
    currency: str
    stake: Money | None
    win: Money | None
    state: BetState
    refusal: Code | None
    told_at: datetime | None
    withdrawn_at: datetime | None
    accepted_at: datetime | None
    closed_at: datetime | None
    # The balances that the casino named with the debit, and with the credit that ended the bet.
    accepted_balance: Money | None
    closed_balance: Money | None
    one_step: bool = False
    lives: int = 0
    reversed_by: int | None = None
    # Read along where a reversal can matter; a bet that is open has none.
    reversal: ReversalRecord | None = None
