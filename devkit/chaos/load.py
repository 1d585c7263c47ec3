"""The load: providers with a book each, at a casino that confirms in its answer or at one that confirms by Accept."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import DatabaseError
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_sessions import Sessions
from betcore.domain.errors import Unavailable
from betcore.domain.partners import PartnerKind
from devkit.play.books import SandboxCasino
from devkit.play.players import Place, Seat, take_seats
from devkit.sandbox.provider import rounds
from devkit.sandbox.provider.book import Book, BookedBet, Stake
from devkit.sandbox.provider.client import AggregatorClient, Answer
from devkit.sandbox.provider.croupier import Croupier, opening_call
from devkit.stack.errors import SandboxRefused, StartFailed

# A debit that a killed worker leaves in doubt until its last moment is looked for within seconds, not minutes. A casino
# that calls a credit a duplicate, and still lists nothing after effect_within, is left to operators, whom this run has
# not: so it is longer than a fault lasts.
_CASINO = "clock_leeway: 3\neffect_within: 10\naccept_within: 2\nretry: {cap: 10}\nsend: {close: true, list: one_step}"
_MONEY = Decimal("100000.00")
_PLAYERS = 4
# More than the API's own deadline for an answer, so that its 99 arrives before our time-out.
_ANSWER_WITHIN = 8
_OVERLAP = 120
# Longer than a killed server takes to come back.
_PATIENCE = 60.0
OUTAGES = (Unavailable, SandboxRefused, DatabaseError, OSError, TimeoutError, StartFailed)
T = TypeVar("T")


@dataclass
class LoadCasino:
    """A casino of the sandbox, with its control API."""

    name: str
    confirmation: str
    handles: SandboxCasino


@dataclass
class LoadProvider:
    """A provider of the load: its keys, its croupier and its book."""

    name: str
    counterparty_id: str
    casino: LoadCasino
    client: AggregatorClient
    croupier: Croupier
    book: Book
    seats: list[Seat]
    seed: int
    path: Path
    # The books of the bets that a restore of the database has set aside.
    aside: list[Book] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    # Stakes that only a wrong clock has sent so far, and bets that only a wrong clock ever sends.
    again: list[Stake] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)

    @property
    def bets(self) -> list[BookedBet]:
        """Return all bets that it has begun, set aside or not."""
        return [bet for book in (*self.aside, self.book) for bet in book]

    def begin_anew(self) -> None:
        """Put the book aside, with all its bets, and continue in a new one."""
        self.aside.append(self.book)
        self.path = self.path.with_stem(f"{self.path.stem}-anew")
        self.book = Book(self.path)
        self.croupier = Croupier(self.client, self.book, self.seed)

    def close(self) -> None:
        """Close the books."""
        for book in (*self.aside, self.book):
            book.close()

    def next_stake(self) -> Stake:
        """Return the next stake; the seed decides everything."""
        if self.again:
            return self.again.pop()
        number = next(self.numbers)
        seat = self.seats[number % len(self.seats)]
        return seat.stake(self.seed, number, f"{self.name}-{number}", f"round-{number}")

    async def send_by_wrong_clock(self, minutes: int) -> list[Answer]:
        """Send two new stakes, signed by a clock that is this number of minutes off.

        One of them is sent again later, by a right clock.
        """
        stake = self.next_stake()
        ghost = replace(stake, bet_id=f"{stake.bet_id}-ghost")
        self.ghosts.append(ghost.bet_id)
        answers = [await self.client.send(opening_call(one), clock_off=60 * minutes) for one in (ghost, stake)]
        self.again.append(stake)
        return answers


class Onboarder:
    """Onboards casinos and providers, and changes their keys under load."""

    def __init__(self, engine: AsyncEngine, partners: Onboarding, http: aiohttp.ClientSession, folder: Path) -> None:
        self._sessions = Sessions(engine)
        self._partners = partners
        self._catalogue = Catalogue(engine)
        self._http = http
        self._folder = folder
        # Of three secrets the oldest is no longer valid: the second rotation waits until the first is in use.
        self._rotating = asyncio.Lock()

    async def casino(self, confirmation: str, url: str, control: str, aggregator: str) -> LoadCasino:
        """Onboard a casino at ``url``, as the service reaches it; ``control`` is the address of its control API."""
        name = f"casino-{confirmation}"
        made = await self._partners.add_casino(name, url, _CASINO, confirmation)
        handles = SandboxCasino(self._http, control, str(made["partner_client_id"]))
        await handles.introduce(str(made["secret"]), aggregator)
        await handles.confirm_by(confirmation)
        return LoadCasino(name, confirmation, handles)

    async def provider(self, number: int, casino: LoadCasino, api: str, seed: int) -> LoadProvider:
        """Onboard a provider of its own, with players at one casino."""
        name = f"provider-{number}"
        made = await self._partners.add_provider(name, "http://127.0.0.1:1", "")
        counterparty_id, secret = str(made["counterparty_id"]), str(made["secret"])
        await self._catalogue.add_game(name, rounds.GAME_ID, "Dice", "EUR", "0.10", "500")
        players = [f"{name}-player-{seat}" for seat in range(_PLAYERS)]
        place = Place(name, casino.name, rounds.GAME_ID)
        seats = await take_seats(self._sessions, place, casino.handles, players, _MONEY)
        path = self._folder / f"{name}.jsonl"
        book = Book(path)
        client = AggregatorClient(
            self._http, api, counterparty_id, secret, timeout_seconds=_ANSWER_WITHIN,
            chance=random.Random(seed),  # noqa: S311  gaps, not secrets
        )  # fmt: skip
        return LoadProvider(
            name, counterparty_id, casino, client, Croupier(client, book, seed + number), book, seats,
            seed + number, path,
        )  # fmt: skip

    async def hand_out_secrets(self, providers: list[LoadProvider], casinos: list[LoadCasino]) -> None:
        """Give partners the secrets that the database has: a rotated secret that a restore has lost is not valid."""
        async with self._rotating:
            for provider in providers:
                provider.client.use_secret(await self._secret("provider", provider.name))
            for casino in casinos:
                await once_available(partial(casino.handles.introduce, await self._secret("casino", casino.name)))

    async def new_provider_secret(self, provider: LoadProvider, later: float) -> None:
        """Rotate the provider's secret; the provider uses the new one ``later`` (seconds), while the old one is
        still valid."""
        async with self._rotating:
            secret = await self._rotated("provider", provider.name)
            await asyncio.sleep(later)
            provider.client.use_secret(secret)

    async def new_casino_secret(self, casino: LoadCasino, later: float) -> None:
        """Rotate the casino's secret in the same way."""
        async with self._rotating:
            secret = await self._rotated("casino", casino.name)
            await asyncio.sleep(later)
            await once_available(lambda: casino.handles.introduce(secret))

    async def _rotated(self, word: PartnerKind, name: str) -> str:
        """Return a new secret.

        A secret whose answer was lost is in force all the same, and a second one would end the first.
        """
        known = await self._secret(word, name)
        while True:
            with suppress(*OUTAGES):
                await self._partners.rotate_secret(word, name, overlap=_OVERLAP)
            newest = await self._secret(word, name)
            if newest != known:
                return newest

    async def _secret(self, word: PartnerKind, name: str) -> str:
        return await once_available(lambda: self._partners.secret(word, name))


async def once_available(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` again until what it needs is there. Raises its last failure after a while."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return await work()
        except OUTAGES:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.5)


class Load:
    """Bets begun at a rate by all providers in turn, and finished however long it takes."""

    def __init__(self, providers: list[LoadProvider], rate: float) -> None:
        self._providers = providers
        self._rate = rate
        self._tasks: set[asyncio.Task[BookedBet]] = set()

    async def begin_bets(self) -> None:
        """Begin bets until cancelled. Raises what a croupier raises."""
        began = time.monotonic()
        for place in count():
            await asyncio.sleep(began + place / self._rate - time.monotonic())
            provider = self._providers[place % len(self._providers)]
            self._tasks.add(asyncio.create_task(provider.croupier.play(provider.next_stake())))
            for task in [one for one in self._tasks if one.done()]:
                task.result()
                self._tasks.remove(task)

    def give_up(self) -> None:
        """Cancel the bets in play, and continue with bets that begin from here."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def finish(self, patience: float) -> None:
        """Wait until every bet has a definite end, or patience is over: what has none then stays open in its book."""
        if not self._tasks:
            return
        done, _ = await asyncio.wait(self._tasks, timeout=patience)
        await self.aclose()
        for task in done:
            task.result()

    async def aclose(self) -> None:
        """Cancel the bets that are still in play."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
