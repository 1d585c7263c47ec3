"""What the answer of a casino's wallet says. What is not clear is *unknown*, with a kind that says why.

Source of the format: the reference's Casino API (``ErrorCode``/``Message``/``Value``, decimal strings).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from betcore.db.partners import Casino
from betcore.domain import casino_values
from betcore.domain.casino_responses import UNAUTHORISED
from betcore.domain.casino_values import UNREADABLE, Doubt, field
from betcore.domain.ids import TransactionType, transaction_id
from betcore.domain.payment_list import Unbelieved, read_list


@dataclass(frozen=True, slots=True)
class CasinoAnswer:
    """``meaning`` is the casino profile's word for the ErrorCode, ``unauthorised``, ``not_sent``, or None for unknown.

    ``kind`` says for people and metrics what kind of answer it was: ok, refused, timeout, connection, http_500, ...
    """

    meaning: str | None
    kind: str
    error_code: str | None = None
    message: str = ""
    value: Any = None


# Gives an answer back as it is, or as unknown if it is not about what was asked.
Believed = Callable[[CasinoAnswer], CasinoAnswer]


def as_it_is(answer: CasinoAnswer) -> CasinoAnswer:
    """Believes any answer."""
    return answer


def read(casino: Casino, status: int, raw: bytes) -> CasinoAnswer:
    """What an answer says; one that is not well-formed and definite is unknown.

    What is raised here beside, such as RecursionError for what is nested too deep, is unknown too.
    """
    if status in (401, 403):
        return CasinoAnswer(UNAUTHORISED, "unauthorised", error_code=str(status))
    if status != 200:
        return CasinoAnswer(None, f"http_{status}")
    try:
        envelope = casino_values.read(raw)
    except ValueError:
        return CasinoAnswer(None, "not_json")
    error_code = casino_values.error_code(field(envelope, "ErrorCode")) if isinstance(envelope, dict) else None
    if error_code is None:
        return CasinoAnswer(None, "no_error_code")
    meaning = casino.profile.error_codes.get(error_code)
    kind = "ok" if meaning == "done" else meaning or "unmapped_code"
    message = casino_values.message(field(envelope, "Message"))
    return CasinoAnswer(meaning, kind, error_code, message, field(envelope, "Value", UNREADABLE))


def echo_of(bet_id: int, transaction_type: TransactionType) -> Believed:
    """Believes an answer to a movement that names no other one."""

    def believed(answer: CasinoAnswer) -> CasinoAnswer:
        doubt = _other(answer.value, bet_id, transaction_type) if isinstance(answer.value, dict) else None
        return answer if doubt is None else CasinoAnswer(None, "mismatch", message=doubt)

    return believed


def _other(value: Mapping[str, Any], bet_id: int, transaction_type: TransactionType) -> Doubt | None:
    bet, kind, named = (field(value, name) for name in ("BetId", "TransactionType", "TransactionId"))
    if bet is not None and casino_values.whole(bet) != bet_id:
        return Doubt.OTHER_BET
    if kind is not None and casino_values.transaction_type(kind) != int(transaction_type):
        return Doubt.OTHER_TYPE
    if named not in (None, "", transaction_id(bet_id, transaction_type)):
        return Doubt.OTHER_TRANSACTION
    return None


def list_of(bet_id: int) -> Believed:
    """Believes a list that is clear; the answer's value is the movements in it."""

    def believed(answer: CasinoAnswer) -> CasinoAnswer:
        if answer.meaning != "done":
            return answer
        try:
            return replace(answer, value=read_list(answer.value, bet_id))
        except Unbelieved as error:
            return CasinoAnswer(None, error.doubt, answer.error_code)

    return believed
