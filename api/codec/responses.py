"""Responses of the codec server: payloads, or ``{"code", "message"}`` of a refusal."""

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from betcore.domain.errors import (
    BetcoreError,
    Malformed,
    NotAuthorised,
    OutcomeUnknown,
    ScopeMissing,
    TooLarge,
    TooManyCalls,
    Unavailable,
    WrongContentType,
)

_log = structlog.get_logger()
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_STATUS: dict[type[BetcoreError], int] = {
    ScopeMissing: 403,
    NotAuthorised: 401,
    TooManyCalls: 429,
    TooLarge: 413,
    WrongContentType: 415,
    Malformed: 400,
    Unavailable: 503,
    # Too many calls at once (``api.edge.calls``).
    OutcomeUnknown: 503,
}
_MORE = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "5"}}


def refusal(error: Exception) -> Response:
    """Return the response to an error; what went wrong inside stays inside."""
    if isinstance(error, HTTPException):
        return _render(error.status_code, "refused", error.detail)
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            code = "not_allowed" if kind is ScopeMissing else str(error.code)
            return _render(status, code, str(error))
    _log.error("a call of the codec server failed", exc_info=error)
    return _render(500, "internal", "not decoded")


def _render(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, status, {**HEADERS, **_MORE.get(status, {})})
