"""The named schemas of the casinos' calls in the OpenAPI document."""

from collections.abc import Mapping
from typing import get_args

from api.casino.responses import CONTRADICTION, FAILED, MALFORMED, PLAY_REFUSED, SUCCESS, UNKNOWN_BET
from api.documentation.operations import Schema, schema_ref
from betcore.domain.cashback import CASHBACK_TYPES
from betcore.domain.casino_values import LARGEST_ID
from betcore.domain.ids import TransactionType
from betcore.domain.launch import Mode, ViewType

TEXT: Schema = {"type": "string"}
NULLABLE_TEXT: Schema = {"type": ["string", "null"]}
_AMOUNT: Schema = {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"}
_NULLABLE_AMOUNT: Schema = {**_AMOUNT, "type": ["string", "null"]}
ID: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
_LIMIT: Schema = {"oneOf": [_AMOUNT, {"type": "number", "minimum": 0}]}
_URL: Schema = {"type": "string", "format": "uri"}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def object_of(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, about: str = "") -> Schema:
    """Return the schema of an object with these fields."""
    described = {"description": about} if about else {}
    return {"type": "object", **described, "required": [*required], "properties": {**required, **(optional or {})}}


def envelope(codes: tuple[int, ...], value: Schema) -> Schema:
    """Return the schema of an answer of the APIs for casinos."""
    code: Schema = {"type": "integer", "enum": list(codes)}
    return object_of({"ErrorCode": code, "Message": TEXT, "Value": value})


_GAME = object_of(
    {
        "GameId": {**ID, "description": "Our number of the game; it never changes."},
        "Provider": TEXT,
        "Name": TEXT,
        "Category": {**NULLABLE_TEXT, "description": "The provider's word."},
        "MaxOdd": _NULLABLE_AMOUNT,
        "ImageUrl": NULLABLE_TEXT,
        "Limits": {"type": "array", "items": schema_ref("GameLimit")},
        "Currencies": {"type": ["array", "null"], "items": TEXT, "description": "Null is any currency."},
        "Demo": {"type": "boolean", "description": "Whether it can be played without money."},
        "Enabled": {"type": "boolean", "description": "Whether it takes players now."},
        "UpdatedAt": MOMENT,
    }
)


def _accept(number: str, types: tuple[TransactionType, ...], about: str) -> Schema:
    return object_of(
        {
            number: ID,
            "TransactionType": {"type": "integer", "enum": [int(one) for one in types]},
            "PartnerUserId": TEXT,
            "Amount": {"oneOf": [_AMOUNT, {"type": "number", "minimum": 0}], "description": "That of our make."},
            "ErrorCode": {"oneOf": [{"type": "integer"}, TEXT], "description": "200, or why the casino refuses."},
        },
        {
            "PartnerTransactionId": {**NULLABLE_TEXT, "description": "The casino's id; needed unless it refuses."},
            "TransactionId": {**TEXT, "description": "That of our make."},
            "Balance": {**TEXT, "description": "After the movement; only shown."},
            "TaxAmount": TEXT,
            "Message": TEXT,
        },
        about,
    )


_LAUNCH = object_of(
    {
        "Language": {**TEXT, "description": "A language tag, such as en or pt-BR."},
        "ViewType": {"type": "string", "enum": [*get_args(ViewType)]},
        "Mode": {"type": "string", "enum": [*get_args(Mode)]},
    },
    {
        "RefreshToken": {**TEXT, "description": "Of the player: then neither PartnerUserId nor CurrencyCode is sent."},
        "PartnerUserId": {"oneOf": [TEXT, {"type": "integer", "minimum": 0}], "description": "The casino's player."},
        "CurrencyCode": {**TEXT, "description": "Such as EUR; with PartnerUserId."},
        "TagId": {"type": "integer", "minimum": 0, "maximum": LARGEST_ID, "default": 0},
        "Brand": {**TEXT, "description": "The casino's site; it counts for reports."},
        "MinBet": {**_LIMIT, "description": "The smallest stake of this session, in major units."},
        "MaxBet": {**_LIMIT, "description": "The largest stake of this session, in major units."},
        "ReturnUrl": {**_URL, "description": "The page to return to after the game."},
        "DepositUrl": {**_URL, "description": "The page on which the player deposits."},
    },
    "Who plays, and how the game is shown.",
)
_LAUNCHED = object_of(
    {
        "SessionId": {**TEXT, "description": "The same one if the same launch comes again within a minute."},
        "FrameUri": {**_URL, "description": "The page of the game: whoever has it plays as the player."},
        "ExpiresAt": MOMENT,
    },
    {"RefreshToken": {**TEXT, "description": "In place of the one that was sent."}},
)
# Those of the feed too: it has tokens of its own.
SHARED: dict[str, Schema] = {
    "TokenRequest": object_of(
        {"PartnerClientId": ID, "Secret": TEXT},
        {"Scope": {**TEXT, "description": "The scopes wanted, separated by blanks; without it, all."}},
    ),
    "Token": object_of(
        {
            "AccessToken": TEXT,
            "TokenType": {"type": "string", "enum": ["Bearer"]},
            "ExpiresIn": {"type": "integer", "description": "Seconds."},
            "Scope": TEXT,
        }
    ),
    "TokenAnswer": envelope((SUCCESS,), schema_ref("Token")),
    "RefusalAnswer": envelope((401, 403, 404, 405, FAILED, MALFORMED), {"type": "null"}),
}
SCHEMAS: dict[str, Schema] = {
    **SHARED,
    "VerifyRequest": object_of({"Token": TEXT}),
    "Verdict": object_of(
        {"Valid": {"type": "boolean"}}, {"Claims": {"type": "object", "description": "Those of a valid message."}}
    ),
    "VerifyAnswer": envelope((SUCCESS,), schema_ref("Verdict")),
    "Accept": _accept("BetId", tuple(TransactionType), "What became of a movement of a bet."),
    "CashbackAccept": _accept("CashbackId", CASHBACK_TYPES, "What became of a movement of a cashback."),
    "AcceptAnswer": envelope((SUCCESS, CONTRADICTION, UNKNOWN_BET), {"type": "null"}),
    "GameLimit": object_of({"CurrencyCode": TEXT, "MinBet": _NULLABLE_AMOUNT, "MaxBet": _NULLABLE_AMOUNT}),
    "Game": _GAME,
    "GamePage": object_of({"Games": {"type": "array", "items": schema_ref("Game")}, "NextCursor": NULLABLE_TEXT}),
    "GamesAnswer": envelope((SUCCESS,), schema_ref("GamePage")),
    "LaunchRequest": _LAUNCH,
    "Launched": _LAUNCHED,
    "LaunchAnswer": envelope((SUCCESS, *PLAY_REFUSED.values()), {"oneOf": [schema_ref("Launched"), {"type": "null"}]}),
    "Key": object_of({name: TEXT for name in ("kty", "n", "e", "alg", "kid", "use")}, about="An RSA key of RFC 7517."),
    "KeySet": object_of({"keys": {"type": "array", "items": schema_ref("Key")}}),
}
