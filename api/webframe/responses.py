"""Responses of the frame's API: a JSON object, or the code of a refusal with its text in the frame's language."""

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.webframe.texts import Texts
from betcore.db.database import DatabaseError
from betcore.domain.errors import (
    Malformed,
    NotAuthorised,
    OutcomeUnknown,
    PlayRefused,
    TooLarge,
    TooManyCalls,
    WrongContentType,
)

_log = structlog.get_logger()

_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_STATUS = {
    "token_invalid": 401,
    "session_expired": 401,
    "player_blocked": 403,
    "casino_disabled": 403,
    "game_unavailable": 404,
    "currency_unsupported": 409,
    "limits_empty": 409,
    "provider_unavailable": 503,
    "casino_unavailable": 503,
}


def render(value: dict[str, object], *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response that no cache keeps."""
    return JSONResponse(value, status, {**_NO_STORE, **(headers or {})})


def refusal(error: Exception, texts: Texts, language: str) -> Response:
    """Return the response to an error; what went wrong inside stays inside."""
    status, code, headers = _meaning(error)
    if code == "internal":
        _log.error("a call of a frame failed", exc_info=error)
    return render({"code": code, "message": texts.error(code, language)}, status=status, headers=headers)


def _meaning(error: Exception) -> tuple[int, str, dict[str, str]]:
    soon = {"Retry-After": "1"}
    match error:
        case PlayRefused():
            return _STATUS[error.code], error.code, soon if _STATUS[error.code] == 503 else {}
        case TooManyCalls():
            return 429, "rate_limited", soon
        case TooLarge():
            return 413, "malformed", {}
        case WrongContentType():
            return 415, "malformed", {}
        case Malformed():
            return 400, "malformed", {}
        case NotAuthorised():
            return 403, "malformed", {}
        case HTTPException():
            return error.status_code, "malformed", dict(error.headers or {})
        case DatabaseError() | OutcomeUnknown() | TimeoutError():
            return 503, "internal", soon
        case _:
            return 500, "internal", {}
