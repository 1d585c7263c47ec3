"""Rows 70, 75 and 76: a balance that cannot be read, a database, a Temporal or every worker that is down."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.rows import BACK, DONE, REFUNDED, SETTLED, STAKED, journal_is, no_writes
from tests.table import ROOT, Answer, Stack, Table, eventually, start_stack, until
from tests.watch import at, holds, in_state, movement, sends

Call = Callable[[Table, str], Awaitable[Answer]]

UNKNOWN, UNAVAILABLE, REFUNDED_BEFORE = (99, "outcome_unknown"), (7, "casino_unavailable"), (6, "already_refunded")
MAKE, USERS = "/payments/make", "/users/data"
DEBIT = -1
SECONDS = 2.0
HASTY = f"{{answer_deadline: {SECONDS}}}"
# A stake that nobody was told of, and nobody asks for, soon goes back.
FORGETFUL = f"{{answer_deadline: {SECONDS}, unconfirmed_within: 3}}"
QUICK = """
attempt_timeout: 1
message_lifetime: 3
clock_leeway: 0.2
effect_within: 0.5
retry: {first: 0.2, cap: 0.5}
breaker: {failures: 1000}
"""
WITHIN = 120


@pytest.fixture(scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without workers, whose processes these tests stop and kill."""
    async with start_stack(tmp_path_factory.mktemp("bare"), "--processes", "0") as running:
        yield running


@asynccontextmanager
async def _worker(stack: Stack) -> AsyncIterator[Process]:
    """A worker process for the length of the block."""
    log = stack.folder / "own-worker.log"
    environment = {"BETCORE_DATA_DIR": str(stack.folder), "BETCORE_WORKFLOW_SANDBOX": "true"}
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "worker.py"), cwd=ROOT, env={**os.environ, **environment}, stdout=stream, stderr=stream
        )

    async def ready() -> bool:
        said = await asyncio.to_thread(log.read_text)
        assert process.returncode is None, said
        return "worker ready" in said

    try:
        await eventually(ready, 60)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _all(calls: list[Awaitable[Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*calls))


def _unknown(answers: list[Answer]) -> bool:
    """Whether every provider heard that the outcome is not known, and to ask again."""
    return {(answer.status, *answer.said) for answer in answers} == {(503, *UNKNOWN)}


async def _books_agree(table: Table) -> None:
    """The casino has each movement once that our rows have as done, and no other."""
    query = """SELECT bet_id, transaction_type, amount FROM movement JOIN bet USING (bet_id)
               JOIN casino USING (casino_id) WHERE partner_client_id = :c AND movement.state = 'done'"""
    ours = Counter((m.bet_id, m.transaction_type, int(m.amount)) for m in await table.sql(query, c=table.partner_client_id))
    theirs = Counter(
        (entry["bet_id"], entry["transaction_type"], int(entry["amount"].replace(".", "")))
        for entry in await table.entries()
    )
    assert ours == theirs
    assert set(theirs.values()) <= {1}


async def _at_rest(table: Table) -> None:
    """Wait until no movement of the table is on its way, and every bet waits for its provider or is over."""
    query = """SELECT provider_bet_id, bet.state FROM bet JOIN casino USING (casino_id)
               LEFT JOIN movement USING (bet_id)
               WHERE partner_client_id = :c AND closed_at IS NULL
                 AND (bet.state <> 'acceptance' OR told_at IS NULL OR movement.state = 'sending')"""
    await holds(lambda: table.sql(query, c=table.partner_client_id), lambda found: not found, WITHIN)


async def _no_late_stake(table: Table, bets: list[str]) -> None:
    """No stake was first sent after its answer was due."""
    lifetime = timedelta(seconds=3)
    for bet in bets:
        if (await table.row(bet)) is None:
            continue
        stakes = [call for call in await sends(table, bet) if call["transaction_type"] == DEBIT]
        if stakes:
            assert at(stakes[0]) <= (await movement(table, bet, DEBIT)).not_after - lifetime


# Outages


def _children(pid: int) -> list[int]:
    """The processes that this one has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


async def _is_up(stack: Stack) -> bool:
    try:
        async with stack.http.get(stack.addresses["api"] + "/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def _frozen(stack: Stack, name: str) -> AsyncIterator[None]:
    """A server and its processes stand still inside the block."""
    server = stack.pid(name)
    os.kill(server, signal.SIGSTOP)
    pids = [server, *_children(server)]
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)
    await eventually(lambda: _is_up(stack), 60)


@asynccontextmanager
async def _killed(stack: Stack, name: str) -> AsyncIterator[None]:
    """A server dies at the block's beginning; at its end the supervisor has started it again."""
    before = stack.pid(name)
    os.kill(before, signal.SIGKILL)
    yield

    async def restarted() -> bool:
        now = (stack.folder / "run" / f"{name}.pid").read_text().split()[:1]
        return now not in ([], [str(before)]) and await _is_up(stack)

    await eventually(restarted, 60)
