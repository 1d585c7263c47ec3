"""The Aggregator API for casinos: access tokens, verification of our messages, Accepts, games and their launch.

Every response is ``{"ErrorCode", "Message", "Value"}``. HTTP 200 is final, 503 asks for the same call again, and 400
says why a call cannot be read.
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.casino import openapi, schemas
from api.casino.accepts import AcceptReceiver
from api.casino.callers import CasinoCallers
from api.casino.games import GamesView
from api.casino.launch import CasinoLaunch
from api.casino.responses import CONTRADICTION, SUCCESS, UNKNOWN_BET, render, repeat_later, with_refusals
from betcore.casino.tokens import CASINO_API, Tokens
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.scopes import granted

PREFIX = "/mis-api/api/v2"
_ANSWERS = {
    AcceptOutcome.STORED: (SUCCESS, "Success"),
    AcceptOutcome.REPEATED: (SUCCESS, "Success"),
    AcceptOutcome.ENDED: (SUCCESS, "Success"),
    AcceptOutcome.CONTRADICTED: (CONTRADICTION, "this contradicts what is recorded"),
    AcceptOutcome.UNKNOWN: (UNKNOWN_BET, "bet not found"),
}
# A provider has five seconds, twice; a launch that another call has begun is waited for before the next one.
_LAUNCH_WITHIN = 30.0


def router(
    tokens: Tokens, callers: CasinoCallers, accepts: AcceptReceiver, games: GamesView, launches: CasinoLaunch
) -> APIRouter:
    """Return the routes ``auth/token``, ``auth/verify``, the Accepts, ``games`` and the launch of a game."""
    routes = APIRouter(prefix=PREFIX)

    async def token(request: Request) -> Response:
        client_id, secret, asked = schemas.credentials(await request.body())
        account = await callers.by_secret(client_id, secret)
        scope = granted(account.casino.profile.scopes, asked)
        value = {
            "AccessToken": await tokens.issue(client_id, account.token_generation, scope, CASINO_API),
            "TokenType": "Bearer",
            "ExpiresIn": int(CASINO_API.lifetime.total_seconds()),
            "Scope": scope,
        }
        return render(SUCCESS, "Success", value, headers={"Cache-Control": "no-store"})

    async def verify(request: Request) -> Response:
        claims = await tokens.message(schemas.token(await request.body()))
        value = {"Valid": False} if claims is None else {"Valid": True, "Claims": claims}
        return render(SUCCESS, "Success", value)

    async def accept(request: Request, *, cashback: bool = False) -> Response:
        casino = await callers.by_token(request, CASINO_API, "payments")
        stored = await accepts.receive(casino, await request.body(), cashback=cashback)
        if stored.outcome is AcceptOutcome.LATER:
            return repeat_later()
        if stored.outcome is AcceptOutcome.UNKNOWN and cashback:
            return render(UNKNOWN_BET, "cashback not found")
        code, message = _ANSWERS[stored.outcome]
        return render(code, f"{stored.reason}: {message}" if stored.reason else message)

    async def accept_cashback(request: Request) -> Response:
        return await accept(request, cashback=True)

    async def list_games(request: Request) -> Response:
        await callers.by_token(request, CASINO_API, "games")
        return await games.answer(request)

    async def launch(request: Request) -> Response:
        casino = await callers.by_token(request, CASINO_API, "launch")
        return await launches.answer(casino, request, await request.body())

    routes.post("/auth/token", **openapi.issue_token())(with_refusals(token))
    routes.post("/auth/verify", **openapi.verify_message())(with_refusals(verify))
    routes.post("/payments/accept", **openapi.accept_payment())(with_refusals(accept))
    routes.post("/cashback-payments/accept", **openapi.accept_cashback())(with_refusals(accept_cashback))
    routes.get("/games", **openapi.list_games())(with_refusals(list_games))
    routes.post("/games/{GameId}/launch", **openapi.launch_game())(with_refusals(launch, _LAUNCH_WITHIN))
    return routes


def owns(path: str) -> bool:
    """Return whether a refusal at this path has the form of this API. The JWKS has no form of its own."""
    return path.startswith(f"{PREFIX}/") and path != f"{PREFIX}/auth/jwks"
