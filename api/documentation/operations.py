"""What the operations of both APIs are described with: the arguments of a route, references, responses."""

from enum import Enum
from typing import TypeAlias, TypedDict

Schema: TypeAlias = dict[str, object]

_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}


class Operation(TypedDict):
    """The arguments of a route decorator that document an operation."""

    name: str
    operation_id: str
    summary: str
    tags: list[str | Enum]
    responses: dict[int | str, Schema]
    openapi_extra: Schema


def schema_ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def response(text: str, schema: str, examples: dict[str, object], *, retry_after: bool = False) -> Schema:
    """Return a response of JSON with a named schema; ``examples`` are bodies by their names."""
    content = {"schema": schema_ref(schema), "examples": {name: {"value": body} for name, body in examples.items()}}
    headers = {"headers": _RETRY_AFTER} if retry_after else {}
    return {"description": text, "content": {"application/json": content}, **headers}
