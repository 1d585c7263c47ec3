"""Who calls an API for casinos: by an account's secret, or by an access token; each call counts for somebody."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import Headers

from api.caller_limits import CallerLimits
from api.request_metrics import called_by
from betcore.casino.tokens import Holder, Surface, Tokens
from betcore.db.partners import Partners
from betcore.domain.errors import NotAuthorised, ScopeMissing
from betcore.domain.partners import Casino, CasinoAccount
from betcore.domain.scopes import Scope

# Compared if the casino is unknown: otherwise the time of the answer would reveal which casinos exist.
_DUMMY_SECRETS = ("nobody-has-this-secret",)


@dataclass(frozen=True, slots=True)
class TokenCaller:
    """A caller with an access token that holds."""

    account: CasinoAccount
    token: Holder

    def check(self, scope: Scope) -> None:
        """Raise ScopeMissing unless both the token and the casino's account have the scope.

        The account is asked too: a token that was issued before lives on.
        """
        if scope not in self.token.scopes or scope not in self.account.casino.profile.scopes:
            raise ScopeMissing(f"the access token has no scope {scope}")


class CasinoCallers:
    """Finds out which casino calls."""

    def __init__(self, tokens: Tokens, partners: Partners, limits: CallerLimits) -> None:
        self._tokens = tokens
        self._partners = partners
        self._limits = limits

    async def by_secret(self, client_id: int, secret: str) -> CasinoAccount:
        """Return the account that a PartnerClientId and its Secret name. Raises NotAuthorised and TooManyCalls."""
        account = await self._identify(
            client_id,
            lambda found: _holds(secret, found.secrets if found else _DUMMY_SECRETS),
            "PartnerClientId and Secret do not hold",
        )
        await self._limits.count_casino(account.casino)
        return account

    async def by_token(self, request: Request, surface: Surface, scope: Scope) -> Casino:
        """Return the casino of a request's access token. Raises NotAuthorised, TooManyCalls, and ScopeMissing."""
        caller = await self.holder(bearer_token(request.headers), surface)
        await self._limits.count_casino(caller.account.casino)
        caller.check(scope)
        return caller.account.casino

    async def holder(self, token: str, surface: Surface) -> TokenCaller:
        """Return who calls with an access token; the call is counted only if it does not hold.

        Raises NotAuthorised, and TooManyCalls.
        """
        try:
            found = await self._tokens.holder(token, surface)
        except NotAuthorised:
            await self._limits.count_stranger()
            raise
        account = await self._identify(
            found.partner_client_id,
            lambda account: account is not None and account.token_generation == found.generation,
            "the access token does not hold",
        )
        return TokenCaller(account, found)

    async def _identify(
        self, client_id: int, holds: Callable[[CasinoAccount | None], bool], doubt: str
    ) -> CasinoAccount:
        """Return the account of a casino if that holds; else the call is counted for all strangers together.

        Raises NotAuthorised with the ``doubt``, and TooManyCalls.
        """
        known = self._partners.knows_account(client_id)
        if not known:
            await self._limits.count_stranger()
        account = await self._partners.account(client_id)
        if not holds(account) or account is None:
            if known:
                await self._limits.count_stranger()
            raise NotAuthorised(doubt)
        called_by(account.casino.name)
        return account


def bearer_token(headers: Headers) -> str:
    """Return the access token of a request. Raises NotAuthorised if it has none, or several."""
    given = headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorised("an access token is needed: Authorization: Bearer")
    return token.strip()


def _holds(given: str, secrets: Sequence[str]) -> bool:
    # A list: with a generator the time of the answer would reveal which secret matched.
    return any([hmac.compare_digest(_digest(given), _digest(secret)) for secret in secrets])


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
