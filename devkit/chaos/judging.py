"""The judgement of a run that has come to rest: every book is compared with every other."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import Database
from betcore.runtime.settings import Settings
from betcore.verify.jackpots import check_jackpots
from betcore.verify.report import Report, ignore_progress
from betcore.verify.run import verify
from betcore.verify.sources import Scope, open_sources
from devkit.chaos import balances, cashback_books, pools
from devkit.chaos.budgets import uncounted
from devkit.chaos.cashback_books import OurCashback, read_cashbacks
from devkit.chaos.cashbacks import CashbackDesk
from devkit.chaos.partners import MONEY, LoadProvider
from devkit.chaos.restoring import Restoring
from devkit.play.books import read_ours
from devkit.sandbox.provider import compare
from devkit.sandbox.provider.book import Outcome
from devkit.sandbox.provider.compare import CasinoMovement
from devkit.verify.provider_book import provider_book


class Judge:
    """Compares what is judged: all of it, or after a restore of the database what was begun since."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        engine: AsyncEngine,
        providers: Sequence[LoadProvider],
        desk: CashbackDesk,
        restoring: Restoring,
    ) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._providers = providers
        self._desk = desk
        self._restoring = restoring

    async def judge(self, restless: dict[str, str]) -> dict[str, Any]:
        """Return what ``verify`` has found, the differences of all other books, and counts for the report."""
        cashbacks = await read_cashbacks(self._engine, self._restoring.at)
        books: dict[str, list[Any]] = {
            "differences": [],
            "unresolved": [bet.stake.bet_id for one in self._providers for bet in one.book.unresolved()],
            "not_at_rest": [{"bet_id": name, "what": what} for name, what in restless.items()],
            "given_again": await self._restoring.given_again(),
            "balances": [],
            "pools": await self._journals_of_pools(),
            "budgets": [],
        }
        if self._restoring.at is None:
            # A restore loses what was counted, with the wins of that time.
            weighed = (one.name for one in self._providers if one.pool is None)
            books["budgets"] = [wrong for name in weighed for wrong in await uncounted(self._engine, name)]
        of_cashbacks: dict[str, list[CasinoMovement]] = {}
        for provider in self._providers:
            differences, wrong, listed = await self._provider(provider, cashbacks)
            books["differences"] += [asdict(one) for one in differences]
            books["balances"] += wrong
            of_cashbacks.setdefault(provider.casino.name, []).extend(listed)
        found = cashback_books.compare(self._desk.orders, cashbacks, of_cashbacks)
        books["cashbacks"] = [asdict(one) for one in found]
        jackpots, contributions, wrong_pools = await self._pools()
        books["pools"] += wrong_pools
        scope = Scope("journal", books=[provider_book(one.path) for one in self._providers], since=self._restoring.at)
        async with open_sources(self._settings, scope) as sources:
            verified = await verify(sources)
        books["unchecked"] = [f"{name}: {why}" for name, check in verified.checks.items() for why in check.unchecked]
        return {
            "verify": verified.as_json(),
            "books": books,
            "cashbacks": cashback_books.ends(cashbacks),
            "cashbacks_set_aside": len(self._desk.aside),
            "jackpots": jackpots,
            "contributions_booked": contributions,
        }

    async def _provider(
        self, provider: LoadProvider, cashbacks: Sequence[OurCashback]
    ) -> tuple[list[compare.Difference], list[str], list[CasinoMovement]]:
        """Return the differences of a provider's book, its players' wrong balances, and the judged movements of their
        cashbacks."""
        casino, journal, wrong, of_cashbacks = provider.casino, [], [], []
        for player in (seat.player for seat in provider.seats):
            movements = await casino.handles.movements([player])
            judged = await self._restoring.judged(provider, movements)
            listed = await casino.handles.cashbacks([player])
            judged_cashbacks = self._restoring.judged_cashbacks(cashbacks, listed)
            must = balances.expected(
                MONEY,
                [bet for bet in provider.book if bet.stake.player == player],
                [one for one in cashbacks if (one.casino, one.player) == (casino.name, player)],
                [one for one in (*movements, *listed) if one not in judged and one not in judged_cashbacks],
            )
            if (shown := await casino.handles.balance(player)) != must:
                wrong.append(f"{player} of {casino.name} has {shown}, by the books {must}")
            journal += judged
            of_cashbacks += judged_cashbacks
        ours = await read_ours(self._engine, provider.counterparty_id, [bet.stake.bet_id for bet in provider.book])
        return compare.compare(provider.book, ours, journal), wrong, of_cashbacks

    async def _pools(self) -> tuple[dict[str, int], int, list[str]]:
        """Return the jackpots that were won, the contributions that were booked, and what is wrong with the pools."""
        wrong: list[str] = []
        contributions, counts = 0, {"of providers": 0, "of pools": 0}
        for provider in self._providers:
            winners = [bet for bet in provider.book if bet.outcome is Outcome.SETTLED and bet.jackpot is not None]
            counts["of providers" if provider.pool is None else "of pools"] += len(winners)
            if provider.pool is not None:
                pool = await pools.read_pool(self._engine, provider.pool, self._restoring.at)
                contributions += pool.entries
                whole = self._restoring.at is None and not provider.book.unresolved()
                wrong += pools.compare(pool, list(provider.book), provider.names_aside, whole=whole)
        return counts, contributions, wrong

    async def _journals_of_pools(self) -> list[str]:
        """Return what is wrong with the journals of pools after a restore: over all bets, as ``verify`` looks at them
        in other runs. The rows from before a restore fit together too."""
        if self._restoring.at is None:
            return []
        report = Report()
        await check_jackpots(self._database, 0, report, ignore_progress)
        return [one.what for one in report.violations]
