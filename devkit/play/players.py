"""Seats at the sandbox's game: the sandbox's addresses and keys, and players with money and an open session."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import DatabaseError
from betcore.db.engine import create_engine
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.domain.errors import Misconfigured, NotFound, Unavailable
from betcore.runtime.settings import Settings
from betcore.runtime.settings_sources import STACK_FILE
from devkit.play.books import SandboxCasino
from devkit.sandbox.provider import rounds
from devkit.sandbox.provider.book import Stake
from devkit.sandbox.provider.client import AggregatorClient
from devkit.stack.errors import SandboxRefused

CURRENCY = "EUR"
HERE = "http://127.0.0.1"
# More than the API's own deadline for an answer, so that its 99 arrives before our time-out.
ANSWER_WITHIN_SECONDS = 8

_TABLE = text("""
    SELECT p.name AS provider, c.name AS casino, g.provider_game_id AS game, u.partner_user_id AS player
    FROM session s
    JOIN provider p USING (provider_id)
    JOIN game g USING (game_id)
    JOIN player u USING (player_id)
    JOIN casino c ON c.casino_id = u.casino_id
    WHERE s.session_id = :session_id""")


class Place(NamedTuple):
    """The game to play: provider and casino by name, and the provider's id of the game."""

    provider: str
    casino: str
    game: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The sandbox of a running stack; ``session_id`` and ``player`` are those of its ready-made player."""

    api: str
    casino_url: str
    counterparty_id: str
    secret: str
    partner_client_id: str
    session_id: str
    provider: str
    casino: str
    game: str
    player: str

    @property
    def place(self) -> Place:
        """Return the place of its players."""
        return Place(self.provider, self.casino, self.game)

    def aggregator(self, http: aiohttp.ClientSession) -> AggregatorClient:
        """Return the service's API as the sandbox provider calls it."""
        return AggregatorClient(
            http, self.api, self.counterparty_id, self.secret, timeout_seconds=ANSWER_WITHIN_SECONDS
        )

    def casino_handles(self, http: aiohttp.ClientSession) -> SandboxCasino:
        """Return the casino's control API."""
        return SandboxCasino(http, self.casino_url, self.partner_client_id)


@dataclass(frozen=True, slots=True)
class Seat:
    """A player with an open session; ``player`` is the casino's PartnerUserId."""

    player: str
    session_id: str

    def stake(
        self, seed: int, number: int, bet_id: str, round_id: str, one_step: Decimal = rounds.ONE_STEP_SHARE
    ) -> Stake:
        """Return the stake that the seed draws for this player and round; ``one_step`` is the share of rounds of one
        step."""
        amount = rounds.stake(seed, number)
        return Stake(
            bet_id=bet_id,
            number=number,
            session_id=self.session_id,
            player=self.player,
            round_id=round_id,
            currency=CURRENCY,
            amount=amount,
            win=rounds.win(seed, number, amount) if rounds.is_one_step(seed, number, one_step) else None,
        )


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Yield an engine for the length of the block; its failures in between raise Unavailable."""
    engine = create_engine(settings)
    try:
        yield engine
    except DatabaseError as failure:
        raise Unavailable(f"database: {type(failure).__name__}", code="database_refused") from failure
    finally:
        await engine.dispose()


async def sandbox_keys(settings: Settings) -> dict[str, Any]:
    """Return the sandbox's addresses and keys: those of the running stack, if it has the database of the settings.

    Else the sandbox partners are onboarded, or found. Raises SandboxRefused with what went wrong.
    """
    if settings.database_url is None:
        raise Misconfigured("no stack is running here: start `python -m betcore up`", code="no_database")
    try:
        ready: dict[str, Any] = json.loads((settings.data_dir / STACK_FILE).read_text())["ready"]
    except (OSError, ValueError, KeyError):
        return await _prepare(settings)
    same = _server(ready["database"]) == _server(settings.database_url.get_secret_value()) and ready["session_id"]
    return ready if same else await _prepare(settings)


def _server(url: str) -> tuple[str, str]:
    """Return host, port and database of an address: its user is the superuser in one, and a role in the other."""
    address = urlsplit(url)
    return address.netloc.rpartition("@")[2], address.path


async def _prepare(settings: Settings) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "betcore", "sandbox", "prepare", "--json"),
        env=os.environ | {"BETCORE_DATA_DIR": str(settings.data_dir)},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    try:
        found: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise SandboxRefused("`python -m betcore sandbox prepare` printed nothing") from None
    if "error" in found:
        raise SandboxRefused(found["error"]["message"], code=found["error"]["code"])
    return found


async def find_sandbox(settings: Settings, engine: AsyncEngine, keys: dict[str, Any]) -> Sandbox:
    """Return the sandbox to which ``keys`` belong (of ``sandbox_keys``, or of a stack that is ready).

    Raises NotFound if the database does not have the session in them.
    """
    async with engine.connect() as connection:
        row = (await connection.execute(_TABLE, {"session_id": keys["session_id"]})).one_or_none()
    if row is None:
        raise NotFound("the sandbox's session is in another database")
    return Sandbox(
        api=keys.get("api", f"{HERE}:{settings.api_port}") + settings.provider_api_prefix,
        casino_url=_casino_url(settings, keys),
        counterparty_id=keys["counterparty_id"],
        secret=keys["secret"],
        partner_client_id=str(keys["partner_client_id"]),
        session_id=keys["session_id"],
        **row._mapping,
    )


def sandbox_casino(http: aiohttp.ClientSession, settings: Settings, keys: dict[str, Any]) -> SandboxCasino:
    """Return the control API of the casino to which ``keys`` (of ``sandbox_keys``) belong."""
    return SandboxCasino(http, _casino_url(settings, keys), str(keys["partner_client_id"]))


def _casino_url(settings: Settings, keys: dict[str, Any]) -> str:
    return str(keys.get("sandbox_casino", f"{HERE}:{settings.sandbox_casino_port}"))


async def take_seats(
    sessions: Sessions, place: Place, casino: SandboxCasino, players: Sequence[str], money: Decimal
) -> list[Seat]:
    """Give each player this much money at the casino and a session of its own; players who are new get registered."""
    seats = []
    for player in players:
        await casino.open_player(player, CURRENCY, money)
        opened = await sessions.open(NewSession(*place, player, CURRENCY))
        seats.append(Seat(player, str(opened["session_id"])))
    return seats
