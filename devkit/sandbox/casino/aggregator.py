"""Surface D: what a casino calls at the aggregator: a bearer token for its secret; with it Accept, and the games.

Source of the names: the BETCORE Aggregator reference, and ``docs/protocol-casino.md`` if the reference is silent.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import aiohttp

from devkit.sandbox.casino.casinos import Casino, Credentials
from devkit.sandbox.casino.wire import Code

_PREFIX = "/mis-api/api/v2"
_FEED_PREFIX = "/partnersmediator-service/api/v2"
_ANSWER_WITHIN = aiohttp.ClientTimeout(total=10)
# Seconds before its expiry at which a token is no longer used, if its lifetime is long enough for that.
_MARGIN_SECONDS = 30


class NotDelivered(Exception):  # its handler reports it, in words
    """The aggregator gave no answer to a call; the text has the reason."""


@dataclass(frozen=True)
class Reply:
    """An answer: the HTTP status, and the envelope's ``ErrorCode`` and ``Value`` if there is an envelope."""

    status: int
    code: int | None = None
    value: object = None


@dataclass(frozen=True)
class _Token:
    text: str
    bought_with: Credentials
    good_until: datetime

    def serves(self, credentials: Credentials) -> bool:
        return self.bought_with == credentials and datetime.now(UTC) < self.good_until


class Aggregator:
    """The aggregator at ``base``, or at the address in a casino's credentials, and its feed.

    Usable inside ``session``.
    """

    def __init__(self, base: str | None, feed: str | None = None) -> None:
        self._base = base
        self._feed = feed
        self._http: aiohttp.ClientSession
        self._tokens: dict[int, _Token] = {}
        self._buying: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Open the connections to call with, for the length of the block."""
        async with aiohttp.ClientSession(timeout=_ANSWER_WITHIN) as self._http:
            yield

    async def accept(self, casino: Casino, path: str, body: Mapping[str, object]) -> Reply:
        """Send the body of an Accept once. Raises NotDelivered."""
        return await self._with_token(casino, "POST", path, json=body)

    async def games(self, casino: Casino, **query: str) -> Reply:
        """Ask for a page of games. Raises NotDelivered."""
        return await self._with_token(casino, "GET", "/games", params=query)

    async def feed_token(self, casino: Casino) -> tuple[str, str]:
        """Return the feed's address, and a new access token for it. Raises NotDelivered."""
        if casino.credentials is None or self._feed is None:
            raise NotDelivered("the casino has no secret, or the address of the feed is not known")
        asked = {"PartnerClientId": casino.client_id, "Secret": casino.credentials.secret}
        reply = await self._send("POST", f"{self._feed}{_FEED_PREFIX}/auth/token", json=asked)
        value = reply.value if isinstance(reply.value, dict) else {}
        if reply.code != Code.SUCCESS or not isinstance(value.get("AccessToken"), str):
            raise NotDelivered(f"the feed gave no token: HTTP {reply.status}, ErrorCode {reply.code}")
        return self._feed, value["AccessToken"]

    async def _with_token(self, casino: Casino, method: str, path: str, **given: Any) -> Reply:
        """Call with a token. One that is not taken is forgotten: the next try gets another."""
        credentials = casino.credentials
        if credentials is None:
            raise NotDelivered("the casino has no secret: POST /_credentials gives it one")
        token = await self._token(casino.client_id, credentials)
        headers = {"Authorization": f"Bearer {token.text}"}
        reply = await self._call(credentials, method, path, headers=headers, **given)
        if reply.status == HTTPStatus.UNAUTHORIZED and self._tokens.get(casino.client_id) is token:
            del self._tokens[casino.client_id]
        return reply

    async def _token(self, client_id: int, credentials: Credentials) -> _Token:
        async with self._buying[client_id]:
            held = self._tokens.get(client_id)
            if held is None or not held.serves(credentials):
                held = self._tokens[client_id] = await self._buy(client_id, credentials)
            return held

    async def _buy(self, client_id: int, credentials: Credentials) -> _Token:
        asked = {"PartnerClientId": client_id, "Secret": credentials.secret}
        since = datetime.now(UTC)
        reply = await self._call(credentials, "POST", "/auth/token", json=asked)
        value = reply.value if isinstance(reply.value, dict) else {}
        text, seconds = value.get("AccessToken"), value.get("ExpiresIn")
        if reply.code != Code.SUCCESS or not isinstance(text, str) or not isinstance(seconds, int):
            raise NotDelivered(f"auth/token gave no token: HTTP {reply.status}, ErrorCode {reply.code}")
        used_for = timedelta(seconds=seconds - min(_MARGIN_SECONDS, seconds // 10))
        return _Token(text, credentials, since + used_for)

    async def _call(self, credentials: Credentials, method: str, path: str, **given: Any) -> Reply:
        base = credentials.aggregator_url or self._base
        if base is None:
            raise NotDelivered("the address of the aggregator is not known")
        return await self._send(method, base.rstrip("/") + _PREFIX + path, **given)

    async def _send(self, method: str, url: str, **given: Any) -> Reply:
        try:
            async with self._http.request(method, url, allow_redirects=False, **given) as response:
                return _read(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise NotDelivered(f"{type(failure).__name__}: {failure}") from failure


def _read(status: int, body: bytes) -> Reply:
    try:
        envelope: Any = json.loads(body)
    except ValueError:
        return Reply(status)
    if not isinstance(envelope, dict) or type(envelope.get("ErrorCode")) is not int:
        return Reply(status)
    return Reply(status, envelope["ErrorCode"], envelope.get("Value"))
