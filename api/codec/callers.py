"""Who asks the codec server: an operator with a token, in a page of a Temporal UI that the settings name."""

from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie

from starlette.requests import Request

from api.caller_limits import CallerLimits
from api.casino.callers import bearer_token
from api.codec.access_tokens import AccessTokens
from betcore.domain.errors import NotAuthorised, ScopeMissing
from betcore.runtime.operator_tokens import PREFIX, OperatorTokens

COOKIE = "betcore_codec"


class CodecCallers:
    """Finds out which operator asks."""

    def __init__(
        self,
        tokens: OperatorTokens,
        access_tokens: AccessTokens | None,
        origins: Collection[str],
        namespace: str,
        limits: CallerLimits,
    ) -> None:
        self._tokens = tokens
        self._access_tokens = access_tokens
        self._origins = origins
        self._namespace = namespace
        self._limits = limits

    async def of(self, request: Request) -> str:
        """Return the operator of a call, by its name or its subject.

        Raises ScopeMissing for a page of another origin and for another namespace, NotAuthorised without a token that
        holds, TooManyCalls, and what ``AccessTokens.holder`` raises. Until it is known who calls, the call counts for
        all strangers together.
        """
        try:
            self._check_page(request)
            operator = await self.holder(self._token(request))
        except NotAuthorised:
            await self._limits.count_stranger()
            raise
        await self._limits.count_operator(operator)
        return operator

    async def holder(self, token: str) -> str:
        """Return whose token it is. Raises NotAuthorised, and what ``AccessTokens.holder`` raises."""
        if not token.startswith(PREFIX) and self._access_tokens is not None:
            return await self._access_tokens.holder(token)
        entry = self._tokens.holder(token)
        if entry is None:
            raise NotAuthorised("the token does not hold")
        return entry.operator

    def _check_page(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is not None and origin not in self._origins:
            raise ScopeMissing("BETCORE_CODEC_ORIGINS does not name the origin of this page")
        if request.headers.get("x-namespace") != self._namespace:
            raise ScopeMissing("X-Namespace does not name the namespace of this server")

    @staticmethod
    def _token(request: Request) -> str:
        if "authorization" in request.headers:
            return bearer_token(request.headers)
        # A browser adds the cookie to any page's call: without its origin the call counts for nobody.
        if "origin" in request.headers and (token := _cookie(request)):
            return token
        raise NotAuthorised("a token is needed: Authorization: Bearer, or sign in at /sign-in")


def _cookie(request: Request) -> str | None:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None
