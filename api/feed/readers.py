"""Who reads the feed: a casino's server, or a page with its access token, from an origin that the casino has named."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from api.caller_limits import CallerLimits, caller_address
from api.casino.callers import CasinoCallers, TokenCaller, bearer_token
from betcore.casino.tokens import FEED, Holder
from betcore.db.partners import Partners
from betcore.domain.errors import NotAuthorised, ScopeMissing
from betcore.domain.partners import Casino
from betcore.domain.scopes import Scope

_SCOPE: Scope = "feed"


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader: its casino, its access token, and the origin of its page; None is a server."""

    casino: Casino
    token: Holder
    origin: str | None


def request_token(connection: HTTPConnection) -> str:
    """Return the access token of a request. Raises NotAuthorised if there is none, or several."""
    return bearer_token(connection.headers)


class Readers:
    """Finds out who reads."""

    def __init__(self, callers: CasinoCallers, partners: Partners, limits: CallerLimits) -> None:
        self._callers = callers
        self._partners = partners
        self._limits = limits

    async def of(self, connection: HTTPConnection, token_of: Callable[[HTTPConnection], str] = request_token) -> Reader:
        """Return who makes a call or opens a websocket, by the token that ``token_of`` finds.

        Raises TooManyCalls, NotAuthorised, and ScopeMissing, also for a page of an origin that is not its casino's.
        """
        await self._limits.count_reader(caller_address(connection))
        caller = await self._callers.holder(token_of(connection), FEED)
        caller.check(_SCOPE)
        origin = foreign_origin(connection.headers)
        _check_origin(caller, origin)
        return Reader(caller.account.casino, caller.token, origin)

    async def may_go_on(self, reader: Reader) -> bool:
        """Return whether a reader's token would still be taken, if it has not expired."""
        account = await self._partners.account(reader.token.partner_client_id)
        if account is None or account.token_generation != reader.token.generation:
            return False
        try:
            caller = TokenCaller(account, reader.token)
            caller.check(_SCOPE)
            _check_origin(caller, reader.origin)
        except ScopeMissing:
            return False
        return True


def websocket_token(connection: HTTPConnection) -> str:
    """Return the access token of a websocket: of its headers, or of its query, because browsers can send no headers.

    Raises NotAuthorised if there is none, or two that differ.
    """
    in_query = connection.query_params.getlist("access_token")
    if len(set(in_query)) > 1:
        raise NotAuthorised("two access tokens")
    if "authorization" not in connection.headers and in_query:
        return in_query[0]
    in_header = bearer_token(connection.headers)
    if in_query and in_query[0] != in_header:
        raise NotAuthorised("two access tokens")
    return in_header


def foreign_origin(headers: Headers) -> str | None:
    """Return the origin of the page of another site that calls; None for a page of this service, and for a server."""
    origin = headers.get("origin")
    return None if origin is None or urlsplit(origin).netloc == headers.get("host") else origin


def _check_origin(caller: TokenCaller, origin: str | None) -> None:
    # There is no CORS for websockets: without this, any page that gets hold of a token could read by it.
    if origin is not None and origin not in caller.account.casino.profile.origins:
        raise ScopeMissing("the casino's profile does not name the origin of this page")
