"""What a casino's response means for a movement. Pure: these rules keep money right.

A refusal ends a debit only if its send is the only one that can exist: a repeat may be refused because the first send
has taken the money. A credit that is owed is never given up.
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
# Movements that are parked by a refusal that no repeat will change: a person has to decide.
_PARKED = (TransactionType.PAY_OUT, TransactionType.JACKPOT_PAY_OUT)
_PARKING = frozenset(
    {
        "player_unknown",
        "wrong_amount",
        "player_blocked",
        "limit_reached",
        "bet_unknown",
        "player_mismatch",
        "promo_refused",
    }
)


DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Classification:
    """How a movement stands after a response."""

    progress: Progress
    refusal: Code | None = None


DONE, UNKNOWN, PARKED = Classification(Progress.DONE), Classification(Progress.UNKNOWN), Classification(Progress.PARKED)
AWAITED = Classification(Progress.AWAITED)


def classify(transaction_type: TransactionType, meaning: str | None, attempts: int) -> Classification:
    """Return what one answer other than "duplicate" means for a movement.

    ``meaning`` is what the casino's profile maps the ErrorCode to, ``unauthorised``, ``not_sent``, or None for anything
    unclear. ``attempts`` counts every send that may have left this service, this one included: a debit that was not
    sent is absent only if it is the only one.
    """
    if meaning is None:
        return UNKNOWN
    if meaning == "done":
        return DONE
    if transaction_type.is_debit:
        if attempts > 1:
            return UNKNOWN
        return Classification(Progress.REFUSED, _STAKE_REFUSALS.get(meaning, Code.CASINO_REFUSED))
    if transaction_type in _PARKED and meaning in _PARKING:
        return PARKED
    return UNKNOWN


def classify_duplicate(listed: bool | None, attempts: int, *, is_done: bool = False) -> Classification:
    """Return what "duplicate transaction" means: done if the casino lists our movement, else unknown.

    ``listed`` is what payments/info says of our movement, None if that is unclear. ``is_done`` is for a casino without
    a list: it is believed on a repeat. A duplicate of a first send is another movement under our identity: it is
    parked, and a person has to decide.
    """
    if listed or (is_done and attempts > 1):
        return DONE
    return PARKED if is_done else UNKNOWN
