"""What RFC 9112 has a server refuse and httptools takes.

Proxies read such requests in different ways: one that forwards them lets a caller smuggle a call into the connection of
another, or past a rule about hosts and paths.
"""

import re
from collections.abc import Iterable

# uri-host, which may be empty, and a port. A name in a URI has no other characters.
_HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?", re.ASCII)
_VERSIONS = ("1.0", "1.1")


def check(version: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], *, may_have_body: bool) -> None:
    """Raise ValueError if this is no request; names of headers are in lower case."""
    hosts, codings, length = [], [], b""
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"content-length":
            length = value.strip(b"0")
    if version not in _VERSIONS:
        raise ValueError("another version of HTTP")
    # Section 6.1: in HTTP/1.0 there is none, and chunks that are compressed too would reach nobody who reads them.
    if codings and (version == "1.0" or codings != [b"chunked"]):
        raise ValueError("another transfer coding than chunks")
    # Section 3.2.
    if len(hosts) > 1 or not (hosts or version == "1.0") or not all(map(_HOST.fullmatch, hosts)):
        raise ValueError("no host, or several")
    if (codings or length) and not may_have_body:
        raise ValueError("a body that cannot be read")
    if b"#" in target:
        raise ValueError("a fragment in the target")
