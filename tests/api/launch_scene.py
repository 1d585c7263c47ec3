"""A launcher in front of a provider and a casino on real sockets, whose statements and calls are counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from api import player_auth
from api.launcher import Launcher
from api.player_auth import PlayerAuth
from api.token_launcher import PlayerToken, TokenLauncher
from betcore.db.database import Database
from betcore.db.launches import Launches
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.partners import Partners
from betcore.db.player_authentications import Flights
from betcore.db.token_launches import TokenLaunches
from betcore.domain.launch import Launched, LaunchRequest
from betcore.provider.client import ProviderClient
from betcore.runtime.vault import Vault
from tests.api.asked_casino import AskedCasino, asked_casino
from tests.in_process_casino import SECRET_KEY, InProcessCasino


class Counted:
    """A database whose statements are counted, each a round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        self.statements += 1
        return getattr(self._database, name)


@dataclass
class LaunchingProvider:
    """A provider that answers every launch, once it may, with its page, or with a status."""

    sent: list[Any] = field(default_factory=list)
    status: int = 200
    host: str = ""
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.sent.append(await request.json())
        await self.answers.wait()
        return web.json_response({"frameUri": f"http://{self.host}/game"}, status=self.status)


class Process:
    """One API process: its launchers, and how many statements they have run."""

    def __init__(self, house: InProcessCasino) -> None:
        vault, self.counted, self.synced = Vault(SECRET_KEY), Counted(house.database), list[str]()
        database: Any = self.counted
        # A casino, a provider and their profiles are cached in a process: they cost no round trip of a launch.
        partners = Partners(house.database, vault, 60)
        self.launcher = Launcher(Launches(database, vault), partners, ProviderClient(house.http), self._sync)
        flights = Flights(database, vault, player_auth.LOST_AFTER)
        auth = PlayerAuth(flights, house.casinos)
        self.by_token = TokenLauncher(self.launcher, auth, flights, TokenLaunches(database, flights))

    async def _sync(self, counterparty_id: str) -> None:
        self.synced.append(counterparty_id)


@dataclass
class Scene:
    """A game of a provider, what a player of a casino asks for it, and two processes that launch it."""

    house: InProcessCasino
    provider: LaunchingProvider
    asked: AskedCasino
    request: LaunchRequest
    name: str

    def __post_init__(self) -> None:
        self.one, self.other = Process(self.house), Process(self.house)

    @property
    def game(self) -> int:
        return self.request.game_id

    async def by_token(self, token: str, process: Process | None = None, **change: Any) -> tuple[Launched, str]:
        """Launch the game by a token ``name:currency:n``; return the launch, and the casino's next token."""
        request = replace(self.request, **change)
        given = PlayerToken(request.casino, token, request.tag_id)

        def request_for(partner_user_id: str, currency: str) -> LaunchRequest:
            return replace(request, partner_user_id=partner_user_id, currency=currency)

        return await (process or self.one).by_token.launch(given, request.game_id, request_for)


@asynccontextmanager
async def launch_scene(house: InProcessCasino, name: str) -> AsyncIterator[Scene]:
    """Serve a provider and a casino of these names, with a game of their own."""
    provider, app, vault = LaunchingProvider(), web.Application(), Vault(SECRET_KEY)
    provider.answers.set()
    app.router.add_post("/v1/games/dice/launch", provider.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.host = "{}:{}".format(*runner.addresses[0][:2])
    desk, catalogue = Onboarding(house.engine, vault), Catalogue(house.engine)
    await desk.add_provider(name, f"http://{provider.host}", f"frame_hosts: ['{provider.host}']")
    await catalogue.add_game(name, "dice", "Dice")
    game = int(str((await catalogue.game(name, "dice"))["id"]))
    async with asked_casino() as asked:
        made = await desk.add_casino(name, asked.url, "confirmation: reply")
        account = await Partners(house.database, vault, 0).account(int(str(made["partner_client_id"])))
        assert account is not None
        request = LaunchRequest(account.casino, "anna", game, "EUR", "en", own_host="here.example")
        yield Scene(house, provider, asked, request, name)
    await runner.cleanup()
