"""Calls to providers' own APIs (surface A): signed as a provider signs what it sends to us."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp

from betcore.domain.catalogue import GameList
from betcore.domain.partners import Provider
from betcore.provider import xsign
from betcore.provider.game_list import ListRefused, read_games

_GAMES_WITHIN = aiohttp.ClientTimeout(total=15, sock_connect=2)
_CHUNK = 64 * 1024
_MAX_ETAG = 200
_OK, _NOT_MODIFIED = 200, 304


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


async def _chunks(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    async for chunk in content.iter_chunked(_CHUNK):
        yield chunk
