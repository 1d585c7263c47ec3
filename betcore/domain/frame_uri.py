"""The address of a game's page, as its provider gives it: which ones may be put into a casino's page. Pure.

A provider that was taken over must not be able to show any page it likes there.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from betcore.domain.origins import DEFAULT_PORTS, HOST, is_loopback

_LONGEST = 4096
# The characters of RFC 3986. Browsers take a backslash for a slash and drop line ends, so that they could see another
# host than this module does.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")


def _as_frames_name_it(given: str) -> str:
    found = HOST.fullmatch(given)
    if found is None or len(given) > 255 or int(found["port"] or 1) > 65_535:
        raise ValueError("a host is games.example or games.example:8443, in lower case")
    return given


FrameHost = Annotated[str, AfterValidator(_as_frames_name_it)]


def doubt(frame_uri: str, frame_hosts: tuple[str, ...], own_host: str) -> str | None:
    """Return why a page must not be embedded, None if it may be.

    ``frame_hosts`` are those of the provider's profile. ``own_host`` is the host by which the caller has reached this
    service: a page of ours inside the frame would have the rights of the frame.
    """
    if len(frame_uri) > _LONGEST or not _CHARACTERS.fullmatch(frame_uri):
        return f"no address of at most {_LONGEST} characters"
    try:
        parts = urlsplit(frame_uri)
        port = parts.port
    except ValueError:
        return "no address"
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return "not absolute https"
    if "@" in parts.netloc:
        return "it names a user"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if parts.scheme == "http" and not is_loopback(host):
        return "not https"
    found = _with_port(host, port, parts.scheme)
    if found == _known(own_host, parts.scheme):
        return "it is a page of this service"
    if found not in {_known(one, parts.scheme) for one in frame_hosts}:
        return "its host is not in frame_hosts"
    return None


def _known(host: str, scheme: str) -> str:
    """Return a host of a profile or a request with its port."""
    found = HOST.fullmatch(host.lower())
    return _with_port(found["host"], int(found["port"]) if found["port"] else None, scheme) if found else ""


def _with_port(host: str, port: int | None, scheme: str) -> str:
    return f"{host}:{DEFAULT_PORTS[scheme] if port is None else port}"
