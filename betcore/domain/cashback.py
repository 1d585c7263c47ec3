"""Cashbacks: money that a casino gives back to a player, and what sources order of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from betcore.domain.ids import TransactionType
from betcore.domain.message_base import Message
from betcore.domain.money import Money

# Its credit, and the debit that cancels it.
CASHBACK_TYPES = (TransactionType.PAY_OUT, TransactionType.PAY_OUT_RETURN)


class CashbackState(StrEnum):
    """State of a cashback. Issued and cancelled are its states at rest; only cancelled is terminal."""

    ISSUING = "issuing"
    ISSUED = "issued"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class CashbackRecord(Message):
    """A cashback's row, apart from what its source has ordered it for.

    ``cancel_asked_at`` in the state issued: its cancel ended without the money.
    """

    cashback_id: int
    owner: str | None
    casino_id: int
    player_id: int
    currency: str
    amount: Money
    promo_code: str | None
    state: CashbackState
    lives: int
    issued_at: datetime | None
    cancel_asked_at: datetime | None
    closed_at: datetime | None
    # The player's balances, as the casino reported them with the credit and with the debit.
    issued_balance: Money | None
    cancelled_balance: Money | None

    @property
    def number(self) -> int:
        """Return the number that names its movements at the casino."""
        return self.cashback_id

    @property
    def carrier(self) -> str | None:
        """Return the owner, who alone may move its money."""
        return self.owner

    @property
    def standing(self) -> str:
        """Return its state in words."""
        return self.state

    def tax_of(self, transaction_type: TransactionType) -> Money | None:
        """Return None: a cashback carries no tax."""
        return None


class CashbackSource(StrEnum):
    """Who has ordered a cashback."""

    OPERATOR = "operator"
    IMPORT = "import"
    RULE = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCashback:
    """A cashback as its source orders it.

    ``key`` is the identity of a repeat: of all orders of a casino with one key one is paid. ``operator`` is the person
    who has ordered it, None for a rule. A rule names its version and the period, from a moment up to another one.
    """

    source: CashbackSource
    key: str
    player_id: int
    amount: Money
    reason: str
    promo_code: str | None = None
    operator: str | None = None
    rule_version_id: int | None = None
    period_from: datetime | None = None
    period_to: datetime | None = None


class Opening(StrEnum):
    """What became of an order for a cashback."""

    OPENED = "opened"
    REPEATED = "repeated"  # its key stands already, with the same player and amount
    DIFFERS = "differs"  # its key stands already, with another player or amount: nothing was opened
    UNKNOWN_PLAYER = "unknown_player"  # the player is not one of the casino: nothing was opened


@dataclass(frozen=True, slots=True)
class OpenedCashback:
    """What became of an order, and the cashback that its key names; None if there is none."""

    opening: Opening
    cashback_id: int | None
