"""What reconciliation compares with a casino's list: our rows of a bet or a cashback, as they stood at one moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from betcore.domain.bet import BetRecord, BetState
from betcore.domain.cashback import CashbackRecord, CashbackState
from betcore.domain.ids import (
    BetKey,
    cashback_workflow_id,
    current_bet_workflow_id,
    current_reversal_workflow_id,
)
from betcore.domain.money import Money


@dataclass(frozen=True, slots=True)
class OurMovement:
    """A movement's row. ``error_code`` is the casino's, None if no request was sent; ``tax`` None if none was sent."""

    transaction_type: int
    amount: Money
    state: str
    error_code: str | None
    first_sent_at: datetime
    not_after: datetime | None
    tax: Money | None = None

    @property
    def never_asked_for(self) -> bool:
        """Return whether it is done without the casino: an amount of 0, at a casino that wants none."""
        return self.state == "done" and self.amount.minor == 0 and self.error_code is None


@dataclass(frozen=True, slots=True)
class UnreadBet:
    """A bet or a cashback whose rows this deployment cannot read, and why."""

    bet_id: int
    why: str


@dataclass(frozen=True, slots=True)
class OurBet:
    """A snapshot of a bet's rows."""

    key: BetKey
    partner_user_id: str
    record: BetRecord
    movements: tuple[OurMovement, ...]

    @property
    def bet_id(self) -> int:
        """Return our id of the bet."""
        return self.record.bet_id

    @property
    def workflow_id(self) -> str:
        """Return the id of the workflow that moves its money, or has moved it last."""
        record, reversal = self.record, self.record.reversal
        if record.closed_at is None or reversal is None:
            return current_bet_workflow_id(self.key, self.bet_id, record.lives)
        return current_reversal_workflow_id(self.key, self.bet_id, reversal.lives)

    @property
    def reversing(self) -> bool:
        """Return whether a reversal of the bet is open."""
        return self.record.reversal is not None and self.record.reversal.closed_at is None

    @property
    def has_win_with_its_stake(self) -> bool:
        """Return whether a win came with the stake, in one call."""
        return self.record.one_step and self.record.win is not None and self.record.win.minor > 0

    def resolves(self, movement: OurMovement) -> bool:
        """Return whether the bet is still finding out what the casino has: of a debit on its way, and of the win that
        was sent with a stake in doubt."""
        in_doubt = movement.transaction_type < 0 or self.record.state is BetState.ACCEPTING
        return movement.state == "sending" and in_doubt

    @property
    def ended_without_its_stake(self) -> bool:
        """Return whether the bet has ended and holds no stake."""
        return self.record.closed_at is not None and self.record.accepted_at is None


@dataclass(frozen=True, slots=True)
class OurCashback:
    """A snapshot of a cashback's rows."""

    partner_user_id: str
    record: CashbackRecord
    movements: tuple[OurMovement, ...]
    # It holds no stake, which could be returned, and has no win.
    ended_without_its_stake: ClassVar = False
    has_win_with_its_stake: ClassVar = False

    @property
    def bet_id(self) -> int:
        """Return its number, which no bet has."""
        return self.record.cashback_id

    @property
    def workflow_id(self) -> str:
        """Return the id of the workflow that moves its money, or has moved it last."""
        return cashback_workflow_id(self.bet_id, self.record.lives)

    @property
    def reversing(self) -> bool:
        """Return whether its cancel is on its way."""
        return self.record.state is CashbackState.CANCELLING

    def resolves(self, movement: OurMovement) -> bool:
        """Return whether its workflow is still finding out what the casino has of its cancel."""
        return movement.state == "sending" and movement.transaction_type < 0


Ours = OurBet | OurCashback
