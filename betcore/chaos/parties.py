"""Who plays: providers with a book each, at a casino that confirms in its answer or at one that confirms by Accept."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TypeVar

import aiohttp
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.cli.books import SandboxCasino
from betcore.cli.seats import CURRENCY, Seat
from betcore.db.onboarding import Onboarding, Word
from betcore.db.onboarding_catalogue import Catalogue
from betcore.errors import SetupRefused
from betcore.sandbox.provider import rounds
from betcore.sandbox.provider.book import Book, BookedBet, Stake
from betcore.sandbox.provider.client import AggregatorClient, Answer
from betcore.sandbox.provider.croupier import Croupier, opening_call

# A debit that a killed worker leaves in doubt until its last moment is looked for within seconds, not minutes.
_CASINO = "{clock_leeway: 3, effect_within: 3, accept_within: 2, retry: {cap: 10}}"
_MONEY = Decimal("100000.00")
_PLAYERS = 4
# More than the API's own deadline for an answer, so that its 99 is heard rather than a time-out of ours.
_ANSWER_WITHIN = 8
# Every process knows a new secret after this: longer than ``partner_cache_seconds``.
_KNOWN_AFTER = 3.0
_OVERLAP = 120
# A server that was killed is back long before.
_PATIENCE = 60.0
OUTAGES = (SetupRefused, SQLAlchemyError, OSError, TimeoutError)
T = TypeVar("T")


@dataclass
class House:
    """A casino of the sandbox, with its handles."""

    name: str
    confirmation: str
    handles: SandboxCasino


@dataclass
class Player:
    """A provider that plays: its keys, its croupier and its book."""

    name: str
    counterparty_id: str
    house: House
    client: AggregatorClient
    croupier: Croupier
    book: Book
    seats: list[Seat]
    seed: int
    numbers: Iterator[int] = field(default_factory=count)

    def next_stake(self) -> Stake:
        """What it plays next; the seed decides everything."""
        number = next(self.numbers)
        seat = self.seats[number % len(self.seats)]
        amount = rounds.stake(self.seed, number)
        one_step = rounds.is_one_step(self.seed, number)
        return Stake(
            bet_id=f"{self.name}-{number}",
            number=number,
            session_id=seat.session_id,
            player=seat.player,
            round_id=f"round-{number}",
            currency=CURRENCY,
            amount=amount,
            win=rounds.win(self.seed, number, amount) if one_step else None,
        )

    async def with_wrong_clock(self, minutes: int) -> Answer:
        """A new stake, signed by a clock that is so far off. It is played afterwards by a right one."""
        stake = self.next_stake()
        answer = await self.client.send(opening_call(stake), clock_off=60 * minutes)
        await self.croupier.play(stake)
        return answer


class Desk:
    """Onboards who plays, and changes keys while they do."""

    def __init__(self, engine: AsyncEngine, partners: Onboarding, http: aiohttp.ClientSession, folder: Path) -> None:
        self._engine = engine
        self._partners = partners
        self._catalogue = Catalogue(engine)
        self._http = http
        self._folder = folder

    async def house(self, confirmation: str, url: str, control: str, aggregator: str) -> House:
        """A casino at ``url``, as the service reaches it; ``control`` is where its handles are."""
        name = f"casino-{confirmation}"
        made = await self._partners.add_casino(name, url, _CASINO, confirmation)
        handles = SandboxCasino(self._http, control, str(made["partner_client_id"]))
        await handles.introduce(made["secret"], aggregator)
        await handles.confirm_by(confirmation)
        return House(name, confirmation, handles)

    async def player(self, number: int, house: House, api: str, seed: int) -> Player:
        """A provider of its own, with players at one casino."""
        name = f"provider-{number}"
        made = await self._partners.add_provider(name, "http://127.0.0.1:1", "")
        await self._catalogue.add_game(name, rounds.GAME_ID, "Dice", "0.10", "500")
        seats = []
        for place in range(_PLAYERS):
            player = f"{name}-player-{place}"
            await house.handles.open_player(player, CURRENCY, _MONEY)
            opened = await self._catalogue.open_session(name, house.name, rounds.GAME_ID, player, CURRENCY)
            seats.append(Seat(player, opened["session_id"]))
        book = Book(self._folder / f"{name}.jsonl")
        client = AggregatorClient(
            self._http, api, made["counterparty_id"], made["secret"], timeout_seconds=_ANSWER_WITHIN,
            chance=random.Random(seed),  # noqa: S311  gaps, not secrets
        )  # fmt: skip
        return Player(
            name, made["counterparty_id"], house, client, Croupier(client, book, seed + number), book, seats,
            seed + number,
        )  # fmt: skip

    async def new_provider_secret(self, player: Player, later: float) -> None:
        """The provider takes its new secret into use ``later``, while the old one still holds."""
        secret = await self._rotated("provider", player.name)
        await asyncio.sleep(max(later, _KNOWN_AFTER))
        player.client.use_secret(secret)

    async def new_casino_secret(self, house: House, later: float) -> None:
        """The same for a casino."""
        secret = await self._rotated("casino", house.name)
        await asyncio.sleep(max(later, _KNOWN_AFTER))
        await patiently(lambda: house.handles.introduce(secret))

    async def _rotated(self, word: Word, name: str) -> str:
        """A new secret. One whose answer was lost is in force all the same, and a second one would end the first."""
        known = await patiently(lambda: self._partners.secret(word, name))
        while True:
            with suppress(*OUTAGES):
                await self._partners.rotate_secret(word, name, overlap=_OVERLAP)
            newest = await patiently(lambda: self._partners.secret(word, name))
            if newest != known:
                return newest


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do it as soon as whatever it needs is there. Raises what still stands in the way after a while."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return await work()
        except OUTAGES:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.5)


class Load:
    """Bets begun at a rate by all players in turn, and finished however long it takes."""

    def __init__(self, players: list[Player], rate: float) -> None:
        self._players = players
        self._rate = rate
        self._tasks: set[asyncio.Task[BookedBet]] = set()

    async def go_on(self) -> None:
        """Begin bets until cancelled. Raises what a croupier raises."""
        began = time.monotonic()
        for place in count():
            await asyncio.sleep(began + place / self._rate - time.monotonic())
            player = self._players[place % len(self._players)]
            self._tasks.add(asyncio.create_task(player.croupier.play(player.next_stake())))
            for task in [one for one in self._tasks if one.done()]:
                task.result()
                self._tasks.remove(task)

    async def finish(self, patience: float) -> None:
        """Wait until every bet has a definite end, or patience is over: what has none then stays open in its book."""
        if not self._tasks:
            return
        done, pending = await asyncio.wait(self._tasks, timeout=patience)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
