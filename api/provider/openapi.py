"""The OpenAPI document of the provider's calls: every status and every ``_responseCode`` of each."""

import json
from typing import TypedDict

from api.provider.responses import RESPONSE_CODES, Reply, render
from api.provider.schemas import ID_SCHEMA, BetBody, json_schema
from api.provider.signature import HEADERS
from betcore.domain.money import Money

_SESSION = {"name": "session_id", "in": "path", "required": True, "schema": ID_SCHEMA}
_HEADERS = [
    {
        "name": header.name,
        "in": "header",
        "required": True,
        "schema": header.schema,
        "description": header.meaning,
    }
    for header in HEADERS
]

_CODES = {
    1: "done, or done before with the same data",
    2: "malformed request; nothing moved",
    3: "session unknown, of another provider, demo, or ended (for a new stake); nothing moved",
    4: "not enough money; nothing moved",
    5: "the bet never came (never_seen)",
    6: "contradicts what is recorded (different_data, already_settled, already_refunded, bet_refused)",
    7: "refused (below_min_bet, above_max_bet, player_blocked, limit_reached, game_disabled, casino_refused, "
    "casino_unavailable); nothing moved",
    8: "not authorised",
    99: "outcome not known yet; or this call did nothing: a new stake was turned away (overloaded), or calls come too "
    "fast (too_many_calls). Repeat the same call, or send Refund",
    104: "already processed: treat as 1 (if the profile asks for it)",
}

_BALANCE = Money(minor=12550, currency="EUR")
_EXAMPLES = {"betId": "bet-000001", "betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-000001"}
# name -> summary, codes under status 200
_OPERATIONS: dict[str, tuple[str, tuple[int, ...]]] = {
    "balance": ("The player's balance.", (1, 3)),
    "pay_in": ("Take a stake.", (1, 3, 4, 6, 7, 104)),
    "pay_out": ("Settle a bet; winnings of 0 are a loss.", (1, 3, 5, 6, 104)),
    "pay_in_out": ("Take a stake and pay its winnings at once.", (1, 3, 4, 6, 7, 104)),
    "refund": (
        "Return a stake, or keep it from ever being taken; of a bet settled by PayInOut, take the winnings back first.",
        (1, 3, 6, 7, 104),
    ),
}

_STATUSES = {
    400: ("The request cannot be read.", (2,)),
    401: ("The signature, its time or its request id does not hold.", (8,)),
    404: ("No such path.", (2,)),
    405: ("No such method here.", (2,)),
    413: ("More than 64 KiB.", (2,)),
    415: ("Not application/json.", (2,)),
    429: ("Too many calls of this counterparty; the header ``Retry-After`` says when to send the next.", (99,)),
    503: ("The outcome is not known yet; the header ``Retry-After`` says when to ask again.", (99,)),
}


class RouteArguments(TypedDict):
    """The arguments of a route decorator that document an operation."""

    name: str
    summary: str
    responses: dict[int | str, dict[str, object]]
    openapi_extra: dict[str, object]


def operation(name: str, body: type[BetBody] | None = None) -> RouteArguments:
    """Return the arguments of a route decorator that document an operation."""
    summary, codes = _OPERATIONS[name]
    extra: dict[str, object] = {"parameters": [_SESSION, *_HEADERS]}
    statuses = {200: ("The answer; ``_responseCode`` says which.", codes), **_STATUSES}
    if body is None:
        del statuses[415]
    else:
        schema = json_schema(body)
        content = {"schema": schema, "example": {field: _EXAMPLES[field] for field in schema["required"]}}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    responses: dict[int | str, dict[str, object]] = {
        status: _response(status, text, numbers) for status, (text, numbers) in statuses.items()
    }
    return {"name": name, "summary": summary, "responses": responses, "openapi_extra": extra}


def _examples(status: int, numbers: tuple[int, ...]) -> dict[str, object]:
    """Return responses as the service writes them, one for each reason under this status."""
    codes: list[str | None] = [None] if 1 in numbers else []
    codes += [
        code for code, (number, code_status) in RESPONSE_CODES.items() if number in numbers and code_status == status
    ]
    found: dict[str, object] = {}
    for code in codes:
        # Currency and balance are in every answer about a known session.
        known = status in (200, 503) and code not in ("session_unknown", "session_demo", "overloaded", "too_many_calls")
        answer = render(Reply(code, currency="EUR", balance=_BALANCE) if known else Reply(code))
        found["done" if code is None else code] = {"value": json.loads(bytes(answer.body))}
    return found


def _response(status: int, text: str, numbers: tuple[int, ...]) -> dict[str, object]:
    meanings = "\n".join(f"- `{number}`: {_CODES[number]}" for number in numbers)
    schema = {
        "type": "object",
        "required": ["_responseCode"],
        "properties": {
            "currency": {"type": "string"},
            "balance": {"type": ["number", "null"], "description": "Major units; null if it cannot be read."},
            "_responseCode": {"type": "integer", "enum": list(numbers)},
            "message": {"type": "string"},
            "reason": {"type": "string"},
        },
    }
    headers = {"Retry-After": {"schema": {"type": "string"}}} if 99 in numbers else {}
    return {
        "description": f"{text}\n\n{meanings}",
        "content": {"application/json": {"schema": schema, "examples": _examples(status, numbers)}},
        "headers": headers,
    }
