"""Calls to providers' own APIs (surface A): signed as a provider signs what it sends to us."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from urllib.parse import quote

import aiohttp
from yarl import URL

from betcore.domain.catalogue import GameList
from betcore.domain.launch import Value
from betcore.domain.partners import Provider
from betcore.provider import xsign
from betcore.provider.game_list import ListRefused, read_games

_GAMES_WITHIN = aiohttp.ClientTimeout(total=15, sock_connect=2)
_CHUNK = 64 * 1024
_MAX_ETAG = 200
_LAUNCH_WITHIN = aiohttp.ClientTimeout(total=5, sock_connect=2)
_MAX_LAUNCH = 64 * 1024
_OK, _NOT_MODIFIED, _NOT_FOUND = 200, 304, 404


class LaunchFailed(Exception):
    """The provider has not launched a game; ``reason`` is stable: ``not_found``, ``status``, ``answer``."""

    def __init__(self, reason: str, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason.replace("_", " "))


class LaunchUnanswered(LaunchFailed):
    """No whole answer has come: ``timeout`` or ``connection``. The provider may have launched the game."""


class ProviderClient:
    """Sends requests to the APIs of all providers; there is one for each process."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def games(self, provider: Provider, etag: str | None = None) -> GameList | None:
        """Return the provider's list of games, None if it is still the one that had this ETag.

        Raises ListRefused: also ``timeout``, ``connection``, and ``status`` for another one than 200.
        """
        headers = xsign.headers(provider.secrets[0], provider.counterparty_id) | {"Accept-Encoding": "gzip"}
        if etag is not None:
            headers["If-None-Match"] = etag
        url = f"{provider.base_url}/v1/games"
        try:
            async with self._http.get(url, headers=headers, allow_redirects=False, timeout=_GAMES_WITHIN) as response:
                if etag is not None and response.status == _NOT_MODIFIED:
                    return None
                if response.status != _OK:
                    raise ListRefused("status", f"HTTP {response.status}")
                found = await read_games(_chunks(response.content))
                given = response.headers.get("ETag", "")
        except TimeoutError:
            raise ListRefused("timeout") from None
        except (aiohttp.ClientError, ValueError) as error:
            # ValueError: an address or an encoding that aiohttp cannot use.
            raise ListRefused("connection", type(error).__name__) from None
        return replace(found, etag=given if given and len(given) <= _MAX_ETAG and given.isascii() else None)

    async def launch(self, provider: Provider, game_id: str, message: Mapping[str, Value]) -> str:
        """Ask the provider once for a game, and return its ``frameUri`` unchecked.

        Raises LaunchUnanswered if the same message may be sent again, and LaunchFailed.
        """
        body = _written(message).encode()
        headers = xsign.headers(provider.secrets[0], provider.counterparty_id, body)
        headers["Content-Type"] = "application/json"
        # The id is one segment of the path, whatever its characters.
        url = URL(f"{provider.base_url}/v1/games/{quote(game_id, safe='')}/launch", encoded=True)
        try:
            async with self._http.post(
                url, data=body, headers=headers, allow_redirects=False, timeout=_LAUNCH_WITHIN
            ) as response:
                raw = await _bounded(response.content)
                status = response.status
        except TimeoutError:
            raise LaunchUnanswered("timeout") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise LaunchUnanswered("connection", type(error).__name__) from None
        if status == _NOT_FOUND:
            raise LaunchFailed("not_found", "the provider does not know the game")
        if status != _OK:
            raise LaunchFailed("status", f"HTTP {status}")
        return _frame_uri(raw)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """Return the body, cut if it is longer than any answer: what is cut does not parse."""
    raw = bytearray()
    async for chunk in content.iter_any():
        raw += chunk
        if len(raw) > _MAX_LAUNCH:
            break
    return bytes(raw[:_MAX_LAUNCH])


def _frame_uri(raw: bytes) -> str:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        raise LaunchFailed("answer", "not JSON") from None
    if not isinstance(answer, dict) or answer.get("_responseCode", 1) != 1:
        raise LaunchFailed("answer", "refused")
    found = answer.get("frameUri")
    if not isinstance(found, str):
        raise LaunchFailed("answer", "no frameUri")
    return found


def _written(message: Mapping[str, Value]) -> str:
    """Return compact JSON with keys in alphabetical order, and decimals as JSON numbers, digit by digit."""
    return "{" + ",".join(f"{json.dumps(name)}:{_json(message[name])}" for name in sorted(message)) + "}"


def _json(value: Value) -> str:
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return f"{value:f}"
        case _:
            return f"[{','.join(map(_json, value))}]"


async def _chunks(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    async for chunk in content.iter_chunked(_CHUNK):
        yield chunk
