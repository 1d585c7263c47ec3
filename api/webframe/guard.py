"""Who may call the frame's API: the frame's own page."""

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
