"""The tree of refusals and failures. Every class has a stable ``code``.

The same code is the ``type`` of an ``ApplicationError`` inside Temporal, stands in the bet's row, and is looked up in
the one table of ``api/envelope.py`` that gives ``_responseCode`` and HTTP status::

    BetcoreError
    ├── NotAuthorised          not_authorised
    ├── Malformed              malformed
    │   ├── TooLarge           too_large
    │   └── WrongContentType   wrong_content_type
    ├── SessionRefused         session_unknown, session_demo
    ├── Contradiction          different_data
    ├── OutcomeUnknown         outcome_unknown
    └── SetupRefused           invalid_profile, not_found, already_exists, ... (onboarding; never on the wire)

What a bet's row answers (no_money, already_settled, below_min_bet, ...) is not raised: it is a ``Code`` in the row, and
travels as a value.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why a call was not answered "done". The words are the ``reason`` on the wire."""

    NOT_AUTHORISED = "not_authorised"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
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
    CASINO_REFUSED = "casino_refused"
    CASINO_UNAVAILABLE = "casino_unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"


class BetcoreError(Exception):
    """Anything that this service refuses or fails at in a way that a caller must be told."""

    code: str = "internal"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        self.code = code or type(self).code
        super().__init__(message or self.code.replace("_", " "))


class NotAuthorised(BetcoreError):
    """The signature, its time, its request id or its sender does not hold."""

    code = Code.NOT_AUTHORISED


class Malformed(BetcoreError):
    """The request cannot be read as what it should be; nothing moved."""

    code = Code.MALFORMED


class TooLarge(Malformed):
    """The body is over the limit."""

    code = Code.TOO_LARGE


class WrongContentType(Malformed):
    """A body that is not declared as JSON."""

    code = Code.WRONG_CONTENT_TYPE


class SessionRefused(BetcoreError):
    """The session is unknown, of another provider, demo, or has ended (for a new stake)."""

    code = Code.SESSION_UNKNOWN


class Contradiction(BetcoreError):
    """The call contradicts what is recorded of the bet."""

    code = Code.DIFFERENT_DATA


class OutcomeUnknown(BetcoreError):
    """The outcome is not known yet: the same call may be repeated."""

    code = Code.OUTCOME_UNKNOWN


class SetupRefused(BetcoreError):
    """A command of onboarding or operation was refused; nothing changed."""

    code = "invalid"
