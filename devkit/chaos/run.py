"""A chaos run: a stack of its own under load, broken by a schedule. Then it must come to rest, and is checked."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.casino.http_session import http_session
from betcore.cli.context import CommandContext
from betcore.db.database import open_database
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.chaos import metrics
from devkit.chaos.cashbacks import CashbackDesk
from devkit.chaos.environment import commit, machine
from devkit.chaos.fault_injector import Broken, FaultInjector
from devkit.chaos.judging import Judge
from devkit.chaos.load import Load
from devkit.chaos.partners import JACKPOTS, LoadCasino, LoadProvider, Onboarder
from devkit.chaos.rest import Rest
from devkit.chaos.restoring import Restoring
from devkit.chaos.schedule import KINDS, RESTORE, Fault, schedule
from devkit.chaos.stream import Stream
from devkit.chaos.wiring import Wiring
from devkit.play.books import read_ours
from devkit.sandbox.provider import rounds
from devkit.stack.folder import Folder
from devkit.stack.postgres import Postgres
from devkit.stack.up import Ready

PROVIDERS = 3
# The bets of the first two win pools, one at each casino; jackpots of the others are their own.
_WITH_POOL = 2
BETS_FOR_A_CASHBACK = 8
# Seconds that bets and cashbacks may take to come to rest by themselves once no fault is in force.
_PATIENCE = 900.0
_DOUBT = text("""
    SELECT b.provider_bet_id, extract(epoch FROM m.ended_at - m.first_sent_at)::float AS seconds
    FROM movement m JOIN bet b USING (bet_id)
    WHERE m.ended_at IS NOT NULL AND (b.opened_at >= :since OR CAST(:since AS timestamptz) IS NULL)
    ORDER BY m.ended_at - m.first_sent_at DESC LIMIT 1""")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: ``rate`` in bets a second, the ``minutes`` in which faults are injected, and their kinds."""

    minutes: float
    seed: int
    rate: float
    kinds: Sequence[str] = KINDS


@dataclass(slots=True)
class Hit:
    """A fault as it was injected; times are seconds since the load began."""

    fault: Fault
    broken: Broken
    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Server:
    """Figures of the database at the end: its version, and the longest time a movement was open, in seconds, with
    its bet."""

    version: str
    doubt: float
    bet: str | None


class Run:
    """One run on a stack that is up."""

    def __init__(self, plan: Plan, settings: Settings, wiring: Wiring, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._settings = settings
        self._wiring = wiring
        self._say = say
        self._hits: list[Hit] = []

    async def perform(self, ready: Ready) -> dict[str, Any]:
        """Break, wait until all is at rest, and check; return the run as the report has it."""
        engine, vault = create_engine(self._settings), Vault.of(self._settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            database = await stack.enter_async_context(open_database(self._settings))
            keys = SigningKeys(database, vault, self._settings.partner_cache_seconds)
            http = await stack.enter_async_context(http_session())
            onboarder = Onboarder(engine, database, Onboarding(engine, vault), http, self._settings.data_dir)
            casinos, providers = await self._seat(onboarder, ready)
            for provider in providers:
                stack.callback(provider.close)
            load = await stack.enter_async_context(aclosing(Load(providers, self._plan.rate)))
            desk = await stack.enter_async_context(aclosing(await self._desk(stack, engine, providers)))
            postgres = Postgres(Folder(self._settings.data_dir), urlsplit(ready.database).port or 0)
            restoring = Restoring(self._settings, postgres, database, engine, load, desk, providers, self._say)
            injector = FaultInjector(
                self._settings.data_dir, self._wiring, onboarder, keys, casinos, providers, restoring
            )
            self._began_at, self._began = datetime.now(UTC), time.monotonic()
            await self._under_load([load, desk], injector, restoring)
            over = self._now()
            self._say("nothing is broken any more")
            # Drop the connections that have not survived.
            await engine.dispose()
            await asyncio.gather(load.finish(_PATIENCE), desk.finish(_PATIENCE))
            rest = Rest(self._settings, database, engine, self._say)
            restless = await rest.come(providers, restoring.at, _PATIENCE)
            drained = self._now()
            judge = Judge(self._settings, database, engine, providers, desk, restoring)
            found = await judge.judge(restless)
            found["books"] |= {"wrong_clocks": injector.wrong_clocks, "not_back": injector.not_back}
            found["books"]["ghosts"] = await _ghosts(engine, providers)
            found["set_aside"] = restoring.set_aside
            return self._report(providers, over, drained, found, await _server(engine, restoring.at))

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def _seat(self, onboarder: Onboarder, ready: Ready) -> tuple[list[LoadCasino], list[LoadProvider]]:
        control = str(ready.sandbox_casino)
        url = await self._wiring.to_casino(int(control.rpartition(":")[2]))
        api = await self._wiring.to_api(int(ready.api.rpartition(":")[2]))
        aggregator = f"http://127.0.0.1:{self._wiring.port('casino-api')}"
        casinos = [await onboarder.casino(way, url, control, aggregator) for way in ("reply", "accept")]
        providers = [
            await onboarder.provider(
                number, casinos[number % len(casinos)], api, self._plan.seed, pool=number <= _WITH_POOL
            )
            for number in range(1, PROVIDERS + 1)
        ]
        return casinos, providers

    async def _desk(self, stack: AsyncExitStack, engine: AsyncEngine, providers: list[LoadProvider]) -> CashbackDesk:
        """Return the operators' desk: it reaches the database and Temporal as the API does."""
        settings = self._settings.model_copy(update=self._wiring.beside_api(self._settings))
        database = await stack.enter_async_context(open_database(settings))
        context = CommandContext(settings, database, engine)
        return CashbackDesk(context, providers, self._plan.rate / BETS_FOR_A_CASHBACK, self._plan.seed)

    async def _under_load(self, load: Sequence[Stream], injector: FaultInjector, restoring: Restoring) -> None:
        """Inject the faults of the schedule under load. Raises what the load or a fault raises."""
        faults = schedule(self._plan.seed, self._plan.minutes * 60, self._plan.kinds)
        async with asyncio.TaskGroup() as group:
            going = [group.create_task(one.begin()) for one in load]
            if any(fault.kind == RESTORE for fault in faults):
                group.create_task(restoring.back_up())
            breaking = [group.create_task(self._break(injector, fault)) for fault in faults]
            await asyncio.sleep(self._plan.minutes * 60)
            await asyncio.gather(*breaking)
            for task in going:
                task.cancel()

    async def _break(self, injector: FaultInjector, fault: Fault) -> None:
        await asyncio.sleep(fault.at - self._now())
        at = self._now()
        self._say(f"{at:7.1f} s  {fault.kind} for {fault.seconds} s")
        broken = await injector.inject(fault)
        if broken is not None:
            self._hits.append(Hit(fault, broken, at, self._now()))

    def _calls_of(self, hit: Hit, providers: list[LoadProvider]) -> list[metrics.TimedCall]:
        """Return the calls that a fault could touch: a fault at one partner touches no other partner's calls."""
        own = [one for one in providers if hit.broken.target in (one.name, one.casino.name)]
        return metrics.timed_calls((bet for provider in own or providers for bet in provider.bets), self._began_at)

    def _report(
        self,
        providers: list[LoadProvider],
        over: float,
        drained: float,
        found: dict[str, Any],
        server: Server,
    ) -> dict[str, Any]:
        bets = [bet for provider in providers for bet in provider.bets]
        judged = [bet for provider in providers for bet in provider.book]
        calls = metrics.timed_calls(bets, self._began_at)
        doubt, doubtful = metrics.longest_doubt(calls)
        recoveries = [metrics.recovered(self._calls_of(hit, providers), hit.until) for hit in self._hits]
        by_kind: dict[str, list[float | None]] = {}
        for hit, seconds in sorted(zip(self._hits, recoveries, strict=True), key=lambda one: one[0].fault.kind):
            by_kind.setdefault(hit.fault.kind, []).append(seconds)
        faults = [
            {
                "at": round(hit.at, 1),
                "kind": hit.fault.kind,
                "target": hit.broken.target,
                "seconds": round(hit.until - hit.at, 1),
                "details": hit.fault.details | ({} if hit.broken.hits is None else {"hits": hit.broken.hits}),
                "recovered_after": seconds,
            }
            for hit, seconds in zip(self._hits, recoveries, strict=True)
        ]
        codes = Counter(f"{one.operation} {one.code or one.reason}" for bet in bets for one in bet.answers)
        books = found["books"]
        return {
            "seed": self._plan.seed,
            "minutes": self._plan.minutes,
            "started_at": self._began_at.isoformat(timespec="seconds"),
            "machine": machine() | {"postgres": server.version},
            "commit": commit(),
            "load": {
                "providers": PROVIDERS,
                "bets_per_second": self._plan.rate,
                "bets_for_a_cashback": BETS_FOR_A_CASHBACK,
                "one_step_share": float(rounds.ONE_STEP_SHARE),
                "jackpot_share": float(JACKPOTS),
            },
            "faults": sorted(faults, key=lambda one: one["at"]),
            "faults_that_met_nothing": sum(hit.broken.hits == 0 for hit in self._hits),
            "faults_by_kind": {kind: len(seconds) for kind, seconds in by_kind.items()},
            "series": metrics.series(bets, calls, self._began_at),
            "outcomes": dict(Counter(str(bet.outcome) for bet in judged)),
            "answers": dict(sorted(codes.items())),
            "bets": len(bets),
            "repeats": sum(len(bet.answers) - len({one.operation for one in bet.answers}) for bet in bets),
            "recovery_seconds": metrics.spread(recoveries),
            "recovery_by_kind": {
                kind: {"count": len(seconds)} | metrics.spread(seconds) for kind, seconds in by_kind.items()
            },
            "longest_doubt_seconds": {"provider": doubt, "bet": doubtful, "row": server.doubt, "row_bet": server.bet},
            "links": {name: dict(link.figures) for name, link in self._wiring.links.items()},
            "drain_seconds": round(drained - over, 1),
            **found,
            "violations": found["verify"]["total"] + sum(map(len, books.values())),
        }


async def _server(engine: AsyncEngine, since: datetime | None) -> Server:
    async with engine.connect() as connection:
        row = (await connection.execute(_DOUBT, {"since": since})).one_or_none()
        server = (await connection.execute(text("SHOW server_version"))).scalar_one()
    return Server(server, round(row.seconds, 2) if row else 0.0, row.provider_bet_id if row else None)


async def _ghosts(engine: AsyncEngine, providers: list[LoadProvider]) -> list[str]:
    """Return the bets that were sent by a wrong clock alone and are in our rows all the same."""
    return [bet_id for one in providers for bet_id in await read_ours(engine, one.counterparty_id, one.ghosts)]
