"""The casino's own site: a page on which a player logs in and plays in the aggregator's frame."""

import html
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from devkit.sandbox.casino.aggregator import Aggregator, NotDelivered
from devkit.sandbox.casino.casinos import Casinos
from devkit.sandbox.casino.request_parsing import OfCasino, read_body, refused, validate
from devkit.sandbox.casino.wallet import Wallet
from devkit.sandbox.casino.wallet_api import new_refresh_token
from devkit.sandbox.casino.wire import Name

_PAGE = Path(__file__).parent / "page"
_FILES = {"casino.css": "text/css", "casino.js": "text/javascript"}


class LogIn(BaseModel):
    """``POST /casino/{partner_client_id}/login``. A real casino asks for a password too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner_user_id: Name


class Site:
    """The pages below ``/casino``."""

    def __init__(self, wallet: Wallet, casinos: Casinos, calls: Aggregator, aggregator: str | None) -> None:
        self._wallet = wallet
        self._casinos = casinos
        self._calls = calls
        self._aggregator = aggregator

    def routes(self) -> list[web.RouteDef]:
        """Return the page, its files, and the log-in."""
        return [
            web.get("/casino/{partner_client_id:[0-9]+}", self.show, allow_head=False),
            web.post("/casino/{partner_client_id:[0-9]+}/login", self.log_in),
            web.get("/casino/{partner_client_id:[0-9]+}/live", self.live, allow_head=False),
            web.get("/casino/{file}", _show_file, allow_head=False),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show the page."""
        client_id = validate(OfCasino, dict(request.match_info)).partner_client_id
        if self._aggregator is None:
            raise refused(web.HTTPServiceUnavailable, "the address of the aggregator is not known")
        page = (_PAGE / "casino.html").read_text()
        page = page.replace("AGGREGATOR", html.escape(self._aggregator)).replace("CLIENT_ID", str(client_id))
        return web.Response(text=page, content_type="text/html")

    async def log_in(self, request: web.Request) -> web.Response:
        """Return a refresh token for a player that exists. It replaces the player's earlier one."""
        client_id = validate(OfCasino, dict(request.match_info)).partner_client_id
        token = new_refresh_token()
        if await self._wallet.give_token(client_id, (await read_body(request, LogIn)).partner_user_id, token) is None:
            raise refused(web.HTTPNotFound, "no such player")
        return web.json_response({"refresh_token": token})

    async def live(self, request: web.Request) -> web.Response:
        """Send the browser to the feed's page with an access token, which this server gets by the casino's secret.

        It stands in the fragment of the address, which browsers send to no server.
        """
        client_id = validate(OfCasino, dict(request.match_info)).partner_client_id
        try:
            feed, token = await self._calls.feed_token(self._casinos[client_id])
        except NotDelivered as failure:
            raise refused(web.HTTPServiceUnavailable, str(failure)) from None
        fragment = urlencode({"token": token, "client": client_id, "again": str(request.url)})
        raise web.HTTPSeeOther(f"{feed}/live#{fragment}", headers={"Cache-Control": "no-store"})


async def _show_file(request: web.Request) -> web.Response:
    name = request.match_info["file"]
    if name not in _FILES:
        raise web.HTTPNotFound
    return web.Response(body=(_PAGE / name).read_bytes(), content_type=_FILES[name])
