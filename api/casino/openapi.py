"""The casinos' calls in the OpenAPI document: every status and every ``ErrorCode`` of each."""

from typing import cast, get_args

from api.casino import openapi_examples as examples
from api.casino.openapi_operations import (
    BEARER,
    BODY,
    IF_NONE_MATCH,
    body,
    envelope_of,
    operation,
    query,
    rendered,
    tagged,
    written,
)
from api.casino.openapi_schemas import ID, MOMENT, SCHEMAS, TEXT
from api.casino.responses import CONTRADICTION, PLAY_REFUSED, UNKNOWN_BET, refusal
from api.documentation.operations import Operation, Schema
from betcore.domain.errors import PlayCode, PlayRefused
from betcore.domain.scopes import Scope

TAG = {"name": "Casinos", "description": "What a casino calls: docs/protocol-casino.md explains each call."}
SECURITY_SCHEMES: dict[str, Schema] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The AccessToken of auth/token; each call needs one of its scope.",
    },
}

# The frame has codes of its own, which no launch is answered with.
_PLAY_CODES = [code for code in cast(tuple[PlayCode, ...], get_args(PlayCode)) if code in PLAY_REFUSED]
_GAMES_QUERY = [
    query("category", TEXT, "Only games of this category."),
    query("provider", TEXT, "Only games of this provider."),
    query("updatedSince", MOMENT, "Only games that have changed after this time."),
    query("cursor", TEXT, "The NextCursor of the page before."),
    query("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 500}, "Games on a page."),
    IF_NONE_MATCH,
]


def components() -> dict[str, Schema]:
    """Return the named schemas of the casinos' calls."""
    return dict(SCHEMAS)


def issue_token() -> Operation:
    """Describe ``auth/token``."""
    asked = {"PartnerClientId": 2, "Secret": "example-secret-not-real", "Scope": "payments games"}
    answers = {"done": envelope_of(examples.TOKEN)}
    text = "An access token for the other calls."
    return _operation("issueToken", text, "TokenAnswer", answers, (*BODY, *BEARER), body("TokenRequest", asked))


def verify_message() -> Operation:
    """Describe ``auth/verify``."""
    asked = body("VerifyRequest", {"Token": examples.ACCESS_TOKEN}, TEXT)
    answers = {"valid": {"Valid": True, "Claims": examples.CLAIMS}, "not valid": {"Valid": False}}
    text = "Whether a token is a message that we have signed for a casino, and valid now."
    shown = {name: envelope_of(value) for name, value in answers.items()}
    return _operation("verifyMessage", text, "VerifyAnswer", shown, BODY, asked)


def accept_payment() -> Operation:
    """Describe ``payments/accept``."""
    answers = {
        "done": envelope_of(None),
        "contradiction": rendered(CONTRADICTION, "other_amount: this contradicts what is recorded"),
        "bet not found": rendered(UNKNOWN_BET, "bet not found"),
    }
    text = "Report the outcome of a movement of a bet."
    asked = body("Accept", examples.ACCEPT)
    return _operation("acceptPayment", text, "AcceptAnswer", answers, (*BODY, *BEARER), asked, "payments")


def accept_cashback() -> Operation:
    """Describe ``cashback-payments/accept``."""
    answers = {
        "done": envelope_of(None),
        "contradiction": rendered(CONTRADICTION, "other_amount: this contradicts what is recorded"),
        "cashback not found": rendered(UNKNOWN_BET, "cashback not found"),
    }
    text = "Report the outcome of a movement of a cashback."
    asked = body("CashbackAccept", examples.CASHBACK_ACCEPT)
    return _operation("acceptCashback", text, "AcceptAnswer", answers, (*BODY, *BEARER), asked, "payments")


def list_games() -> Operation:
    """Describe ``games``."""
    answers = {"done": envelope_of({"Games": [examples.GAME], "NextCursor": None})}
    extra: Schema = {"parameters": _GAMES_QUERY}
    text = "All games, or those that have changed."
    return tagged(_operation("listGames", text, "GamesAnswer", answers, (400, *BEARER), extra, "games"))


def launch_game() -> Operation:
    """Describe ``games/{GameId}/launch``."""
    answers = {"done": envelope_of(examples.LAUNCHED)}
    answers |= {code: written(refusal(PlayRefused("and why", code=code))) for code in _PLAY_CODES}
    game = {"name": "GameId", "in": "path", "required": True, "schema": ID, "description": "That of the list of games."}
    extra: Schema = {"parameters": [game], **body("LaunchRequest", examples.LAUNCH)}
    text = "Let a player into a game: the page to show."
    return _operation("launchGame", text, "LaunchAnswer", answers, (*BODY, *BEARER), extra, "launch")


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
    security: Schema | None = None if scope is None else {"accessToken": [scope]}
    return operation(TAG["name"], operation_id, summary, answer, answers, refusals, extra, security)
