"""Who was told what: a process dies at each point between count, debit, record, update answer and HTTP bytes.

Afterwards the provider repeats its call, sends Refund, or stays silent. In the end its last definite answer, our row
and the casino's journal agree. One kill serves all bets of a test: they wait for each other at the point, and die
together; so one worker process and one API process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import aiohttp
import pytest
from temporalio.api.enums.v1 import EventType

from tests.system.rows import DONE, REFUNDED, SETTLED, STAKED, Journal
from tests.table import Answer, Stack, Table, eventually, start_stack
from tests.watch import holds, in_state, sends

# A debit may be repeated for long after its worker died.
PATIENT = "{message_lifetime: 90, retry: {first: 0.2, cap: 0.5}}"
# Long enough for an API process to be back before a stake that nobody was told of goes back.
UNCONFIRMED = "unconfirmed_within: 8"
REVERSED: Journal = [*SETTLED, (-2, "25.00"), (2, "10.00")]

Call = Callable[[], Awaitable[Answer]]
Play = Callable[[Table, str], Awaitable[Answer]]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose processes die."""
    async with start_stack(tmp_path_factory.mktemp("kills"), "--processes", "1", BETCORE_SWEEP_SECONDS="5") as running:
        yield running


@pytest.fixture
async def table(stack: Stack) -> Table:
    """A table with a worker and an API process that are there: those of before may still be starting."""
    table = await stack.table(provider=UNCONFIRMED, casino=PATIENT)
    while (await _insisted(lambda: table.pay_in_out(Table.new_bet(), "0.10", "0"))).code != 1:
        continue
    return table


async def _heard(call: Call) -> Answer | None:
    """What the provider hears of one sending; None where the connection broke or the outcome is unknown."""
    try:
        answer = await call()
    except aiohttp.ClientError:
        return None
    return None if answer.code == 99 else answer


async def _insisted(call: Call) -> Answer:
    """The definite answer to a call, repeated for as long as it takes."""
    async with asyncio.timeout(90):
        while (answer := await _heard(call)) is None:
            await asyncio.sleep(0.1)
    return answer


async def _killed_at(stack: Stack, point: str, *calls: Call) -> list[Answer | None]:
    """Make these calls, kill the process at whose point they all are, and tell what their callers heard."""
    armed = stack.failpoints / point
    armed.write_text(str(len(calls)))
    heard = asyncio.gather(*(_heard(call) for call in calls))

    async def reached() -> bool:
        return not armed.exists()

    await eventually(reached, 60)
    return await heard


class Bets(NamedTuple):
    """Three bets that die together, by what their provider does afterwards."""

    repeated: str
    refunded: str
    silent: str


def _bets() -> Bets:
    return Bets(Table.new_bet(), Table.new_bet(), Table.new_bet())


def _calls(table: Table, play: Play, bets: Bets) -> list[Call]:
    return [lambda bet=bet: play(table, bet) for bet in bets]  # type: ignore[misc]


async def _agrees(table: Table, bet: str, state: str, *journals: Journal) -> None:
    """The row is in this state, its movements are those of the journal, and no send went uncounted."""
    await in_state(table, bet, state)
    assert await table.journal(bet) in journals
    row = await table.row(bet)
    counted = await table.sql(
        "SELECT transaction_type, amount, attempts, state FROM movement WHERE bet_id = :b", b=row.bet_id
    )
    done = {
        movement.transaction_type: f"{movement.amount / 100:.2f}" for movement in counted if movement.state == "done"
    }
    assert done == dict(await table.journal(bet))
    for movement in counted:
        sent = [send for send in await sends(table, bet) if send["transaction_type"] == movement.transaction_type]
        assert 1 <= len(sent) <= movement.attempts


async def _reversed(table: Table, bet: str) -> None:
    await holds(lambda: table.row(bet), lambda row: row.reversed_by is not None)
    await _agrees(table, bet, "settled", REVERSED)


async def _timers_fired(table: Table, bet: str) -> int:
    """How often the bet's own clock has decided something."""
    events = (await table.workflow(bet).fetch_history()).events
    return [event.event_type for event in events].count(EventType.EVENT_TYPE_TIMER_FIRED)


PAY_IN: Play = Table.pay_in
PAY_IN_OUT: Play = Table.pay_in_out
PAY_OUT: Play = Table.pay_out
REFUND: Play = Table.refund


async def _after_a_pay_in(table: Table, bets: Bets, *, told: bool = False) -> None:
    """The provider of two-step bets goes on; ``told``: the row says that it has heard "done"."""

    async def repeated() -> None:
        assert (await _insisted(lambda: table.pay_in(bets.repeated))).said == DONE
        assert (await _insisted(lambda: table.pay_out(bets.repeated))).said == DONE
        await _agrees(table, bets.repeated, "settled", SETTLED)

    async def refunded() -> None:
        assert (await _insisted(lambda: table.refund(bets.refunded))).said == DONE
        await _agrees(table, bets.refunded, "refunded", REFUNDED)
        again = DONE if told else (6, "already_refunded")
        assert (await _insisted(lambda: table.pay_in(bets.refunded))).said == again

    async def silent() -> None:
        if told:
            # Somebody may count on it: it waits for its PayOut.
            await holds(lambda: _timers_fired(table, bets.silent), bool)
            await _agrees(table, bets.silent, "acceptance", STAKED)
            assert (await _insisted(lambda: table.pay_out(bets.silent))).said == DONE
            return
        await _agrees(table, bets.silent, "refunded", REFUNDED)
        assert (await _insisted(lambda: table.pay_in(bets.silent))).said == (6, "already_refunded")
        assert (await _insisted(lambda: table.refund(bets.silent))).said == DONE

    await asyncio.gather(repeated(), refunded(), silent())


async def _after_a_pay_in_out(table: Table, bets: Bets, *refunded_as: Journal) -> None:
    """The provider of one-step bets goes on. Its Refund comes before the win is sent, or after it."""

    async def repeated() -> None:
        assert (await _insisted(lambda: table.pay_in_out(bets.repeated))).said == DONE
        await _agrees(table, bets.repeated, "settled", SETTLED)

    async def refunded() -> None:
        assert (await _insisted(lambda: table.refund(bets.refunded))).said == DONE
        row = await table.row(bets.refunded)
        await _agrees(table, bets.refunded, row.state, *refunded_as)
        assert (row.state == "refunded") == (row.reversed_by is None)

    async def silent() -> None:
        await _agrees(table, bets.silent, "settled", SETTLED)
        assert (await _insisted(lambda: table.pay_in_out(bets.silent))).said == DONE

    await asyncio.gather(repeated(), refunded(), silent())


@pytest.mark.row(77, 66)
@pytest.mark.parametrize("point", ["debit_counted", "debit_answered", "debit_recorded"])
async def test_the_worker_dies_around_the_debit(stack: Stack, table: Table, point: str) -> None:
    two, one = _bets(), _bets()
    heard = await _killed_at(stack, point, *_calls(table, PAY_IN, two), *_calls(table, PAY_IN_OUT, one))
    # Another worker may be there before the deadline: whoever heard "done" has counted as told.
    assert {answer and answer.said for answer in heard} <= {None, DONE}
    told = heard[2] is not None
    await asyncio.gather(_after_a_pay_in(table, two, told=told), _after_a_pay_in_out(table, one, REFUNDED, REVERSED))


@pytest.mark.row(77, 66)
@pytest.mark.parametrize("point", ["credit_counted", "credit_answered", "credit_recorded"])
async def test_the_worker_dies_around_the_credit(stack: Stack, table: Table, point: str) -> None:
    two, one = _bets(), _bets()
    for bet in two:
        assert (await _insisted(lambda bet=bet: table.pay_in(bet))).said == DONE  # type: ignore[misc]
    await _killed_at(stack, point, *_calls(table, PAY_OUT, two), *_calls(table, PAY_IN_OUT, one))

    async def two_steps() -> None:
        assert (await _insisted(lambda: table.pay_out(two.repeated))).said == DONE
        # The win is on its way: it is too late for a Refund, whoever was told what.
        assert (await _insisted(lambda: table.refund(two.refunded))).said == (6, "already_settled")
        for bet in two:
            await _agrees(table, bet, "settled", SETTLED)

    await asyncio.gather(two_steps(), _after_a_pay_in_out(table, one, REVERSED))


@pytest.mark.row(46, 66)
@pytest.mark.parametrize("point", ["claw_back_counted", "claw_back_answered", "claw_back_recorded"])
async def test_the_worker_dies_around_the_claw_back(stack: Stack, table: Table, point: str) -> None:
    repeated, silent = Table.new_bet(), Table.new_bet()
    for bet in (repeated, silent):
        assert (await _insisted(lambda bet=bet: table.pay_in_out(bet))).said == DONE  # type: ignore[misc]
    await _killed_at(stack, point, lambda: table.refund(repeated), lambda: table.refund(silent))
    assert (await _insisted(lambda: table.refund(repeated))).said == DONE
    for bet in (repeated, silent):
        await _reversed(table, bet)
        # Told before: that stands, and so does the reversal.
        assert (await _insisted(lambda bet=bet: table.pay_in_out(bet))).said == DONE  # type: ignore[misc]


@pytest.mark.row(77)
@pytest.mark.parametrize("point", ["outcome_known", "outcome_told", "answer_written"])
async def test_the_api_dies_around_its_answer_to_a_stake(stack: Stack, table: Table, point: str) -> None:
    two, one = _bets(), _bets()
    heard = await _killed_at(stack, point, *_calls(table, PAY_IN, two), *_calls(table, PAY_IN_OUT, one))
    if point != "answer_written":
        assert heard == [None] * 6
    elif told := [answer.said for answer in heard if answer]:
        assert set(told) == {DONE}
    await asyncio.gather(
        _after_a_pay_in(table, two, told=point != "outcome_known"), _after_a_pay_in_out(table, one, REVERSED)
    )


@pytest.mark.row(77)
@pytest.mark.parametrize("point", ["outcome_known", "answer_written"])
async def test_the_api_dies_around_its_answer_to_a_resolution(stack: Stack, table: Table, point: str) -> None:
    won, lost, back = Table.new_bet(), Table.new_bet(), Table.new_bet()
    for bet in (won, lost, back):
        assert (await _insisted(lambda bet=bet: table.pay_in(bet))).said == DONE  # type: ignore[misc]
    await _killed_at(stack, point, lambda: table.pay_out(won), lambda: table.pay_out(lost), lambda: table.refund(back))
    assert (await _insisted(lambda: table.pay_out(won))).said == DONE
    assert (await _insisted(lambda: table.refund(lost))).said == (6, "already_settled")
    assert (await _insisted(lambda: table.refund(back))).said == DONE
    await _agrees(table, won, "settled", SETTLED)
    await _agrees(table, lost, "settled", SETTLED)
    await _agrees(table, back, "refunded", REFUNDED)
