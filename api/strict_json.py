"""Strict reading of JSON: a text that two readers could understand differently is refused."""

import json
from typing import TypeAlias

from betcore.domain.errors import Malformed

_MAX_DEPTH = 32

Json: TypeAlias = "bool | str | list[Json] | dict[str, Json] | None"


class JsonNumber(str):
    """A JSON number as it was written."""

    __slots__ = ()


def read_object(body: bytes) -> dict[str, Json]:
    """Return one JSON object with numbers as they were written.

    Raises Malformed if the body is not UTF-8, not JSON, no object, nested too deep, or has a key twice at any depth.
    """
    try:
        text = body.decode("utf-8")
        if text.count("[") + text.count("{") > _MAX_DEPTH:
            # Enough for too many levels. To walk through a body takes far longer than to count.
            _refuse_depth(text)
        found = json.loads(
            text,
            parse_float=JsonNumber,
            parse_int=JsonNumber,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(found, dict):
        raise Malformed("the body is not a JSON object")
    return found


def sorted_encoding(body: bytes) -> bytes:
    """Return the same object as compact JSON with sorted keys and its numbers as written: ``10.00`` stays ``10.00``.

    Return the body itself if it cannot be read: no signature over another text may stand for it.
    """
    try:
        return _compact(read_object(body)).encode()
    except (Malformed, UnicodeEncodeError):
        return body


def _compact(value: Json) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{_compact(key)}:{_compact(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(_compact, value)) + "]"
        case JsonNumber():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("a key stands twice")
    return made


def _refuse_constant(name: str) -> None:
    raise Malformed(f"{name} is not JSON")


def _refuse_depth(text: str) -> None:
    """Raise Malformed for more than 32 levels, without recursion. Brackets in strings do not count."""
    depth, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > _MAX_DEPTH:
                raise Malformed("the body is nested too deep")
        elif character in "]}":
            depth -= 1
