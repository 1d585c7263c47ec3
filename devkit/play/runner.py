"""What ``python -m betcore play`` does: seat players, play bets at a rate, compare three books."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.casino.http_session import http_session
from betcore.db.onboarding_sessions import Sessions
from betcore.runtime.settings import Settings
from devkit.play.books import not_at_rest, read_ours
from devkit.play.players import Sandbox, Seat, database, find_sandbox, sandbox_keys
from devkit.play.wallets import SandboxWallet, Wallet, in_order, own_wallet
from devkit.sandbox.provider import rounds
from devkit.sandbox.provider.book import Book, BookedBet, Outcome, Stake
from devkit.sandbox.provider.client import Operation
from devkit.sandbox.provider.compare import Difference, compare
from devkit.sandbox.provider.croupier import Croupier

# A worker may still write a row after its answer: bets are read again for this number of seconds.
BOOKS_AGREE_WITHIN_SECONDS = 30
SHOWN = 20  # bets in a list for a person


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be played. ``rate`` is in bets a second, ``patience`` in seconds after the last bet began.

    ``one_step`` is the share of rounds of one step, from 0 to 1. Without a ``book`` the run gets one of its own in the
    data folder. ``casino`` is the casino at whose own wallet its players ``regulars`` play; without one, ``players``
    new players play at the sandbox casino.
    """

    bets: int
    rate: float
    players: int
    seed: int
    at_once: int
    patience: int
    book: Path | None
    one_step: Decimal = rounds.ONE_STEP_SHARE
    casino: str | None = None
    regulars: tuple[str, ...] = ()
    # The share of rounds of two steps that win a jackpot: the pool, or without one the provider's own.
    jackpots: Decimal = Decimal(0)
    pool: int | None = None

    @property
    def seconds(self) -> float:
        """Return how long the run may take from the first bet on."""
        return self.bets / self.rate + self.patience


async def play(settings: Settings, plan: Plan) -> dict[str, Any]:
    """Play the plan on the running stack; the summary.

    Raises Misconfigured without a stack, NotFound without its sandbox or the plan's casino.
    """
    run = f"{time.strftime('%y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    path = plan.book or settings.data_dir / "play" / f"{run}.jsonl"
    keys = await sandbox_keys(settings)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(database(settings))
        http = await stack.enter_async_context(http_session())
        sandbox = await find_sandbox(settings, engine, keys)
        place, wallet = sandbox.place, _sandbox_wallet(sandbox, http, run, plan.players)
        if plan.casino is not None:
            place = place._replace(casino=plan.casino)
            wallet = await stack.enter_async_context(own_wallet(settings, engine, http, plan.casino, plan.regulars))
        seats = await wallet.seats(Sessions(engine), place)
        book = Book(path)
        known = len(book)
        try:
            began = time.monotonic()
            croupier = Croupier(sandbox.aggregator(http), book, plan.seed, plan.jackpots, plan.pool)
            with _progress() as progress:
                await Run(plan, progress).play(croupier, book, _stakes(run, plan, seats))
            took = round(time.monotonic() - began, 1)
            restless = await come_to_rest(engine, sandbox.counterparty_id, book, began + plan.seconds)
            differences, books = await _compare(engine, sandbox, wallet, book)
        finally:
            book.close()
    figures = {"run": run, "seed": plan.seed, "seconds": took, "not_begun": plan.bets - len(book) + known}
    return figures | summarise(book, differences, restless) | {"books": books, "book": str(path)}


def _sandbox_wallet(sandbox: Sandbox, http: ClientSession, run: str, players: int) -> Wallet:
    return SandboxWallet(sandbox.casino_handles(http), [f"play-{run}-{number}" for number in range(players)])


def _stakes(run: str, plan: Plan, seats: Sequence[Seat]) -> Iterable[Stake]:
    for number in range(plan.bets):
        seat = seats[number % len(seats)]
        yield seat.stake(plan.seed, number, f"play-{run}-{number}", f"round-{run}-{number}", plan.one_step)


class Run:
    """Bets in progress: begun at a rate, a limited number at once, and stopped when patience is over."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._turns = asyncio.Semaphore(plan.at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress = progress
        self._bar = progress.add_task("bets", total=plan.bets, repeats=0)
        self._repeats = 0

    async def play(self, croupier: Croupier, book: Book, stakes: Iterable[Stake]) -> None:
        """Finish what is open in the book and play new bets; what has no end when patience is over stays open."""
        began = time.monotonic()
        last = asyncio.get_running_loop().time() + self._plan.seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(last):
                for bet in book.unresolved():
                    await self._begin(croupier, bet)
                for place, stake in enumerate(stakes):
                    await asyncio.sleep(began + place / self._plan.rate - time.monotonic())
                    await self._begin(croupier, book.open_bet(stake))
                await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _begin(self, croupier: Croupier, bet: BookedBet) -> None:
        await self._turns.acquire()
        self._tasks.add(asyncio.create_task(self._finish(croupier, bet)))

    async def _finish(self, croupier: Croupier, bet: BookedBet) -> None:
        try:
            await croupier.finish(bet)
        finally:
            self._turns.release()
        self._repeats += _repeats(bet)
        self._progress.update(self._bar, advance=1, repeats=self._repeats)


async def come_to_rest(engine: AsyncEngine, counterparty_id: str, book: Book, until: float) -> dict[str, str]:
    """Return what our rows still have to do, by bet, once that is nothing or patience is over (``until``, monotonic).

    A bet without a definite end in the book has had all the patience there is: it is not waited for.
    """
    bet_ids = [bet.stake.bet_id for bet in book]
    give_up = max(until, time.monotonic() + BOOKS_AGREE_WITHIN_SECONDS)
    while True:
        restless = await not_at_rest(engine, counterparty_id, bet_ids)
        if not restless or book.unresolved() or time.monotonic() > give_up:
            return restless
        await asyncio.sleep(1)


async def _compare(
    engine: AsyncEngine, sandbox: Sandbox, wallet: Wallet, book: Book
) -> tuple[list[Difference], list[str]]:
    """Return on what the books differ, and whose books they are: a casino need not show its own."""
    bet_ids = [bet.stake.bet_id for bet in book]
    players = sorted({bet.stake.player for bet in book})
    give_up = time.monotonic() + BOOKS_AGREE_WITHIN_SECONDS
    while True:
        ours = await read_ours(engine, sandbox.counterparty_id, bet_ids)
        shown = await wallet.movements(ours, players)
        # What we hold for done stands in for a book that is not shown.
        of_casino = [one for bet in ours.values() for one in in_order(bet.movements)] if shown is None else shown
        differences = compare(book, ours, of_casino)
        open_to_us = any(bet.outcome is Outcome.OPEN for bet in book)
        if not differences or open_to_us or time.monotonic() > give_up:
            return differences, ["provider", "service"] + ([] if shown is None else ["casino"])
        await asyncio.sleep(1)


def summarise(book: Book, differences: Sequence[Difference], restless: Mapping[str, str]) -> dict[str, Any]:
    """Return the run in figures; times are milliseconds for one answer, as the provider measured it.

    ``restless`` are the bets that still have something to do by our rows, and what.
    """
    bets = list(book)
    codes = Counter(f"{one.operation} {one.code or one.reason}" for bet in bets for one in bet.answers)
    return {
        "bets": len(bets),
        "outcomes": dict(Counter(str(bet.outcome) for bet in bets)),
        "answers": dict(sorted(codes.items())),
        "repeats": sum(_repeats(bet) for bet in bets),
        "unknown_answers": sum(not one.definite for bet in bets for one in bet.answers),
        "pay_in_ms": _times(bets, Operation.PAY_IN),
        "pay_out_ms": _times(bets, Operation.PAY_OUT),
        "pay_in_out_ms": _times(bets, Operation.PAY_IN_OUT),
        "unresolved": [bet.stake.bet_id for bet in book.unresolved()],
        "not_at_rest": [{"bet_id": bet_id, "what": what} for bet_id, what in restless.items()],
        "differences": [asdict(one) for one in differences],
    }


def _repeats(bet: BookedBet) -> int:
    return len(bet.answers) - len({one.operation for one in bet.answers})


def _times(bets: Sequence[BookedBet], operation: Operation) -> dict[str, int | None]:
    took = sorted(
        one.took_ms for bet in bets for one in bet.answers if one.operation is operation and one.status is not None
    )
    return {f"p{part}": took[min(len(took) - 1, len(took) * part // 100)] if took else None for part in (50, 99)}


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[repeats]} repeats"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def as_text(summary: dict[str, Any]) -> str:
    """Return the summary as text for a person."""
    table = Table(show_header=False, box=None)
    table.add_row("bets", f"{summary['bets']} in {summary['seconds']} s, seed {summary['seed']}")
    table.add_row("outcomes", ", ".join(f"{count} {name}" for name, count in summary["outcomes"].items()))
    table.add_row("answers", ", ".join(f"{name}: {count}" for name, count in summary["answers"].items()))
    table.add_row("repeats", f"{summary['repeats']} ({summary['unknown_answers']} answers left the outcome unknown)")
    for name, key in (("PayIn", "pay_in_ms"), ("PayOut", "pay_out_ms"), ("PayInOut", "pay_in_out_ms")):
        table.add_row(name, f"p50 {summary[key]['p50']} ms, p99 {summary[key]['p99']} ms")
    table.add_row("provider's book", summary["book"])
    if summary["not_begun"]:
        table.add_row("not begun", f"{summary['not_begun']}: patience was over")
    different = summary["differences"]
    agree = f"{', '.join(summary['books'])} agree"
    table.add_row(f"{len(summary['books'])} books", f"{len(different)} differences" if different else agree)
    if "casino" not in summary["books"]:
        table.add_row("casino's book", "not compared: payments/info gave no clear answer")
    for one in different[:SHOWN]:
        table.add_row(one["bet_id"], one["what"])
    restless = summary["not_at_rest"]
    kinds = Counter(one["what"] for one in restless)
    table.add_row("not at rest", ", ".join(f"{count} {what}" for what, count in kinds.items()) or "nothing")
    for one in restless[:SHOWN]:
        table.add_row(one["bet_id"], one["what"])
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()
