"""The sweep when there is more than it may ask about at once: it goes on where the last one has stopped."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities import recovery
from betcore.db.open_bets import OpenBets
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetState
from betcore.domain.claims import Confirmation
from betcore.temporal import executions
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, events, resumed, start, sweep, working

OWNER = "a workflow that is gone"
PROVIDER = "unconfirmed_within: 0.1"


async def _without_workflow(casino: InProcessCasino, number: int) -> list[int]:
    """Insert open bets that no workflow carries; return their BetIds."""
    orders = [await casino.pay_in() for _ in range(number)]
    bets = [(await casino.bets.open(order, OWNER, BetState.ACCEPTING, None)).record.bet_id for order in orders]
    await _opened_earlier(casino)
    return sorted(bets)


async def _opened_earlier(casino: InProcessCasino) -> None:
    """Have all bets opened an hour earlier: a sweep leaves new ones alone."""
    async with casino.engine.connect() as connection:
        await connection.exec_driver_sql("ALTER TABLE bet DISABLE TRIGGER USER")
        await connection.exec_driver_sql("UPDATE bet SET opened_at = opened_at - interval '1 hour'")


@pytest.mark.parametrize(
    ("bets", "resumed"), [(5, [2, 2, 1, 0]), (4, [2, 2, 0])], ids=["the end on a page", "the end between pages"]
)
async def test_a_sweep_resumes_bets_from_where_the_last_one_has_stopped(
    database_url: str, temporal: Client, monkeypatch: pytest.MonkeyPatch, bets: int, resumed: list[int]
) -> None:
    """Each sweep may be another process's. After the end of a round the next sweep begins another one."""
    monkeypatch.setattr(recovery, "_LISTED", 2)
    monkeypatch.setattr(recovery, "_PAGES", 1)
    async with open_casino(database_url) as casino:
        opened = await _without_workflow(casino, bets)
        assert [await sweep(casino, temporal) for _ in resumed] == resumed
        assert await OpenBets(casino.database).cursor("bet") == opened[1]


@pytest.mark.parametrize("most", [100, 1], ids=["all that run are listed", "the newest are listed"])
async def test_a_lost_bet_among_running_ones_is_resumed(
    database_url: str, temporal: Client, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """What the list of running workflows does not show is asked for, and resumed only if it does not run."""
    monkeypatch.setattr(executions, "_ON_A_PAGE", 2)
    monkeypatch.setattr(executions, "_FEW", 0)
    monkeypatch.setattr(recovery, "_LISTED", most)
    monkeypatch.setattr(recovery, "_PAGES", 1)
    async with open_casino(database_url, provider=PROVIDER) as casino, working(temporal, casino):
        waiting = [(await _waiting(casino, temporal))[1] for _ in range(3)]
        await waiting[1].terminate()
        await _opened_earlier(casino)
        await resumed(casino, temporal)
        assert await sweep(casino, temporal) == 0
        for handle in waiting[::2]:
            await handle.terminate()


async def test_a_sweep_without_open_bets_asks_nothing_and_logs_nothing(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino:
        with capture_logs() as logs:
            assert await sweep(casino, temporal) == 0
            assert await casino.activities(temporal).recovery.remind(timedelta(hours=1)) == 0
        assert logs == []


async def _waiting(casino: InProcessCasino, client: Client) -> tuple[Pay, Handle]:
    """Return a bet that waits for its result, and the win of it: only such a bet takes a reminder."""
    bet = await casino.pay_in()
    record, handle = await start(client, bet)
    await casino.calls.mark_told(record.bet_id, "r")

    async def waits() -> bool:
        return (await events(handle)).count(EventType.EVENT_TYPE_TIMER_STARTED) == 2

    await eventually(waits)
    return casino.credit(bet, record, "25.00"), handle


async def _owes(casino: InProcessCasino, client: Client) -> Handle:
    """Return a bet whose row owes a win, which its workflow does not know."""
    pay, handle = await _waiting(casino, client)
    await casino.bets.begin_credit(pay)
    return handle


async def _row_has_ended(casino: InProcessCasino, client: Client) -> Handle:
    """Return a bet that waits for its result, which its row has already."""
    pay, handle = await _waiting(casino, client)
    await casino.bets.begin_credit(pay)
    await casino.bets.credit_done(pay.bet_id, pay.owner, pay.transaction_type, Confirmation("200", "t", None))
    return handle


async def test_reminders_go_on_behind_the_workflows_that_were_listed(
    database_url: str, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest workflow is listed first, and there is nothing wrong with it."""
    monkeypatch.setattr(recovery, "_LISTED", 1)
    monkeypatch.setattr(recovery, "_PAGES_FOR_ENDED", 1)
    async with open_casino(database_url, provider=PROVIDER) as casino, working(temporal, casino):
        waiting = [await _row_has_ended(casino, temporal) for _ in range(2)]
        _, healthy = await _waiting(casino, temporal)
        reminded = 0

        async def all_reminded() -> bool:
            nonlocal reminded
            reminded += await casino.activities(temporal).recovery.remind(timedelta())
            return reminded == len(waiting)

        await eventually(all_reminded, 60)
        assert [await handle.result() for handle in waiting] == [BetState.SETTLED] * 2
        await healthy.terminate()


@pytest.mark.parametrize(
    ("name", "pages"), [("_LISTED", 1), ("_REMINDED", 100)], ids=["behind a page", "behind those that were reminded"]
)
async def test_reminders_go_on_behind_a_bet_that_is_reminded_in_vain(
    database_url: str, temporal: Client, monkeypatch: pytest.MonkeyPatch, name: str, pages: int
) -> None:
    monkeypatch.setattr(recovery, name, 1)
    monkeypatch.setattr(recovery, "_PAGES", pages)
    async with open_casino(database_url, provider=PROVIDER) as casino, working(temporal, casino):
        gone, owing = [await _owes(casino, temporal) for _ in range(2)]
        await gone.terminate()

        async def reminded() -> bool:
            return await casino.activities(temporal).recovery.remind(timedelta()) == 1

        await eventually(reminded, 60)
        assert await owing.result() is BetState.SETTLED
