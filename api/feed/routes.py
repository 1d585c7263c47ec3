"""The feed over HTTP: access tokens that open nothing else, because a page may hold one, and what they open.

Answers have the form of the API for casinos.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.casino import schemas
from api.casino.callers import CasinoCallers
from api.casino.responses import SUCCESS, render, render_tagged, with_refusals
from api.feed import openapi
from api.feed.games import LiveGamesView
from api.feed.readers import Readers
from api.request_query import one_text
from betcore.casino.tokens import FEED, Tokens
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.row_mapping import amount_text
from betcore.db.statements.jackpot_pools import ShownRow
from betcore.domain.scopes import granted

PREFIX = "/partnersmediator-service/api/v2"
TOKEN = f"{PREFIX}/auth/token"
# Booking is in the order of seconds too.
_CACHE = "private, max-age=1"


def router(
    tokens: Tokens, callers: CasinoCallers, readers: Readers, pools: JackpotPools, games: LiveGamesView
) -> APIRouter:
    """Return the routes of the feed over HTTP."""
    routes = APIRouter(prefix=PREFIX)

    async def token(request: Request) -> Response:
        client_id, secret, _ = schemas.credentials(await request.body())
        account = await callers.by_secret(client_id, secret)
        scope = granted(account.casino.profile.scopes, "feed")
        value = {
            "AccessToken": await tokens.issue(client_id, account.token_generation, scope, FEED),
            "TokenType": "Bearer",
            "ExpiresIn": int(FEED.lifetime.total_seconds()),
            "Scope": scope,
        }
        return render(SUCCESS, "Success", value, headers={"Cache-Control": "no-store"})

    async def accumulated(request: Request) -> Response:
        casino = (await readers.of(request)).casino
        currency, game_type = (one_text(request.query_params, name) for name in ("currency", "gameType"))
        found = await pools.accumulated(casino.casino_id, currency, game_type)
        return render_tagged(request, [_shown(row) for row in found], _CACHE)

    def of_readers(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            await readers.of(request)
            return await answer(request)

        return with_refusals(answered)

    routes.post("/auth/token", **openapi.issue_token())(with_refusals(token))
    routes.get("/jackpots/accumulated", **openapi.list_jackpots())(with_refusals(accumulated))
    routes.get("/games/list", **openapi.list_live_games())(of_readers(games.games))
    routes.get("/games/info", **openapi.show_round())(of_readers(games.info))
    routes.get("/games/results", **openapi.list_results())(of_readers(games.results))
    routes.get("/games/types/translations", **openapi.list_names())(of_readers(games.names))
    return routes


def _shown(row: ShownRow) -> dict[str, object]:
    return {
        "JackpotId": row.jackpot_id,
        "Name": row.name,
        "GameType": row.game_type,
        "CurrencyCode": row.currency,
        "Amount": amount_text(row.amount, row.currency),
        "Seed": amount_text(row.seed, row.currency),
        "UpdatedAt": row.changed_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
