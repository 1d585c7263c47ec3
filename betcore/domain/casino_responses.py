"""What an answer of the casino means for a movement. Pure; the rules that keep money right stand here.

A refusal ends a debit only where it was the only send there can ever have been: a repeat may be refused because the
first one has taken the money. A credit that is owed is never given up.
"""

from dataclasses import dataclass

from betcore.domain.activity_inputs import Progress
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType

UNAUTHORISED = "unauthorised"
# No connection to the casino was made: nothing of this send can be there.
NOT_SENT = "not_sent"

_STAKE_REFUSALS = {
    "no_money": Code.NO_MONEY,
    "player_blocked": Code.PLAYER_BLOCKED,
    "limit_reached": Code.LIMIT_REACHED,
    NOT_SENT: Code.CASINO_UNAVAILABLE,
}
# Refusals of a payout that no repeat will change; a person has to look.
_PARKING = frozenset({"player_unknown", "wrong_amount", "player_blocked", "limit_reached", "bet_unknown"})


DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Classification:
    """How the movement stands after an answer."""

    progress: Progress
    refusal: Code | None = None


DONE, UNKNOWN, PARKED = Classification(Progress.DONE), Classification(Progress.UNKNOWN), Classification(Progress.PARKED)
AWAITED = Classification(Progress.AWAITED)


def classify(transaction_type: TransactionType, meaning: str | None, attempts: int) -> Classification:
    """The verdict on one answer other than "duplicate".

    ``meaning`` is a casino profile's word for the ErrorCode, ``unauthorised``, ``not_sent``, or None for anything
    unclear. A debit that was not sent is not there only if no other send of it was counted.
    ``attempts`` counts every send that may have left this house, this one included.
    """
    if meaning is None:
        return UNKNOWN
    if meaning == "done":
        return DONE
    if transaction_type.is_debit:
        if attempts > 1:
            return UNKNOWN
        return Classification(Progress.REFUSED, _STAKE_REFUSALS.get(meaning, Code.CASINO_REFUSED))
    if transaction_type is TransactionType.PAY_OUT and meaning in _PARKING:
        return PARKED
    return UNKNOWN


def classify_duplicate(listed: bool | None, attempts: int, *, is_done: bool = False) -> Classification:
    """Judge "duplicate transaction": done if the casino lists our movement, else unknown.

    ``listed`` is what payments/info says of our movement, None if that is unclear. ``is_done`` is for a casino without
    a list: it is believed on a repeat; a duplicate of what we never sent is another movement under our identity, and a
    person has to look.
    """
    if listed or (is_done and attempts > 1):
        return DONE
    return PARKED if is_done else UNKNOWN
