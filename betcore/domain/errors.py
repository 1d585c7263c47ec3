"""The tree of refusals and failures. Every error has a stable ``code``.

The codes of the upper half answer providers: one table in ``api/provider/responses.py`` maps them to ``_responseCode``
and HTTP status, a bet's row stores them, and inside Temporal they are the ``type`` of an ``ApplicationError``; those of
PlayRefused answer casinos and players. The codes of the lower half answer operators: a command prints them (``--json``:
``error.code``) and exits with status 1::

    BetcoreError
    ├── NotAuthorised          not_authorised
    │   └── ScopeMissing       not_authorised
    ├── Malformed              malformed
    │   ├── TooLarge           too_large
    │   ├── JackpotUnknown     jackpot_unknown
    │   └── WrongContentType   wrong_content_type
    ├── SessionRefused         session_unknown
    ├── Contradiction          different_data
    ├── OutcomeUnknown         outcome_unknown
    ├── Overloaded             overloaded
    ├── TooManyCalls           too_many_calls
    ├── PlayRefused            token_invalid, player_blocked, casino_disabled, game_unavailable, provider_unavailable,
    │                          casino_unavailable, currency_unsupported, limits_empty, session_expired
    │
    ├── InvalidInput           invalid_name, invalid_address, invalid_profile, invalid_limits, invalid_overlap,
    │                          invalid_mode, invalid_time, invalid_window, invalid_folder, invalid_file,
    │                          invalid_kind, invalid_operation, unknown_currency, not_supported
    ├── NotFound               not_found
    ├── PreconditionFailed     already_exists, provider_disabled, provider_suspended, casino_disabled, game_disabled,
    │                          game_gone, currency_unsupported, limits_empty, operation_refused
    ├── Misconfigured          invalid_settings, tls_refused, no_database, no_temporal, no_secret_key,
    │                          wrong_secret_key, no_signing_key
    └── Unavailable            unreachable, database_refused, ended, unknown

What a bet's row answers (no_money, already_settled, below_min_bet, ...) is not raised: it is a ``Code`` in the row, and
travels as a value.
"""

from enum import StrEnum
from typing import Literal


class Code(StrEnum):
    """Why a call of a provider was not answered "done": the ``reason`` on the wire."""

    NOT_AUTHORISED = "not_authorised"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    JACKPOT_UNKNOWN = "jackpot_unknown"
    LIVE_GAME_UNKNOWN = "live_game_unknown"
    UNKNOWN_ROUTE = "unknown_route"
    WRONG_METHOD = "wrong_method"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    SESSION_UNKNOWN = "session_unknown"
    SESSION_ENDED = "session_ended"
    SESSION_DEMO = "session_demo"
    NO_MONEY = "no_money"
    NEVER_SEEN = "never_seen"
    DIFFERENT_DATA = "different_data"
    ALREADY_SETTLED = "already_settled"
    ALREADY_REFUNDED = "already_refunded"
    BET_REFUSED = "bet_refused"
    BELOW_MIN_BET = "below_min_bet"
    ABOVE_MAX_BET = "above_max_bet"
    PLAYER_BLOCKED = "player_blocked"
    LIMIT_REACHED = "limit_reached"
    GAME_DISABLED = "game_disabled"
    ROUND_CLOSED = "round_closed"
    WIN_REFUSED = "win_refused"
    CASINO_REFUSED = "casino_refused"
    CASINO_UNAVAILABLE = "casino_unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OVERLOADED = "overloaded"
    TOO_MANY_CALLS = "too_many_calls"


class BetcoreError(Exception):
    """A refusal or a failure that the caller must learn of. ``code`` is stable, the message is for people."""

    code: str = "internal"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        self.code = code or type(self).code
        super().__init__(message or self.code.replace("_", " "))


class NotAuthorised(BetcoreError):
    """The signature, its timestamp, its request id or its sender is not valid."""

    code = Code.NOT_AUTHORISED


class ScopeMissing(NotAuthorised):
    """The caller has shown who it is, and may not do this: its token is not for it, or the page that calls is not."""


class Malformed(BetcoreError):
    """The request does not have the form of its operation; no money moved."""

    code = Code.MALFORMED


class TooLarge(Malformed):
    """The body is over the size limit."""

    code = Code.TOO_LARGE


class JackpotUnknown(Malformed):
    """There is no such pool, or the bet cannot win it: it is another casino's, or of another currency or game."""

    code = Code.JACKPOT_UNKNOWN


class WrongContentType(Malformed):
    """The body is not declared as JSON."""

    code = Code.WRONG_CONTENT_TYPE


class SessionRefused(BetcoreError):
    """The session is unknown, or belongs to another provider."""

    code = Code.SESSION_UNKNOWN


class Contradiction(BetcoreError):
    """The call contradicts the bet's row."""

    code = Code.DIFFERENT_DATA


class OutcomeUnknown(BetcoreError):
    """The outcome is not known yet: the provider may repeat the same call."""

    code = Code.OUTCOME_UNKNOWN


class Overloaded(BetcoreError):
    """There is more work than the service can do: the call was not begun, and the provider may send it again later."""

    code = Code.OVERLOADED


class TooManyCalls(BetcoreError):
    """The caller sends more than it may: the call was not read, and may be sent again later."""

    code = Code.TOO_MANY_CALLS


PlayCode = Literal[
    "token_invalid",
    "player_blocked",
    "casino_disabled",
    "game_unavailable",
    "provider_unavailable",
    "casino_unavailable",
    "currency_unsupported",
    "limits_empty",
    "session_expired",
]


class PlayRefused(BetcoreError):
    """A player is not let in, or gets no game. The code is for the casino and the frame; no money has moved."""

    def __init__(self, message: str, *, code: PlayCode) -> None:
        super().__init__(message, code=code)


InputCode = Literal[
    "invalid_name",
    "invalid_address",
    "invalid_profile",
    "invalid_limits",
    "invalid_overlap",
    "invalid_mode",
    "invalid_time",
    "invalid_window",
    "invalid_folder",
    "invalid_file",
    "invalid_kind",
    "invalid_operation",
    "unknown_currency",
    "not_supported",
]
PreconditionCode = Literal[
    "already_exists",
    "provider_disabled",
    "provider_suspended",
    "casino_disabled",
    "game_disabled",
    "game_gone",
    "currency_unsupported",
    "limits_empty",
    "operation_refused",
]
ConfigurationCode = Literal[
    "invalid_settings",
    "tls_refused",
    "no_database",
    "no_temporal",
    "no_secret_key",
    "wrong_secret_key",
    "no_signing_key",
]
FailureCode = Literal["unreachable", "database_refused", "ended", "unknown"]


class InvalidInput(BetcoreError):
    """What an operator entered is not valid; the message names the field. Nothing changed."""

    def __init__(self, message: str, *, code: InputCode) -> None:
        super().__init__(message, code=code)


class NotFound(BetcoreError):
    """What a command names does not exist. Nothing changed."""

    code = "not_found"


class PreconditionFailed(BetcoreError):
    """What a command asks for does not fit the present state. Nothing changed."""

    def __init__(self, message: str, *, code: PreconditionCode) -> None:
        super().__init__(message, code=code)


class Misconfigured(BetcoreError):
    """A setting, a key or an address is missing or wrong, so that the process cannot work."""

    def __init__(self, message: str, *, code: ConfigurationCode) -> None:
        super().__init__(message, code=code)


class Unavailable(BetcoreError):
    """A server or a workflow did not answer, or failed; what a command asked for may have happened."""

    def __init__(self, message: str, *, code: FailureCode) -> None:
        super().__init__(message, code=code)
