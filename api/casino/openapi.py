"""The casinos' calls in the OpenAPI document: every status and every ``ErrorCode`` of each."""

import json
from typing import cast, get_args

from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.casino import openapi_examples as examples
from api.casino.openapi_schemas import ID, MOMENT, SCHEMAS, TEXT
from api.casino.responses import CONTRADICTION, PLAY_REFUSED, SUCCESS, UNKNOWN_BET, refusal, render, repeat_later
from api.documentation.operations import Operation, Schema, response, schema_ref
from betcore.domain.errors import Malformed, NotAuthorised, PlayCode, PlayRefused, ScopeMissing, TooLarge, TooManyCalls
from betcore.domain.scopes import Scope

TAG = {"name": "Casinos", "description": "What a casino calls: docs/protocol-casino.md explains each call."}
SECURITY_SCHEMES: dict[str, Schema] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The AccessToken of auth/token; each call needs one of its scope.",
    },
    "feedToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The AccessToken of the feed's own auth/token.",
    },
}

# status -> meaning, and what is answered
_REFUSALS: dict[int, tuple[str, Response]] = {
    400: ("It cannot be read; ``Message`` says what.", refusal(Malformed("the body is not JSON"))),
    401: ("The secret or the token does not hold.", refusal(NotAuthorised("the access token does not hold"))),
    403: ("The token has not the scope of this call.", refusal(ScopeMissing("the access token has no scope games"))),
    405: ("No such method here.", refusal(HTTPException(405))),
    413: ("More than 64 KiB.", refusal(TooLarge("a body has 65536 bytes at most"))),
    429: ("More calls than agreed: this one was not read.", refusal(TooManyCalls("send it again later"))),
    503: ("Not possible at the moment: send the same again.", repeat_later()),
}
# The frame has codes of its own, which no launch is answered with.
_PLAY_CODES = [code for code in cast(tuple[PlayCode, ...], get_args(PlayCode)) if code in PLAY_REFUSED]
_BODY, _BEARER = (400, 413), (401, 403, 429)


def _query(name: str, schema: Schema, about: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": about}


_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "schema": TEXT,
    "description": "The ETag of an answer.",
}
_GAMES_QUERY = [
    _query("category", TEXT, "Only games of this category."),
    _query("provider", TEXT, "Only games of this provider."),
    _query("updatedSince", MOMENT, "Only games that have changed after this time."),
    _query("cursor", TEXT, "The NextCursor of the page before."),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 500}, "Games on a page."),
    _IF_NONE_MATCH,
]
_JACKPOTS_QUERY = [
    _query("gameType", TEXT, "Only those of games of this category."),
    _query("currency", TEXT, "Only those in this currency."),
    _IF_NONE_MATCH,
]


def components() -> dict[str, Schema]:
    """Return the named schemas of the casinos' calls."""
    return dict(SCHEMAS)


def issue_token() -> Operation:
    """Describe ``auth/token``."""
    asked = {"PartnerClientId": 2, "Secret": "example-secret-not-real", "Scope": "payments games"}
    answers = {"done": _envelope_of(examples.TOKEN)}
    text = "An access token for the other calls."
    return _operation("issueToken", text, "TokenAnswer", answers, (*_BODY, *_BEARER), _body("TokenRequest", asked))


def verify_message() -> Operation:
    """Describe ``auth/verify``."""
    body = _body("VerifyRequest", {"Token": examples.ACCESS_TOKEN}, TEXT)
    answers = {"valid": {"Valid": True, "Claims": examples.CLAIMS}, "not valid": {"Valid": False}}
    text = "Whether a token is a message that we have signed for a casino, and valid now."
    shown = {name: _envelope_of(value) for name, value in answers.items()}
    return _operation("verifyMessage", text, "VerifyAnswer", shown, _BODY, body)


def accept_payment() -> Operation:
    """Describe ``payments/accept``."""
    answers = {
        "done": _envelope_of(None),
        "contradiction": _rendered(CONTRADICTION, "other_amount: this contradicts what is recorded"),
        "bet not found": _rendered(UNKNOWN_BET, "bet not found"),
    }
    text = "Report the outcome of a movement of a bet."
    body = _body("Accept", examples.ACCEPT)
    return _operation("acceptPayment", text, "AcceptAnswer", answers, (*_BODY, *_BEARER), body, "payments")


def accept_cashback() -> Operation:
    """Describe ``cashback-payments/accept``."""
    answers = {
        "done": _envelope_of(None),
        "contradiction": _rendered(CONTRADICTION, "other_amount: this contradicts what is recorded"),
        "cashback not found": _rendered(UNKNOWN_BET, "cashback not found"),
    }
    text = "Report the outcome of a movement of a cashback."
    body = _body("CashbackAccept", examples.CASHBACK_ACCEPT)
    return _operation("acceptCashback", text, "AcceptAnswer", answers, (*_BODY, *_BEARER), body, "payments")


def list_games() -> Operation:
    """Describe ``games``."""
    answers = {"done": _envelope_of({"Games": [examples.GAME], "NextCursor": None})}
    extra: Schema = {"parameters": _GAMES_QUERY}
    text = "All games, or those that have changed."
    return _tagged(_operation("listGames", text, "GamesAnswer", answers, (400, *_BEARER), extra, "games"))


def launch_game() -> Operation:
    """Describe ``games/{GameId}/launch``."""
    answers = {"done": _envelope_of(examples.LAUNCHED)}
    answers |= {code: _written(refusal(PlayRefused("and why", code=code))) for code in _PLAY_CODES}
    game = {"name": "GameId", "in": "path", "required": True, "schema": ID, "description": "That of the list of games."}
    extra: Schema = {"parameters": [game], **_body("LaunchRequest", examples.LAUNCH)}
    text = "Let a player into a game: the page to show."
    return _operation("launchGame", text, "LaunchAnswer", answers, (*_BODY, *_BEARER), extra, "launch")


def issue_feed_token() -> Operation:
    """Describe ``auth/token`` of the feed."""
    asked = {"PartnerClientId": 2, "Secret": "example-secret-not-real"}
    answers = {"done": _envelope_of(examples.TOKEN | {"Scope": "feed", "ExpiresIn": 1800})}
    text = "An access token for the feed, and for nothing else: a page may hold it."
    return _operation("issueFeedToken", text, "TokenAnswer", answers, (*_BODY, *_BEARER), _body("TokenRequest", asked))


def list_jackpots() -> Operation:
    """Describe ``jackpots/accumulated`` of the feed."""
    answers = {"done": _envelope_of([examples.JACKPOT])}
    extra: Schema = {"parameters": _JACKPOTS_QUERY, "security": [{"feedToken": ["feed"]}]}
    text = "The casino's jackpots, with what they have come to."
    return _tagged(_operation("listJackpots", text, "JackpotsAnswer", answers, (400, *_BEARER), extra))


def _tagged(found: Operation) -> Operation:
    """Add to an operation that its answer has an ETag, and what the one that has it is answered."""
    headers = {"headers": {"ETag": {"schema": TEXT}}}
    found["responses"] |= {200: found["responses"][200] | headers, 304: {"description": "Nothing has changed."}}
    return found


def list_keys() -> Operation:
    """Describe ``auth/jwks``."""
    shown: dict[str, object] = {"keys": {"keys": [examples.KEY]}}
    return _operation("listKeys", "The keys of the messages that we send to casinos.", "KeySet", shown, ())


def _operation(
    operation_id: str,
    summary: str,
    answer: str,
    answers: dict[str, object],
    refusals: tuple[int, ...],
    extra: Schema | None = None,
    scope: Scope | None = None,
) -> Operation:
    """Return the arguments of a route decorator; ``refusals`` are the statuses beside those that every call has."""
    statuses = sorted({*refusals, 405, 503}) if refusals else ()
    security: Schema = {} if scope is None else {"security": [{"accessToken": [scope]}]}
    responses: dict[int | str, Schema] = {200: response("The answer.", answer, answers)}
    for status in statuses:
        text, answered = _REFUSALS[status]
        shown = {"refused": _written(answered)}
        responses[status] = response(text, "RefusalAnswer", shown, retry_after=status in (429, 503))
    return {
        "name": operation_id,
        "operation_id": operation_id,
        "summary": summary,
        "tags": [TAG["name"]],
        "responses": responses,
        "openapi_extra": {**(extra or {}), **security},
    }


def _body(name: str, example: object, other: Schema | None = None) -> Schema:
    """Return the body of a call: of a named schema, or of another one."""
    schema = schema_ref(name) if other is None else {"oneOf": [schema_ref(name), other]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def _envelope_of(value: object) -> object:
    return _rendered(SUCCESS, "Success", value)


def _rendered(code: int, message: str, value: object = None) -> object:
    """Return an answer as the service writes it."""
    return _written(render(code, message, value))


def _written(answer: Response) -> object:
    return json.loads(bytes(answer.body))
