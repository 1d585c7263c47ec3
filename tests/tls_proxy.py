"""Servers that speak TLS alone, for tests: a proxy ends it in front of a server that speaks none, as the embedded ones.

In threads, with blocking sockets: of a handshake that fails, asyncio drops the alert by which its client learns why.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.certificates import Pair

_SSL_REQUEST = struct.pack("!ll", 8, 80_877_103)
_CHUNK = 65_536


class Refused(Exception):
    """The proxy does not let this client through; it has answered it."""


class Handshake(Protocol):
    """What precedes TLS with a client, and what follows it: returns the socket to go on with, or raises Refused."""

    def __call__(self, client: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket: ...


def context_of(server: Pair, clients: Path | None = None, *, required: bool = True) -> ssl.SSLContext:
    """Return a server's context; ``clients`` is the authority of client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def at_once(client: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Begin with TLS."""
    return context.wrap_socket(client, server_side=True)


def as_postgres(wants_certificate: Callable[[], bool]) -> Handshake:
    """Return what a PostgreSQL does whose pg_hba.conf has hostssl lines alone, with clientcert if it is wanted."""

    def handshake(client: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        if client.recv(8, socket.MSG_PEEK | socket.MSG_WAITALL) != _SSL_REQUEST:
            _refuse(client, 'no pg_hba.conf entry for host "127.0.0.1", user "u", database "d", no encryption')
        client.recv(8)
        client.sendall(b"S")
        secured = context.wrap_socket(client, server_side=True)
        if wants_certificate() and not secured.getpeercert():
            secured.recv(_CHUNK)
            _refuse(secured, "connection requires a valid client certificate")
        return secured

    return handshake


def _refuse(client: socket.socket, message: str) -> None:
    texts = ((b"S", "FATAL"), (b"C", "28000"), (b"M", message))
    fields = b"".join(kind + text.encode() + b"\0" for kind, text in texts)
    with client:
        client.sendall(b"E" + struct.pack("!l", len(fields) + 5) + fields + b"\0")
    raise Refused


@contextmanager
def in_front_of(server: tuple[str, int], context: ssl.SSLContext, handshake: Handshake = at_once) -> Iterator[int]:
    """Listen on a free port, and pass on what comes by TLS; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, server, context, handshake), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: tuple[str, int], context: ssl.SSLContext, handshake: Handshake) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, server, context, handshake), daemon=True).start()


def _serve(client: socket.socket, server: tuple[str, int], context: ssl.SSLContext, handshake: Handshake) -> None:
    with suppress(OSError, Refused), client:
        secured = handshake(client, context)
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
