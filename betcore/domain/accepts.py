"""The Accept of a casino, and what becomes of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from betcore.domain.bet import BetRecord
from betcore.domain.casino_values import Doubt
from betcore.domain.claims import Confirmation
from betcore.domain.ids import TransactionType


@dataclass(frozen=True, slots=True)
class CasinoAccept:
    """The Accept of a casino for a movement. ``amount``, ``tax`` and ``balance`` are text, as the casino has written
    them, in major units of the currency. ``bet_id`` is the number of the bet, or of the ``cashback``.

    ``alike`` are all ErrorCodes that mean the same at this casino; ``success`` is whether they mean that the movement
    is done.
    """

    bet_id: int
    transaction_type: TransactionType
    amount: str
    partner_user_id: str
    error_code: str
    alike: tuple[str, ...]
    success: bool
    partner_transaction_id: str | None = None
    transaction_id: str | None = None
    balance: str | None = None
    message: str | None = None
    tax: str | None = None
    cashback: bool = False


class AcceptOutcome(StrEnum):
    """What became of an Accept."""

    STORED = "stored"
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"
    LATER = "later"  # a success while an earlier refusal is being processed: the casino must send it again
    ENDED = "ended"  # a success for a stake whose bet has ended without it: it is owed back


@dataclass(frozen=True, slots=True)
class StoredAccept:
    """What became of an Accept, and which workflow waits for it.

    ``hinted``: the movement is open, an activity may wait for it in the fast lane. ``workflow_id`` is the workflow to
    signal, None if none waits. ``ended`` is the bet, and ``confirmation`` the casino's, if a stake was taken after its
    bet's end. ``reason`` names in what a contradiction is one.
    """

    outcome: AcceptOutcome
    hinted: bool = False
    workflow_id: str | None = None
    ended: BetRecord | None = None
    confirmation: Confirmation | None = None
    reason: Doubt | None = field(default=None, compare=False)
