"""The provider's draw game: five numbers of sixty, round after round, which anyone can check afterwards.

Before the first bet the provider draws a seed and publishes its SHA-256; with the results it publishes the seed. The
results follow from the seed and the round's id alone.

Each step is written into the book first and then reported until it is answered. So a provider that dies goes on with
the same round, the same seed and the same report.
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

from betcore.provider import xsign
from devkit.sandbox.provider.client import AggregatorClient, Answer

COUNT, HIGHEST = 5, 60
ALGORITHM = f"draw-v1:{COUNT}/{HIGHEST}"
# Of 20 parts of a round's time: betting, drawing; what is left is for a look at the results.
_BETTING, _ACTION, _PARTS = 12, 3, 20
# Before a report is sent again that was refused for now.
_REFUSED_FOR = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose rounds they are: the keys by which they are reported, and the number of the game."""

    counterparty_id: str
    secret: str
    game_type: int


@dataclass(frozen=True, slots=True)
class Round:
    """A round as the book has it. ``state`` is what was reported last, or is being reported."""

    round_id: str
    seed: str
    closes_at: int
    state: str = "awaiting"

    @classmethod
    def new(cls, betting: timedelta) -> "Round":
        """Return a round that nothing was said of yet; betting is open for so long."""
        now = time.time_ns() // 1_000_000
        return cls(f"draw-{now}", secrets.token_hex(32), now // 1000 + 1 + betting // timedelta(seconds=1))

    @property
    def results(self) -> list[int]:
        """Return what is drawn."""
        return draw(self.seed, self.round_id)

    @property
    def report(self) -> dict[str, object]:
        """Return what is reported of it in its state."""
        match self.state:
            case "awaiting":
                promised = hashlib.sha256(bytes.fromhex(self.seed)).hexdigest()
                return {"state": self.state, "commitment": promised, "algorithm": ALGORITHM}
            case "betting":
                return {"state": self.state, "bettingClosesAt": self.closes_at}
            case "finished":
                return {"state": self.state, "results": self.results, "seed": self.seed}
            case _:
                return {"state": self.state}


@dataclass(frozen=True, slots=True)
class RoundCall:
    """One report, whose bytes stay the same however often it is sent."""

    path: str
    body: bytes


def draw(seed: str, round_id: str, count: int = COUNT, highest: int = HIGHEST) -> list[int]:
    """Return the numbers that follow from a seed: written anew here, so that two implementations must agree."""
    drawn: list[int] = []
    counter, unfair = 0, 2**32 - 2**32 % highest
    while len(drawn) < count:
        digest = hmac.new(bytes.fromhex(seed), f"{round_id}:{counter}".encode(), hashlib.sha256).digest()
        counter += 1
        word = int.from_bytes(digest[:4], "big")
        if word < unfair and word % highest + 1 not in drawn:
            drawn.append(word % highest + 1)
    return drawn


class DrawBook:
    """The account and the round, in a file that outlives the process; in memory without a path."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.account: Account | None = None
        self.round: Round | None = None
        if path is not None and path.exists():
            kept = json.loads(path.read_text())
            self.account = Account(**kept["account"])
            self.round = Round(**kept["round"]) if kept["round"] else None

    def write(self, account: Account, round_: Round | None) -> None:
        """Keep both. A file is replaced as a whole: a crash leaves the one or the other."""
        self.account, self.round = account, round_
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"account": asdict(account), "round": round_ and asdict(round_)}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


class DrawGame:
    """Plays rounds of such a length, for as long as it runs."""

    def __init__(self, aggregator: AggregatorClient, account: Account, book: DrawBook, length: timedelta) -> None:
        self._aggregator = aggregator
        self._account = account
        self._book = book
        self._part = length / _PARTS

    async def run(self) -> None:
        """Go on with the round of the book, and then play one after the other."""
        while True:
            begun = self._book.round or self._keep(Round.new(self._part * _BETTING))
            with suppress(RoundLost):
                await self._play(begun)
            self._book.write(self._account, None)
            await _sleep(self._part * (_PARTS - _BETTING - _ACTION))

    async def _play(self, found: Round) -> None:
        if found.state == "awaiting":
            await self._report(found)
            found = self._keep(replace(found, state="betting"))
        if found.state == "betting":
            await self._report(found)
            await asyncio.sleep(max(found.closes_at - time.time(), 0))
            found = self._keep(replace(found, state="action"))
        if found.state == "action":
            await self._report(found)
            await _sleep(self._part * _ACTION)
            found = self._keep(replace(found, state="finished"))
        await self._report(found)

    def _keep(self, found: Round) -> Round:
        self._book.write(self._account, found)
        return found

    async def _report(self, found: Round) -> None:
        """Report until it is done. Raises RoundLost if the round has ended otherwise."""
        path = f"/v1/live/{self._account.game_type}/rounds/{found.round_id}"
        call = RoundCall(path, xsign.compact(found.report))
        while not (answer := await self._aggregator.repeat(call, _ignore)).done:
            if found.state != "awaiting":
                raise RoundLost(answer.reason)
            # An earlier round has not ended there, or the game is not set up yet.
            await _sleep(_REFUSED_FOR)


class RoundLost(Exception):
    """The service holds the round for something else: an operator has cancelled it."""


async def _sleep(time_: timedelta) -> None:
    await asyncio.sleep(time_.total_seconds())


def _ignore(_: Answer) -> None:
    """Keep no answers: only whether a report is done counts."""
