"""Who bets at a stack: players of the sandbox provider, at casinos of the sandbox or at one of a benchmark's own."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.bets.provider_calls import ProviderCalls
from bench.bets.stacks import RunningStack
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.runtime.vault import Vault
from devkit.play.books import SandboxCasino
from devkit.play.players import CURRENCY, Place, find_sandbox, take_seats
from devkit.sandbox.provider.client import AggregatorClient

PLAYERS = 64
_MONEY = Decimal(1_000_000)
# More than the API's own deadline for an answer, so that its 99 arrives before our time-out.
_ANSWER_WITHIN = 8


@dataclass(frozen=True, slots=True)
class SeatedCasino:
    """A casino, and the sessions of its players; ``client_id`` is its PartnerClientId."""

    name: str
    client_id: str
    sessions: list[str]


@dataclass(frozen=True, slots=True)
class Account:
    """A provider as it signs."""

    counterparty_id: str
    secret: str


class Partners:
    """The casinos of a stack, and the provider that calls its API."""

    def __init__(
        self, stack: RunningStack, engine: AsyncEngine, http: aiohttp.ClientSession, place: Place, players: int
    ) -> None:
        self._stack = stack
        self._onboarding = Onboarding(engine, Vault.of(stack.settings))
        self._sessions = Sessions(engine)
        self._http = http
        self._place = place
        self._players = players

    async def sandbox_casino(self, name: str, confirmation: str = "reply", profile: str = "") -> SeatedCasino:
        """Onboard a casino of the sandbox, whose players have money."""
        address = str(self._stack.ready.sandbox_casino)
        made = await self._onboard(name, address, profile, confirmation)
        handles = self.control(str(made["partner_client_id"]))
        await handles.introduce(str(made["secret"]), self._stack.ready.api)
        await handles.confirm_by(confirmation)
        place = self._place._replace(casino=str(made["name"]))
        seats = await take_seats(self._sessions, place, handles, self._new_players(), _MONEY)
        return _seated(made, [seat.session_id for seat in seats])

    async def casino_at(self, address: str, name: str) -> SeatedCasino:
        """Onboard a casino at this address that takes every movement, whoever the player is."""
        made = await self._onboard(name, address, "", "reply")
        place = self._place._replace(casino=str(made["name"]))
        opened = [await self._sessions.open(NewSession(*place, player, CURRENCY)) for player in self._new_players()]
        return _seated(made, [str(one["session_id"]) for one in opened])

    async def provider(self, name: str, profile: str) -> Account:
        """Onboard another provider, whose calls are refused: it has no game and no session."""
        named = f"{name}-{secrets.token_hex(3)}"
        made = await self._onboarding.add_provider(named, "http://127.0.0.1:1", profile)
        return Account(str(made["counterparty_id"]), str(made["secret"]))

    @property
    def api(self) -> str:
        """Return the address below which providers call."""
        return self._stack.ready.api + self._stack.settings.provider_api_prefix

    def control(self, client_id: str) -> SandboxCasino:
        """Return the control API of a casino of the sandbox."""
        return SandboxCasino(self._http, str(self._stack.ready.sandbox_casino), client_id)

    def calls(self, casino: SeatedCasino, name: str = "service") -> ProviderCalls:
        """Return the service as a target, for bets of this casino's players."""
        stack, within = self._stack, _ANSWER_WITHIN
        client = AggregatorClient(self._http, self.api, stack.counterparty_id, stack.secret, timeout_seconds=within)
        return ProviderCalls(name, client, casino.sessions, stack.pids)

    async def _onboard(self, name: str, address: str, profile: str, confirmation: str) -> dict[str, object]:
        """Onboard a casino under a name that a database which was used before does not have."""
        return await self._onboarding.add_casino(f"{name}-{secrets.token_hex(3)}", address, profile, confirmation)

    def _new_players(self) -> list[str]:
        run = secrets.token_hex(3)
        return [f"bench-{run}-{number}" for number in range(self._players)]


@asynccontextmanager
async def partners_of(
    stack: RunningStack, http: aiohttp.ClientSession, players: int = PLAYERS
) -> AsyncIterator[Partners]:
    """Yield the partners of a stack; each casino has so many players."""
    engine = create_engine(stack.settings)
    try:
        sandbox = await find_sandbox(stack.settings, engine, asdict(stack.ready))
        yield Partners(stack, engine, http, sandbox.place, players)
    finally:
        await engine.dispose()


def _seated(made: dict[str, object], sessions: list[str]) -> SeatedCasino:
    return SeatedCasino(str(made["name"]), str(made["partner_client_id"]), sessions)
