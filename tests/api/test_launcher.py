"""What a launch costs, by itself and with a player's token, and a launch for a visitor who is no player."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from api import player_auth
from api.launcher import Launcher
from api.player_auth import PlayerAuth
from betcore.db.database import Database
from betcore.db.launches import Launches
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.partners import Partners
from betcore.db.player_authentications import Flights
from betcore.domain.errors import PlayRefused
from betcore.domain.launch import LaunchRequest
from betcore.provider.client import ProviderClient
from betcore.runtime.vault import Vault
from tests.api.asked_casino import asked_casino, hang_up
from tests.in_process_casino import SECRET_KEY, InProcessCasino


class Counted:
    """A database whose statements are counted, each a round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        self.statements += 1
        return getattr(self._database, name)


class Provider:
    """A provider that answers every launch with its page, or with a status."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.status = 200
        self.host = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.sent.append(await request.json())
        return web.json_response({"frameUri": f"http://{self.host}/game"}, status=self.status)


class Scene:
    """A launcher in front of a provider, for a game of its own."""

    def __init__(self, casino: InProcessCasino, provider: Provider, request: LaunchRequest) -> None:
        vault = Vault(SECRET_KEY)
        self.counted = Counted(casino.database)
        self.provider, self.request, self.synced = provider, request, list[str]()
        # A casino, a provider and their profiles are cached in a process: they cost no round trip of a launch.
        launches: Any = Launches(self.counted, vault)  # type: ignore[arg-type]  # only its statements are called
        partners = Partners(casino.database, vault, 60)
        self.launcher = Launcher(launches, partners, ProviderClient(casino.http), self._sync)
        flights: Any = Flights(self.counted, vault, player_auth.LOST_AFTER)  # type: ignore[arg-type]  # as above
        self.auth = PlayerAuth(flights, casino.casinos)

    async def _sync(self, counterparty_id: str) -> None:
        self.synced.append(counterparty_id)


@pytest.fixture
async def scene(casino: InProcessCasino, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    provider, app = Provider(), web.Application()
    app.router.add_post("/v1/games/dice/launch", provider.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.host = "{}:{}".format(*runner.addresses[0][:2])
    name, vault = f"launching-{request.node.name}", Vault(SECRET_KEY)
    await Onboarding(casino.engine, vault).add_provider(
        name, f"http://{provider.host}", f"frame_hosts: ['{provider.host}']"
    )
    catalogue = Catalogue(casino.engine)
    await catalogue.add_game(name, "dice", "Dice")
    account = await Partners(casino.database, vault, 0).account(casino.partner_client_id)
    assert account is not None
    game = int(str((await catalogue.game(name, "dice"))["id"]))
    yield Scene(casino, provider, LaunchRequest(account.casino, "anna", game, "EUR", "en", own_host="here.example"))
    await runner.cleanup()


async def test_a_launch_takes_three_statements_and_one_call(scene: Scene) -> None:
    await scene.launcher.launch(scene.request)
    assert (scene.counted.statements, len(scene.provider.sent)) == (3, 1)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_launch_that_fails_takes_three_statements_and_one_call(scene: Scene, status: int) -> None:
    scene.provider.status = status
    with pytest.raises(PlayRefused):
        await scene.launcher.launch(scene.request)
    assert (scene.counted.statements, len(scene.provider.sent)) == (3, 1)


@pytest.mark.parametrize(("first", "statements"), [("answers", 2), ("hangs up", 3)])
async def test_the_exchange_of_a_token_takes_two_statements_more_and_one_call(
    scene: Scene, casino: InProcessCasino, first: str, statements: int
) -> None:
    async with asked_casino() as asked:
        desk = Onboarding(casino.engine, Vault(SECRET_KEY))
        made = await desk.add_casino(f"exchanging-{first.replace(' ', '-')}", asked.url, "confirmation: reply")
        account = await Partners(casino.database, Vault(SECRET_KEY), 0).account(int(str(made["partner_client_id"])))
        assert account is not None
        asked.answers["auth"] = [hang_up] if first == "hangs up" else []
        player = await scene.auth.authenticate(account.casino, "bella:EUR:0", 0)
        assert (scene.counted.statements, len(asked.asked["auth"])) == (statements, statements - 1)
        request = replace(scene.request, casino=account.casino, partner_user_id=player.partner_user_id)
        await scene.launcher.launch(request)
    assert (scene.counted.statements, len(scene.provider.sent)) == (statements + 3, 1)


async def test_a_visitor_plays_a_demo_in_a_session_of_no_player(scene: Scene, casino: InProcessCasino) -> None:
    visitor = replace(scene.request, partner_user_id=None, mode="demo")
    first, second = await scene.launcher.launch(visitor), await scene.launcher.launch(visitor)
    assert first.session_id != second.session_id
    assert [one["userId"] for one in scene.provider.sent] == [first.session_id, second.session_id]
    found = await casino.partners.provider(casino.counterparty_id)
    assert found is not None
    owner = await casino.calls.look_up(found, "f" * 32, first.session_id, None)
    # Another provider does not even learn that it is a demo.
    assert owner is not None
    assert (owner.session, owner.demo_currency) == (None, None)


async def test_a_visitor_gets_no_game_for_money(scene: Scene) -> None:
    with pytest.raises(PlayRefused) as refused:
        await scene.launcher.launch(replace(scene.request, partner_user_id=None))
    assert refused.value.code == "token_invalid"
    assert scene.provider.sent == []
