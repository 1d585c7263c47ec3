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
_ROUND_EXAMPLE = {
    "GameId": "draw-20261127-000042",
    "GameType": 1,
    "GameEdition": 42,
    "State": 3,
    "StartDate": "2026-11-27T10:30:00.000000Z",
    "FinishDate": "2026-11-27T10:30:20.000000Z",
    "Results": {"items": [{"value": 7}, {"value": 55}, {"value": 12}, {"value": 31}, {"value": 4}]},
    "Proof": {"Commitment": "9f86d0...", "Seed": "74657374...", "Algorithm": "draw-v1:5/60"},
}
_GAME_EXAMPLE = {
    "GameType": 1,
    "Name": "Draw",
    "InMaintenance": False,
    "BettingSeconds": 12,
    "CurrentGameId": "draw-20261127-000043",
    "State": 2,
    "PlayStatus": 1,
}
_NUMBER: Schema = {"type": "integer"}
_GAME_TYPE: Schema = {"type": "integer", "minimum": 1, "maximum": 32767}
_STATE: Schema = {
    "type": ["integer", "null"],
    "description": "1 awaiting, 2 active, 3 finished, 4 review, 5 cancelled; null: no round yet.",
}
_ITEMS = object_of({"value": {"oneOf": [_NUMBER, TEXT]}})
_SCHEMAS: dict[str, Schema] = {
    **SHARED,
    "LiveGame": object_of(
        {
            "GameType": _GAME_TYPE,
            "Name": TEXT,
            "InMaintenance": {"type": "boolean"},
            "BettingSeconds": _NUMBER,
            "CurrentGameId": {**NULLABLE_TEXT, "description": "The newest round: its gameRoundId."},
            "State": _STATE,
            "PlayStatus": {"type": ["integer", "null"], "description": "1 betting, 2 no more bets; null: not active."},
        }
    ),
    "LiveGamesAnswer": envelope((SUCCESS,), {"type": "array", "items": schema_ref("LiveGame")}),
    "Proof": object_of(
        {
            "Commitment": {**TEXT, "description": "SHA-256 of the seed, published before the bets."},
            "Seed": {**NULLABLE_TEXT, "description": "Null until the round is finished."},
            "Algorithm": NULLABLE_TEXT,
        }
    ),
    "Results": object_of({"items": {"type": "array", "items": _ITEMS}}),
    "Round": object_of(
        {
            "GameId": TEXT,
            "GameType": _GAME_TYPE,
            "GameEdition": {**_NUMBER, "description": "Counts the rounds of a game from 1."},
            "State": _STATE,
            "StartDate": {**MOMENT, "type": ["string", "null"]},
            "FinishDate": {**MOMENT, "type": ["string", "null"]},
            "Results": {"oneOf": [schema_ref("Results"), {"type": "null"}]},
            "Proof": {"oneOf": [schema_ref("Proof"), {"type": "null"}]},
        }
    ),
    "RoundAnswer": envelope((SUCCESS,), schema_ref("Round")),
    "History": object_of({"Games": {"type": "array", "items": schema_ref("Round")}, "NextCursor": NULLABLE_TEXT}),
    "HistoryAnswer": envelope((SUCCESS,), schema_ref("History")),
    "GameTypeName": object_of({"GameType": _GAME_TYPE, "Name": TEXT}),
    "Names": object_of(
        {
            "Language": {**TEXT, "description": "The language of the names."},
            "GameTypes": {"type": "array", "items": schema_ref("GameTypeName")},
        }
    ),
    "NamesAnswer": envelope((SUCCESS,), schema_ref("Names")),
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


_LANGUAGE_QUERY = [query("language", TEXT, "A language tag, such as en or pt-BR."), IF_NONE_MATCH]
_ROUND_QUERY = [
    query("gameId", TEXT, "The id of the round, its gameRoundId.", required=True),
    query("gameType", _GAME_TYPE, "Of which game, if rounds of two providers have the same id."),
    IF_NONE_MATCH,
]
_RESULTS_QUERY = [
    query("gameType", _GAME_TYPE, "Of which game.", required=True),
    query("from", MOMENT, "Only rounds that were finished then or later."),
    query("to", MOMENT, "Only rounds that were finished before then."),
    query("cursor", TEXT, "The NextCursor of the page before."),
    query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}, "Rounds on a page."),
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


def list_live_games() -> Operation:
    """Describe ``games/list``."""
    return _read("listLiveGames", "The live games as they are.", "LiveGamesAnswer", [_GAME_EXAMPLE], _LANGUAGE_QUERY)


def show_round() -> Operation:
    """Describe ``games/info``."""
    text = "A round with its results and its proof."
    return _read("showRound", text, "RoundAnswer", _ROUND_EXAMPLE, _ROUND_QUERY, (404,))


def list_results() -> Operation:
    """Describe ``games/results``."""
    example = {"Games": [_ROUND_EXAMPLE], "NextCursor": None}
    return _read("listResults", "Finished rounds of a game, newest first.", "HistoryAnswer", example, _RESULTS_QUERY)


def list_names() -> Operation:
    """Describe ``games/types/translations``."""
    example = {"Language": "en", "GameTypes": [{"GameType": 1, "Name": "Draw"}]}
    return _read("listGameTypes", "The names of game types in a language.", "NamesAnswer", example, _LANGUAGE_QUERY)


def _read(
    operation_id: str,
    text: str,
    answer: str,
    example: object,
    parameters: list[Schema],
    refusals: tuple[int, ...] = (),
) -> Operation:
    extra: Schema = {"parameters": parameters}
    answers, statuses = {"done": envelope_of(example)}, (400, *refusals, *BEARER)
    return tagged(
        operation(_TAG["name"], operation_id, text, answer, answers, statuses, extra, {"feedToken": ["feed"]})
    )
