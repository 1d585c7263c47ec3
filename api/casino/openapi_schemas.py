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
_NULLABLE_TEXT: Schema = {"type": ["string", "null"]}
_AMOUNT: Schema = {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"}
_NULLABLE_AMOUNT: Schema = {**_AMOUNT, "type": ["string", "null"]}
ID: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
_LIMIT: Schema = {"oneOf": [_AMOUNT, {"type": "number", "minimum": 0}]}
_URL: Schema = {"type": "string", "format": "uri"}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, about: str = "") -> Schema:
    described = {"description": about} if about else {}
    return {"type": "object", **described, "required": [*required], "properties": {**required, **(optional or {})}}


def _envelope(codes: tuple[int, ...], value: Schema) -> Schema:
    code: Schema = {"type": "integer", "enum": list(codes)}
    return _object({"ErrorCode": code, "Message": TEXT, "Value": value})


_GAME = _object(
    {
        "GameId": {**ID, "description": "Our number of the game; it never changes."},
        "Provider": TEXT,
        "Name": TEXT,
        "Category": {**_NULLABLE_TEXT, "description": "The provider's word."},
        "MaxOdd": _NULLABLE_AMOUNT,
        "ImageUrl": _NULLABLE_TEXT,
        "Limits": {"type": "array", "items": schema_ref("GameLimit")},
        "Currencies": {"type": ["array", "null"], "items": TEXT, "description": "Null is any currency."},
        "Demo": {"type": "boolean", "description": "Whether it can be played without money."},
        "Enabled": {"type": "boolean", "description": "Whether it takes players now."},
        "UpdatedAt": MOMENT,
    }
)


def _accept(number: str, types: tuple[TransactionType, ...], about: str) -> Schema:
    return _object(
        {
            number: ID,
            "TransactionType": {"type": "integer", "enum": [int(one) for one in types]},
            "PartnerUserId": TEXT,
            "Amount": {"oneOf": [_AMOUNT, {"type": "number", "minimum": 0}], "description": "That of our make."},
            "ErrorCode": {"oneOf": [{"type": "integer"}, TEXT], "description": "200, or why the casino refuses."},
        },
        {
            "PartnerTransactionId": {**_NULLABLE_TEXT, "description": "The casino's id; needed unless it refuses."},
            "TransactionId": {**TEXT, "description": "That of our make."},
            "Balance": {**TEXT, "description": "After the movement; only shown."},
            "TaxAmount": TEXT,
            "Message": TEXT,
        },
        about,
    )


_LAUNCH = _object(
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
_LAUNCHED = _object(
    {
        "SessionId": {**TEXT, "description": "The same one if the same launch comes again within a minute."},
        "FrameUri": {**_URL, "description": "The page of the game: whoever has it plays as the player."},
        "ExpiresAt": MOMENT,
    },
    {"RefreshToken": {**TEXT, "description": "In place of the one that was sent."}},
)
SCHEMAS: dict[str, Schema] = {
    "TokenRequest": _object(
        {"PartnerClientId": ID, "Secret": TEXT},
        {"Scope": {**TEXT, "description": "The scopes wanted, separated by blanks; without it, all."}},
    ),
    "Token": _object(
        {
            "AccessToken": TEXT,
            "TokenType": {"type": "string", "enum": ["Bearer"]},
            "ExpiresIn": {"type": "integer", "description": "Seconds."},
            "Scope": TEXT,
        }
    ),
    "TokenAnswer": _envelope((SUCCESS,), schema_ref("Token")),
    "VerifyRequest": _object({"Token": TEXT}),
    "Verdict": _object(
        {"Valid": {"type": "boolean"}}, {"Claims": {"type": "object", "description": "Those of a valid message."}}
    ),
    "VerifyAnswer": _envelope((SUCCESS,), schema_ref("Verdict")),
    "Accept": _accept("BetId", tuple(TransactionType), "What became of a movement of a bet."),
    "CashbackAccept": _accept("CashbackId", CASHBACK_TYPES, "What became of a movement of a cashback."),
    "AcceptAnswer": _envelope((SUCCESS, CONTRADICTION, UNKNOWN_BET), {"type": "null"}),
    "GameLimit": _object({"CurrencyCode": TEXT, "MinBet": _NULLABLE_AMOUNT, "MaxBet": _NULLABLE_AMOUNT}),
    "Game": _GAME,
    "GamePage": _object({"Games": {"type": "array", "items": schema_ref("Game")}, "NextCursor": _NULLABLE_TEXT}),
    "GamesAnswer": _envelope((SUCCESS,), schema_ref("GamePage")),
    "Jackpot": _object(
        {
            "JackpotId": ID,
            "Name": TEXT,
            "GameType": {**_NULLABLE_TEXT, "description": "The category of its games."},
            "CurrencyCode": TEXT,
            "Amount": {**TEXT, "description": "What it has come to, in major units."},
            "Seed": {**TEXT, "description": "What it begins with again after a win."},
            "UpdatedAt": MOMENT,
        }
    ),
    "JackpotsAnswer": _envelope((SUCCESS,), {"type": "array", "items": schema_ref("Jackpot")}),
    "LaunchRequest": _LAUNCH,
    "Launched": _LAUNCHED,
    "LaunchAnswer": _envelope((SUCCESS, *PLAY_REFUSED.values()), {"oneOf": [schema_ref("Launched"), {"type": "null"}]}),
    "Key": _object({name: TEXT for name in ("kty", "n", "e", "alg", "kid", "use")}, about="An RSA key of RFC 7517."),
    "KeySet": _object({"keys": {"type": "array", "items": schema_ref("Key")}}),
    "RefusalAnswer": _envelope((401, 403, 404, 405, FAILED, MALFORMED), {"type": "null"}),
}
