"""Responses to providers: their one form, and the one table from codes to ``_responseCode`` and HTTP status."""

import json
from dataclasses import dataclass

import structlog
from starlette.responses import Response

from api.request_metrics import answered_with
from betcore.domain.errors import BetcoreError, Code
from betcore.domain.money import Money

_log = structlog.get_logger()

ALREADY_PROCESSED = "already_processed"
USED_BEFORE = "this X-Request-Id was used before"

# (code of betcore.domain.errors) -> (_responseCode, HTTP status)
RESPONSE_CODES: dict[str, tuple[int, int]] = {
    Code.MALFORMED: (2, 400),
    Code.JACKPOT_UNKNOWN: (2, 400),
    Code.LIVE_GAME_UNKNOWN: (2, 400),
    Code.TOO_LARGE: (2, 413),
    Code.UNKNOWN_ROUTE: (2, 404),
    Code.WRONG_METHOD: (2, 405),
    Code.WRONG_CONTENT_TYPE: (2, 415),
    Code.SESSION_UNKNOWN: (3, 200),
    Code.SESSION_ENDED: (3, 200),
    Code.SESSION_DEMO: (3, 200),
    Code.NO_MONEY: (4, 200),
    Code.NEVER_SEEN: (5, 200),
    Code.DIFFERENT_DATA: (6, 200),
    Code.ALREADY_SETTLED: (6, 200),
    Code.ALREADY_REFUNDED: (6, 200),
    Code.BET_REFUSED: (6, 200),
    Code.BELOW_MIN_BET: (7, 200),
    Code.ABOVE_MAX_BET: (7, 200),
    Code.PLAYER_BLOCKED: (7, 200),
    Code.LIMIT_REACHED: (7, 200),
    Code.GAME_DISABLED: (7, 200),
    Code.ROUND_CLOSED: (7, 200),
    Code.WIN_REFUSED: (7, 200),
    Code.CASINO_REFUSED: (7, 200),
    Code.CASINO_UNAVAILABLE: (7, 200),
    Code.NOT_AUTHORISED: (8, 401),
    Code.OUTCOME_UNKNOWN: (99, 503),
    Code.OVERLOADED: (99, 503),
    Code.TOO_MANY_CALLS: (99, 429),
    ALREADY_PROCESSED: (104, 200),
}
DONE = (1, 200)
UNKNOWN = 99
RETRY_AFTER = "1"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider is answered. ``code`` None is "done"; without a currency no balance is sent.

    ``jackpot`` is what the bet has won beside its winnings.
    """

    code: str | None
    message: str = ""
    currency: str | None = None
    balance: Money | None = None
    jackpot: Money | None = None


def render(reply: Reply, headers: dict[str, str] | None = None) -> Response:
    """Return the HTTP response. The balance is written digit by digit and never is a float."""
    number, status = DONE if reply.code is None else RESPONSE_CODES[reply.code]
    answered_with(number)
    parts = []
    if reply.currency is not None:
        parts.append(f'"currency":{json.dumps(reply.currency)}')
        parts.append(f'"balance":{"null" if reply.balance is None else reply.balance.as_json_number()}')
    if reply.jackpot is not None:
        parts.append(f'"jackpotAmount":{reply.jackpot.as_json_number()}')
    parts.append(f'"_responseCode":{number}')
    if reply.code is not None:
        parts.append(f'"message":{json.dumps(reply.message or reply.code.replace("_", " "))}')
        parts.append(f'"reason":{json.dumps(reply.code)}')
    extra = dict(headers or {})
    if number == UNKNOWN:
        extra["Retry-After"] = RETRY_AFTER
    return Response("{" + ",".join(parts) + "}", status, extra, media_type="application/json")


def refusal(error: Exception) -> Response:
    """Return the response to an error. One that is not in the table is an unknown outcome; its text stays inside."""
    if isinstance(error, BetcoreError) and error.code in RESPONSE_CODES:
        return render(Reply(error.code, str(error)))
    _log.error("unexpected", exc_info=error)
    return render(Reply(Code.OUTCOME_UNKNOWN))
