"""Origins of web pages, as browsers write them: ``https://casino.example``. Pure."""

import re
from typing import Annotated

from pydantic import AfterValidator

# What can stand in a Content-Security-Policy, and nothing that could end a directive there.
HOST = re.compile(r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?")
_ORIGIN = re.compile(rf"(https?)://{HOST.pattern}")
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Return whether a host, without its port, is this machine: only there is http as good as https."""
    return _LOOPBACK.fullmatch(host) is not None


def _as_browsers_write_it(given: str) -> str:
    found = _ORIGIN.fullmatch(given)
    if found is None or len(given) > 255:
        raise ValueError("an origin is https://host or https://host:port, in lower case, without a slash at its end")
    scheme, host, port = found.groups()
    if port is not None and (int(port) == DEFAULT_PORTS[scheme] or int(port) > 65_535):
        raise ValueError(f"an origin has its port only if that is not {DEFAULT_PORTS[scheme]}, and at most 65535")
    if scheme == "http" and not is_loopback(host):
        raise ValueError("an origin is https, and http only on this machine")
    return given


Origin = Annotated[str, AfterValidator(_as_browsers_write_it)]
