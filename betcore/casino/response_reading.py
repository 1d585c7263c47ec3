"""Reading the responses of casinos' wallets. A response that is not clear is *unknown*, with a kind that says why.

The format is the reference's Casino API (``ErrorCode``/``Message``/``Value``, decimal strings).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from betcore.domain import casino_values
from betcore.domain.casino_responses import UNAUTHORISED
from betcore.domain.casino_values import UNREADABLE, Doubt, field
from betcore.domain.ids import TransactionType, transaction_id
from betcore.domain.partners import Casino
from betcore.domain.payment_list import Listed, Unclear, read_list


@dataclass(frozen=True, slots=True)
class CasinoAnswer:
    """A casino's answer to one request.

    ``meaning`` is what the casino's profile maps the ErrorCode to, ``unauthorised``, ``not_sent``, or None for unknown.
    ``kind`` is for people and metrics: ok, refused, timeout, connection, http_500, ... ``movements`` is the list of a
    bet, if one was requested and is clear.
    """

    meaning: str | None
    kind: str
    error_code: str | None = None
    message: str = ""
    value: object = None
    movements: list[Listed] | None = None


# Returns an answer, or an unknown one in its place if it is not about what was requested.
Check = Callable[[CasinoAnswer], CasinoAnswer]


def unchecked(answer: CasinoAnswer) -> CasinoAnswer:
    """Return any answer unchanged."""
    return answer


def read(casino: Casino, status: int, raw: bytes) -> CasinoAnswer:
    """Return what a response says; one that is not well-formed and definite is unknown.

    The caller takes what this raises, such as RecursionError for deep nesting, for unknown too.
    """
    if status in (401, 403):
        return CasinoAnswer(UNAUTHORISED, "unauthorised", error_code=str(status))
    if status != 200:
        return CasinoAnswer(None, f"http_{status}")
    try:
        envelope = casino_values.read(raw)
    except ValueError:
        return CasinoAnswer(None, "not_json")
    if not isinstance(envelope, dict):
        return CasinoAnswer(None, "no_error_code")
    error_code = casino_values.error_code(field(envelope, "ErrorCode"))
    if error_code is None:
        return CasinoAnswer(None, "no_error_code")
    meaning = casino.profile.error_codes.get(error_code)
    kind = "ok" if meaning == "done" else meaning or "unmapped_code"
    message = casino_values.message(field(envelope, "Message"))
    return CasinoAnswer(meaning, kind, error_code, message, field(envelope, "Value", UNREADABLE))


def check_echo(bet_id: int, transaction_type: TransactionType) -> Check:
    """Return a check that takes an answer which names another movement for unknown."""

    def check(answer: CasinoAnswer) -> CasinoAnswer:
        doubt = _difference(answer.value, bet_id, transaction_type) if isinstance(answer.value, dict) else None
        return answer if doubt is None else CasinoAnswer(None, "mismatch", message=doubt)

    return check


def _difference(value: Mapping[str, object], bet_id: int, transaction_type: TransactionType) -> Doubt | None:
    bet, its_type, named = (field(value, name) for name in ("BetId", "TransactionType", "TransactionId"))
    if bet is not None and casino_values.whole(bet) != bet_id:
        return Doubt.OTHER_BET
    if its_type is not None and casino_values.transaction_type(its_type) != int(transaction_type):
        return Doubt.OTHER_TYPE
    if named not in (None, "", transaction_id(bet_id, transaction_type)):
        return Doubt.OTHER_TRANSACTION
    return None


def check_list(bet_id: int) -> Check:
    """Return a check that reads the movements of a list, and takes a list that is not clear for unknown."""

    def check(answer: CasinoAnswer) -> CasinoAnswer:
        if answer.meaning != "done":
            return answer
        try:
            return replace(answer, movements=read_list(answer.value, bet_id))
        except Unclear as error:
            return CasinoAnswer(None, error.doubt, answer.error_code)

    return check
