"""The HTTP session with which a process calls casinos and providers."""

from typing import Any

import aiohttp


def http_session(**given: Any) -> aiohttp.ClientSession:
    """Return a session that keeps no cookies: one casino's would go to every other on the same host name.

    Its connections have no common limit, because one partner that is slow must not use up those of all.
    """
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), **given)
