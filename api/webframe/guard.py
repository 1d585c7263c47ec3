"""Who may call the frame's API: the frame's own page, and each address only so often."""

from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.requests import Request

from betcore.domain.errors import NotAuthorised, WrongContentType


def check_page(request: Request) -> None:
    """Raise NotAuthorised unless a browser says that a page of this service calls; WrongContentType unless it is JSON.

    A page of another site cannot send such a request: its browser names the origin, and asks first for this type.
    """
    headers = request.headers
    if urlsplit(headers.get("origin", "")).netloc != headers.get("host") or not headers.get("host"):
        raise NotAuthorised("the call does not come from the frame's page")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise NotAuthorised("the call comes from another site")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongContentType("the body is application/json")


def address(request: Request) -> str:
    """Return the address that calls; of IPv6 the network that one household has.

    It is the one that uvicorn believes: behind a proxy that ``FORWARDED_ALLOW_IPS`` names, the proxy's caller.
    """
    found = request.client.host if request.client else ""
    try:
        read = ip_address(found)
    except ValueError:
        return found
    return str(ip_network((read, 64), strict=False)) if isinstance(read, IPv6Address) else found
