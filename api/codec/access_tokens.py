"""Access tokens of the identity provider by which operators log in to the Temporal UI: JWTs, by its JWKS.

A token says what its holder may do in Temporal in the claim that Temporal's own authorizer reads: whoever may read a
namespace there may decode its payloads here, and nobody else.
"""

import asyncio
import time
from dataclasses import dataclass

import aiohttp
import jwt
import structlog

from betcore.domain.errors import NotAuthorised, ScopeMissing, Unavailable

_log = structlog.get_logger()

# Signatures alone: with an algorithm of shared secrets, a public key would be taken for the secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_READ = frozenset({"read", "write", "admin"})
# What is granted there holds for every namespace.
_SYSTEM = "temporal-system"
_LEEWAY = 10
_MAX_TOKEN, _MAX_JWKS = 16 * 1024, 256 * 1024
# Seconds: keys are fetched again after so many, also for an unknown key; and are not used without that for so many.
_FRESH, _AGAIN, _USABLE, _WITHIN = 600, 30, 3600, 5


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues access tokens, for whom, and the claim with what their holders may do."""

    jwks_url: str
    issuer: str
    audience: str
    permissions: str


class AccessTokens:
    """Verifies access tokens of one issuer for one namespace."""

    def __init__(self, http: aiohttp.ClientSession, issuer: Issuer, namespace: str) -> None:
        self._http = http
        self._issuer = issuer
        self._granting = {f"{scope}:{role}" for scope in (namespace, _SYSTEM) for role in _READ}
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = -float(_USABLE)
        self._fetching = asyncio.Lock()

    async def holder(self, token: str) -> str:
        """Return the subject of an access token.

        Raises NotAuthorised if it does not hold, ScopeMissing if its holder may not read the namespace, and Unavailable
        (``unreachable``) if the keys of its issuer cannot be fetched.
        """
        claims = await self._claims(token)
        granted = claims.get(self._issuer.permissions)
        given = granted.split() if isinstance(granted, str) else granted
        if not isinstance(given, list) or self._granting.isdisjoint(map(str, given)):
            raise ScopeMissing(f"the claim {self._issuer.permissions!r} does not let its holder read this namespace")
        return str(claims["sub"])

    async def _claims(self, token: str) -> dict[str, object]:
        if len(token) > _MAX_TOKEN or not token.isascii():
            raise NotAuthorised("the access token does not hold")
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid")))
            found: dict[str, object] = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self._issuer.issuer,
                audience=self._issuer.audience,
                leeway=_LEEWAY,
                options={"require": ["iss", "aud", "sub", "exp"]},
            )
        except (jwt.PyJWTError, RecursionError):
            raise NotAuthorised("the access token does not hold") from None
        return found

    async def _key(self, kid: str) -> jwt.PyJWK:
        async with self._fetching:
            age = time.monotonic() - self._fetched_at
            if (age > _FRESH or kid not in self._keys) and time.monotonic() - self._tried_at > _AGAIN:
                await self._fetch()
        if time.monotonic() - self._fetched_at > _USABLE:
            raise Unavailable("the identity provider's keys cannot be fetched", code="unreachable")
        if kid not in self._keys:
            raise NotAuthorised("the access token does not hold")
        return self._keys[kid]

    async def _fetch(self) -> None:
        """Fetch the keys; keep those from before if that fails."""
        self._tried_at = time.monotonic()
        try:
            async with asyncio.timeout(_WITHIN), self._http.get(self._issuer.jwks_url, allow_redirects=False) as answer:
                answer.raise_for_status()
                keys = jwt.PyJWKSet.from_json((await _bounded(answer.content)).decode())
        except (aiohttp.ClientError, TimeoutError, jwt.PyJWTError, ValueError) as error:
            _log.warning("the identity provider's keys cannot be fetched", error=str(error) or type(error).__name__)
            return
        self._keys = {str(one.key_id): one for one in keys.keys if one.key_type != "oct"}
        self._fetched_at = self._tried_at


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    try:
        await content.readexactly(_MAX_JWKS)
    except asyncio.IncompleteReadError as end:
        return end.partial
    raise ValueError(f"a JWKS has less than {_MAX_JWKS} bytes")
