"""The body of a provider's report of a round: its check, and its schema in the OpenAPI document."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from api.provider.schemas import ID_FORM, ID_SCHEMA, is_id, is_text
from api.strict_json import JsonNumber, read_object
from betcore.domain.errors import Malformed
from betcore.domain.live_rounds import ReportedState, RoundReport

# As the numbers of live games are kept.
_GAME_TYPE = re.compile(r"[1-9][0-9]{0,4}")
_GREATEST_TYPE = 2**15 - 1
_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_MOMENT = re.compile(r"[1-9][0-9]{8,9}")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_MOST_RESULTS, _LONGEST_RESULT, _LONGEST_REASON = 200, 64, 200
# A moment further ahead is a slip, such as milliseconds.
_FURTHEST = timedelta(days=7)
# What a state may bring, beside itself.
_FIELDS: dict[ReportedState, frozenset[str]] = {
    ReportedState.AWAITING: frozenset({"commitment", "algorithm"}),
    ReportedState.BETTING: frozenset({"betting_closes_at", "commitment", "algorithm"}),
    ReportedState.ACTION: frozenset(),
    ReportedState.FINISHED: frozenset({"results", "seed", "algorithm"}),
    ReportedState.REVIEW: frozenset({"reason"}),
    ReportedState.CANCELLED: frozenset({"reason"}),
}

GAME_TYPE_SCHEMA: JsonSchemaValue = {"type": "integer", "minimum": 1, "maximum": _GREATEST_TYPE}
ROUND_ID_SCHEMA = ID_SCHEMA


def _read_state(value: object) -> ReportedState:
    if is_text(value) and value in list(ReportedState):
        return ReportedState(value)
    raise PydanticCustomError("state", "is one of awaiting, betting, action, finished, review, cancelled")


def _read_moment(value: object) -> datetime:
    if isinstance(value, JsonNumber) and _MOMENT.fullmatch(value):
        moment = datetime.fromtimestamp(int(value), UTC)
        if moment < datetime.now(UTC) + _FURTHEST:
            return moment
    raise PydanticCustomError("moment", "is a number: Unix time in whole seconds, at most seven days ahead")


def _read_hex(value: object) -> str:
    if is_text(value) and _HEX.fullmatch(value):
        return value
    raise PydanticCustomError("hex", "is 64 lower-case hex digits")


def _read_name(value: object) -> str:
    if is_text(value) and _NAME.fullmatch(value):
        return value
    raise PydanticCustomError("name", "is 1 to 64 of A-Z a-z 0-9 . _ : / -")


def _read_reason(value: object) -> str:
    if is_text(value) and value.isprintable() and 0 < len(value) <= _LONGEST_REASON:
        return value
    raise PydanticCustomError("reason", "is a text of 1 to 200 printable characters")


def _read_results(value: object) -> tuple[int | str, ...]:
    if isinstance(value, list) and 0 < len(value) <= _MOST_RESULTS:
        return tuple(_read_result(one) for one in value)
    raise PydanticCustomError("results", "is a list of 1 to 200 results")


def _read_result(value: object) -> int | str:
    if isinstance(value, JsonNumber) and _WHOLE.fullmatch(value) and value != "-0":
        return int(value)
    if is_text(value) and value.isprintable() and 0 < len(value) <= _LONGEST_RESULT:
        return value
    raise PydanticCustomError("result", "has a result that is no whole number and no text of 1 to 64 characters")


_STATE_SCHEMA: JsonSchemaValue = {"type": "string", "enum": [str(state) for state in ReportedState]}
_MOMENT_SCHEMA: JsonSchemaValue = {
    "type": "integer",
    "description": "With `betting`: Unix time in seconds at which betting closes by itself.",
}
_HEX_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": f"^{_HEX.pattern}$"}
_COMMITMENT_SCHEMA: JsonSchemaValue = {
    **_HEX_SCHEMA,
    "description": "With `awaiting` or `betting`: the SHA-256 of the seed.",
}
_SEED_SCHEMA: JsonSchemaValue = {**_HEX_SCHEMA, "description": "With `finished`: the 32 bytes of the commitment."}
_RESULTS_SCHEMA: JsonSchemaValue = {
    "type": "array",
    "minItems": 1,
    "maxItems": _MOST_RESULTS,
    "items": {"oneOf": [{"type": "integer"}, {"type": "string", "minLength": 1, "maxLength": _LONGEST_RESULT}]},
    "description": "With `finished`, always: what was drawn, in order.",
}
_NAME_SCHEMA: JsonSchemaValue = {
    "type": "string",
    "pattern": f"^{_NAME.pattern}$",
    "description": "How the results follow from the seed, such as `draw-v1:5/60`.",
}
_REASON_SCHEMA: JsonSchemaValue = {
    "type": "string",
    "minLength": 1,
    "maxLength": _LONGEST_REASON,
    "description": "With `review` or `cancelled`: why, for operators. No personal data.",
}


class ReportRoundBody(BaseModel):
    """What a round has come to. A refusal names the first field, in this order, that cannot be read."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    state: Annotated[ReportedState, PlainValidator(_read_state), WithJsonSchema(_STATE_SCHEMA)]
    betting_closes_at: Annotated[datetime | None, PlainValidator(_read_moment), WithJsonSchema(_MOMENT_SCHEMA)] = None
    commitment: Annotated[str | None, PlainValidator(_read_hex), WithJsonSchema(_COMMITMENT_SCHEMA)] = None
    results: Annotated[tuple[int | str, ...], PlainValidator(_read_results), WithJsonSchema(_RESULTS_SCHEMA)] = ()
    seed: Annotated[str | None, PlainValidator(_read_hex), WithJsonSchema(_SEED_SCHEMA)] = None
    algorithm: Annotated[str | None, PlainValidator(_read_name), WithJsonSchema(_NAME_SCHEMA)] = None
    reason: Annotated[str | None, PlainValidator(_read_reason), WithJsonSchema(_REASON_SCHEMA)] = None


def read_report(body: bytes) -> RoundReport:
    """Return what a body reports. Raises Malformed, also for a field that its state does not have."""
    try:
        found = ReportRoundBody.model_validate(read_object(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise Malformed(f"{name} is missing" if first["type"] == "missing" else f"{name} {first['msg']}") from None
    for name in sorted(found.model_fields_set - {"state"} - _FIELDS[found.state]):
        raise Malformed(f"{to_camel(name)} does not come with {found.state}")
    if found.state is ReportedState.FINISHED and not found.results:
        raise Malformed("results is missing")
    return RoundReport.model_validate(found.model_dump())


def game_type(text: str) -> int:
    """Return the number of a live game in a path. Raises Malformed."""
    if not _GAME_TYPE.fullmatch(text) or int(text) > _GREATEST_TYPE:
        raise Malformed(f"gameType is a number of 1 to {_GREATEST_TYPE}")
    return int(text)


def round_id(text: str) -> str:
    """Return the round id of a path. Raises Malformed."""
    if not is_id(text):
        raise Malformed(f"roundId is {ID_FORM}")
    return text
