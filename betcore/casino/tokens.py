"""Tokens of the Aggregator API for casinos: access tokens for casinos, and the messages that this service has signed.

Both are RS256 JWTs of the same keys. An access token has this service as its audience, and a scope. A message has its
casino as its audience, or none, and data. So neither can be taken for the other.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from betcore.db.signing_keys import SigningKeys
from betcore.domain.errors import NotAuthorised

# The clocks of our own machines may differ by this.
_LEEWAY = timedelta(seconds=10)
_MAX_TOKEN = 16 * 1024
_CLIENT = re.compile(r"PartnerClient-([1-9][0-9]{0,15})")
_ACCESS_CLAIMS = ["iss", "aud", "client_id", "scope", "iat", "nbf", "exp", "jti"]
_MESSAGE_CLAIMS = ["iss", "client_id", "nbf", "exp", "jti", "data"]


@dataclass(frozen=True, slots=True)
class Surface:
    """An API for casinos. Its access tokens open no other one."""

    audience: str
    lifetime: timedelta


CASINO_API = Surface("betcore:mis-api", timedelta(minutes=15))
# A page may hold such a token.
FEED = Surface("betcore:feed", timedelta(minutes=30))


@dataclass(frozen=True, slots=True)
class Holder:
    """The casino that an access token was issued to, in which generation of its tokens, and what it is good for.

    ``token_id`` is that of the token alone; it holds until ``expires_at``.
    """

    partner_client_id: int
    generation: int
    scopes: tuple[str, ...]
    token_id: str
    expires_at: datetime


class Tokens:
    """Signs and verifies tokens of one issuer with the keys of the database."""

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    async def issue(self, partner_client_id: int, generation: int, scope: str, surface: Surface) -> str:
        """Return an access token for a casino, until its lifetime is over or the casino's tokens get another
        generation.

        ``scope`` has its scopes, separated by blanks.
        """
        now, key = datetime.now(UTC), await self._keys.current()
        claims = {
            "iss": self._issuer,
            "aud": surface.audience,
            "client_id": f"PartnerClient-{partner_client_id}",
            "scope": scope,
            "gen": generation,
            "iat": now,
            "nbf": now,
            "exp": now + surface.lifetime,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(claims, key.private_key, algorithm="RS256", headers={"kid": key.kid, "typ": "at+jwt"})

    async def holder(self, token: str, surface: Surface) -> Holder:
        """Return whose access token it is. Raises NotAuthorised for any other token, also one of another API.

        A token of an older release names no generation: it is of the first one.
        """
        claims = await self._claims(token, _ACCESS_CLAIMS, surface.audience, _LEEWAY)
        client = _CLIENT.fullmatch(str(claims["client_id"])) if claims else None
        if claims is None or client is None:
            raise NotAuthorised("the access token does not hold")
        generation = claims.get("gen", 0)
        return Holder(
            partner_client_id=int(client[1]),
            generation=generation if isinstance(generation, int) else -1,
            scopes=tuple(str(claims["scope"]).split()),
            token_id=str(claims["jti"]),
            expires_at=datetime.fromtimestamp(float(str(claims["exp"])), UTC),
        )

    async def message(self, token: str) -> dict[str, object] | None:
        """Return the claims of a message that this service has signed and that is valid now; None for anything else."""
        claims = await self._claims(token, _MESSAGE_CLAIMS)
        client_id = claims and claims["client_id"]
        return claims if claims and claims.get("aud", client_id) == client_id else None

    async def _claims(
        self, token: str, required: list[str], audience: str | None = None, leeway: timedelta = timedelta()
    ) -> dict[str, object] | None:
        if len(token) > _MAX_TOKEN or not token.isascii():
            return None
        try:
            key = await self._keys.public(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                return None
            found: dict[str, object] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                audience=audience,
                leeway=leeway,
                options={"require": required, "verify_aud": audience is not None},
            )
        except (jwt.PyJWTError, RecursionError):
            return None
        return found
