"""``python -m betcore sandbox ...``: the sandbox partners of a development stack.

``prepare`` onboards them as any partners are; ``confirm`` sets how the casino confirms; ``break``, ``mend`` and
``faults`` are for the casino's faults.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import AsJson, DataDir, emit, read_settings, reporting_errors
from betcore.domain.errors import NotFound, Unavailable
from devkit.cli import sandbox_provider

if TYPE_CHECKING:
    from betcore.db.onboarding import Onboarding
    from betcore.domain.partners import PartnerKind
    from devkit.play.books import SandboxCasino

PROVIDER_NAME = "sandbox-provider"
CASINO_NAME = "sandbox-casino"
GAME_ID = "dice-1"
PLAYER = "demo-player"
CURRENCY = "EUR"
# Who onboards the sandbox partners.
OPERATOR = "up"
BALANCE = "1000.00"
_TABLE = (PROVIDER_NAME, CASINO_NAME, GAME_ID, PLAYER)


class Way(StrEnum):
    """How a casino confirms a movement: in its answer to make, or by a later Accept."""

    REPLY = "reply"
    ACCEPT = "accept"


sandbox = typer.Typer(no_args_is_help=True, help="The sandbox partners of a development stack.")


@sandbox.command("prepare")
def prepare(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Onboard the sandbox partners, or find them, at the ports of the settings; print keys and an open session."""
    run_command(as_json, data_dir, _prepare, operator=OPERATOR)


@sandbox.command("confirm")
def confirm(
    way: Annotated[
        Way, typer.Argument(help="reply: the answer to make is final; accept: a later Accept has the outcome.")
    ],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Set how the sandbox casino confirms, and what the service expects. Bets that are open keep their way."""
    run_command(as_json, data_dir, lambda context: _confirm(context, way), operator=OPERATOR)


@sandbox.command("break")
def break_casino(
    kind: Annotated[
        str, typer.Option(help="What goes wrong: lost, delay, drop, repeat, ... (docs/sandbox-casino.md).")
    ],
    path: Annotated[
        str | None, typer.Option(help="Only calls of this path: /payments/make, /payments/accept, ...")
    ] = None,
    transaction_type: Annotated[int | None, typer.Option("--type", help="Only movements of this type.")] = None,
    bet_id: Annotated[int | None, typer.Option(help="Only calls about this BetId.")] = None,
    player: Annotated[str | None, typer.Option(help="Only calls about this PartnerUserId.")] = None,
    probability: Annotated[float | None, typer.Option(help="Which part of the calls, 0 to 1; all by default.")] = None,
    times: Annotated[int | None, typer.Option(help="For this number of calls, then no more.")] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds, for the kind delay.")] = None,
    status: Annotated[int | None, typer.Option(help="HTTP status, for the kinds error and status.")] = None,
    error_code: Annotated[int | None, typer.Option(help="For error_code, refuse_after_commit and contradict.")] = None,
    commit: Annotated[bool | None, typer.Option("--commit", help="Take the movement before failing.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and calls give the same faults.")] = 0,
    add: Annotated[bool, typer.Option("--add", help="Keep the faults in force; their counts restart at 0.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make the sandbox casino of the running stack fail, until `mend`. Replaces the faults in force."""
    given = {
        "kind": kind,
        "path": path,
        "transaction_type": transaction_type,
        "bet_id": bet_id,
        "partner_user_id": player,
        "probability": probability,
        "times": times,
        "delay": delay,
        "status": status,
        "error_code": error_code,
        "commit": commit,
    }
    fault = {name: value for name, value in given.items() if value is not None}

    async def set_faults(casino: "SandboxCasino") -> list[Json]:
        kept = await casino.faults() if add else []
        for one in kept:
            del one["fired"]
        return await casino.set_faults(*kept, fault, seed=seed)

    _at_casino(as_json, data_dir, set_faults)


@sandbox.command("mend")
def mend_casino(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Remove the sandbox casino's faults."""
    _at_casino(as_json, data_dir, lambda casino: casino.set_faults())


@sandbox.command("faults")
def show_faults(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the faults of the sandbox casino, and how many calls each has met."""
    _at_casino(as_json, data_dir, lambda casino: casino.faults())


def _at_casino(as_json: bool, data_dir: Path | None, work: "Callable[[SandboxCasino], Awaitable[list[Json]]]") -> None:
    """Change or read the faults of the running stack's casino, and print those in force."""

    async def go() -> list[Json]:
        from betcore.casino.http_session import http_session
        from devkit.play.players import sandbox_casino, sandbox_keys

        settings = read_settings(data_dir)
        keys = await sandbox_keys(settings)
        async with http_session() as http:
            return await work(sandbox_casino(http, settings, keys))

    with reporting_errors(as_json):
        faults = asyncio.run(go())
        emit({"faults": faults}, as_json, "\n".join(map(_as_text, faults)) or "the sandbox casino has no faults")


def _as_text(fault: Json) -> str:
    return "  ".join(f"{name} {value}" for name, value in fault.items())


async def _prepare(context: CommandContext) -> Json:
    from betcore.db.onboarding_sessions import NewSession

    partners, catalogue, sessions = context.partners, context.catalogue, context.sessions
    casino_url = f"http://127.0.0.1:{context.settings.sandbox_casino_port}"
    provider_url = f"http://127.0.0.1:{context.settings.sandbox_provider_port}"
    provider = await _provider(partners, provider_url)
    secret = await partners.secret("provider", PROVIDER_NAME)
    await sandbox_provider.introduce(provider_url, provider["counterparty_id"], secret)
    await sandbox_provider.sync(context, provider["counterparty_id"])
    await sandbox_provider.draw(context, PROVIDER_NAME, provider_url, provider["counterparty_id"])
    casino = await _casino(partners, casino_url)
    if GAME_ID not in {game["game_id"] for game in await catalogue.games(PROVIDER_NAME)}:
        await catalogue.add_game(PROVIDER_NAME, GAME_ID, "Dice")
    if CURRENCY not in await context.limits.of_game(PROVIDER_NAME, GAME_ID):
        await context.limits.set_game(PROVIDER_NAME, GAME_ID, CURRENCY, "0.10", "500")
    await _heal(context)
    await _jackpot(context)
    await _player(casino_url, casino["partner_client_id"])
    async with _casino_of(context, casino) as handles:
        await handles.introduce(await partners.secret("casino", CASINO_NAME))
    session = await sessions.newest(*_TABLE) or await sessions.open(NewSession(*_TABLE, CURRENCY))
    await sessions.block(CASINO_NAME, PLAYER, blocked=False)
    return {
        "counterparty_id": provider["counterparty_id"],
        "secret": secret,
        "partner_client_id": casino["partner_client_id"],
        "session_id": session["session_id"],
    }


async def _heal(context: CommandContext) -> None:
    """Switch on again what a developer has switched off: a demo must not fail because of it."""
    await context.partners.suspend(PROVIDER_NAME, suspended=False)
    await context.partners.enable("provider", PROVIDER_NAME)
    await context.partners.enable("casino", CASINO_NAME)
    await context.catalogue.enable_game(PROVIDER_NAME, GAME_ID)


async def _jackpot(context: CommandContext) -> None:
    """Let stakes in the game fill a jackpot, which the feed's page shows."""
    from betcore.db.jackpot_pools import JackpotPools
    from betcore.domain.errors import PreconditionFailed
    from betcore.domain.jackpots import NewPool
    from betcore.domain.money import Money

    seed = Money.parse("1000.00", CURRENCY)
    with suppress(PreconditionFailed):
        await JackpotPools(context.database).add(
            NewPool(CASINO_NAME, "Grand", PROVIDER_NAME, GAME_ID, None, Decimal("0.015"), seed)
        )


async def _confirm(context: CommandContext, way: Way) -> Json:
    partners = context.partners
    profile = await partners.profile("casino", CASINO_NAME)
    # JSON is YAML too.
    changed = json.dumps(profile | {"confirmation": way})
    async with _casino_of(context, await partners.change("casino", CASINO_NAME)) as casino:
        await casino.introduce(await partners.secret("casino", CASINO_NAME))
        # A service that expects no Accept would take "received" for the outcome. So the service is the first to expect
        # Accepts, in all of its processes, and the last.
        if way is Way.REPLY:
            await casino.confirm_by(way)
        await partners.change("casino", CASINO_NAME, profile=changed)
        if way is Way.ACCEPT:
            await asyncio.sleep(context.settings.partner_cache_seconds)
            await casino.confirm_by(way)
    return {"casino": CASINO_NAME, "confirmation": str(way)}


@asynccontextmanager
async def _casino_of(context: CommandContext, casino: Json) -> "AsyncIterator[SandboxCasino]":
    """Yield the control API of the casino at the port of the settings."""
    from betcore.casino.http_session import http_session
    from devkit.play.books import SandboxCasino

    url = f"http://127.0.0.1:{context.settings.sandbox_casino_port}"
    async with http_session() as http:
        yield SandboxCasino(http, url, str(casino["partner_client_id"]))


async def _provider(partners: "Onboarding", url: str) -> Json:
    found = await _moved(partners, "provider", PROVIDER_NAME, url) or await partners.add_provider(PROVIDER_NAME, url)
    # Its games run at its own address.
    profile = await partners.profile("provider", PROVIDER_NAME) | {"frame_hosts": [url.removeprefix("http://")]}
    return found | await partners.change("provider", PROVIDER_NAME, profile=json.dumps(profile))


async def _casino(partners: "Onboarding", url: str) -> Json:
    found = await _moved(partners, "casino", CASINO_NAME, url)
    found = found or await partners.add_casino(CASINO_NAME, url, confirmation="reply")
    # Its own page embeds the frame.
    profile = await partners.profile("casino", CASINO_NAME) | {"origins": [url]}
    return found | await partners.change("casino", CASINO_NAME, profile=json.dumps(profile))


async def _moved(partners: "Onboarding", kind: "PartnerKind", name: str, url: str) -> Json | None:
    """Return the partner with its new address (ports change at each start), or None if it is not onboarded yet."""
    try:
        return await partners.change(kind, name, address=url)
    except NotFound:
        return None


async def _player(casino_url: str, partner_client_id: int) -> None:
    import aiohttp

    from betcore.casino.http_session import http_session

    new = {
        "partner_client_id": partner_client_id,
        "partner_user_id": PLAYER,
        "currency": CURRENCY,
        "balance": BALANCE,
    }
    try:
        async with http_session(raise_for_status=True) as http:
            found = await http.get(f"{casino_url}/_players/{partner_client_id}/{PLAYER}", raise_for_status=False)
            if found.status == HTTPStatus.NOT_FOUND:
                await http.post(f"{casino_url}/_players", json=new)
            else:
                found.raise_for_status()
    except aiohttp.ClientError as error:
        raise Unavailable(f"the sandbox casino at {casino_url}: {error}", code="unreachable") from error
