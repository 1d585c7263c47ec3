"""States of a bet and of its reversal, and their rows."""

from datetime import datetime
from enum import StrEnum

from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.message_base import Message
from betcore.domain.money import Money
from betcore.domain.win_review import Review, ReviewState, WinLimits


class BetState(StrEnum):
    """State of a bet. The last three are terminal."""

    ACCEPTING = "accepting"
    ACCEPTANCE = "acceptance"
    SETTLING = "settling"
    REFUNDING = "refunding"
    SETTLED = "settled"
    REFUNDED = "refunded"
    REFUSED = "refused"

    @property
    def is_terminal(self) -> bool:
        """Return whether the state is final."""
        return self in (BetState.SETTLED, BetState.REFUNDED, BetState.REFUSED)


class ReversalState(StrEnum):
    """State of a reversal. The last two are terminal."""

    REVERSING = "reversing"
    REVERSED = "reversed"
    REFUSED = "refused"


class ReversalRecord(Message):
    """A reversal's row."""

    reversal_id: int
    owner: str | None
    state: ReversalState
    lives: int
    closed_at: datetime | None
    # The player's balance, as the casino reported it with the return of the stake.
    closed_balance: Money | None


class BetRecord(Message):
    """A bet's row, the only source of answers to providers. ``stake`` is None on a tombstone."""

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
    # The player's balances, as the casino reported them with the debit, and with the credit that ended the bet.
    accepted_balance: Money | None
    closed_balance: Money | None
    one_step: bool = False
    lives: int = 0
    reversed_by: int | None = None
    # Only statements whose caller needs the reversal read it; an open bet has none.
    reversal: ReversalRecord | None = None
    # None from a worker of a release that did not send it.
    opened_at: datetime | None = None
    # None if the casino did not ask for it when the call came. An empty promo code: the provider gave none.
    stake_tax: Money | None = None
    win_tax: Money | None = None
    promo_code: str | None = None
    # What it wins beside ``win``, and the pool of ours that this comes from, if it does. ``win_paid_at`` is since when
    # the win is paid and the jackpot is still to be.
    jackpot: Money | None = None
    jackpot_id: int | None = None
    win_paid_at: datetime | None = None
    # The win that waits for two operators, or what they have decided of it.
    review: Review | None = None
    # Those of its session, when it was opened.
    win_limits: WinLimits | None = None

    @property
    def number(self) -> int:
        """Return the number that names its movements at the casino."""
        return self.bet_id

    @property
    def carrier(self) -> str | None:
        """Return the owner of what may still move its money: of the reversal, if there is one."""
        return self.owner if self.reversal is None else self.reversal.owner

    @property
    def standing(self) -> str:
        """Return its state in words, with that of its reversal, or that its win is in review."""
        if self.is_in_review and self.review is not None:
            jackpot = f" with the jackpot {self.review.jackpot}" if self.review.jackpot else ""
            return f"{self.state}, its win{jackpot} in review"
        return self.state if self.reversal is None else f"{self.state}, its reversal {self.reversal.state}"

    @property
    def is_in_review(self) -> bool:
        """Return whether its win waits for two operators."""
        return self.review is not None and self.review.state is ReviewState.IN_REVIEW

    @property
    def bound_to(self) -> Review | None:
        """Return the win without which the bet has no outcome: in review, or released and not begun to be paid."""
        return self.review if self.state is BetState.ACCEPTANCE and self.review and self.review.binds else None

    @property
    def has_jackpot(self) -> bool:
        """Return whether it wins a jackpot, whose amount may not be known yet."""
        return self.jackpot is not None or self.jackpot_id is not None

    @property
    def jackpot_due(self) -> Money | None:
        """Return the jackpot that is to be paid now, after the win; None if none is."""
        return self.jackpot if self.win_paid_at is not None and self.closed_at is None else None

    def tax_of(self, transaction_type: TransactionType) -> Money | None:
        """Return the tax that a movement carries; None if the casino asked for none, or it carries none."""
        return {"stake": self.stake_tax, "win": self.win_tax, None: None}[transaction_type.taxed]
