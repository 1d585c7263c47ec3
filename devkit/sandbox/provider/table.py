"""The provider's table: what the game's page asks this server, and what the server asks the aggregator for it.

The page holds no secret. It names its session, and this server sends the signed calls, as a provider's server does. A
demo session plays with money of this table's own, without any call.
"""

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp
from aiohttp import web

from devkit.sandbox.provider import games, rounds
from devkit.sandbox.provider.book import Book, BookedBet, Outcome, Stake
from devkit.sandbox.provider.client import AggregatorClient
from devkit.sandbox.provider.croupier import Croupier

_PAGE = Path(__file__).parent / "page"
_FILES = {"game.css": "text/css", "game.js": "text/javascript"}
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,8})?")
_DEMO_MONEY = Decimal("1000.00")
# A page waits this long for the end of a bet, in seconds; the bet goes on without it.
_PATIENCE = 25
# The page asks this server alone, and may stand in any casino's frame.
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'"


@dataclass(slots=True)
class Seat:
    """A session that was launched. ``croupier`` is None in demo; ``balance`` is the demo's money."""

    session_id: str
    player: str
    currency: str
    limits: tuple[str, str]
    croupier: Croupier | None
    aggregator: AggregatorClient | None
    balance: Decimal = _DEMO_MONEY
    playing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Table:
    """All seats of this server, with one book for their bets; they end with the process."""

    def __init__(self, aggregator_url: str) -> None:
        self._aggregator_url = aggregator_url
        self._http: aiohttp.ClientSession | None = None
        self._seats: dict[str, Seat] = {}
        self._book = Book()
        self._seed = secrets.randbits(32)

    def routes(self) -> list[web.RouteDef]:
        """Return the page, its files, and what it asks."""
        return [
            web.get("/frame/{game_id}", _show_page),
            web.get("/pictures/{game_id}.svg", _show_picture),
            web.get("/game/{game_id}/colours.css", _show_colours),
            web.get("/game/{file}", _show_file),
            web.get("/play/{session_id}", self._show_seat),
            web.post("/play/{session_id}/bets", self._play),
        ]

    def seat(self, launched: dict[str, object], counterparty_id: str, secret: str) -> None:
        """Remember a session from the fields of its launch."""
        session_id, player, currency = (str(launched[name]) for name in ("sessionId", "userId", "currency"))
        aggregator = None
        if launched["gameMode"] == "real":
            aggregator = AggregatorClient(self._session(), self._aggregator_url, counterparty_id, secret)
        croupier = Croupier(aggregator, self._book, self._seed) if aggregator else None
        limits = str(launched["minBet"]), str(launched["maxBet"])
        self._seats[session_id] = Seat(session_id, player, currency, limits, croupier, aggregator)

    async def close(self) -> None:
        """Close the connections to the aggregator."""
        if self._http is not None:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    async def _show_seat(self, request: web.Request) -> web.Response:
        """Show currency, limits and balance. The balance is null if the aggregator does not know it now."""
        seat = self._seats.get(request.match_info["session_id"])
        if seat is None:
            return web.json_response({"outcome": "unknown_session"}, status=404)
        balance: Decimal | None = seat.balance
        if seat.aggregator is not None:
            balance = (await seat.aggregator.balance(seat.session_id)).balance
        least, most = seat.limits
        shown = {"currency": seat.currency, "demo": seat.aggregator is None, "minBet": least, "maxBet": most}
        return web.json_response(shown | {"balance": _text(balance)})

    async def _play(self, request: web.Request) -> web.Response:
        """Play one bet of the page: ``{"stake": "1.00"}``."""
        seat = self._seats.get(request.match_info["session_id"])
        asked = await request.json() if request.can_read_body else None
        given = asked.get("stake") if isinstance(asked, dict) else None
        if seat is None or not isinstance(given, str) or _AMOUNT.fullmatch(given) is None:
            return web.json_response({"outcome": "unknown_session" if seat is None else "malformed"}, status=400)
        stake = self._stake(seat, Decimal(given))
        # One bet after the other: the page of a player may be open twice.
        async with seat.playing:
            return web.json_response(await self._bet(seat, stake))

    def _stake(self, seat: Seat, amount: Decimal) -> Stake:
        name = secrets.token_hex(8)
        number = secrets.randbits(48)
        return Stake(f"page-{name}", number, seat.session_id, seat.player, f"round-{name}", seat.currency, amount)

    async def _bet(self, seat: Seat, stake: Stake) -> dict[str, object]:
        if seat.croupier is None:
            return self._play_for_fun(seat, stake)
        bet = asyncio.create_task(seat.croupier.play(stake))
        done, _ = await asyncio.wait([bet], timeout=_PATIENCE)
        if not done:
            return {"outcome": "pending"}
        return self._show_bet(bet.result())

    def _play_for_fun(self, seat: Seat, stake: Stake) -> dict[str, object]:
        if stake.amount > seat.balance:
            return {"outcome": "refused", "reason": "no_money", "balance": _text(seat.balance)}
        win = rounds.win(self._seed, stake.number, stake.amount)
        seat.balance += win - stake.amount
        return self._result("won" if win else "lost", stake, win, seat.balance)

    def _show_bet(self, bet: BookedBet) -> dict[str, object]:
        last = bet.answers[-1]
        if bet.outcome is Outcome.SETTLED:
            win = bet.win or Decimal(0)
            return self._result("won" if win else "lost", bet.stake, win, last.balance)
        outcome = {Outcome.REFUNDED: "returned", Outcome.REFUSED: "refused"}.get(bet.outcome, "pending")
        return {"outcome": outcome, "reason": last.reason, "balance": _text(last.balance)}

    def _result(self, outcome: str, stake: Stake, win: Decimal, balance: Decimal | None) -> dict[str, object]:
        roll = rounds.roll(self._seed, stake.number)
        return {"outcome": outcome, "roll": roll, "win": _text(win), "balance": _text(balance)}


async def _show_page(request: web.Request) -> web.Response:
    game = games.named(request.match_info["game_id"])
    page = (_PAGE / "game.html").read_text().replace("GAME_ID", game.game_id).replace("GAME_NAME", game.name)
    head = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    return web.Response(text=page, content_type="text/html", headers=head)


async def _show_picture(request: web.Request) -> web.Response:
    return web.Response(text=games.picture(games.named(request.match_info["game_id"])), content_type="image/svg+xml")


async def _show_colours(request: web.Request) -> web.Response:
    return web.Response(text=games.style(games.named(request.match_info["game_id"])), content_type="text/css")


async def _show_file(request: web.Request) -> web.Response:
    name = request.match_info["file"]
    if name not in _FILES:
        raise web.HTTPNotFound
    return web.Response(body=(_PAGE / name).read_bytes(), content_type=_FILES[name])


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
