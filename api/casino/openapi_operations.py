"""What the calls of the APIs for casinos are described with: the envelope, its refusals, parameters and bodies."""

import json

from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.casino.openapi_schemas import TEXT
from api.casino.responses import SUCCESS, refusal, render, repeat_later
from api.documentation.operations import Operation, Schema, response, schema_ref
from betcore.domain.errors import Malformed, NotAuthorised, ScopeMissing, TooLarge, TooManyCalls

# Statuses of calls with a body, and of calls with an access token.
BODY, BEARER = (400, 413), (401, 403, 429)
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "schema": TEXT,
    "description": "The ETag of an answer.",
}

# status -> meaning, and what is answered
_REFUSALS: dict[int, tuple[str, Response]] = {
    400: ("It cannot be read; ``Message`` says what.", refusal(Malformed("the body is not JSON"))),
    401: ("The secret or the token does not hold.", refusal(NotAuthorised("the access token does not hold"))),
    403: ("The token has not the scope of this call.", refusal(ScopeMissing("the access token has no scope games"))),
    404: ("There is no such round.", refusal(HTTPException(404, "there is no such round"))),
    405: ("No such method here.", refusal(HTTPException(405))),
    413: ("The body is larger than the call takes.", refusal(TooLarge("a body has 16384 bytes at most"))),
    429: ("More calls than agreed: this one was not read.", refusal(TooManyCalls("send it again later"))),
    503: ("Not possible at the moment: send the same again.", repeat_later()),
}


def operation(
    tag: str,
    operation_id: str,
    summary: str,
    answer: str,
    answers: dict[str, object],
    refusals: tuple[int, ...],
    extra: Schema | None = None,
    security: Schema | None = None,
) -> Operation:
    """Return the arguments of a route decorator; ``refusals`` are the statuses beside those that every call has."""
    statuses = sorted({*refusals, 405, 503}) if refusals else ()
    responses: dict[int | str, Schema] = {200: response("The answer.", answer, answers)}
    for status in statuses:
        text, answered = _REFUSALS[status]
        shown = {"refused": written(answered)}
        responses[status] = response(text, "RefusalAnswer", shown, retry_after=status in (429, 503))
    return {
        "name": operation_id,
        "operation_id": operation_id,
        "summary": summary,
        "tags": [tag],
        "responses": responses,
        "openapi_extra": {**(extra or {}), **({} if security is None else {"security": [security]})},
    }


def tagged(found: Operation) -> Operation:
    """Add to an operation that its answer has an ETag, and what the one that has it is answered."""
    headers = {"headers": {"ETag": {"schema": TEXT}}}
    found["responses"] |= {200: found["responses"][200] | headers, 304: {"description": "Nothing has changed."}}
    return found


def query(name: str, schema: Schema, about: str, *, required: bool = False) -> Schema:
    """Return a parameter of the query."""
    found: Schema = {"name": name, "in": "query", "schema": schema, "description": about}
    return found | {"required": True} if required else found


def body(name: str, example: object, other: Schema | None = None) -> Schema:
    """Return the body of a call: of a named schema, or of another one."""
    schema = schema_ref(name) if other is None else {"oneOf": [schema_ref(name), other]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def envelope_of(value: object) -> object:
    """Return a success as the service writes it."""
    return rendered(SUCCESS, "Success", value)


def rendered(code: int, message: str, value: object = None) -> object:
    """Return an answer as the service writes it."""
    return written(render(code, message, value))


def written(answer: Response) -> object:
    """Return the body of a response."""
    return json.loads(bytes(answer.body))
