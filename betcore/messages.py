"""What goes between API, workflow and activities. One object a message, so that a field can be added later."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field

from betcore.bet import BetRecord as BetRecord
from betcore.bet import BetState as BetState
from betcore.bet import ReversalRecord as ReversalRecord
from betcore.bet import ReversalState as ReversalState
from betcore.errors import Code
from betcore.ids import BetKey
from betcore.message import Message as Message
from betcore.money import Money
from betcore.profiles import CasinoProfile, ProviderProfile


class Retry(Message):
    """Gaps of the slow lane."""

    first: timedelta
    factor: float
    cap: timedelta

    def gap(self, attempts: int) -> timedelta:
        """Return the gap after so many attempts."""
        return min(self.first * self.factor ** min(attempts - 1, 30), self.cap)


class BetPolicy(Message):
    """What of the two profiles a bet follows from its start to its end, whatever the profiles say later."""

    unconfirmed_within: timedelta
    settle_within: timedelta
    on_overdue: Literal["hold", "refund"]
    message_lifetime: timedelta
    attempt_timeout: timedelta
    fast_attempts: int
    absence_after: timedelta
    effect_within: timedelta
    retry: Retry
    close: bool
    # How long an Accept may take; None where the casino's answer to make is final.
    accept_within: timedelta | None = None
    # Major units by currency, above which an operator's action needs a second one. A currency without: always.
    approval_above: dict[str, Decimal] = Field(default_factory=dict)

    def needs_approval(self, amount: Money) -> bool:
        """Whether an operator needs a second one to move so much."""
        limit = self.approval_above.get(amount.currency)
        return limit is None or Decimal(str(amount)) > limit

    @classmethod
    def of(cls, provider: ProviderProfile, casino: CasinoProfile) -> "BetPolicy":
        """The policy of a bet that starts now."""
        return cls(
            unconfirmed_within=timedelta(seconds=provider.unconfirmed_within),
            settle_within=timedelta(seconds=provider.settle_within),
            on_overdue=provider.on_overdue,
            message_lifetime=timedelta(seconds=casino.message_lifetime),
            attempt_timeout=timedelta(seconds=casino.attempt_timeout),
            fast_attempts=casino.fast_attempts,
            absence_after=casino.absence_after,
            effect_within=timedelta(seconds=casino.effect_within),
            retry=Retry(
                first=timedelta(seconds=casino.retry.first),
                factor=casino.retry.factor,
                cap=timedelta(seconds=casino.retry.cap),
            ),
            close=casino.send.close,
            accept_within=timedelta(seconds=casino.accept_within) if casino.confirmation == "accept" else None,
            approval_above=casino.approval_above,
        )


class Resumed(Message):
    """The rows that a workflow takes over from one that is gone, and in which of their lives it does.

    ``owner`` is the one that was seen in the row: whoever finds another one there leaves.
    """

    bet_id: int
    owner: str | None
    life: int


class PayIn(Message):
    """A stake: the start argument of a bet's workflow. It holds all that the bet needs to be carried out.

    ``win`` makes it a PayInOut: stake and win come together, and the bet settles at once.
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
    # What our own checks said of the stake; recorded with the bet, so that a repeat hears the same.
    refusal: Code | None = None
    answer_by: datetime
    settle_by: datetime
    policy: BetPolicy
    resumed: Resumed | None = None
    handed_on: "HandedOn | None" = None

    @property
    def name(self) -> str:
        """The kind of its event."""
        return "pay_in" if self.win is None else "pay_in_out"

    @property
    def not_after(self) -> datetime:
        """The last moment of the debit: no token for it is valid later."""
        return self.answer_by + self.policy.message_lifetime

    def reversed(self, bet: "BetRecord", answer_by: datetime) -> "Reverse":
        """The reversal of this bet, as its row stands."""
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
        )


class PayOut(Message):
    """The winnings of a bet, 0 for a loss; from the session that the provider named, which may be a newer one."""

    player_id: int
    round_id: str
    win: Money
    answer_by: datetime
    bet: BetKey | None = None

    @property
    def name(self) -> str:
        """The kind of its event."""
        return "pay_out"

    def __str__(self) -> str:
        return f"PayOut of {self.win.currency} {self.win}"


class Refund(Message):
    """The bet is off: its stake goes back. ``after_pay_out`` says what that means where the player has the win."""

    player_id: int
    answer_by: datetime
    after_pay_out: Literal["refuse", "reverse"] = "refuse"
    bet: BetKey | None = None

    @property
    def name(self) -> str:
        """The kind of its event."""
        return "refund"

    def __str__(self) -> str:
        return "Refund"


class Accept(Message):
    """The casino has confirmed or refused a movement: its row says how. A hint to look there, and nothing more.

    ``success`` says whether the casino has made it: nothing else wakes what is parked. None in what an older API sends.
    """

    transaction_type: int
    success: bool | None = None


class Action(StrEnum):
    """What an operator can ask of a bet or a reversal that is open."""

    RETRY = "retry"
    SETTLE = "settle"
    VOID = "void"
    MARK_PAID = "mark-paid"
    MARK_TAKEN = "mark-taken"
    MARK_NOT_TAKEN = "mark-not-taken"


class Operate(Message):
    """An operator's action, and why. ``win`` is what to settle with, and None for the others."""

    action: Action
    operator: str
    reason: str
    win: Money | None = None
    bet_id: int | None = None


class Operated(Message):
    """What came of an operator's action: ``done`` is false where a second operator has to ask for the same first."""

    done: bool
    state: str
    detail: str


class Proposal(Message):
    """The word of a first operator: what was seen of the bet, and until when a second one may agree."""

    action: Action
    operator: str
    movement: str | None
    amount: Money | None
    state: str
    until: datetime


class HandedOn(Message):
    """What a run hands on to the next one of the same workflow when its history is nearly full. The rows have the rest.

    ``refund_first`` is the order in which both calls were filed. ``wakes`` says that a movement that is parked may be
    sent again: an Accept or an operator has said so at the last moment.
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
    """The start argument of a reversal: take the win back, if there is one, and then return the stake.

    ``win`` is None for a bet that ended without its stake, which the casino has taken all the same.
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
    closed: bool = True  # a close of ours may have reached the casino
    reopen_from: datetime | None = None  # until then one that was given up may still take effect
    handed_on: "HandedOn | None" = None

    @property
    def not_after(self) -> datetime:
        """The last moment of the claw-back's first window."""
        return self.answer_by + self.policy.message_lifetime
