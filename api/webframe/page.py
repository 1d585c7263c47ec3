"""The frame's page: what it may do, and which sites may embed it."""

from collections.abc import Sequence

from starlette.responses import Response

from betcore.domain.origins import is_loopback

_HEADERS = {"Referrer-Policy": "strict-origin", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_UNKNOWN = "<!doctype html><title>Not found</title><p>There is no casino of this number."


def page(html: str, frame_hosts: Sequence[str], origins: Sequence[str]) -> Response:
    """Return the page for a casino: it shows games of these hosts, inside pages of these origins and no others."""
    policy = content_security_policy(frame_hosts, origins)
    return Response(html, headers={**_HEADERS, "Content-Security-Policy": policy}, media_type="text/html")


def unknown_casino() -> Response:
    """Return the page for a number that is no casino's."""
    policy = content_security_policy((), ())
    return Response(_UNKNOWN, 404, {**_HEADERS, "Content-Security-Policy": policy}, media_type="text/html")


def content_security_policy(frame_hosts: Sequence[str], origins: Sequence[str]) -> str:
    """Return the page's Content-Security-Policy. Profiles hold only hosts and origins that can stand in one.

    Pictures come by https from anywhere, and by http from a provider on this machine.
    """
    games = [_source(host) for host in frame_hosts]
    pictures = ["https:", *(local for source in games for local in source.split() if local.startswith("http://"))]
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {_sources(pictures)}",
            "connect-src 'self'",
            f"frame-src {_sources(games)}",
            f"frame-ancestors {_sources(origins)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _sources(given: Sequence[str]) -> str:
    return " ".join(given) or "'none'"


def _source(host: str) -> str:
    """Return where a game of a host comes from: by https, and by http only from this machine."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return f"http://{host} https://{host}" if is_loopback(name) else f"https://{host}"
