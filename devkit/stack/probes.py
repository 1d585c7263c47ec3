"""Probes of readiness: cheap ones, sent every few milliseconds while the stack starts."""

import asyncio
from collections.abc import Awaitable, Callable

from devkit.stack.ports import HOST

Probe = Callable[[], Awaitable[bool]]


def accepts(port: int) -> Probe:
    """Return whether a server listens on ``port``."""

    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        return True

    return probe


def answers(port: int, path: str) -> Probe:
    """``GET path`` has status 200."""

    async def probe() -> bool:
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            status = await reader.readline()
        except OSError:
            return False
        writer.close()
        return status.split()[1:2] == [b"200"]

    return probe


def all_of(*probes: Probe) -> Probe:
    """Return whether all of these probes succeed."""

    async def probe() -> bool:
        return all([await one() for one in probes])

    return probe
