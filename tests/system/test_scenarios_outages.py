"""Edge cases 70, 75 and 76: a balance that cannot be read, a database, a Temporal or every worker that is down."""

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

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType

from betcore.provider import xsign
from tests.partner import ROOT, Answer, Stack, TestPartner, eventually, start_stack, until
from tests.spawned import spawned
from tests.system.scenarios import (
    BACK,
    DONE,
    REFUNDED,
    SETTLED,
    STAKED,
    UNAVAILABLE,
    UNKNOWN,
    bet_with_stake_sent,
    bet_with_stake_taken,
    bets_locked,
    calls_arrived,
    journal_becomes,
)
from tests.watch import answers, at, holds, in_state, movement, sends

Call = Callable[[TestPartner, str], Awaitable[Answer]]

REFUNDED_BEFORE = (6, "already_refunded")
MAKE, USERS = "/payments/make", "/users/data"
DEBIT = -1
SECONDS = 2.0
HASTY = f"{{answer_deadline: {SECONDS}}}"
# A stake without an answered PayIn and without a repeat soon goes back.
FORGETFUL = f"{{answer_deadline: {SECONDS}, unconfirmed_within: 3}}"
# Long enough after its answer was due a stake could still be sent, if nothing but its last moment kept it in.
LIFETIME = timedelta(seconds=60)
QUICK = f"""
attempt_timeout: 1
message_lifetime: {LIFETIME.seconds}
clock_leeway: 0.2
effect_within: 0.5
retry: {{first: 0.2, cap: 0.5}}
breaker: {{failures: 1000}}
"""
WITHIN = 120


@pytest.fixture(scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without workers, whose processes these tests stop and kill."""
    folder = tmp_path_factory.mktemp("bare")
    async with start_stack(folder, "--processes", "0", BETCORE_SWEEP_SECONDS="5") as running:
        yield running
        for worker in _left_running:
            await _end(worker)


# At most one, on the stack above: a new worker takes as long as some tests.
_left_running: list[Process] = []


@asynccontextmanager
async def _worker(stack: Stack) -> AsyncIterator[Process]:
    """Run a worker process during the block: the one of an earlier test, if that has left it whole, or a new one."""
    process = _left_running.pop() if _left_running else await _new_worker(stack)
    assert process.returncode is None
    try:
        yield process
    except BaseException:
        await _end(process)
        raise
    if process.returncode is None:
        _left_running.append(process)


async def _new_worker(stack: Stack) -> Process:
    log = stack.folder / "own-worker.log"
    environment = {"BETCORE_DATA_DIR": str(stack.folder)}
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *spawned(sys.executable, "worker.py"),
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=stream,
            stderr=stream,
        )

    async def ready() -> bool:
        said = await asyncio.to_thread(log.read_text)
        assert process.returncode is None, said
        return "worker ready" in said

    try:
        await eventually(ready, 60)
    except BaseException:
        await _end(process)
        raise
    return process


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def _all(calls: list[Awaitable[Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*calls))


def _unknown(answers: list[Answer]) -> bool:
    """Return whether every provider was answered 99 ``outcome_unknown``."""
    return {(answer.status, *answer.outcome) for answer in answers} == {(503, *UNKNOWN)}


async def _books_agree(partner: TestPartner) -> None:
    """Check that the casino has each movement once that our rows have as done, and no other."""
    query = """SELECT bet_id, transaction_type, amount FROM movement JOIN bet USING (bet_id)
               JOIN casino USING (casino_id) WHERE partner_client_id = :c AND movement.state = 'done'"""
    ours = Counter(
        (m.bet_id, m.transaction_type, int(m.amount)) for m in await partner.sql(query, c=partner.partner_client_id)
    )
    theirs = Counter(
        (entry["bet_id"], entry["transaction_type"], int(entry["amount"].replace(".", "")))
        for entry in await partner.entries()
    )
    assert ours == theirs
    assert set(theirs.values()) <= {1}


async def _at_rest(partner: TestPartner) -> None:
    """Wait until no movement of the partner is on its way, and every bet waits for its provider or is over."""
    query = """SELECT provider_bet_id, bet.state FROM bet JOIN casino USING (casino_id)
               LEFT JOIN movement USING (bet_id)
               WHERE partner_client_id = :c AND closed_at IS NULL
                 AND (bet.state <> 'acceptance' OR told_at IS NULL OR movement.state = 'sending')"""
    await holds(lambda: partner.sql(query, c=partner.partner_client_id), lambda found: not found, WITHIN)


async def _no_late_stake(partner: TestPartner, bets: list[str]) -> None:
    """Check that no stake was first sent after its answer was due. The worker checks it before the send; a busy casino
    may record it a moment later."""
    for bet in bets:
        if (await partner.row(bet)) is None:
            continue
        stakes = [call for call in await sends(partner, bet) if call["transaction_type"] == DEBIT]
        if stakes:
            due = (await movement(partner, bet, DEBIT)).not_after - LIFETIME
            assert at(stakes[0]) <= due + timedelta(seconds=1)


# Outages


def _children(pid: int) -> list[int]:
    """Return the processes that this one has started."""
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


@asynccontextmanager
async def _frozen(stack: Stack, name: str) -> AsyncIterator[None]:
    """Stop a server and its processes during the block."""
    server = stack.pid(name)
    os.kill(server, signal.SIGSTOP)
    pids = [server, *_children(server)]
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)
    await eventually(stack.is_up, 60)


@asynccontextmanager
async def _killed(stack: Stack, name: str) -> AsyncIterator[None]:
    """Kill a server; at the block's end wait until the supervisor has started it again."""
    before = stack.pid(name)
    os.kill(before, signal.SIGKILL)
    yield

    async def restarted() -> bool:
        now = (stack.folder / "run" / f"{name}.pid").read_text().split()[:1]
        return now not in ([], [str(before)]) and await stack.is_up()

    await eventually(restarted)
    # The connections of this process have not survived PostgreSQL.
    await stack.engine.dispose()


async def _staked(partner: TestPartner, count: int) -> list[str]:
    """Return new bets whose stake was taken and answered 1."""
    return [await bet_with_stake_taken(partner, partner.pay_in) for _ in range(count)]


async def _ends_of(partner: TestPartner, staked: list[str], opened: list[str]) -> None:
    """Wait until the bets of a wave have ended, by themselves."""
    half = len(staked) // 2
    for bet in staked[:half]:
        await in_state(partner, bet, "settled")
        assert await partner.journal(bet) == SETTLED
    for bet in staked[half:]:
        await in_state(partner, bet, "refunded")
        assert await partner.journal(bet) == REFUNDED
    for bet in opened:
        await in_state(partner, bet, "refused", "refunded")
        assert await partner.journal(bet) in ([], REFUNDED)


def _ends(partner: TestPartner, staked: list[str]) -> list[Callable[[], Awaitable[Answer]]]:
    """Return a PayOut for the first half of the bets, a Refund for the others."""
    half = len(staked) // 2
    return [partial(partner.pay_out if turn < half else partner.refund, bet) for turn, bet in enumerate(staked)]


def _wave(partner: TestPartner, staked: list[str], opened: list[str]) -> list["asyncio.Task[Answer]"]:
    """Send a PayIn for each of the new bets, and an end for each of the others, at once."""
    calls: list[Callable[[], Awaitable[Answer]]] = [partial(partner.pay_in, bet) for bet in opened]
    return [asyncio.create_task(_heard(call)) for call in (*calls, *_ends(partner, staked))]


async def _heard(call: Callable[[], Awaitable[Answer]]) -> Answer:
    return await call()


@pytest.mark.edge_case(75)
@pytest.mark.parametrize("name", ["postgres", "temporal"])
@pytest.mark.parametrize("outage", [_frozen, _killed])
async def test_a_server_that_is_down_costs_answers_and_no_money(bare: Stack, name: str, outage: Any) -> None:
    """A wave of calls that is at the casino when the server goes, and another one while it is away."""
    async with _worker(bare):
        partner = await bare.partner(provider=FORGETFUL, casino=QUICK)
        flying, waiting = await _staked(partner, 4), await _staked(partner, 4)
        [settled] = await _staked(partner, 1)
        assert (await until(partial(partner.pay_out, settled))).outcome == DONE
        late = [partner.new_bet() for _ in range(2)]
        await partner.faults({"kind": "hold", "path": MAKE})
        stakes = await asyncio.gather(*(bet_with_stake_sent(partner, partner.pay_in) for _ in range(2)))
        opened = [bet for bet, _ in stakes]
        first = [*(call for _, call in stakes), *_wave(partner, flying, [])]
        await partner.held(len(first))
        async with outage(bare, name):
            second = _wave(partner, waiting, late)
            repeats = [asyncio.create_task(partner.pay_in(settled)), asyncio.create_task(partner.pay_out(settled))]
            assert _unknown(list(await asyncio.gather(*first)))
            heard, again = list(await asyncio.gather(*second)), list(await asyncio.gather(*repeats))
        if outage is _frozen:
            assert _unknown(heard)
            # What stands in a row needs no Temporal.
            assert _unknown(again) if name == "postgres" else {answer.outcome for answer in again} == {DONE}
        else:
            assert {answer.outcome for answer in (*heard, *again)} <= {UNKNOWN, DONE, UNAVAILABLE}
            assert all(answer.status == 503 for answer in (*heard, *again) if answer.outcome == UNKNOWN)
        await bare.engine.dispose()
        await partner.faults()
        await partner.release()
        if name == "temporal" and outage is _killed:
            assert {(await until(call, WITHIN)).outcome for call in _ends(partner, flying)} == {DONE}
        await _ends_of(partner, flying, opened)
        await _at_rest(partner)
        await _no_late_stake(partner, [*opened, *late])
        if outage is _frozen:
            assert [await partner.sent(bet) for bet in late] == [[], []]
        await _books_agree(partner)
        # What was not kept is sent again, as 99 asks for.
        ends = [await until(call, WITHIN) for call in _ends(partner, waiting)]
        assert {answer.outcome for answer in ends} == {DONE}
        await _ends_of(partner, waiting, [])
        for bet in late:
            said = (await until(partial(partner.pay_in, bet))).outcome
            assert said in (DONE, UNAVAILABLE, REFUNDED_BEFORE)
            assert await partner.journal(bet) == {DONE: STAKED, UNAVAILABLE: [], REFUNDED_BEFORE: REFUNDED}[said]
        await _no_late_stake(partner, [*opened, *late])
        await _books_agree(partner)


@pytest.mark.edge_case(75)
@pytest.mark.parametrize("unconfirmed_within", [3, 0.2], ids=["early", "late"])
@pytest.mark.parametrize("call", [TestPartner.pay_out, TestPartner.refund], ids=["win", "return"])
async def test_an_end_whose_message_is_lost_with_temporal_goes_on_from_its_row(
    bare: Stack, call: Call, unconfirmed_within: float
) -> None:
    """Its first send is counted, its worker has not reported to Temporal yet, and its provider does not repeat."""
    async with _worker(bare):
        provider = f"{{answer_deadline: {SECONDS}, unconfirmed_within: {unconfirmed_within}}}"
        partner = await bare.partner(provider=provider, casino=QUICK)
        [bet] = await _staked(partner, 1)
        if unconfirmed_within < 1:
            await holds(lambda: _timers(partner, bet), lambda found: found == 2)
        await partner.faults({"kind": "hold", "path": MAKE})
        first: asyncio.Task[Answer] = asyncio.create_task(_heard(partial(call, partner, bet)))
        await partner.held()
        # What reaches a server that stands still dies with it.
        os.kill(bare.pid("temporal"), signal.SIGSTOP)
        assert _unknown([await first])
        await holds(lambda: answers(partner, bet), lambda found: len(found) > 2)
        async with _killed(bare, "temporal"):
            pass
        await partner.faults()
        await partner.release()
        read = _aged if unconfirmed_within < 1 else TestPartner.row
        await holds(lambda: read(partner, bet), lambda row: row.closed_at is not None, 40)
        await partner.workflow(bet).result()
        assert await partner.journal(bet) == (SETTLED if call is TestPartner.pay_out else REFUNDED)


async def _aged(partner: TestPartner, bet: str) -> Any:
    """Return the bet's row, after its events were moved an hour back."""
    row = await partner.row(bet)
    async with partner.stack.engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        # No user may change events, except the database's own.
        await connection.execute(text("SET LOCAL session_replication_role = 'replica'"))
        query = text("UPDATE bet_event SET at = at - interval '1 hour' WHERE bet_id = :b")
        await connection.execute(query, {"b": row.bet_id})
    return row


async def _timers(partner: TestPartner, bet: str) -> int:
    """Return how many times the bet has begun to wait."""
    events = (await partner.workflow(bet).fetch_history()).events
    return sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in events)


async def _overdue() -> None:
    """Wait until the answers to all calls that were made before are due."""
    loop = asyncio.get_running_loop()
    due = loop.time() + SECONDS

    async def over() -> bool:
        return loop.time() > due

    await eventually(over)


@pytest.mark.edge_case(75)
async def test_a_stake_whose_row_waited_for_the_database_is_not_sent_late(bare: Stack) -> None:
    async with _worker(bare):
        partner = await bare.partner(provider=HASTY, casino=QUICK)
        await _staked(partner, 1)
        bets = [partner.new_bet() for _ in range(3)]
        async with bets_locked(partner) as waiting:
            calls = [asyncio.create_task(partner.pay_in(bet)) for bet in bets]
            await waiting(3)
            async with _frozen(bare, "postgres"):
                assert _unknown(list(await asyncio.gather(*calls)))
                # They were answered a moment before they were due, and until then a stake may be sent.
                await _overdue()
        for bet in bets:
            assert (await until(partial(partner.pay_in, bet))).outcome == UNAVAILABLE
            assert (await partner.pay_out(bet)).outcome == (6, "bet_refused")
            assert await partner.sent(bet) == []
        await _at_rest(partner)
        await _books_agree(partner)


@pytest.mark.edge_case(104)
async def test_what_was_signed_before_postgresql_crashed_is_unknown(bare: Stack) -> None:
    """The crash has emptied the unlogged table of request ids; a call signed before it is not taken for a new one."""
    partner = await bare.partner()
    path, session = f"/v1/sessions/{partner.session_id}/balance", partner.session_id
    before, spare = (xsign.headers(partner.secret, partner.counterparty_id, b"") for _ in range(2))
    assert (await partner.call("GET", path, headers=before)).outcome == DONE
    assert (await partner.call("GET", path, headers=before)).outcome == (8, "not_authorised")
    async with _killed(bare, "postgres"):
        pass
    for headers in (before, spare):
        again = await partner.call("GET", path, headers=headers)
        assert (again.status, again.outcome) == (503, UNKNOWN)
    assert (await partner.balance(session)).outcome == DONE


# No worker


async def _stop(worker: Process, how: str) -> None:
    if how == "frozen":
        worker.send_signal(signal.SIGSTOP)
        return
    worker.send_signal(signal.SIGTERM if how == "stopped" else signal.SIGKILL)
    await worker.wait()


@asynccontextmanager
async def _back(stack: Stack, worker: Process, how: str) -> AsyncIterator[None]:
    if how == "frozen":
        worker.send_signal(signal.SIGCONT)
        yield
        return
    async with _worker(stack):
        yield


@pytest.mark.edge_case(76)
@pytest.mark.parametrize("how", ["stopped", "killed with temporal", "frozen"])
async def test_what_is_sent_while_every_worker_is_down_is_done_when_one_is_back(bare: Stack, how: str) -> None:
    async with _worker(bare) as worker:
        partner = await bare.partner(provider=HASTY, casino=QUICK)
        paid, returned, contested, quarrel = await _staked(partner, 4)
        one_step = await bet_with_stake_taken(partner, partner.pay_in_out)
        journals = [await partner.journal(bet) for bet in (paid, returned, contested, quarrel, one_step)]
        await _stop(worker, how)
        try:
            calls = [
                partner.pay_out(paid),
                partner.refund(returned),
                partner.refund(one_step),
                partner.pay_out(contested),
            ]
            heard = await _all([*calls, partner.pay_out(quarrel)])
            # A repeat, other winnings, the other end: none of them changes what came first.
            heard += await _all([partner.pay_out(paid), partner.refund(contested), partner.pay_out(quarrel, "30.00")])
            assert _unknown(heard)
            if how == "killed with temporal":
                # It holds updates that no worker has taken in memory alone.
                async with _killed(bare, "temporal"):
                    pass
            assert [await partner.journal(bet) for bet in (paid, returned, contested, quarrel, one_step)] == journals
        finally:
            if how == "frozen":
                worker.send_signal(signal.SIGCONT)
        async with _back(bare, worker, how):
            for bet in (paid, contested, quarrel):
                await in_state(partner, bet, "settled")
                await journal_becomes(partner, bet, SETTLED)
            await in_state(partner, returned, "refunded")
            assert await partner.journal(returned) == REFUNDED
            await journal_becomes(partner, one_step, BACK)
            # Nobody has repeated anything; those who do so now hear it.
            assert (await partner.pay_out(paid)).outcome == DONE
            assert (await partner.refund(returned)).outcome == DONE
            assert (await until(partial(partner.refund, one_step))).outcome == DONE
            assert (await partner.refund(contested)).outcome == (6, "already_settled")
            assert (await partner.pay_out(quarrel, "30.00")).outcome == (6, "different_data")
            assert "different_data" in await partner.incidents(quarrel)
            await _at_rest(partner)
            await _books_agree(partner)


@pytest.mark.edge_case(76)
@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
async def test_a_stake_that_meets_no_worker_is_never_sent(bare: Stack, how: str) -> None:
    async with _worker(bare) as worker:
        partner = await bare.partner(provider=HASTY, casino=QUICK)
        await _staked(partner, 1)
        silent, asked, won, off, at_once = bets = [partner.new_bet() for _ in range(5)]
        await _stop(worker, how)
        try:
            stakes = [partner.pay_in_out(bet) if bet is at_once else partner.pay_in(bet) for bet in bets]
            assert _unknown(await _all([*stakes]))
            assert _unknown(await _all([partner.pay_out(won), partner.refund(off), partner.pay_in(asked)]))
            await _overdue()
        finally:
            if how == "frozen":
                worker.send_signal(signal.SIGCONT)
        async with _back(bare, worker, how):
            for bet in (asked, at_once):
                call = partner.pay_in_out if bet is at_once else partner.pay_in
                assert (await until(partial(call, bet), WITHIN)).outcome == UNAVAILABLE
            assert (await until(partial(partner.pay_out, won))).outcome == (6, "bet_refused")
            # A worker that was frozen may have read the PayIn alone: it is refused then, before the Refund is read.
            ends = [(DONE, REFUNDED_BEFORE), *([((6, "bet_refused"), UNAVAILABLE)] if how == "frozen" else [])]
            refund = await until(partial(partner.refund, off))
            assert (refund.outcome, (await until(partial(partner.pay_in, off))).outcome) in ends
            await in_state(partner, silent, "refused")
            results = {bet: await partner.workflow(bet).result() for bet in bets}
            assert results.pop(off) == ("refunded" if refund.outcome == DONE else "refused")
            assert set(results.values()) == {"refused"}
            assert [await partner.sent(bet) for bet in bets] == [[]] * 5
            await _books_agree(partner)


@pytest.mark.edge_case(83)
async def test_a_right_call_does_not_inherit_the_rejection_of_a_wrong_one(bare: Stack) -> None:
    """Both are in flight while the worker is away for a moment and the bet has no row, the wrong one first."""
    async with _worker(bare) as worker:
        partner = await bare.partner(provider="answer_deadline: 45", casino=QUICK)
        bob = await partner.seat("bob")
        await _staked(partner, 1)
        won, off, at_once, twice = ([partner.new_bet() for _ in range(5)] for _ in range(4))
        await _stop(worker, "frozen")
        try:
            stakes = await _in_flight(partner, [partial(partner.pay_in, bet) for bet in (*won, *off, *twice)])
            stakes += await _in_flight(partner, [partial(partner.pay_in_out, bet) for bet in at_once])
            wrong = [partial(partner.pay_out, bet, round_id="round-2") for bet in won]
            wrong += [partial(partner.pay_out, bet, session=bob) for bet in (*won, *at_once)]
            wrong += [partial(partner.refund, bet, session=bob) for bet in (*off, *at_once)]
            refused = await _in_flight(partner, [*wrong, *(partial(partner.pay_in_out, bet) for bet in twice)])
            right = [partial(partner.pay_out, bet) for bet in won] + [partial(partner.refund, bet) for bet in off]
            heard = await _in_flight(partner, right)
        finally:
            worker.send_signal(signal.SIGCONT)
        assert {answer.outcome for answer in await asyncio.gather(*heard)} == {DONE}
        assert {answer.outcome for answer in await asyncio.gather(*refused)} == {(6, "different_data")}
        said = [answer.outcome for answer in await asyncio.gather(*stakes)]
        assert set(said[:5] + said[10:]) == {DONE}
        assert [await partner.journal(bet) for bet in (*won, *at_once, *twice)] == [SETTLED] * 10 + [STAKED] * 5
        # No stake is first sent once its Refund is there.
        assert all([await partner.journal(bet) in ([], REFUNDED) for bet in off])


async def _in_flight(
    partner: TestPartner, calls: list[Callable[[], Awaitable[Answer]]]
) -> list["asyncio.Task[Answer]"]:
    """Start calls one after the other; each of them is at its workflow when the next one begins, as a rule."""
    started = []
    for call in calls:
        query = "SELECT count(*) FROM request_id JOIN provider USING (provider_id) WHERE counterparty_id = :c"
        before = (await partner.sql(query, c=partner.counterparty_id))[0].count
        started.append(asyncio.create_task(_heard(call)))
        await calls_arrived(partner, before + 1)
    return started


# A balance


@pytest.mark.edge_case(70)
async def test_a_repeated_answer_names_the_balance_of_the_first(stack: Stack) -> None:
    partner = await stack.partner()
    paid, returned, one_step, lost = (partner.new_bet() for _ in range(4))
    calls: list[Call] = [
        TestPartner.pay_in,
        TestPartner.pay_out,
        TestPartner.pay_in,
        TestPartner.refund,
        TestPartner.pay_in_out,
    ]
    bets = [paid, paid, returned, returned, one_step]
    first = [await call(partner, bet) for call, bet in zip(calls, bets, strict=True)]
    assert [answer.body["balance"] for answer in first] == [990, 1015, 1005, 1015, 1030]
    assert (await partner.pay_in(lost, "30.00")).body["balance"] == 1000
    await partner.faults({"kind": "error", "path": USERS})
    again = [await call(partner, bet) for call, bet in zip(calls, bets, strict=True)]
    assert [answer.body for answer in again] == [answer.body for answer in first]


@pytest.mark.edge_case(70)
async def test_a_balance_that_the_casino_does_not_name_is_read_anew(stack: Stack) -> None:
    partner = await stack.partner()
    await partner.switches(balance_in_answer=False)
    paid, returned, one_step = (partner.new_bet() for _ in range(3))
    assert [(await partner.pay_in(bet)).body["balance"] for bet in (paid, returned)] == [990, 980]
    assert (await partner.pay_in(paid)).body["balance"] == 980
    assert [(await partner.pay_out(paid)).body["balance"], (await partner.refund(returned)).body["balance"]] == [
        1005,
        1015,
    ]
    assert (await partner.pay_in_out(one_step)).body["balance"] == 1030
    calls: list[Call] = [TestPartner.pay_in, TestPartner.pay_out, TestPartner.refund, TestPartner.pay_in_out]
    for call, bet in zip(calls, (paid, paid, returned, one_step), strict=True):
        answer = await call(partner, bet)
        assert (answer.outcome, answer.body["balance"]) == (DONE, 1030)


@pytest.mark.edge_case(70)
@pytest.mark.parametrize(("profile", "code"), [("", 1), ("{duplicates: code_104}", 104)])
async def test_no_balance_at_all_changes_no_code(stack: Stack, profile: str, code: int) -> None:
    """Neither of what is done, nor of a refusal, nor of a repeat; a Balance has nothing to say then."""
    partner = await stack.partner(provider=profile, min_bet="0.10", max_bet="500")
    await partner.switches(balance_in_answer=False)
    await partner.faults({"kind": "garbage", "path": USERS})
    paid, returned, one_step, limit = (partner.new_bet() for _ in range(4))
    calls: list[tuple[Call, str]] = [
        *(
            (TestPartner.pay_in, paid),
            (TestPartner.pay_out, paid),
            (TestPartner.pay_in, returned),
            (TestPartner.refund, returned),
        ),
        (TestPartner.pay_in_out, one_step),
    ]
    for expected in (1, code):
        for call, bet in calls:
            answer = await call(partner, bet)
            assert (answer.code, answer.status, answer.body["balance"]) == (expected, 200, None)
    refusals = [
        (await partner.pay_in(limit, "501.00")),
        (await partner.pay_out(paid, "26.00")),
        (await partner.pay_out(returned)),
        (await partner.pay_in(partner.new_bet(), "0.001")),
    ]
    assert [(answer.code, answer.body["balance"]) for answer in refusals] == [
        (7, None),
        (6, None),
        (6, None),
        (2, None),
    ]
    assert (await partner.balance()).outcome == UNKNOWN
    await partner.faults()
    assert (await partner.balance()).body["balance"] == 1015 + 15


@pytest.mark.edge_case(70)
async def test_the_last_known_balance_decides_nothing(stack: Stack) -> None:
    partner = await stack.partner()
    await partner.seat(balance="10.00")
    assert (await partner.pay_in(partner.new_bet())).body["balance"] == 0
    # The player's money comes and goes at the casino, and we do not hear of it.
    await partner.seat(balance="1000.00")
    await partner.switches(balance_in_answer=False)
    await partner.faults({"kind": "error", "path": USERS})
    rich = partner.new_bet()
    answer = await partner.pay_in(rich, "500.00")
    assert (answer.outcome, answer.body["balance"]) == (DONE, 0)
    await partner.switches(balance_in_answer=True)
    assert (await partner.pay_in(partner.new_bet())).body["balance"] == 490
    await partner.seat(balance="0")
    answer = await partner.pay_in(partner.new_bet())
    assert (answer.outcome, answer.body["balance"]) == ((4, "no_money"), 490)
    assert await partner.journal(rich) == [(DEBIT, "500.00")]
