"""Reads a control call: a body or a query, or a refusal with the reason."""

from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_M = TypeVar("_M", bound=BaseModel)


def _number(given: object) -> object:
    """Return the number of a casino that may be written 7, "7" or "PartnerClient-7"."""
    return given.removeprefix("PartnerClient-") if isinstance(given, str) else given


class OfCasino(BaseModel):
    """A query or body that names a casino."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner_client_id: Annotated[int, BeforeValidator(_number), Field(ge=0, lt=10**18)]


async def read_body(request: web.Request, model: type[_M]) -> _M:
    """Return the JSON body. Raises HTTP 400 with the fields that do not fit."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise _malformed(error) from error


def read_query(request: web.Request, model: type[_M]) -> _M:
    """Return the query. Raises HTTP 400 with the fields that do not fit."""
    return validate(model, dict(request.query))


def validate(model: type[_M], given: dict[str, Any]) -> _M:
    """Return the fields as the model has them. Raises HTTP 400 with those that do not fit."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _malformed(error) from error


def refused(status: type[web.HTTPException], reason: str) -> web.HTTPException:
    """Return an answer to raise: the reason as JSON."""
    return status(text=web.json_response({"error": reason}).text, content_type="application/json")


def _malformed(error: ValidationError) -> web.HTTPException:
    found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return refused(web.HTTPBadRequest, "; ".join(found))
