"""The feed's OpenAPI document: its calls, with every status, and examples. Its hubs are in docs/feed.md."""

from api.casino.openapi_examples import TOKEN
from api.casino.openapi_operations import BEARER, BODY, IF_NONE_MATCH, body, envelope_of, operation, query, tagged
from api.casino.openapi_schemas import ID, MOMENT, NULLABLE_TEXT, SHARED, TEXT, envelope, object_of
from api.casino.responses import SUCCESS
from api.documentation.document import OPERATIONS, Document
from api.documentation.operations import Operation, Schema, schema_ref

_TAG = {"name": "Feed", "description": "What casinos' servers and pages read: docs/feed.md explains each call."}
_TEXT = """\
Live games, their rounds and results, and what jackpots have come to, for casinos' servers and pages. An access token of
`auth/token` opens nothing else: a page may hold it.
"""
_JACKPOT = {
    "JackpotId": 1,
    "Name": "Grand",
    "GameType": "slots",
    "CurrencyCode": "EUR",
    "Amount": "10342.17",
    "Seed": "10000.00",
    "UpdatedAt": "2026-11-27T10:30:00.123456Z",
}
_SCHEMAS: dict[str, Schema] = {
    **SHARED,
    "Jackpot": object_of(
        {
            "JackpotId": ID,
            "Name": TEXT,
            "GameType": {**NULLABLE_TEXT, "description": "The category of its games."},
            "CurrencyCode": TEXT,
            "Amount": {**TEXT, "description": "What it has come to, in major units."},
            "Seed": {**TEXT, "description": "What it begins with again after a win."},
            "UpdatedAt": MOMENT,
        }
    ),
    "JackpotsAnswer": envelope((SUCCESS,), {"type": "array", "items": schema_ref("Jackpot")}),
}
DOCUMENT = Document(
    title="Feed of the game aggregator",
    text=_TEXT,
    tags=(_TAG, OPERATIONS),
    schemas=_SCHEMAS,
    security_schemes={
        "feedToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The AccessToken of auth/token.",
        }
    },
)

_JACKPOTS_QUERY = [
    query("gameType", TEXT, "Only those of games of this category."),
    query("currency", TEXT, "Only those in this currency."),
    IF_NONE_MATCH,
]


def issue_token() -> Operation:
    """Describe ``auth/token``."""
    asked = {"PartnerClientId": 2, "Secret": "example-secret-not-real"}
    answers = {"done": envelope_of(TOKEN | {"Scope": "feed", "ExpiresIn": 1800})}
    text = "An access token for the feed, and for nothing else: a page may hold it."
    statuses = (*BODY, *BEARER)
    return operation(
        _TAG["name"], "issueFeedToken", text, "TokenAnswer", answers, statuses, body("TokenRequest", asked)
    )


def list_jackpots() -> Operation:
    """Describe ``jackpots/accumulated``."""
    text = "The casino's jackpots, with what they have come to."
    return _read("listJackpots", text, "JackpotsAnswer", [_JACKPOT], _JACKPOTS_QUERY)


def _read(operation_id: str, text: str, answer: str, example: object, parameters: list[Schema]) -> Operation:
    extra: Schema = {"parameters": parameters}
    answers, statuses = {"done": envelope_of(example)}, (400, *BEARER)
    return tagged(
        operation(_TAG["name"], operation_id, text, answer, answers, statuses, extra, {"feedToken": ["feed"]})
    )
