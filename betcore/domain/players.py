"""Players, as casinos name them when they hand in a player's token. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from betcore.domain import casino_values

LONGEST_TOKEN = 4096
_LONGEST_USER = 128
_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,11}")


@dataclass(frozen=True, slots=True)
class CasinoUser:
    """Whose token it was, and the token that comes in its place."""

    partner_user_id: str
    currency: str
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthenticatedPlayer:
    """A player for whom the casino has spoken just now. ``refresh_token`` is for the next time, and leaves no process
    of ours but to the casino."""

    player_id: int
    partner_user_id: str
    currency: str
    refresh_token: str = field(repr=False)


def casino_user(value: Mapping[str, object]) -> CasinoUser | None:
    """Return the user in the Value of users/auth; None if any part is missing or cannot be taken as it is.

    Nothing is cut or cleaned: the casino would not know its own id or token again.
    """
    given = casino_values.field(value, "PartnerUserId")
    user, currency, token = (
        casino_values.identity(given),
        casino_values.field(value, "CurrencyCode"),
        casino_values.field(value, "RefreshToken"),
    )
    if user is None or user != str(given) or user != user.strip() or len(user) > _LONGEST_USER:
        return None
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency) or not is_token(token):
        return None
    return CasinoUser(user, currency, str(token))


def token_hash(token: str) -> str:
    """Return what stands in the database for a token: who reads it there cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_token(given: object) -> bool:
    """Return whether it may be a casino's refresh token: printable, without blanks around it, and not too long."""
    return (
        isinstance(given, str) and 1 <= len(given) <= LONGEST_TOKEN and given.isprintable() and given == given.strip()
    )
