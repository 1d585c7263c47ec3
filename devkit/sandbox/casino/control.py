"""The control API of the sandbox: players, journal, calls, Accepts, faults, switches. Unsigned JSON, for loopback
alone."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any

import asyncpg
from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from devkit.sandbox.casino import journal
from devkit.sandbox.casino.call_log import Call
from devkit.sandbox.casino.casinos import Casino, Casinos, Credentials
from devkit.sandbox.casino.faults import Fault, Plan
from devkit.sandbox.casino.request_parsing import OfCasino, read_body, read_query, refused, validate
from devkit.sandbox.casino.rules import Player, Switches
from devkit.sandbox.casino.wallet import Wallet
from devkit.sandbox.casino.wallet_api import new_refresh_token
from devkit.sandbox.casino.wire import BetId, Name, decimals_written, print_amount, read_amount

_DEFAULT_DECIMALS = 2


def _money(given: object) -> Decimal:
    amount = read_amount(given)
    if amount is None:
        raise ValueError('an amount is a string like "1000.00"')
    return amount


class NewPlayer(OfCasino):
    """``POST /_players``. ``decimals`` is what the currency has; a player that exists keeps its own."""

    partner_user_id: Name
    currency: str = Field(pattern=r"^[A-Z0-9]{2,16}$")
    balance: Annotated[Decimal, BeforeValidator(_money)]
    blocked: bool = False
    decimals: int | None = Field(None, ge=0, le=18)


class Block(BaseModel):
    """``PATCH /_players/{partner_client_id}/{partner_user_id}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocked: bool


class NewFaults(OfCasino):
    """``POST /_faults``: replaces the casino's faults."""

    seed: int = Field(0, ge=-(2**63), lt=2**63)
    faults: list[Fault]


class NewSwitches(OfCasino):
    """``POST /_settings``: changes the switches that are given."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _PlayerPath(OfCasino):
    partner_user_id: Name


class JournalQuery(OfCasino):
    """``GET /_journal``: ``after`` is the id of the last entry that was seen."""

    bet_id: BetId | None = None
    partner_user_id: Name | None = None
    after: int = Field(0, ge=0, lt=2**63)
    limit: int = Field(100_000, ge=1, le=1_000_000)


class CallsQuery(OfCasino):
    """``GET /_calls`` and ``GET /_accepts``."""

    bet_id: BetId | None = None


class NewCredentials(OfCasino):
    """``POST /_credentials``: replaces both; without an address the process's own one is used."""

    secret: Name
    aggregator_url: str | None = Field(None, pattern=r"^https?://[^\s]+$")


class HeldQuery(OfCasino):
    """``GET /_held``: waits until ``count`` calls are held, ``timeout`` seconds at most."""

    count: int = Field(0, ge=0)
    timeout: float = Field(5, ge=0, le=60)


class Control:
    """The endpoints that begin with an underscore."""

    def __init__(self, pool: asyncpg.Pool, wallet: Wallet, casinos: Casinos) -> None:
        self._pool = pool
        self._wallet = wallet
        self._casinos = casinos

    def routes(self) -> list[web.RouteDef]:
        """Return all control endpoints."""
        player = "/_players/{partner_client_id}/{partner_user_id}"
        return [
            web.get("/_health", self.show_health, allow_head=False),
            web.post("/_players", self.open_player),
            web.get(player, self.show_player, allow_head=False),
            web.patch(player, self.block_player),
            web.get("/_journal", self.show_journal, allow_head=False),
            web.get("/_audit", self.show_audit, allow_head=False),
            web.get("/_calls", self.show_calls, allow_head=False),
            web.get("/_accepts", self.show_accepts, allow_head=False),
            web.post("/_credentials", self.set_credentials),
            web.get("/_faults", self.show_faults, allow_head=False),
            web.post("/_faults", self.set_faults),
            web.delete("/_faults", self.clear_faults),
            web.get("/_held", self.show_held, allow_head=False),
            web.post("/_release", self.release),
            web.get("/_settings", self.show_switches, allow_head=False),
            web.post("/_settings", self.set_switches),
        ]

    async def show_health(self, _request: web.Request) -> web.Response:
        """Answer 200 if the wallet's database answers."""
        await self._pool.fetchval("SELECT 1")
        return web.json_response({"status": "ok"})

    async def open_player(self, request: web.Request) -> web.Response:
        """Create or reset a player; the answer has the refresh token for ``/users/auth`` too."""
        asked = await read_body(request, NewPlayer)
        known = await self._wallet.player(asked.partner_client_id, asked.partner_user_id)
        decimals = asked.decimals
        if decimals is None:
            decimals = known.decimals if known else _DEFAULT_DECIMALS
        if decimals_written(asked.balance) > decimals:
            raise refused(web.HTTPBadRequest, "balance: more decimals than the currency has")
        player = Player(asked.partner_user_id, asked.currency, decimals, asked.blocked, asked.balance)
        token = new_refresh_token()
        if await self._wallet.open_player(asked.partner_client_id, player, token) is None:
            raise refused(web.HTTPConflict, "the player exists with another currency or other decimals")
        return web.json_response(_show_player(player) | {"refresh_token": token})

    async def show_player(self, request: web.Request) -> web.Response:
        """Show balance and block of a player."""
        client_id, partner_user_id = _player_in_path(request)
        return _answer_player(await self._wallet.player(client_id, partner_user_id))

    async def block_player(self, request: web.Request) -> web.Response:
        """Block a player, or let it play again."""
        client_id, partner_user_id = _player_in_path(request)
        asked = await read_body(request, Block)
        return _answer_player(await self._wallet.set_blocked(client_id, partner_user_id, blocked=asked.blocked))

    async def show_journal(self, request: web.Request) -> web.Response:
        """Show entries in the order in which they were made."""
        asked = read_query(request, JournalQuery)
        entries = await journal.read_entries(
            self._pool, asked.partner_client_id, asked.bet_id, asked.partner_user_id, asked.after, asked.limit
        )
        return web.json_response(entries)

    async def show_audit(self, request: web.Request) -> web.Response:
        """Show the double-entry check."""
        return web.json_response(await journal.audit(self._pool, read_query(request, OfCasino).partner_client_id))

    async def show_calls(self, request: web.Request) -> web.Response:
        """Show the latest calls of surface C, oldest first."""
        asked = read_query(request, CallsQuery)
        calls = self._casinos[asked.partner_client_id].calls
        return web.json_response([call.show() for call in calls if _is_about(call, asked.bet_id)])

    async def show_accepts(self, request: web.Request) -> web.Response:
        """Show the latest Accepts that were to be sent, oldest first."""
        asked = read_query(request, CallsQuery)
        sendings = self._casinos[asked.partner_client_id].accepts
        return web.json_response([one.show() for one in sendings if asked.bet_id in (None, one.accept.bet_id)])

    async def set_credentials(self, request: web.Request) -> web.Response:
        """Set the secret and the address with which the casino calls the aggregator. The secret is not shown again."""
        asked = await read_body(request, NewCredentials)
        casino = self._casinos[asked.partner_client_id]
        casino.credentials = Credentials(asked.secret, asked.aggregator_url)
        await self._casinos.keep(casino)
        return web.json_response({"partner_client_id": casino.client_id, "aggregator_url": asked.aggregator_url})

    async def show_faults(self, request: web.Request) -> web.Response:
        """Show the faults in force, each with how often it fired."""
        return _answer_faults(self._casinos[read_query(request, OfCasino).partner_client_id])

    async def set_faults(self, request: web.Request) -> web.Response:
        """Replace the casino's faults; counts and chance start again."""
        asked = await read_body(request, NewFaults)
        return await self._plan(asked.partner_client_id, Plan(asked.seed, asked.faults))

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Remove a casino's faults. Calls that are held stay held until they are released."""
        return await self._plan(read_query(request, OfCasino).partner_client_id, Plan())

    async def _plan(self, client_id: int, plan: Plan) -> web.Response:
        casino = self._casinos[client_id]
        casino.plan = plan
        await self._casinos.keep(casino)
        return _answer_faults(casino)

    async def show_held(self, request: web.Request) -> web.Response:
        """Show how many calls are held; can wait for them."""
        asked = read_query(request, HeldQuery)
        gate = self._casinos[asked.partner_client_id].gate
        with suppress(TimeoutError):
            await asyncio.wait_for(gate.until_held(asked.count), asked.timeout)
        return web.json_response({"held": gate.held})

    async def release(self, request: web.Request) -> web.Response:
        """Let go the calls that are held now."""
        asked = await read_body(request, OfCasino)
        return web.json_response({"released": self._casinos[asked.partner_client_id].gate.release()})

    async def show_switches(self, request: web.Request) -> web.Response:
        """Show the casino's switches."""
        return _answer_switches(self._casinos[read_query(request, OfCasino).partner_client_id])

    async def set_switches(self, request: web.Request) -> web.Response:
        """Change some of the casino's switches."""
        asked = await read_body(request, NewSwitches)
        casino = self._casinos[asked.partner_client_id]
        casino.switches = validate(Switches, casino.switches.model_dump() | (asked.model_extra or {}))
        await self._casinos.keep(casino)
        return _answer_switches(casino)


def _is_about(call: Call, bet_id: int | None) -> bool:
    return bet_id is None or any(one.bet_id == bet_id for one in call.movements)


def _answer_player(player: Player | None) -> web.Response:
    if player is None:
        raise refused(web.HTTPNotFound, "no such player")
    return web.json_response(_show_player(player))


def _show_player(player: Player) -> dict[str, Any]:
    return {
        "partner_user_id": player.partner_user_id,
        "currency": player.currency,
        "decimals": player.decimals,
        "blocked": player.blocked,
        "balance": print_amount(player.balance, player.decimals),
    }


def _answer_faults(casino: Casino) -> web.Response:
    return web.json_response(
        {"partner_client_id": casino.client_id, "seed": casino.plan.seed, "faults": casino.plan.show()}
    )


def _answer_switches(casino: Casino) -> web.Response:
    return web.json_response({"partner_client_id": casino.client_id} | casino.switches.model_dump())


def _player_in_path(request: web.Request) -> tuple[int, str]:
    named = validate(_PlayerPath, dict(request.match_info))
    return named.partner_client_id, named.partner_user_id
