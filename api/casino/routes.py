"""The Aggregator API for casinos: access tokens, verification of our messages, Accepts, games and their launch.

Every response is ``{"ErrorCode", "Message", "Value"}``. HTTP 200 is final, 503 asks for the same call again, and 400
says why a call cannot be read.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.caller_limits import CallerLimits
from api.casino import openapi, schemas
from api.casino.accepts import AcceptReceiver
from api.casino.games import GamesView
from api.casino.launch import CasinoLaunch
from api.casino.responses import CONTRADICTION, SUCCESS, UNKNOWN_BET, refusal, render, repeat_later
from api.request_body import read_body
from betcore.casino.tokens import LIFETIME, Tokens
from betcore.db.partners import Partners
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.errors import NotAuthorised, ScopeMissing
from betcore.domain.partners import Casino, CasinoAccount
from betcore.domain.scopes import Scope, granted

PREFIX = "/mis-api/api/v2"
_ANSWERS = {
    AcceptOutcome.STORED: (SUCCESS, "Success"),
    AcceptOutcome.REPEATED: (SUCCESS, "Success"),
    AcceptOutcome.ENDED: (SUCCESS, "Success"),
    AcceptOutcome.CONTRADICTED: (CONTRADICTION, "this contradicts what is recorded"),
    AcceptOutcome.UNKNOWN: (UNKNOWN_BET, "bet not found"),
}
_WITHIN = 5.0
# A provider has five seconds, twice; a launch that another call has begun is waited for before the next one.
_LAUNCH_WITHIN = 30.0
# Compared if the casino is unknown: otherwise the time of the answer would reveal which casinos exist.
_DUMMY_SECRETS = ("nobody-has-this-secret",)


def router(
    tokens: Tokens,
    partners: Partners,
    accepts: AcceptReceiver,
    games: GamesView,
    launches: CasinoLaunch,
    limits: CallerLimits,
) -> APIRouter:
    """Return the routes ``auth/token``, ``auth/verify``, the Accepts, ``games`` and the launch of a game."""
    routes = APIRouter(prefix=PREFIX)

    async def token(request: Request) -> Response:
        client_id, secret, asked = schemas.credentials(await read_body(request))
        account = await _identify(
            partners,
            limits,
            client_id,
            lambda found: _holds(secret, found.secrets if found else _DUMMY_SECRETS),
            "PartnerClientId and Secret do not hold",
        )
        scope = granted(account.casino.profile.scopes, asked)
        value = {
            "AccessToken": await tokens.issue(client_id, account.token_generation, scope),
            "TokenType": "Bearer",
            "ExpiresIn": int(LIFETIME.total_seconds()),
            "Scope": scope,
        }
        return render(SUCCESS, "Success", value, headers={"Cache-Control": "no-store"})

    async def verify(request: Request) -> Response:
        claims = await tokens.message(schemas.token(await read_body(request)))
        value = {"Valid": False} if claims is None else {"Valid": True, "Claims": claims}
        return render(SUCCESS, "Success", value)

    async def accept(request: Request, *, cashback: bool = False) -> Response:
        casino = await _authenticate(request, tokens, partners, limits, "payments")
        stored = await accepts.receive(casino, await read_body(request), cashback=cashback)
        if stored.outcome is AcceptOutcome.LATER:
            return repeat_later()
        if stored.outcome is AcceptOutcome.UNKNOWN and cashback:
            return render(UNKNOWN_BET, "cashback not found")
        code, message = _ANSWERS[stored.outcome]
        return render(code, f"{stored.reason}: {message}" if stored.reason else message)

    async def accept_cashback(request: Request) -> Response:
        return await accept(request, cashback=True)

    async def list_games(request: Request) -> Response:
        await _authenticate(request, tokens, partners, limits, "games")
        return await games.answer(request)

    async def launch(request: Request) -> Response:
        casino = await _authenticate(request, tokens, partners, limits, "launch")
        return await launches.answer(casino, request, await read_body(request))

    routes.post("/auth/token", **openapi.issue_token())(_with_refusals(token))
    routes.post("/auth/verify", **openapi.verify_message())(_with_refusals(verify))
    routes.post("/payments/accept", **openapi.accept_payment())(_with_refusals(accept))
    routes.post("/cashback-payments/accept", **openapi.accept_cashback())(_with_refusals(accept_cashback))
    routes.get("/games", **openapi.list_games())(_with_refusals(list_games))
    routes.post("/games/{GameId}/launch", **openapi.launch_game())(_with_refusals(launch, _LAUNCH_WITHIN))
    return routes


def owns(path: str) -> bool:
    """Return whether a refusal at this path has the form of this API. The JWKS has no form of its own."""
    return path.startswith(f"{PREFIX}/") and path != f"{PREFIX}/auth/jwks"


def _with_refusals(
    handle: Callable[[Request], Awaitable[Response]], within: float = _WITHIN
) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        try:
            async with asyncio.timeout(within):
                return await handle(request)
        except Exception as error:
            return refusal(error)

    return answered


def _holds(given: str, secrets: Sequence[str]) -> bool:
    # A list: with a generator the time of the answer would reveal which secret matched.
    return any([hmac.compare_digest(_digest(given), _digest(secret)) for secret in secrets])


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def _authenticate(
    request: Request, tokens: Tokens, partners: Partners, limits: CallerLimits, scope: Scope
) -> Casino:
    """Return the casino of a request's access token. Raises NotAuthorised, TooManyCalls, and ScopeMissing."""
    given = request.headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorised("an access token is needed: Authorization: Bearer")
    try:
        holder = await tokens.holder(token.strip())
    except NotAuthorised:
        await limits.count_stranger()
        raise
    account = await _identify(
        partners,
        limits,
        holder.partner_client_id,
        lambda found: found is not None and found.token_generation == holder.generation,
        "the access token does not hold",
    )
    # The account is asked too: a token that was issued before lives for a quarter of an hour.
    if scope not in holder.scopes or scope not in account.casino.profile.scopes:
        raise ScopeMissing(f"the access token has no scope {scope}")
    return account.casino


async def _identify(
    partners: Partners, limits: CallerLimits, client_id: int, holds: Callable[[CasinoAccount | None], bool], doubt: str
) -> CasinoAccount:
    """Return the account of a casino, with the call counted for it if that holds, else for all strangers together.

    Raises NotAuthorised with the ``doubt``, and TooManyCalls.
    """
    known = partners.knows_account(client_id)
    if not known:
        await limits.count_stranger()
    account = await partners.account(client_id)
    if not holds(account) or account is None:
        if known:
            await limits.count_stranger()
        raise NotAuthorised(doubt)
    await limits.count_casino(account.casino)
    return account
