"""The casino's copy of the aggregator's games: all of them the first time, then what has changed since."""

from aiohttp import web

from devkit.sandbox.casino.aggregator import Aggregator, NotDelivered
from devkit.sandbox.casino.casinos import Casino, Casinos
from devkit.sandbox.casino.request_parsing import OfCasino, read_query, refused
from devkit.sandbox.casino.wire import Code


class GameCopies:
    """Keeps the copies in memory, and shows them at ``GET /_games``."""

    def __init__(self, aggregator: Aggregator, casinos: Casinos) -> None:
        self._aggregator = aggregator
        self._casinos = casinos

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoint."""
        return [web.get("/_games", self.show, allow_head=False)]

    async def show(self, request: web.Request) -> web.Response:
        """Read what has changed, and show how many games that were, and the whole copy."""
        casino = self._casinos[read_query(request, OfCasino).partner_client_id]
        try:
            changed = await self._update(casino)
        except NotDelivered as failure:
            raise refused(web.HTTPBadGateway, str(failure)) from failure
        return web.json_response({"changed": changed, "games": list(casino.games.values())})

    async def _update(self, casino: Casino) -> int:
        """Read all pages of what has changed; return how many games that were. Raises NotDelivered."""
        query, changed = {} if casino.games_until is None else {"updatedSince": casino.games_until}, 0
        while True:
            reply = await self._aggregator.games(casino, limit="500", **query)
            value = reply.value if isinstance(reply.value, dict) else {}
            if reply.code != Code.SUCCESS or not isinstance(value.get("Games"), list):
                raise NotDelivered(f"no list of games: HTTP {reply.status}, ErrorCode {reply.code}")
            for game in value["Games"]:
                # In the order of the changes: the last one is where the next look begins.
                casino.games[game["GameId"]], casino.games_until = game, game["UpdatedAt"]
            changed += len(value["Games"])
            if value.get("NextCursor") is None:
                return changed
            query = {"cursor": str(value["NextCursor"])}
