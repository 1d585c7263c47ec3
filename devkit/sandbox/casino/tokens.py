"""The caller's identity: the signed token that is the body of every call of surface C.

The body is a JSON string literal that holds a compact JWT, RS256, ``kid`` in its header; the aggregator publishes its
keys as a JWKS. Claims: ``nbf``, ``exp``, ``iss``, ``client_id``, ``data`` (a string of JSON), ``jti``, and, if the
aggregator sends them, ``aud`` (the same as ``client_id``) and ``path`` (the call that the message is for).
"""

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt

Loader = Callable[[], Awaitable[Mapping[str, Any]]]

_CLIENT = re.compile(r"PartnerClient-([0-9]{1,18})")
_CLAIMS = ["nbf", "exp", "iss", "client_id", "data", "jti"]
_SECONDS_BETWEEN_READS = 1
_READ_TIMEOUT = aiohttp.ClientTimeout(total=5)


class BadToken(Exception):
    """The call is not what the aggregator signed for us, now. ``client_id`` is the unproven claim, if it is
    readable."""

    def __init__(self, reason: str, client_id: int | None = None) -> None:
        super().__init__(reason)
        self.client_id = client_id


class KeysUnavailable(Exception):
    """The aggregator's keys cannot be read, so that a token can be neither accepted nor refused."""


@dataclass(frozen=True)
class Token:
    """A verified token. ``data`` is the claim as text, still unread."""

    client_id: int
    data: str
    jti: str


def http_loader(url: str) -> Loader:
    """Return a function that reads a JWKS document over HTTP.

    It raises aiohttp's errors, TimeoutError, or ValueError for what is no JSON.
    """

    async def load() -> Mapping[str, Any]:
        async with aiohttp.ClientSession(timeout=_READ_TIMEOUT) as session, session.get(url) as answer:
            answer.raise_for_status()
            document: Mapping[str, Any] = await answer.json()
            return document

    return load


class Keys:
    """The aggregator's public keys by ``kid``, read again for an unknown one, at most once a second."""

    def __init__(self, load: Loader) -> None:
        self._load = load
        self._keys: dict[str, jwt.PyJWK] = {}
        self._reading = asyncio.Lock()
        self._read_at = -math.inf
        self._failure: str | None = None

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key, or None if the aggregator does not list it. Raises KeysUnavailable."""
        asked_at = time.monotonic()
        if kid in self._keys:
            return self._keys[kid]
        async with self._reading:
            # A read that began after this call arrived serves as its own.
            if kid not in self._keys and self._read_at < asked_at:
                await asyncio.sleep(self._read_at + _SECONDS_BETWEEN_READS - time.monotonic())
                await self._read()
            if kid not in self._keys and self._failure is not None:
                raise KeysUnavailable(self._failure)
        return self._keys.get(kid)

    async def _read(self) -> None:
        self._read_at = time.monotonic()
        try:
            document = await self._load()
            self._keys = {key["kid"]: jwt.PyJWK(key, "RS256") for key in document["keys"] if key["kty"] == "RSA"}
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            self._failure = repr(error)
        else:
            self._failure = None


async def verify(
    body: bytes, keys: Keys, leeway_of: Callable[[int], int], path: str, account: str | None = None
) -> Token:
    """Return the token in a request's body. ``leeway_of`` gives a casino's clock leeway in seconds.

    ``account`` is the casino whose wallet was called, if the address names it. A real casino always knows; here several
    may share one address, and the message names the one. Raises BadToken (answer 401) and KeysUnavailable (answer 503:
    a refusal would be a lie).
    """
    token = _string_literal(body)
    client_id = _claimed_client(token)
    try:
        key = await keys.find(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise BadToken("unknown kid", client_id)
        account = account or f"PartnerClient-{client_id}"
        options: Any = {"require": _CLAIMS, "verify_aud": False}
        claims = jwt.decode(token, key, algorithms=["RS256"], leeway=leeway_of(client_id), options=options)
    except jwt.PyJWTError as error:
        raise BadToken(str(error), client_id) from error
    if claims["client_id"] != account or claims.get("aud", account) != account:
        raise BadToken("the message is for another casino", client_id)
    if claims.get("path", path) != path:
        raise BadToken("the message is for another call", client_id)
    if not isinstance(claims["data"], str):
        raise BadToken("data is not a string", client_id)
    return Token(client_id, claims["data"], str(claims["jti"]))


def _string_literal(body: bytes) -> str:
    try:
        token = json.loads(body)
    except ValueError as error:
        raise BadToken("the body is not JSON") from error
    if not isinstance(token, str):
        raise BadToken("the body is not a JSON string")
    return token


def _claimed_client(token: str) -> int:
    """Return the casino that the token claims to be for: its leeway is needed before anything is proven."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise BadToken(str(error)) from error
    client = _CLIENT.fullmatch(str(claims.get("client_id")))
    if client is None:
        raise BadToken("client_id is not PartnerClient-<number>")
    return int(client[1])
