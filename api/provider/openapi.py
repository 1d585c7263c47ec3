"""The providers' calls in the OpenAPI document: every status and every ``_responseCode`` of each, with its reasons."""

import json

from pydantic import BaseModel

from api.documentation.operations import Operation, Schema, response, schema_ref
from api.provider import schemas
from api.provider.live_schemas import GAME_TYPE_SCHEMA, ReportRoundBody
from api.provider.responses import RESPONSE_CODES, Reply, render
from api.provider.schemas import AMOUNT_SCHEMA, ID_SCHEMA, BetBody, json_schema
from api.provider.signature import HEADERS
from betcore.domain.errors import Code
from betcore.domain.money import Money

TAG = {"name": "Providers", "description": "What a game provider calls: docs/protocol.md explains each call."}
SECURITY_SCHEMES: dict[str, Schema] = {
    header.scheme: {"type": "apiKey", "in": "header", "name": header.name, "description": header.meaning}
    for header in HEADERS
}
# All four together: one signature.
_SIGNED: Schema = {"security": [{header.scheme: [] for header in HEADERS}]}
_SESSION = {"name": "sessionId", "in": "path", "required": True, "schema": schema_ref("Id")}
_ROUND = (
    {"name": "gameType", "in": "path", "required": True, "schema": GAME_TYPE_SCHEMA},
    {"name": "roundId", "in": "path", "required": True, "schema": schema_ref("Id")},
)

_CODES = {
    1: "done, or done before with the same data",
    2: "malformed request, no such jackpot for this bet (jackpot_unknown), or no such live game of yours "
    "(live_game_unknown); nothing moved",
    3: "session unknown, of another provider, demo, or ended (for a new stake); nothing moved",
    4: "not enough money; nothing moved",
    5: "the bet never came (never_seen)",
    6: "contradicts what is recorded (different_data, already_settled, already_refunded, bet_refused)",
    7: "refused (below_min_bet, above_max_bet, player_blocked, limit_reached, game_disabled, round_closed, "
    "win_refused, casino_refused, casino_unavailable); nothing moved",
    8: "not authorised",
    99: "outcome not known yet; or this call did nothing: a new stake was turned away (overloaded), or calls come too "
    "fast (too_many_calls). Repeat the same call, or send Refund",
    104: "already processed: treat as 1 (if the profile asks for it)",
}

_BALANCE = Money(minor=12550, currency="EUR")
_EXAMPLES = {
    "betId": "bet-000001",
    "betAmount": "10.00",
    "winAmount": "25.00",
    "gameRoundId": "round-000001",
    "state": "awaiting",
}
# name -> operationId, summary, body, codes under status 200
_OPERATIONS: dict[str, tuple[str, str, type[BaseModel] | None, tuple[int, ...]]] = {
    "balance": ("getBalance", "The player's balance.", None, (1, 3)),
    "pay_in": ("payIn", "Take a stake.", schemas.PayInBody, (1, 3, 4, 6, 7, 104)),
    "pay_out": ("payOut", "Settle a bet; winnings of 0 are a loss.", schemas.PayOutBody, (1, 3, 5, 6, 104)),
    "pay_in_out": (
        "payInOut",
        "Take a stake and pay its winnings at once.",
        schemas.PayInOutBody,
        (1, 3, 4, 6, 7, 104),
    ),
    "refund": (
        "refund",
        "Return a stake, or keep it from ever being taken; of a bet settled by PayInOut, take the winnings back first.",
        schemas.RefundBody,
        (1, 3, 6, 7, 104),
    ),
    "report_round": ("reportRound", "Report what a round of a live game has come to.", ReportRoundBody, (1, 6, 7)),
}

_WITHOUT_SESSION = ("session_unknown", "session_demo", "overloaded", "too_many_calls")
# What a report of a round is refused with under status 200. It is answered without currency and balance.
_OF_ROUNDS = frozenset({Code.DIFFERENT_DATA, Code.GAME_DISABLED})
_MALFORMED, _NOT_AUTHORISED, _UNKNOWN = "MalformedAnswer", "NotAuthorisedAnswer", "OutcomeUnknownAnswer"
# status -> schema, meaning, code
_STATUSES = {
    400: (_MALFORMED, "The request cannot be read.", 2),
    401: (_NOT_AUTHORISED, "The signature, its time or its request id does not hold.", 8),
    404: (_MALFORMED, "No such path.", 2),
    405: (_MALFORMED, "No such method here.", 2),
    413: (_MALFORMED, "More than 64 KiB.", 2),
    415: (_MALFORMED, "Not application/json.", 2),
    429: (_UNKNOWN, "Too many calls of this counterparty; the header ``Retry-After`` says when to send the next.", 99),
    503: (_UNKNOWN, "The outcome is not known yet; the header ``Retry-After`` says when to ask again.", 99),
}


def operation(name: str) -> Operation:
    """Return the arguments of a route decorator that document an operation."""
    operation_id, summary, body, codes = _OPERATIONS[name]
    parameters = list(_ROUND) if body is ReportRoundBody else [_SESSION]
    extra: dict[str, object] = {"parameters": parameters, **_SIGNED}
    statuses = {200: (_answer_name(name), "The answer; ``_responseCode`` says which.", codes)}
    statuses |= {status: (schema, text, (code,)) for status, (schema, text, code) in _STATUSES.items()}
    if body is None:
        del statuses[415]
    else:
        example = {field: _EXAMPLES[field] for field in json_schema(body)["required"]}
        content = {"schema": schema_ref(_request_name(body)), "example": example}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    return {
        "name": name,
        "operation_id": operation_id,
        "summary": summary,
        "tags": [TAG["name"]],
        "responses": {
            status: _response(status, *about, of_round=body is ReportRoundBody) for status, about in statuses.items()
        },
        "openapi_extra": extra,
    }


def components() -> dict[str, Schema]:
    """Return the named schemas of the providers' calls."""
    found = {"Id": ID_SCHEMA, "Amount": AMOUNT_SCHEMA}
    for name, (_, _, body, codes) in _OPERATIONS.items():
        if body is not None:
            found[_request_name(body)] = _request(body)
        jackpot = "jackpot_amount" in (body or BetBody).model_fields
        found[_answer_name(name)] = _answer(codes, (200,), jackpot=jackpot, of_round=body is ReportRoundBody)
    found[_MALFORMED] = _answer((2,), (400, 404, 405, 413, 415))
    found[_NOT_AUTHORISED] = _answer((8,), (401,))
    found[_UNKNOWN] = _answer((99,), (429, 503))
    return found


def _request_name(body: type[BaseModel]) -> str:
    return body.__name__.replace("Body", "Request")


def _answer_name(operation: str) -> str:
    return operation.title().replace("_", "") + "Answer"


def _request(body: type[BaseModel]) -> Schema:
    """Return the schema of a body, with references to the forms of ids and amounts."""
    schema = json_schema(body)
    named = {"Id": ID_SCHEMA, "Amount": AMOUNT_SCHEMA}
    properties = {
        field: next((schema_ref(name) for name, form in named.items() if form == found), found)
        for field, found in schema["properties"].items()
    }
    return {**schema, "title": _request_name(body), "properties": properties}


def _answer(
    codes: tuple[int, ...], statuses: tuple[int, ...], *, jackpot: bool = False, of_round: bool = False
) -> Schema:
    """Return the schema of the answers with these codes under these statuses."""
    of_session: Schema = {
        "currency": {"type": "string", "description": "Left out, like the balance, without a known session."},
        "balance": {"type": ["number", "null"], "description": "Major units; null if it cannot be read."},
    }
    won: Schema = {"jackpotAmount": {"type": "number", "description": "The jackpot that the bet has won, if it has."}}
    reasons = [code for code, (number, status) in RESPONSE_CODES.items() if number in codes and status in statuses]
    if of_round:
        of_session, reasons = {}, [code for code in reasons if code in _OF_ROUNDS]
    return {
        "type": "object",
        "required": ["_responseCode"],
        "properties": {
            **of_session,
            **(won if jackpot else {}),
            "_responseCode": {
                "type": "integer",
                "enum": list(codes),
                "description": "\n".join(f"- `{code}`: {_CODES[code]}" for code in codes),
            },
            "message": {"type": "string", "description": "For people; with every code except 1."},
            "reason": {
                "type": "string",
                "enum": [str(reason) for reason in reasons],
                "description": "For programs; with every code except 1.",
            },
        },
    }


def _response(status: int, schema: str, text: str, codes: tuple[int, ...], *, of_round: bool) -> Schema:
    meanings = "\n".join(f"- `{code}`: {_CODES[code]}" for code in codes)
    retry = 99 in codes
    return response(f"{text}\n\n{meanings}", schema, _examples(status, codes, of_round=of_round), retry_after=retry)


def _examples(status: int, numbers: tuple[int, ...], *, of_round: bool) -> dict[str, object]:
    """Return responses as the service writes them, one for each reason under this status."""
    codes: list[str | None] = [None] if 1 in numbers else []
    codes += [
        code for code, (number, code_status) in RESPONSE_CODES.items() if number in numbers and code_status == status
    ]
    found: dict[str, object] = {}
    if of_round and status == 200:
        codes = [code for code in codes if code is None or code in _OF_ROUNDS]
    for code in codes:
        # Currency and balance are in every answer about a known session.
        known = (
            not of_round
            and status in (200, 503)
            and code not in ("session_unknown", "session_demo", "overloaded", "too_many_calls")
        )
        answer = render(Reply(code, currency="EUR", balance=_BALANCE) if known else Reply(code))
        found["done" if code is None else str(code)] = json.loads(bytes(answer.body))
    return found
