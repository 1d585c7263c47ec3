"""``python -m betcore sandbox prepare``: the sandbox's partners, game and player, onboarded as any others are."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import typer

from betcore.cli.desk import Desk, Json, act
from betcore.cli.output import AsJson, DataDir
from betcore.errors import SetupRefused

if TYPE_CHECKING:
    from betcore.db.onboarding import Onboarding, Word

PROVIDER_NAME = "sandbox-provider"
CASINO_NAME = "sandbox-casino"
GAME_ID = "dice-1"
PLAYER = "demo-player"
CURRENCY = "EUR"
BALANCE = "1000.00"
_TABLE = (PROVIDER_NAME, CASINO_NAME, GAME_ID, PLAYER)

sandbox = typer.Typer(no_args_is_help=True, help="The sandbox partners of a development stack.")


@sandbox.callback()
def _group() -> None:
    # Without a callback typer would make the only command the group itself.
    pass


@sandbox.command("prepare")
def prepare(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Onboard the sandbox's partners, or find them, at the ports of the settings; prints keys and an open session."""
    act(as_json, data_dir, _prepare)


async def _prepare(desk: Desk) -> Json:
    partners, catalogue = desk.partners, desk.catalogue
    casino_url = f"http://127.0.0.1:{desk.settings.sandbox_casino_port}"
    provider_url = f"http://127.0.0.1:{desk.settings.sandbox_provider_port}"
    provider = await _provider(partners, provider_url)
    secret = await partners.secret("provider", PROVIDER_NAME)
    await _introduce(provider_url, provider["counterparty_id"], secret)
    casino = await _casino(partners, casino_url)
    if GAME_ID not in {game["game_id"] for game in await catalogue.games(PROVIDER_NAME)}:
        await catalogue.add_game(PROVIDER_NAME, GAME_ID, "Dice", "0.10", "500")
    await _player(casino_url, casino["partner_client_id"])
    session = await catalogue.open_session_of(*_TABLE) or await catalogue.open_session(*_TABLE, CURRENCY)
    return {
        "counterparty_id": provider["counterparty_id"],
        "secret": secret,
        "partner_client_id": casino["partner_client_id"],
        "session_id": session["session_id"],
    }


async def _provider(partners: "Onboarding", url: str) -> Json:
    found = await _moved(partners, "provider", PROVIDER_NAME, url)
    return found or await partners.add_provider(PROVIDER_NAME, url)


async def _introduce(provider_url: str, counterparty_id: str, secret: str) -> None:
    """Tell the sandbox provider the secret by which it knows our calls."""
    import aiohttp

    known = {"counterparty_id": counterparty_id, "secret": secret}
    try:
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            await http.post(f"{provider_url}/_counterparty", json=known)
    except aiohttp.ClientError as error:
        raise SetupRefused(f"the sandbox provider at {provider_url}: {error}", code="unreachable") from error


async def _casino(partners: "Onboarding", url: str) -> Json:
    found = await _moved(partners, "casino", CASINO_NAME, url)
    return found or await partners.add_casino(CASINO_NAME, url, confirmation="reply")


async def _moved(partners: "Onboarding", word: "Word", name: str, url: str) -> Json | None:
    """The partner at its address of this start (ports change), or None where it is not there yet."""
    try:
        return await partners.change(word, name, address=url)
    except SetupRefused as refused:
        if refused.code == "not_found":
            return None
        raise


async def _player(casino_url: str, partner_client_id: int) -> None:
    import aiohttp

    new = {
        "partner_client_id": partner_client_id,
        "partner_user_id": PLAYER,
        "currency": CURRENCY,
        "balance": BALANCE,
    }
    try:
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            found = await http.get(f"{casino_url}/_players/{partner_client_id}/{PLAYER}", raise_for_status=False)
            if found.status == HTTPStatus.NOT_FOUND:
                await http.post(f"{casino_url}/_players", json=new)
            else:
                found.raise_for_status()
    except aiohttp.ClientError as error:
        raise SetupRefused(f"the sandbox casino at {casino_url}: {error}", code="unreachable") from error
