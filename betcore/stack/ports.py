"""Ports on the loopback address: free ones, taken ones."""

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from betcore.stack.failures import StackRefused

HOST = "127.0.0.1"

# Below what Linux hands to outgoing connections (32768 and up): one of those could be in the way of a restart.
_FREE = range(15_000, 32_000)


def taken(port: int) -> bool:
    """Whether a server cannot listen on ``port`` now."""
    with socket.socket() as candidate:
        return not _bound(candidate, port)


def _bound(candidate: socket.socket, port: int) -> bool:
    # Without this the remains of closed connections count as taken; with it a listening server still does.
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((HOST, port))
    except OSError:
        return False
    return True


def free(count: int, avoid: Iterable[int] = ()) -> list[int]:
    """``count`` different ports that are free now and not in ``avoid``."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_FREE, len(_FREE)):
            if len(found) == count:
                break
            candidate = held.enter_context(socket.socket())
            if port not in avoid and _bound(candidate, port):
                found.append(port)
    return found


def settle(wanted: Mapping[str, int]) -> dict[str, int]:
    """The port for each name of a setting in ``wanted``; 0 becomes a free one.

    Raises StackRefused (``port_in_use``) naming the port and its environment variable.
    """
    seen: dict[int, str] = {}
    for name, port in wanted.items():
        if port == 0:
            continue
        variable = f"BETCORE_{name.upper()}"
        if port in seen:
            raise StackRefused(f"port {port} is asked for twice: {seen[port]} and {variable}", code="port_in_use")
        if taken(port):
            message = f"port {port} is in use: set {variable} to another port, or to 0 for a free one"
            raise StackRefused(message, code="port_in_use")
        seen[port] = variable
    spare = iter(free(sum(port == 0 for port in wanted.values()), avoid=seen))
    return {name: port or next(spare) for name, port in wanted.items()}
