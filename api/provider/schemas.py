"""Bodies of providers' calls: one model for each is both the check of a body and its schema in the OpenAPI document."""

import json
import re
from typing import Annotated, TypeGuard, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import WithDefaultSchema

from api.strict_json import Json, JsonNumber, read_object
from betcore.domain.errors import Malformed
from betcore.domain.money import AMOUNT

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_POOL = re.compile(r"[1-9][0-9]{0,14}")
ID_FORM = "1 to 128 of A-Z a-z 0-9 . _ : -"
# What no body of another operation has; and what an operator has to know of if it cannot be read.
_OF_ONE_OPERATION = ("betAmount", "winAmount", "jackpotAmount", "jackpotId")
_WINNINGS = ("winOdd", "winAmount", "taxAmount", "jackpotAmount", "jackpotId")
# An optional field that was not sent.
_ABSENT = ""
# The longest text of an incident about winnings.
_LONGEST_SENT = 100

ID_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": f"^{_ID.pattern}$"}
AMOUNT_SCHEMA: JsonSchemaValue = {
    "description": "Major units of the session's currency, with no more decimals than it has; no sign, no exponent.",
    "oneOf": [
        {"type": "string", "pattern": f"^{AMOUNT.pattern}$"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 10**15},
    ],
}


def _read_id(value: object) -> str:
    if is_text(value) and _ID.fullmatch(value):
        return value
    raise PydanticCustomError("id", f"is a string of {ID_FORM}")


def _read_amount(value: object) -> str:
    if isinstance(value, str) and AMOUNT.fullmatch(value):
        return str(value)
    raise PydanticCustomError("amount", "is digits with an optional fraction, as a number or a string")


def _read_pool(value: object) -> str:
    if isinstance(value, str) and _POOL.fullmatch(value):
        return str(value)
    raise PydanticCustomError("pool", "is the number of a pool")


def _read_session_id(value: object, info: ValidationInfo) -> str:
    if is_text(value) and value == info.context:
        return value
    raise PydanticCustomError("session_id", "is not that of the path")


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a JSON value is a text: a number is read as one too, and is none."""
    return isinstance(value, str) and not isinstance(value, JsonNumber)


_TAX_SCHEMA: JsonSchemaValue = {
    **AMOUNT_SCHEMA,
    "description": "The tax in the winnings, or in the stake if there are none. For casinos that ask for it.",
}
_JACKPOT_SCHEMA: JsonSchemaValue = {
    **AMOUNT_SCHEMA,
    "description": "The provider's own jackpot, won beside the winnings; 0 is none. Not together with jackpotId.",
}
_POOL_SCHEMA: JsonSchemaValue = {
    "description": "The number of a pool of this service that is won: its amount is in the answer.",
    "oneOf": [
        {"type": "string", "pattern": f"^{_POOL.pattern}$"},
        {"type": "integer", "minimum": 1, "exclusiveMaximum": 10**15},
    ],
}
_PROMO_SCHEMA: JsonSchemaValue = {**ID_SCHEMA, "description": "The player's promo code. For casinos that ask for it."}

Id = Annotated[str, PlainValidator(_read_id), WithJsonSchema(ID_SCHEMA)]
# Text in major units: it becomes Money when the currency of the session is known.
Amount = Annotated[str, PlainValidator(_read_amount), WithJsonSchema(AMOUNT_SCHEMA)]
TaxAmount = Annotated[str, PlainValidator(_read_amount), WithJsonSchema(_TAX_SCHEMA)]
JackpotAmount = Annotated[str, PlainValidator(_read_amount), WithJsonSchema(_JACKPOT_SCHEMA)]
JackpotId = Annotated[str, PlainValidator(_read_pool), WithJsonSchema(_POOL_SCHEMA)]
PromoCode = Annotated[str, PlainValidator(_read_id), WithJsonSchema(_PROMO_SCHEMA)]
SessionId = Annotated[str, PlainValidator(_read_session_id), WithJsonSchema(ID_SCHEMA)]


class BetBody(BaseModel):
    """The fields of every call about a bet. A refusal names the first field, in this order, that cannot be read."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    session_id: SessionId = _ABSENT
    bet_id: Id


class PayInBody(BetBody):
    """A stake."""

    bet_amount: Amount
    game_round_id: Id
    tax_amount: TaxAmount = _ABSENT
    promo_code: PromoCode = _ABSENT


class PayOutBody(BetBody):
    """Winnings, 0 for a loss."""

    game_round_id: Id
    win_odd: Amount = _ABSENT
    win_amount: Amount
    tax_amount: TaxAmount = _ABSENT
    jackpot_amount: JackpotAmount = _ABSENT
    jackpot_id: JackpotId = _ABSENT


class PayInOutBody(BetBody):
    """A stake and its winnings."""

    bet_amount: Amount
    game_round_id: Id
    promo_code: PromoCode = _ABSENT
    win_odd: Amount = _ABSENT
    win_amount: Amount
    tax_amount: TaxAmount = _ABSENT
    jackpot_amount: JackpotAmount = _ABSENT
    jackpot_id: JackpotId = _ABSENT


class RefundBody(BetBody):
    """The bet whose stake goes back."""


Body = TypeVar("Body", bound=BetBody)


class UnreadableWin(Malformed):
    """The winnings of a bet cannot be read: nothing is paid, and an operator has to know. ``sent`` is what was sent."""

    def __init__(self, message: str, bet_id: str, sent: str) -> None:
        super().__init__(message)
        self.bet_id, self.sent = bet_id, sent


def read(model: type[Body], body: bytes, session_id: str, *, ignore_foreign_amounts: bool = False) -> Body:
    """Return what a body says that was sent for a session.

    Raises Malformed, and UnreadableWin if nothing but the winnings cannot be read.
    """
    fields = read_object(body)
    if not ignore_foreign_amounts:
        _refuse_foreign_amounts(model, fields)
    try:
        return model.model_validate(fields, context=session_id)
    except ValidationError as error:
        raise _refusal(model, error, fields) from None


def _refuse_foreign_amounts(model: type[BetBody], fields: dict[str, Json]) -> None:
    """Raise Malformed for an amount of another operation: the signature covers no path, the body is for that one."""
    own = {field.alias for field in model.model_fields.values()}
    for name in _OF_ONE_OPERATION:
        if name not in own and fields.get(name) is not None:
            raise Malformed(f"{name} is no field of this operation")


def _refusal(model: type[BetBody], error: ValidationError, fields: dict[str, Json]) -> Malformed:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0])
    message = f"{name} is missing" if first["type"] == "missing" else f"{name} {first['msg']}"
    if name in _WINNINGS and "win_amount" in model.model_fields:
        # They come last: the id of the bet was read.
        return UnreadableWin(message, str(fields["betId"]), _as_sent(fields, name))
    return Malformed(message)


def _as_sent(fields: dict[str, Json], name: str) -> str:
    """Return what an operator is shown of a field: printable, and no longer than an incident can hold."""
    if name not in fields:
        return f"{name} is missing"
    found = fields[name]
    shown = str(found) if isinstance(found, JsonNumber) else json.dumps(found)
    return f"{name} {shown}"[:_LONGEST_SENT]


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    return _ID.fullmatch(text) is not None


def session_id(text: str) -> str:
    """Return the session id of a path. Raises Malformed."""
    if not is_id(text):
        raise Malformed(f"sessionId is {ID_FORM}")
    return text


class _OnTheWire(GenerateJsonSchema):
    """JSON schema without what the wire does not have: values of fields that were not sent, and titles of fields."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema of the field alone."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:
        """Return False: a field is known by its name."""
        return False


def json_schema(model: type[BaseModel]) -> JsonSchemaValue:
    """Return the schema of a body as the OpenAPI document has it."""
    return model.model_json_schema(schema_generator=_OnTheWire)
