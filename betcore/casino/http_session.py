"""The HTTP session in which a process sends requests to casinos and providers."""

import ssl

import aiohttp
from aiohttp.client import DEFAULT_TIMEOUT


def http_session(
    *,
    raise_for_status: bool = False,
    timeout: aiohttp.ClientTimeout = DEFAULT_TIMEOUT,
    tls: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """Return a session without cookies and without a limit of connections.

    One casino's cookies would go to every other casino on the same host name. Under a limit one slow partner could
    take the connections of all. ``tls`` is for servers whose certificates the system's authorities have not signed.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        raise_for_status=raise_for_status,
        timeout=timeout,
    )
