"""Reading the responses of casinos' wallets. A response that is not clear is *unknown*, with a kind that says why.

The format is the reference's Casino API (``ErrorCode``/``Message``/``Value``, decimal strings).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from betcore.domain import casino_values
from betcore.domain.casino_responses import UNAUTHORISED
from betcore.domain.casino_values import UNREADABLE, Doubt, field
from betcore.domain.ids import TransactionType, number_name, transaction_id
from betcore.domain.partners import Casino
from betcore.domain.payment_list import Listed, Unclear, read_list


@dataclass(frozen=True, slots=True)
class CasinoAnswer:
    """A casino's answer to one request.

    ``meaning`` is what the casino's profile maps the ErrorCode to, ``unauthorised``, ``not_sent``, or None for unknown.
    ``kind`` is for people and metrics: ok, refused, timeout, connection, http_500, ... ``movements`` is the list of a
    bet, if one was requested and is clear. ``items`` are the answers to the movements of a list, in the order in which
    they were sent, if a list was sent and its answer is clear.
    """

    meaning: str | None
    kind: str
    error_code: str | None = None
    message: str = ""
    value: object = None
    movements: list[Listed] | None = None
    items: "Sequence[CasinoAnswer] | None" = None


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
    return _read_fields(casino, envelope, field(envelope, "Value", UNREADABLE))


def _read_fields(casino: Casino, envelope: Mapping[str, object], value: object) -> CasinoAnswer:
    error_code = casino_values.error_code(field(envelope, "ErrorCode"))
    if error_code is None:
        return CasinoAnswer(None, "no_error_code")
    meaning = casino.profile.error_codes.get(error_code)
    kind = "ok" if meaning == "done" else meaning or "unmapped_code"
    message = casino_values.message(field(envelope, "Message"))
    return CasinoAnswer(meaning, kind, error_code, message, value)


def check_echo(bet_id: int, transaction_type: TransactionType, *, cashback: bool = False) -> Check:
    """Return a check that takes an answer which names another movement for unknown."""
    number = number_name(cashback=cashback)

    def check(answer: CasinoAnswer) -> CasinoAnswer:
        doubt = _difference(answer.value, number, bet_id, transaction_type) if isinstance(answer.value, dict) else None
        return answer if doubt is None else CasinoAnswer(None, "mismatch", message=doubt)

    return check


def _difference(
    value: Mapping[str, object], number: str, bet_id: int, transaction_type: TransactionType
) -> Doubt | None:
    bet, its_type, named = (field(value, name) for name in (number, "TransactionType", "TransactionId"))
    if bet is not None and casino_values.whole(bet) != bet_id:
        return Doubt.OTHER_BET
    if its_type is not None and casino_values.transaction_type(its_type) != int(transaction_type):
        return Doubt.OTHER_TYPE
    if named not in (None, "", transaction_id(bet_id, transaction_type)):
        return Doubt.OTHER_TRANSACTION
    return None


def check_list(bet_id: int, *, cashback: bool = False) -> Check:
    """Return a check that reads the movements of a list, and takes a list that is not clear for unknown."""

    def check(answer: CasinoAnswer) -> CasinoAnswer:
        if answer.meaning != "done":
            return answer
        try:
            return replace(answer, movements=read_list(answer.value, bet_id, cashback=cashback))
        except Unclear as error:
            return CasinoAnswer(None, error.doubt, answer.error_code)

    return check


# What names a movement in the answer to a list: its bet and its type.
MovementKey = tuple[int, TransactionType]


def check_items(casino: Casino, sent: Sequence[MovementKey]) -> Check:
    """Return a check that reads the answers to the items of a list that was sent.

    They are found by bet and type, not by place. An item that is missing or doubled is unknown; the kind of the whole
    answer says so then. A list with an item that was not sent is taken for unknown as a whole.
    """

    def check(answer: CasinoAnswer) -> CasinoAnswer:
        if answer.meaning != "done":
            return answer
        if not isinstance(answer.value, list):
            return CasinoAnswer(None, Doubt.LIST_NOT_A_LIST, answer.error_code)
        named = [(_key(item), item) for item in answer.value if isinstance(item, dict)]
        times = Counter(key for key, _ in named if key is not None)
        if not times.keys() <= {(bet_id, int(its_type)) for bet_id, its_type in sent}:
            return CasinoAnswer(None, Doubt.FOREIGN_ITEM, answer.error_code)
        answers = dict(named)
        items = [_item(casino, key, times, answers) for key in sent]
        doubt = next((item.kind for item in items if item.kind in (Doubt.ITEM_MISSING, Doubt.ITEM_DOUBLED)), None)
        return replace(answer, kind=doubt or answer.kind, items=items)

    return check


def _key(item: Mapping[str, object]) -> tuple[int, int] | None:
    """Return what an item names; None if it cannot be read: it is the answer to none of ours then."""
    bet = casino_values.whole(field(item, "BetId"))
    its_type = casino_values.transaction_type(field(item, "TransactionType"))
    return None if bet is None or its_type is None else (bet, its_type)


def _item(
    casino: Casino,
    sent: MovementKey,
    times: Mapping[tuple[int, int], int],
    answers: Mapping[tuple[int, int] | None, Mapping[str, object]],
) -> CasinoAnswer:
    bet_id, its_type = sent
    key = (bet_id, int(its_type))
    if times.get(key) != 1:
        return CasinoAnswer(None, Doubt.ITEM_DOUBLED if key in times else Doubt.ITEM_MISSING)
    return check_echo(bet_id, its_type)(_read_fields(casino, answers[key], answers[key]))
