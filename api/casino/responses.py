"""Responses to casinos: ``{"ErrorCode", "Message", "Value"}``, and what an error becomes."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.request_metrics import answered_with
from betcore.domain.errors import (
    Malformed,
    NotAuthorised,
    OutcomeUnknown,
    PlayRefused,
    ScopeMissing,
    TooLarge,
    TooManyCalls,
)

_log = structlog.get_logger()

SUCCESS, NOT_AUTHORISED, FORBIDDEN = 200, 401, 403
MALFORMED, FAILED, CONTRADICTION, UNKNOWN_BET = 103801, 102823, 103803, 103804
_SOON = {"Retry-After": "1"}
_WITHIN = 5.0
# Why a player gets no game. 103805 and 103807 are the codes that casinos send for the same.
PLAY_REFUSED = {
    "player_blocked": 103805,
    "token_invalid": 103807,
    "game_unavailable": 103810,
    "provider_unavailable": 103811,
    "limits_empty": 103812,
    "currency_unsupported": 103813,
    "casino_disabled": 103814,
    "casino_unavailable": 103815,
}


def render(
    code: int, message: str, value: object = None, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a response in the envelope of this API."""
    answered_with(code)
    body = json.dumps({"ErrorCode": code, "Message": message, "Value": value})
    return Response(body, status, headers, media_type="application/json")


def render_tagged(request: Request, value: object, cache: str) -> Response:
    """Return a success with an ETag of its value; 304 if the request names that. ``cache`` is its Cache-Control."""
    etag = f'"{hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": cache}
    if etag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return render(SUCCESS, "Success", value, headers=headers)


def refusal(error: Exception) -> Response:
    """Return the response to an error. After an unforeseen one the casino is to call again; its text stays inside."""
    match error:
        case ScopeMissing():
            return render(FORBIDDEN, str(error), status=403)
        case NotAuthorised():
            return render(NOT_AUTHORISED, str(error), status=401, headers={"WWW-Authenticate": "Bearer"})
        case PlayRefused():
            return render(PLAY_REFUSED[error.code], f"{error.code}: {error}")
        case TooManyCalls():
            return render(FAILED, str(error), status=429, headers=_SOON)
        case OutcomeUnknown():
            return repeat_later()
        case TooLarge():
            return render(MALFORMED, str(error), status=413)
        case Malformed():
            return render(MALFORMED, str(error), status=400)
        case HTTPException():
            return render(error.status_code, error.detail, status=error.status_code, headers=dict(error.headers or {}))
        case _:
            _log.error("a casino's call failed", exc_info=error)
            return repeat_later()


def repeat_later() -> Response:
    """Return the response to a call that has done nothing yet, and that the casino is to send again."""
    return render(FAILED, "not done: send it again", status=503, headers=_SOON)


def with_refusals(
    handle: Callable[[Request], Awaitable[Response]], within: float = _WITHIN
) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that answers a failure, or no answer in time, in the form of the APIs for casinos."""

    async def answered(request: Request) -> Response:
        try:
            async with asyncio.timeout(within):
                return await handle(request)
        except Exception as error:
            return refusal(error)

    return answered
