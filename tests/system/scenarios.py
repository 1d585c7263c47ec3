"""What the tests of the edge cases have in common: amounts, profiles, and ways to hold a moment still.

How quick the machine is decides nothing. A stake that cannot leave before its answer is due is refused, as it should
be: where a test needs one that was sent, ``taken``, ``under_way``, ``undecided`` and ``brought`` play another bet.
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
Said = tuple[int, str | None]
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
    """A fault of a movement at the casino, for so many of its makes or for all."""
    counted = {} if times is None else {"times": times}
    return {"kind": kind, "path": "/payments/make", "transaction_type": transaction_type, **counted, **given}


def side_by_side(**cases: Sequence[object]) -> Callable[[Callable[..., Awaitable[None]]], Callable[[Stack], object]]:
    """Play a test for every combination at the same time, each with a partner of its own: most of it is waiting."""

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


async def taken(partner: TestPartner, stake: Stake) -> str:
    """A new bet whose stake is taken, as its provider was told; one that a busy machine has refused as too late, or
    returned before it could be told, is followed by another."""
    async with asyncio.timeout(60):
        while (answer := await until(partial(stake, bet := partner.new_bet()))).said != DONE:
            assert answer.said in (UNAVAILABLE, REFUNDED_ALREADY)
    return bet


async def has_left(partner: TestPartner, bet: str) -> bool:
    """Wait until the bet's stake was sent; False where a busy machine has refused it, as too late to send."""

    async def one_of_them() -> bool:
        row = await partner.row(bet)
        return row is not None and (row.state == "refused" or bool(await sends(partner, bet)))

    await eventually(one_of_them, 60)
    return bool(await sends(partner, bet))


async def under_way(partner: TestPartner, stake: Stake) -> tuple[str, asyncio.Task[Answer]]:
    """A new bet whose stake has left for the casino, and the call of its provider, who may be waiting still."""
    async with asyncio.timeout(120):
        while True:
            bet = partner.new_bet()
            call = asyncio.create_task(stake(bet))
            if await has_left(partner, bet):
                return bet, call
            assert (await call).said in (UNKNOWN, UNAVAILABLE)


async def undecided(partner: TestPartner, stake: Stake) -> str:
    """A new bet whose stake has left, and of which its provider has heard that nobody knows."""
    bet, call = await under_way(partner, stake)
    answer = await call
    assert (answer.said, answer.status) == (UNKNOWN, 503)
    return bet


async def brought(partner: TestPartner, calls: Sequence[Stake], *faults: dict[str, object]) -> str:
    """A new bet after these calls. The last of them meets the casino's faults, if there are any, and nobody knows how
    it ends; without them it is done, as all before it."""
    stake, *later = calls
    if faults and not later:
        await partner.faults(*faults)
        return await undecided(partner, stake)
    bet = await taken(partner, stake)
    for turn, call in enumerate(later, 1):
        if faults and turn == len(later):
            await partner.faults(*faults)
            assert (await call(bet)).said == UNKNOWN
        else:
            assert (await until(partial(call, bet))).said == DONE
    return bet


async def left_unknown(stack: Stack, casino: str, *faults: dict[str, object]) -> tuple[TestPartner, str]:
    """A PayInOut at a casino with these faults; its provider has heard at a short deadline that nobody knows."""
    partner = await stack.partner(provider=HASTY, casino=casino)
    await partner.faults(*faults)
    return partner, await undecided(partner, partner.pay_in_out)


async def in_parallel(copies: int, call: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """The answers to so many copies of a call at once."""
    return await asyncio.gather(*(call() for _ in range(copies)))


async def heard(call: Callable[[], Awaitable[Answer]]) -> Said | None:
    """What a provider hears of a call; None where that is nothing definite: 99, or a connection that breaks."""
    try:
        answer = await call()
    except aiohttp.ClientError:
        return None
    return None if answer.code == 99 else answer.said


async def definitely(call: Callable[[], Awaitable[Answer]], seconds: float = 60) -> Said:
    """Repeat a call, as a provider does, until what it hears is definite; processes may die meanwhile."""
    async with asyncio.timeout(seconds):
        while (said := await heard(call)) is None:
            await asyncio.sleep(0.1)
    return said


async def arrived(partner: TestPartner, calls: int) -> None:
    """Wait until the API has looked at so many calls of the partner's provider."""
    query = "SELECT request_id FROM request_id JOIN provider USING (provider_id) WHERE counterparty_id = :c"

    async def enough() -> bool:
        return len(await partner.sql(query, c=partner.counterparty_id)) >= calls

    await eventually(enough)


async def journal_is(partner: TestPartner, bet: str, journal: Journal) -> None:
    """Wait until the casino's journal of a bet is this."""

    async def is_so() -> bool:
        return await partner.journal(bet) == journal

    await eventually(is_so)


async def forget(partner: TestPartner, bet: str) -> None:
    """Wait until the bet's workflow is over, and remove it from Temporal with its history.

    The server does that when its queues have been written down, which may take it tens of seconds.
    """
    client, handle = partner.stack.client, partner.workflow(bet)
    await handle.result()
    execution = WorkflowExecution(workflow_id=handle.id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )
    await eventually(lambda: forgotten(partner, bet), seconds=90)


async def forgotten(partner: TestPartner, bet: str) -> bool:
    """Whether Temporal knows no workflow of the bet."""
    try:
        await partner.workflow(bet).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        raise
    return False


@asynccontextmanager
async def no_writes(partner: TestPartner) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Keep everybody from writing a row of a bet inside the block; yields what waits until so many want to."""
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
async def kept(partner: TestPartner, *bets: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Keep everybody from changing the rows of these bets inside the block; yields what waits until so many want to.

    Of those who want the same row, the one who came first goes first afterwards.
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


def elsewhere(partner: TestPartner, url: str) -> TestPartner:
    """Return the same partner, reached through another API process."""
    return replace(partner, stack=replace(partner.stack, addresses={**partner.stack.addresses, "api": url}))
