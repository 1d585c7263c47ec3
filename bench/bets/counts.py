"""What is counted of a bet and not timed: history events, statements, flushes of the log, casino calls, bytes.

The statements are those in the log of the embedded PostgreSQL. A server elsewhere keeps its log to itself: there they
are left out.
"""

import asyncio
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from bench.bets.floors.temporal_worker import connect_to
from bench.bets.partners import SeatedCasino
from bench.bets.stacks import RunningStack
from bench.bets.workload import BetKind, PlayBet

_BETS, _AT_ONCE = 40, 4
# A backend may be idle for ten seconds before it reports what it has done.
_REPORTED = 11.0
# The latest workflows that are looked at, and how many of each length.
_LISTED, _OF_A_LENGTH = 2000, 15
_STATEMENT = re.compile(r"^\d+ (\S+) LOG: .*?(?:execute|statement)", re.MULTILINE)
_OURS = "betcore"
_WORKFLOWS = {"service": "Bet", "bare": "BenchBareBet", "equal": "BenchEqualBet"}
_LOGGING = "log_statement", "log_line_prefix"
_TABLES = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = 'public' AND relkind = 'r'
"""

Counts = dict[str, float]


class BetCounts:
    """Counts what one bet does at the servers of a stack, while nothing else is played there."""

    def __init__(self, stack: RunningStack, database: asyncpg.Connection, http: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._database = database
        self._http = http

    async def of_each_kind(self, bet: PlayBet, casino: SeatedCasino) -> dict[str, Counts]:
        """Play some bets of each kind, and return what one of them has done, by the servers' own counters."""
        log = self._stack.postgres_log
        if log is not None:
            await self._log_statements()
        await asyncio.sleep(_REPORTED)
        found = {str(kind): await self._of(kind, bet, casino, log) for kind in BetKind}
        if log is not None:
            await self._log_as_before()
        return found

    async def _of(self, kind: BetKind, bet: PlayBet, casino: SeatedCasino, log: Path | None) -> Counts:
        began, place = datetime.now(UTC), _size(log)
        before = await self._counters()
        await _play(kind, bet)
        found: dict[str, int] = {"casino_calls": await self._casino_calls(casino, began)}
        if log is not None:
            found |= {f"statements_{who}": number for who, number in _statements(log, place).items()}
        await asyncio.sleep(_REPORTED)
        after = await self._counters()
        found |= {name: after[name] - before[name] for name in after}
        return {name: round(value / _BETS, 1) for name, value in found.items()}

    async def _counters(self) -> dict[str, int]:
        """Return the write-ahead log so far: bytes, and flushes to disk."""
        flushes = "(SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal')"
        if self._database.get_server_version() < (18, 0):
            flushes = "(SELECT wal_sync FROM pg_stat_wal)"
        row = await self._database.fetchrow(
            f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal_bytes, {flushes} AS wal_flushes"
        )
        return dict(row)

    async def _casino_calls(self, casino: SeatedCasino, began: datetime) -> int:
        url, asked = f"{self._stack.ready.sandbox_casino}/_calls", {"partner_client_id": casino.client_id}
        async with self._http.get(url, params=asked, raise_for_status=True) as response:
            return sum(datetime.fromisoformat(call["at"]) >= began for call in await response.json())

    async def _log_statements(self) -> None:
        await self._database.execute("ALTER SYSTEM SET log_line_prefix = '%p %a '")
        await self._database.execute("ALTER SYSTEM SET log_statement = 'all'")
        await self._reload()

    async def _log_as_before(self) -> None:
        for name in _LOGGING:
            await self._database.execute(f"ALTER SYSTEM RESET {name}")
        await self._reload()

    async def _reload(self) -> None:
        await self._database.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.5)


async def _play(kind: BetKind, bet: PlayBet) -> None:
    left = iter(range(_BETS))

    async def place() -> None:
        for _ in left:
            await bet(kind)

    await asyncio.gather(*(place() for _ in range(_AT_ONCE)))


def _size(log: Path | None) -> int:
    return log.stat().st_size if log else 0


def _statements(log: Path, place: int) -> Mapping[str, int]:
    """Return the statements in the log from this offset on: those of API and workers, and of the sandbox casino."""
    with log.open("rb") as stream:
        stream.seek(place)
        by_name = Counter(_STATEMENT.findall(stream.read().decode(errors="replace")))
    return {"service": by_name[_OURS], "casino": by_name["[unknown]"]}


async def table_bytes(database: asyncpg.Connection) -> int:
    """Return the bytes of all tables of the service with their indexes."""
    return int(await database.fetchval(_TABLES))


async def histories(stack: RunningStack) -> dict[str, dict[str, Counts]]:
    """Return events, workflow tasks and bytes of the histories of completed bets, by target and kind of bet."""
    client = await connect_to(stack.settings)
    return {name: await _histories(client, workflow) for name, workflow in _WORKFLOWS.items()}


async def history_bytes(stack: RunningStack, casino: str, kind: BetKind) -> float:
    """Return the bytes of a bet's history as it is sent, of the bets of a kind at a casino."""
    client = await connect_to(stack.settings)
    found = await _histories(client, "Bet", f" AND Casino = '{casino}'")
    return found[kind]["history_bytes"]


async def _histories(client: Client, workflow: str, more: str = "") -> dict[str, Counts]:
    seen: dict[str, list[tuple[int, int, int]]] = {}
    fetched: Counter[int] = Counter()
    query = f"WorkflowType = '{workflow}' AND ExecutionStatus = 'Completed'{more}"
    async for one in client.list_workflows(query, limit=_LISTED):
        # Those of the other kind may be far down the list, and a history costs a request.
        if fetched[one.history_length] == _OF_A_LENGTH:
            continue
        fetched[one.history_length] += 1
        history = await client.get_workflow_handle(one.id, run_id=one.run_id).fetch_history()
        tasks = sum(e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for e in history.events)
        size = sum(event.ByteSize() for event in history.events)
        # The first task of a bet of two steps ends with its stake, the second with its win.
        kind = BetKind.ONE_STEP if tasks == 1 else BetKind.TWO_STEP
        seen.setdefault(kind, []).append((len(history.events), tasks, size))
    names = ("events", "workflow_tasks", "history_bytes")
    return {
        kind: dict(zip(names, (statistics.median(column) for column in zip(*rows, strict=True)), strict=True))
        for kind, rows in sorted(seen.items())
    }
