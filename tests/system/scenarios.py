"""What the scenarios of edge cases share: amounts, profiles, bets in a given state, and locks that hold a moment.

The speed of the machine decides nothing. A stake that cannot be sent before its answer is due is refused, as it should
be. If a test needs a stake that was sent, the functions that return a bet play another one instead.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import product

import aiohttp
from sqlalchemy import text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.watch import sends

Journal = list[tuple[int, str]]
Outcome = tuple[int, str | None]
Stake = Callable[[str], Awaitable[Answer]]
Resolve = Callable[[TestPartner, str], Awaitable[Answer]]

DONE = (1, None)
STAKED: Journal = [(-1, "10.00")]
SETTLED: Journal = [*STAKED, (1, "25.00")]
REFUNDED: Journal = [*STAKED, (2, "10.00")]
BACK: Journal = [*SETTLED, (-2, "25.00"), (2, "10.00")]
DEBIT, CREDIT, CLAW_BACK, RETURN = -1, 1, -2, 2
UNKNOWN, UNAVAILABLE = (99, "outcome_unknown"), (7, "casino_unavailable")
REFUNDED_ALREADY = (6, "already_refunded")

# Profiles: a deadline that no held call meets, and a casino that may take its time over one send.
HASTY = "answer_deadline: 1"
SLOW = "{attempt_timeout: 12, fast_attempts: 1}"
# A casino that is asked again soon; and one at which a debit that cannot be found is given up after about two seconds.
QUICK = "{retry: {first: 0.1, cap: 0.3}}"
SHORT_LIVED = "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.2, fast_attempts: 1, retry: {first: 0.2}}"

# A casino that lists nothing: what it has made is found out by sending alone.
NO_LIST: dict[str, object] = {"kind": "error", "path": "/payments/info"}


def fault(kind: str, transaction_type: int, times: int | None = None, **given: object) -> dict[str, object]:
    """Return a fault of a movement at the casino, for its first ``times`` makes or for all."""
    counted = {} if times is None else {"times": times}
    return {"kind": kind, "path": "/payments/make", "transaction_type": transaction_type, **counted, **given}


def side_by_side(**cases: Sequence[object]) -> Callable[[Callable[..., Awaitable[None]]], Callable[[Stack], object]]:
    """Play a test for all combinations at the same time, each with a partner of its own: most of it is waiting."""

    def decorate(play: Callable[..., Awaitable[None]]) -> Callable[[Stack], object]:
        async def one(stack: Stack, case: dict[str, object]) -> None:
            try:
                await play(stack, **case)
            except BaseException as error:
                error.add_note(f"played with {case}")
                raise

        async def test(stack: Stack) -> None:
            async with asyncio.TaskGroup() as group:
                for values in product(*cases.values()):
                    group.create_task(one(stack, dict(zip(cases, values, strict=True))))

        return test

    return decorate


async def bet_with_stake_taken(partner: TestPartner, stake: Stake) -> str:
    """Return a new bet whose stake was taken and answered 1.

    A busy machine may refuse a stake as too late, or return it before the answer: then another bet is played.
    """
    async with asyncio.timeout(60):
        while (answer := await until(partial(stake, bet := partner.new_bet()))).outcome != DONE:
            assert answer.outcome in (UNAVAILABLE, REFUNDED_ALREADY)
    return bet


async def stake_was_sent(partner: TestPartner, bet: str) -> bool:
    """Wait until the bet's stake was sent; return False if a busy machine has refused it as too late to send, or has
    answered its PayIn 99 before there was a workflow."""

    async def one_of_them() -> bool:
        row = await partner.row(bet)
        return row is not None and (row.state == "refused" or bool(await sends(partner, bet)))

    try:
        await eventually(one_of_them, 30)
    except TimeoutError:
        assert await partner.row(bet) is None
        return False
    return bool(await sends(partner, bet))


async def bet_with_stake_sent(partner: TestPartner, stake: Stake) -> tuple[str, asyncio.Task[Answer]]:
    """Return a new bet whose stake was sent, and its provider's call, which may still be waiting."""
    async with asyncio.timeout(120):
        while True:
            bet = partner.new_bet()
            call = asyncio.create_task(stake(bet))
            if await stake_was_sent(partner, bet):
                return bet, call
            assert (await call).outcome in (UNKNOWN, UNAVAILABLE)


async def bet_with_unknown_outcome(partner: TestPartner, stake: Stake) -> str:
    """Return a new bet whose stake was sent, and whose provider was answered 99 ``outcome_unknown``."""
    bet, call = await bet_with_stake_sent(partner, stake)
    answer = await call
    assert (answer.outcome, answer.status) == (UNKNOWN, 503)
    return bet


async def bet_after(partner: TestPartner, calls: Sequence[Stake], *faults: dict[str, object]) -> str:
    """Return a new bet after these calls. With ``faults`` the last call meets them and is answered 99; all others are
    done."""
    stake, *later = calls
    if faults and not later:
        await partner.faults(*faults)
        return await bet_with_unknown_outcome(partner, stake)
    bet = await bet_with_stake_taken(partner, stake)
    for turn, call in enumerate(later, 1):
        if faults and turn == len(later):
            await partner.faults(*faults)
            assert (await call(bet)).outcome == UNKNOWN
        else:
            assert (await until(partial(call, bet))).outcome == DONE
    return bet


async def pay_in_out_with_unknown_outcome(
    stack: Stack, casino: str, *faults: dict[str, object]
) -> tuple[TestPartner, str]:
    """Return a PayInOut that met these faults, and whose provider was answered 99 at a short deadline."""
    partner = await stack.partner(provider=HASTY, casino=casino)
    await partner.faults(*faults)
    return partner, await bet_with_unknown_outcome(partner, partner.pay_in_out)


async def in_parallel(copies: int, call: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """Send copies of a call at once, and return their answers."""
    return await asyncio.gather(*(call() for _ in range(copies)))


async def definite_answer(call: Callable[[], Awaitable[Answer]]) -> Outcome | None:
    """Return what a call was answered, or None if that is not definite: 99, or a connection that breaks."""
    try:
        answer = await call()
    except aiohttp.ClientError:
        return None
    return None if answer.code == 99 else answer.outcome


async def until_definite(call: Callable[[], Awaitable[Answer]], seconds: float = 60) -> Outcome:
    """Repeat a call, as a provider does, until its answer is definite; processes may die meanwhile."""
    async with asyncio.timeout(seconds):
        while (outcome := await definite_answer(call)) is None:
            await asyncio.sleep(0.1)
    return outcome


async def calls_arrived(partner: TestPartner, calls: int) -> None:
    """Wait until the API has recorded the request ids of ``calls`` calls of this provider."""
    query = "SELECT request_id FROM request_id JOIN provider USING (provider_id) WHERE counterparty_id = :c"

    async def enough() -> bool:
        return len(await partner.sql(query, c=partner.counterparty_id)) >= calls

    await eventually(enough)


async def journal_becomes(partner: TestPartner, bet: str, journal: Journal) -> None:
    """Wait until the casino's journal has exactly these movements of a bet."""

    async def is_so() -> bool:
        return await partner.journal(bet) == journal

    await eventually(is_so)


async def delete_workflow(partner: TestPartner, bet: str) -> None:
    """Wait until the bet's workflow has completed, and delete it from Temporal with its history.

    The server deletes it after it has written its queues, which may take tens of seconds.
    """
    client, handle = partner.stack.client, partner.workflow(bet)
    await handle.result()
    execution = WorkflowExecution(workflow_id=handle.id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )
    await eventually(lambda: workflow_is_deleted(partner, bet), seconds=90)


async def workflow_is_deleted(partner: TestPartner, bet: str) -> bool:
    """Return whether Temporal has no workflow of the bet."""
    try:
        await partner.workflow(bet).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        raise
    return False


@asynccontextmanager
async def bets_locked(partner: TestPartner) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Lock the table of bets inside the block; yield a function that waits for this many blocked writers."""
    query = text("SELECT count(*) FROM pg_locks WHERE relation = 'bet'::regclass AND NOT granted")
    engine = partner.stack.engine.execution_options(isolation_level="READ COMMITTED")
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE bet IN SHARE MODE"))

        async def waiting(writers: int) -> None:
            async def enough() -> bool:
                return int((await connection.execute(query)).scalar_one()) >= writers

            await eventually(enough)

        yield waiting


@asynccontextmanager
async def row_locked(partner: TestPartner, *bets: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Lock the rows of these bets inside the block; yield a function that waits for this many blocked updates.

    Updates of the same row go on afterwards in the order in which they came.
    """
    lock = text("SELECT bet_id FROM bet WHERE provider_bet_id = ANY(:bets) FOR NO KEY UPDATE")
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE bet SET%'"
    )
    engine = partner.stack.engine.execution_options(isolation_level="READ COMMITTED")
    async with engine.begin() as connection, partner.stack.engine.connect() as watcher:
        assert len((await connection.execute(lock, {"bets": list(bets)})).all()) == len(bets)

        async def waiting(writers: int) -> None:
            async def enough() -> bool:
                return int((await watcher.execute(query)).scalar_one()) >= writers

            await eventually(enough)

        yield waiting


def through_api(partner: TestPartner, url: str) -> TestPartner:
    """Return the same partner, reached through another API process."""
    return replace(partner, stack=replace(partner.stack, addresses={**partner.stack.addresses, "api": url}))
