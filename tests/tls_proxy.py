"""A server that speaks TLS alone, for tests: a proxy ends it in front of a server that speaks none, as the embedded
Temporal.

In threads, with blocking sockets: of a handshake that fails, asyncio drops the alert by which its client learns why.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.certificates import Pair

_CHUNK = 65_536


def context_of(server: Pair, clients: Path | None = None) -> ssl.SSLContext:
    """Return a server's context; ``clients`` is the authority of the client certificates that it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def in_front_of(server: tuple[str, int], context: ssl.SSLContext) -> Iterator[int]:
    """Listen on a free port, and pass on what comes by TLS; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, server, context), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: tuple[str, int], context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, server, context), daemon=True).start()


def _serve(client: socket.socket, server: tuple[str, int], context: ssl.SSLContext) -> None:
    with suppress(OSError), client:
        secured = context.wrap_socket(client, server_side=True)
        with secured, socket.create_connection(server) as there:
            back = threading.Thread(target=_pass_on, args=(there, secured), daemon=True)
            back.start()
            _pass_on(secured, there)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
