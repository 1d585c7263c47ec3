"""Messages between API and workflows. Each has one object as its argument, so that a field can be added later."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from betcore.domain.bet import BetRecord
from betcore.domain.errors import Code
from betcore.domain.ids import BetKey
from betcore.domain.jackpots import Jackpot
from betcore.domain.message_base import Message
from betcore.domain.money import Money
from betcore.domain.policy import BetPolicy, MovementPolicy
from betcore.domain.proof import Proof
from betcore.domain.win_review import WinLimits


class Resumed(Message):
    """The rows that a workflow takes over from one that is lost; ``bet_id`` may be a cashback's. ``life`` counts the
    workflows that resumed them.

    ``owner`` is the row's owner when the loss was seen: a workflow that finds another owner there completes.
    """

    bet_id: int
    owner: str | None
    life: int


class PayIn(Message):
    """A stake: the start argument of a bet's workflow. It holds all that the workflow needs.

    With ``win`` it is a PayInOut: stake and win arrive in one call, and the bet settles at once.
    """

    provider_id: int
    counterparty_id: str
    provider_bet_id: str
    session_id: str
    casino_id: int
    player_id: int
    partner_user_id: str
    game_id: int
    round_id: str
    stake: Money
    win: Money | None = None
    # The API's own reason to refuse the stake; recorded with the bet, so that a repeated call gets the same answer.
    refusal: Code | None = None
    answer_by: datetime
    settle_by: datetime
    policy: BetPolicy
    resumed: Resumed | None = None
    handed_on: "HandedOn | None" = None
    # None if the casino's profile asks for none. The tax is that of the winnings if there are any, else of the stake.
    tax: Money | None = None
    promo_code: str | None = None
    # Beside the win of a PayInOut.
    jackpot: Jackpot | None = None
    proof: Proof | None = None
    # Of the win of a PayInOut; None if the provider's profile has none.
    limits: WinLimits | None = None

    @property
    def event_type(self) -> str:
        """Return the type of its event."""
        return "pay_in" if self.win is None else "pay_in_out"

    @property
    def not_after(self) -> datetime:
        """Return the last moment of the debit: all tokens for it expire by then."""
        return self.answer_by + self.policy.message_lifetime

    def reversed(self, bet: "BetRecord", answer_by: datetime, proof: Proof | None = None) -> "Reverse":
        """Return the start argument of this bet's reversal; ``proof`` is of the Refund that asks for it."""
        return Reverse(
            bet_id=bet.bet_id,
            counterparty_id=self.counterparty_id,
            provider_bet_id=self.provider_bet_id,
            casino_id=self.casino_id,
            partner_user_id=self.partner_user_id,
            stake=self.stake,
            win=bet.win,
            answer_by=answer_by,
            policy=self.policy,
            proof=proof,
        )


class PayOut(Message):
    """The winnings of a bet, 0 for a loss. The provider may send it in a newer session than the stake's."""

    player_id: int
    round_id: str
    win: Money
    answer_by: datetime
    bet: BetKey | None = None
    tax: Money | None = None
    jackpot: Jackpot | None = None
    proof: Proof | None = None
    # None if the provider's profile has none, or an operator settles the bet.
    limits: WinLimits | None = None

    @property
    def event_type(self) -> str:
        """Return the type of its event."""
        return "pay_out"

    @property
    def is_of_provider(self) -> bool:
        """Return whether a provider has sent it: what an operator settles, or a row has kept, names no bet."""
        return self.bet is not None

    def __str__(self) -> str:
        jackpot = f" with the jackpot {self.jackpot}" if self.jackpot else ""
        return f"PayOut of {self.win.currency} {self.win}{jackpot}"


class Refund(Message):
    """The provider cancels the bet: its stake goes back. ``after_pay_out`` decides if the player has the win."""

    player_id: int
    answer_by: datetime
    after_pay_out: Literal["refuse", "reverse"] = "refuse"
    bet: BetKey | None = None
    # Why, if the service itself sends it; None if the provider does.
    reason: str | None = None
    proof: Proof | None = None

    @property
    def event_type(self) -> str:
        """Return the type of its event."""
        return "refund"

    def __str__(self) -> str:
        return "Refund" if self.reason is None else f"Refund ({self.reason})"


class Accept(Message):
    """A hint that the casino has confirmed or refused a movement: its row says which.

    ``success`` is whether the casino made it: only that wakes a parked movement. None in messages of an older API.
    """

    transaction_type: int
    success: bool | None = None


class Action(StrEnum):
    """What an operator can do to an open bet or reversal."""

    RETRY = "retry"
    SETTLE = "settle"
    VOID = "void"
    MARK_PAID = "mark-paid"
    MARK_TAKEN = "mark-taken"
    MARK_NOT_TAKEN = "mark-not-taken"
    RELEASE = "release"
    REFUSE = "refuse"


class Operate(Message):
    """An operator's action, and why. ``win`` is the win to settle with, and None for other actions.

    ``set_id`` names the set of wins that the operator acts on at once; a second operator has to act on the same set.
    """

    action: Action
    operator: str
    reason: str
    win: Money | None = None
    bet_id: int | None = None
    set_id: str | None = None


class Operated(Message):
    """Result of an operator's action: ``done`` is false if a second operator must ask for the same first."""

    done: bool
    state: str
    detail: str


class Proposal(Message):
    """A first operator's proposal: the state of the bet then, and until when a second operator may agree."""

    action: Action
    operator: str
    movement: str | None
    amount: Money | None
    state: str
    until: datetime
    set_id: str | None = None


class HandedOn(Message):
    """What a run passes to the next one when it continues as new. The rows have the rest.

    ``refund_first`` is the order in which both calls were filed. ``wakes`` means that a parked movement may be sent
    again: an Accept or an operator allowed it just before the run ended.
    """

    pay_out: PayOut | None = None
    refund: Refund | None = None
    refund_first: bool = False
    filed_at: datetime | None = None
    proposals: tuple[Proposal, ...] = ()
    wakes: bool = False
    needs_attention: bool = False
    lines: tuple[str, ...] = ()


class Reverse(Message):
    """The start argument of a reversal: debit the win, if there is one, then return the stake.

    ``win`` is None for a bet that ended without its stake, although the casino has taken it.
    """

    bet_id: int
    counterparty_id: str
    provider_bet_id: str
    casino_id: int
    partner_user_id: str
    stake: Money
    win: Money | None
    answer_by: datetime
    policy: BetPolicy
    resumed: Resumed | None = None
    closed: bool = True  # the casino may have received a Close of the bet
    reopen_from: datetime | None = None  # until then a Close that was given up may still take effect
    handed_on: "HandedOn | None" = None
    proof: Proof | None = None

    @property
    def not_after(self) -> datetime:
        """Return the last moment of the claw-back's first window."""
        return self.answer_by + self.policy.message_lifetime


class CashbackOrder(Message):
    """The start argument of a cashback's workflow: credit the amount and, if its row asks for that, debit it again.

    ``listed`` is whether the casino answers payments/info for cashbacks too.
    """

    cashback_id: int
    casino_id: int
    partner_user_id: str
    amount: Money
    policy: MovementPolicy
    listed: bool = False
    resumed: Resumed | None = None
    handed_on: HandedOn | None = None
