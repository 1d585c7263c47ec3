"""A movement of money as a casino gets it, and what its answer to payments/make or payments/make-list says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from betcore.casino.response_reading import CasinoAnswer
from betcore.domain import casino_values
from betcore.domain.casino_responses import DUPLICATE, NOT_SENT, UNAUTHORISED
from betcore.domain.casino_values import Doubt, field
from betcore.domain.ids import TransactionType, number_name, transaction_id
from betcore.domain.money import Money


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of money at the casino: the same in every attempt, apart from its last moment.

    ``bet_id`` is the number of the bet, or of the ``cashback``, that it is of.
    """

    bet_id: int
    transaction_type: TransactionType
    partner_user_id: str
    amount: Money
    not_after: datetime | None = None
    tag_id: int = 0
    # None if the bet's casino asked for none. An empty promo code is not sent.
    tax: Money | None = None
    promo_code: str | None = None
    cashback: bool = False

    @property
    def path(self) -> str:
        """Return where the casino takes it."""
        return "/cashback-payments/make" if self.cashback else "/payments/make"

    @property
    def transaction_id(self) -> str:
        """Return the idempotency key: the casino makes a movement of this id once."""
        return transaction_id(self.bet_id, self.transaction_type)

    def message(self) -> dict[str, object]:
        """Return the movement as the casino gets it."""
        optional = {
            "TagId": self.tag_id or None,
            "TaxAmount": self.tax and str(self.tax),
            "PromoCode": self.promo_code or None,
        }
        return {
            "Amount": str(self.amount),
            number_name(cashback=self.cashback): self.bet_id,
            "PartnerUserId": self.partner_user_id,
            "TransactionType": int(self.transaction_type),
            "TransactionId": self.transaction_id,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def facts(self) -> dict[str, str]:
        """Return what the casino has once it has made the movement, for its side of an incident."""
        return {"transaction_id": self.transaction_id, "amount": f"{self.amount.currency} {self.amount}"}


@dataclass(frozen=True, slots=True)
class MakeAnswer:
    """The answer to a movement, with what the casino added to it."""

    answer: CasinoAnswer
    partner_transaction_id: str | None = None
    balance: Money | None = None


@dataclass(frozen=True, slots=True)
class MadeList:
    """The answer to a list of movements, and what it says of each, in the order in which they were sent."""

    answer: CasinoAnswer
    made: Sequence[MakeAnswer]


@dataclass(frozen=True, slots=True)
class MadeOneStep:
    """What the answer to a list of a stake and its win says of each.

    ``broken`` says that the casino refuses the stake and has made the win, which it has certified never to do.
    """

    stake: MakeAnswer
    win: MakeAnswer
    broken: bool = False


def make_answer(movement: Movement, answer: CasinoAnswer) -> MakeAnswer:
    """Return what an answer says of a movement, with what the casino has added to it."""
    if answer.meaning is None:
        return MakeAnswer(answer)
    value = answer.value if isinstance(answer.value, dict) else {}
    return MakeAnswer(
        answer,
        casino_values.identity(field(value, "PartnerTransactionId")),
        casino_values.balance(field(value, "Balance"), movement.amount.currency).money,
    )


def answer_to_each(answer: CasinoAnswer) -> CasinoAnswer:
    """Return what an answer to a list says of each of its movements if it has no answers to them.

    A refusal of the whole list refuses none of them by itself: each is unknown.
    """
    if answer.meaning in (None, UNAUTHORISED, NOT_SENT):
        return answer
    return CasinoAnswer(None, Doubt.LIST_REFUSED, answer.error_code, answer.message)


def answer_to_one_step(made: MadeList) -> MadeOneStep:
    """Return what the answer to a stake and its win says of both, by a casino that stops at the first refusal.

    A refusal of the whole list refuses the stake. That of the stake alone is not believed if the win's item is unclear:
    it should be missing, or refused.
    """
    stake, win = made.made
    if _refuses(made.answer):
        return MadeOneStep(MakeAnswer(made.answer), win)
    if not _refuses(stake.answer) or _is_not_made(win.answer):
        return MadeOneStep(stake, win)
    if win.answer.meaning is None:
        return MadeOneStep(MakeAnswer(CasinoAnswer(None, win.answer.kind)), win)
    return MadeOneStep(stake, win, broken=True)


def made_without_stake(win: Movement) -> dict[str, str]:
    """Return the casino's side of an incident: it has made a win, and not the stake of it."""
    return {"reason": Doubt.WIN_WITHOUT_STAKE, **win.facts()}


def _refuses(answer: CasinoAnswer) -> bool:
    return answer.meaning not in (None, "done", DUPLICATE)


def _is_not_made(win: CasinoAnswer) -> bool:
    """Return whether a casino says that it has not come to a win: by leaving it out, or by any code that refuses."""
    refused = win.error_code is not None and win.meaning not in ("done", DUPLICATE)
    return refused or win.kind == Doubt.ITEM_MISSING
