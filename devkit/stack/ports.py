"""Ports on the loopback address: free ones, taken ones."""

import atexit
import random
import socket
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack

from devkit.stack.errors import StackRefused

HOST = "127.0.0.1"

# Below what Linux hands to outgoing connections (32768 and up): one of those could be in the way of a restart.
_FREE = range(15_000, 32_000)

# Before its server listens, another stack could choose the same port. So the UDP port of the same number, which none of
# our servers uses, is held until this process ends: that marks the port as chosen.
_chosen = ExitStack()
atexit.register(_chosen.close)


def taken(port: int) -> bool:
    """Return whether a server cannot listen on ``port`` now."""
    with socket.socket() as candidate:
        # Without this the remains of closed connections count as taken; with it a listening server still does.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return True
    return False


def free(count: int, avoid: Iterable[int] = ()) -> list[int]:
    """Return ``count`` different ports that are free now and not in ``avoid``; this function gives them to no other
    process."""
    found: list[int] = []
    for port in random.sample(_FREE, len(_FREE)):
        if len(found) == count:
            break
        if port not in avoid and not taken(port) and _chosen_first(port):
            found.append(port)
    return found


def _chosen_first(port: int) -> bool:
    mark = socket.socket(type=socket.SOCK_DGRAM)
    try:
        mark.bind((HOST, port))
    except OSError:
        mark.close()
        return False
    _chosen.enter_context(mark)
    return True


def settle(wanted: Mapping[str, int], avoid: Collection[int] = ()) -> dict[str, int]:
    """Return the port for each name of a setting in ``wanted``; 0 becomes a free one that is not in ``avoid``.

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
    spare = iter(free(sum(port == 0 for port in wanted.values()), avoid={*seen, *avoid}))
    return {name: port or next(spare) for name, port in wanted.items()}
