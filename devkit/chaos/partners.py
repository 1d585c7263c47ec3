"""The partners of a run: providers with a book each, at a casino that confirms in its answer or at one that confirms
by Accept."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import count, islice
from pathlib import Path

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import Database
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_sessions import Sessions
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from betcore.domain.partners import PartnerKind
from devkit.chaos.outages import OUTAGES, once_available
from devkit.play.books import SandboxCasino
from devkit.play.players import CURRENCY, Place, Seat, take_seats
from devkit.sandbox.provider import rounds
from devkit.sandbox.provider.book import Book, BookedBet, Stake
from devkit.sandbox.provider.client import AggregatorClient, Answer
from devkit.sandbox.provider.croupier import Croupier, opening_call

# A debit that a killed worker leaves in doubt until its last moment is looked for within seconds, not minutes. A casino
# that calls a credit a duplicate, and still lists nothing after effect_within, is left to operators, whom this run has
# not: so it is longer than a fault lasts. For the same reason the casinos list cashbacks.
_CASINO = """
clock_leeway: 3
effect_within: 10
accept_within: 2
retry: {cap: 10}
send: {close: true, list: one_step}
cashback_info: true
"""
# Every win of a provider without a pool is weighed and counted; none waits, because nobody would release it.
_WEIGHED = "win_review: {max_win: {EUR: 1000000}, max_odd: 1000000, per_hour: {EUR: 1000000000}}"
MONEY = Decimal("100000.00")
_PLAYERS = 4
# The share of rounds of two steps that win a jackpot: many more than in life, so that a short run has a dozen.
JACKPOTS = Decimal("0.1")
# A share of which every stake leaves a fraction.
_POOL_SHARE, _POOL_SEED = Decimal("0.0151"), "100.00"
# The rounds of pairs are apart from those of all other bets.
_PAIRS_FROM = 1_000_000
# More than the API's own deadline for an answer, so that its 99 arrives before our time-out.
_ANSWER_WITHIN = 8
_OVERLAP = 120


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
    book: Book
    seats: list[Seat]
    seed: int
    path: Path
    # The pool that its bets win; None: its jackpots are its own.
    pool: int | None = None
    # The books of the bets that a restore of the database has set aside.
    aside: list[Book] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    croupier: Croupier = field(init=False)
    # Stakes that only a wrong clock has sent so far, and bets that only a wrong clock ever sends.
    again: list[Stake] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Seat the croupier, and find the rounds of pairs."""
        self.croupier = self._seated()
        self._winners = filter(self._wins_jackpot, count(_PAIRS_FROM))

    def _seated(self) -> Croupier:
        return Croupier(self.client, self.book, self.seed, JACKPOTS, self.pool)

    def _wins_jackpot(self, number: int) -> bool:
        two_steps = not rounds.is_one_step(self.seed, number)
        ends = not rounds.fails(self.seed, number, one_step=False)
        return two_steps and ends and rounds.wins_jackpot(self.seed, number, JACKPOTS)

    @property
    def bets(self) -> list[BookedBet]:
        """Return all bets that it has begun, set aside or not."""
        return [bet for book in (*self.aside, self.book) for bet in book]

    @property
    def names_aside(self) -> list[str]:
        """Return the ids of the bets that were set aside."""
        return [bet.stake.bet_id for book in self.aside for bet in book]

    def begin_anew(self) -> None:
        """Put the book aside, with all its bets, and continue in a new one."""
        self.aside.append(self.book)
        self.path = self.path.with_stem(f"{self.path.stem}-anew")
        self.book = Book(self.path)
        self.croupier = self._seated()

    def close(self) -> None:
        """Close the books."""
        for book in (*self.aside, self.book):
            book.close()

    def next_stake(self) -> Stake:
        """Return the next stake; the seed decides everything."""
        if self.again:
            return self.again.pop()
        return self._stake(next(self.numbers))

    def next_pair(self) -> list[Stake]:
        """Return two stakes that win the pool, each of them by its own draw."""
        return [self._stake(number) for number in islice(self._winners, 2)]

    def _stake(self, number: int) -> Stake:
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

    def __init__(
        self,
        engine: AsyncEngine,
        database: Database,
        partners: Onboarding,
        http: aiohttp.ClientSession,
        folder: Path,
    ) -> None:
        self._sessions = Sessions(engine)
        self._pools = JackpotPools(database)
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
        await handles.list_cashbacks()
        return LoadCasino(name, confirmation, handles)

    async def provider(self, number: int, casino: LoadCasino, api: str, seed: int, *, pool: bool) -> LoadProvider:
        """Onboard a provider of its own, with players at one casino, and if wanted with a ``pool`` of that casino."""
        name = f"provider-{number}"
        made = await self._partners.add_provider(name, "http://127.0.0.1:1", "" if pool else _WEIGHED)
        counterparty_id, secret = str(made["counterparty_id"]), str(made["secret"])
        await self._catalogue.add_game(name, rounds.GAME_ID, "Dice", "EUR", "0.10", "500")
        players = [f"{name}-player-{seat}" for seat in range(_PLAYERS)]
        place = Place(name, casino.name, rounds.GAME_ID)
        seats = await take_seats(self._sessions, place, casino.handles, players, MONEY)
        path = self._folder / f"{name}.jsonl"
        book = Book(path)
        client = AggregatorClient(
            self._http, api, counterparty_id, secret, timeout_seconds=_ANSWER_WITHIN,
            chance=random.Random(seed),  # noqa: S311  gaps, not secrets
        )  # fmt: skip
        pool_id = await self._pool(name, casino) if pool else None
        return LoadProvider(name, counterparty_id, casino, client, book, seats, seed + number, path, pool_id)

    async def _pool(self, provider: str, casino: LoadCasino) -> int:
        seed = Money.parse(_POOL_SEED, CURRENCY)
        pool = NewPool(casino.name, f"pool of {provider}", provider, rounds.GAME_ID, None, _POOL_SHARE, seed)
        return (await self._pools.add(pool)).jackpot_id

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
