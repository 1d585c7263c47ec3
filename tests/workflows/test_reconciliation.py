"""Reconciliation with the real activities, a real casino and a real Temporal: its findings and what it does."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.testing import ActivityEnvironment

from betcore.casino.movement import Movement
from betcore.db.reconciliations import Reconciliations
from betcore.domain.bet import BetState
from betcore.domain.ids import BETS_QUEUE, SCHEDULED_RECONCILIATION, TransactionType
from betcore.domain.messages import Action, Operate, Operated, PayIn
from betcore.domain.money import Money
from betcore.domain.reconciliation import Reconcile, Reconciled
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, start, update, working

TIMER = "timer_started_event_attributes"
MAKE, INFO = "/payments/make", "/payments/info"
# Nothing that was sent can take effect long after: absence is certain within two seconds of the deadline.
SHORT = (
    "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.3, attempt_timeout: 0.5, retry: {first: 0.1, cap: 0.3}}"
)

CHANGE, WIN = "UPDATE sandbox_casino.entry", "WHERE bet_id = :bet_id AND transaction_type = 1"
JACKPOT = """
INSERT INTO sandbox_casino.entry (client_id, partner_user_id, bet_id, transaction_type, amount, balance_after)
VALUES (:client_id, 'anna', :bet_id, 4, 5, 0)
"""


async def _order(casino: InProcessCasino) -> Reconcile:
    """Return the order to reconcile all bets so far."""
    async with casino.engine.connect() as connection:
        query = text("SELECT now() - interval '1 day' AS began, clock_timestamp() AS now")
        row = (await connection.execute(query)).one()
    return Reconcile(casino_id=casino.session.casino_id, opened_from=row.began, opened_to=row.now)


async def _reconciled(client: Client, casino: InProcessCasino) -> Reconciled:
    order = await _order(casino)
    found: Reconciled = await client.execute_workflow(
        "Reconciliation", order, id=f"r-{uuid4()}", task_queue=BETS_QUEUE, result_type=Reconciled
    )
    assert found.compared == found.bets
    return found


async def _findings(casino: InProcessCasino, run: Reconciled) -> list[tuple[int, str, str | None]]:
    found = [one async for one in Reconciliations(casino.database).findings(run.reconciliation_id)]
    return [(one["transaction_type"], one["kind"], one["outcome"]) for one in found]


async def _sql(casino: InProcessCasino, statement: str, **given: object) -> None:
    async with casino.engine.connect() as connection:
        await connection.execute(text(statement), given)


async def _cook(casino: InProcessCasino, statement: str, **given: object) -> None:
    """Change the casino's book from outside."""
    await _sql(casino, "ALTER TABLE sandbox_casino.entry DISABLE TRIGGER USER")
    await _sql(casino, statement, **given)
    await _sql(casino, "ALTER TABLE sandbox_casino.entry ENABLE TRIGGER USER")


async def _settled(client: Client, casino: InProcessCasino) -> PayIn:
    bet = await casino.pay_in()
    _, handle = await start(client, bet)
    assert (await update(handle, "pay_out", casino.pay_out(bet, "25.00"))).state is BetState.SETTLED
    return bet


async def _incidents(casino: InProcessCasino) -> list[str]:
    return [incident.kind for incident in await casino.incidents()]


async def test_equal_books(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        await _settled(temporal, casino)
        await start(temporal, await casino.pay_in("1000.01"))
        await start(temporal, await casino.pay_in())
        run = await _reconciled(temporal, casino)
        assert (run.bets, run.kinds, run.outcomes) == (3, {}, {})
        assert len([call for call in await casino.casino_calls() if call["path"] == INFO]) == 3


@pytest.mark.edge_case(97)
async def test_a_bet_that_cannot_be_read_is_passed_over_with_an_incident(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=SHORT) as casino, working(temporal, casino):
        odd, other = [await _settled(temporal, casino) for _ in range(2)]
        other_id = (await casino.row(other)).bet_id
        await _cook(casino, f"{CHANGE} SET amount = 26 {WIN}", bet_id=other_id)
        await _sql(casino, "ALTER TABLE bet DISABLE TRIGGER USER")
        await _sql(casino, "UPDATE bet SET currency = 'LOST' WHERE provider_bet_id = :name", name=odd.provider_bet_id)
        for _ in range(2):
            run = await _reconciled(temporal, casino)
            assert await _findings(casino, run) == [(1, "amount", "incident")]
        assert sorted(await _incidents(casino)) == ["reconciliation_amount", "unreadable"]


async def _unclaimed(client: Client, casino: InProcessCasino) -> PayIn:
    """Take a stake that the casino lists too late: its bet has ended refused."""
    await casino.faults(
        {"kind": "error", "path": MAKE, "commit": True}, {"kind": "error_code", "error_code": 103804, "path": INFO}
    )
    bet = await casino.pay_in(seconds=2)
    handle = await begin(client, bet)
    assert await handle.result() in (BetState.REFUSED, BetState.REFUNDED)
    await casino.faults()
    assert await casino.journal() == [(-1, "10.00")]
    return bet


async def test_an_unclaimed_debit_is_returned_once(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=SHORT) as casino, working(temporal, casino):
        bet = await _unclaimed(temporal, casino)
        runs = await asyncio.gather(*(_reconciled(temporal, casino) for _ in range(3)))
        found = [await _findings(casino, run) for run in runs]
        # One that begins when another one has ended finds equal books; one that is overtaken notes that it has gone.
        returned, noted = [(-1, "missing_here", "returned")], [(-1, "missing_here", "noted")]
        assert returned in found
        assert all(one in (returned, noted, []) for one in found)
        assert await _incidents(casino) == ["debited_after_the_end"]
        await temporal.execute_workflow("Sweep", id=f"sweep-{uuid4()}", task_queue=BETS_QUEUE)
        back = temporal.get_workflow_handle(f"resume-reversal:{(await casino.row(bet)).bet_id}:1")
        assert await back.result() == "reversed"
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        assert (await casino.row(bet)).refusal == "casino_unavailable"
        assert await _findings(casino, await _reconciled(temporal, casino)) == []


async def test_a_second_look_that_dies_before_it_says_what_it_did(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=SHORT) as casino, working(temporal, casino):
        bet = await _unclaimed(temporal, casino)
        run = await _reconciled(temporal, casino)
        # The row as it was before the outcome was written.
        await _sql(casino, "UPDATE finding SET outcome = NULL")
        await _second_look(casino.activities(temporal), run.reconciliation_id)
        assert await _findings(casino, run) == [(-1, "missing_here", "returned")]
        assert await _incidents(casino) == ["debited_after_the_end"]
        assert (await casino.row(bet)).state in ("refused", "refunded")


async def test_what_has_gone_at_the_second_look_is_noted(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="{effect_within: 60, accept_within: 1}") as casino:
        async with working(temporal, casino):
            await _settled(temporal, casino)
            # A replica that knows nothing yet: for the first look alone.
            await casino.faults({"kind": "error_code", "error_code": 103804, "path": INFO, "times": 1})
            activities = casino.activities(temporal)
            order, runs = await _order(casino), Reconciliations(casino.database)
            handle = await temporal.start_workflow("Reconciliation", order, id=f"r-{uuid4()}", task_queue=BETS_QUEUE)

            # It waits for the replica before it looks again.
            await eventually(lambda: _waits(handle, timedelta(seconds=60)))
            run = await runs.run_of(handle.id)
            assert run is not None
            waiting = await runs.open_findings(run.reconciliation_id, 0, 10)
            assert [finding.transaction_type for finding in waiting] == [-1, 1]
            assert await _incidents(casino) == []
            await handle.terminate()
        await _second_look(activities, run.reconciliation_id)
        summary = await runs.summary(run.reconciliation_id)
        assert (summary.kinds, summary.outcomes) == ({"missing_there": 2}, {"noted": 2})
        assert await _incidents(casino) == []


async def _waits(handle: Any, time: timedelta) -> bool:
    events = (await handle.fetch_history()).events
    timers = [event.timer_started_event_attributes for event in events if event.HasField(TIMER)]
    return [timer.start_to_fire_timeout.ToTimedelta() for timer in timers] == [time]


async def _second_look(activities: Any, reconciliation_id: int) -> None:
    await ActivityEnvironment().run(activities.reconciler.look_again, reconciliation_id)


async def test_a_bet_in_doubt_is_left_alone(database_url: str, temporal: Client) -> None:
    profile = "{message_lifetime: 90, effect_within: 0.3, accept_within: 0.1, retry: {first: 0.1, cap: 0.3}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        await casino.faults({"kind": "lost", "path": MAKE})
        handle = await begin(temporal, bet := await casino.pay_in())
        await eventually(lambda: _has(casino, (-1, "10.00")))
        assert await _findings(casino, await _reconciled(temporal, casino)) == [(-1, *["left_to_the_bet"] * 2)]
        assert (await casino.row(bet)).state == "accepting"
        assert await _incidents(casino) == []
        await casino.faults()
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]


async def _has(casino: InProcessCasino, *entries: tuple[int, str]) -> bool:
    return await casino.journal() == list(entries)


async def test_what_is_owed_and_missing_is_asked_of_the_bet(database_url: str, temporal: Client) -> None:
    # By itself the bet would try again in an hour.
    profile = "{effect_within: 0.3, accept_within: 0.1, retry: {first: 3600, cap: 3600}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await casino.faults({"kind": "error", "path": MAKE, "transaction_type": 1, "times": 3})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(lambda: _tried(casino, 4))
        await casino.faults()
        assert await _findings(casino, await _reconciled(temporal, casino)) == [(1, "missing_there", "asked_the_bet")]
        assert await asyncio.wait_for(handle.result(), 20) is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.edge_case(84)
@pytest.mark.parametrize("parked", [False, True], ids=["sending", "parked"])
async def test_a_credit_that_the_casino_has_made_is_asked_of_the_bet(
    database_url: str, temporal: Client, parked: bool
) -> None:
    profile = "{effect_within: 0.3, accept_within: 0.1, fast_attempts: 1, retry: {first: 3600, cap: 3600}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        bet = await casino.pay_in(seconds=30)
        _, handle = await start(temporal, bet)
        refused = {"kind": "refuse_after_commit", "error_code": 103805}
        unread = {"kind": "status", "status": 409, "commit": True}
        await casino.faults({"path": MAKE, "transaction_type": 1} | (refused if parked else unread))
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))

        async def stays() -> bool:
            found = await casino.sql("SELECT state, attempts FROM movement WHERE transaction_type = 1")
            return [(row.state, row.attempts) for row in found] == ([("parked", 1)] if parked else [("sending", 2)])

        await eventually(stays)
        assert await _findings(casino, await _reconciled(temporal, casino)) == [(1, "status", "asked_the_bet")]
        assert await asyncio.wait_for(handle.result(), 60) is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]
        assert await _incidents(casino) == (["parked"] if parked else [])
        assert await _findings(casino, await _reconciled(temporal, casino)) == []


@pytest.mark.edge_case(95)
async def test_what_was_paid_by_hand_and_is_listed_is_paid_twice(database_url: str, temporal: Client) -> None:
    profile = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, accept_within: 0.1, retry: {first: 0.1}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        bet = await casino.pay_in(seconds=30)
        record, handle = await start(temporal, bet)
        await casino.faults({"kind": "error_code", "error_code": 103805, "path": MAKE, "transaction_type": 1})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(casino.incidents)
        order = Operate(action=Action.MARK_PAID, operator="ann", reason="a test")

        async def is_taken() -> bool:
            try:
                return bool((await handle.execute_update("operate", order, result_type=Operated)).done)
            except WorkflowUpdateFailedError:
                return False

        await eventually(is_taken)
        assert await handle.result() is BetState.SETTLED
        # The casino applies an old message later than it should.
        await casino.faults()
        house = await casino.partners.casino(record.casino_id)
        late = Movement(record.bet_id, TransactionType.PAY_OUT, "anna", Money.parse("25.00", "EUR"))
        assert (await casino.casinos.make(house, late, timedelta(seconds=5))).answer.meaning == "done"
        for _ in range(2):
            assert await _findings(casino, await _reconciled(temporal, casino)) == [(1, "status", "incident")]
        assert await _incidents(casino) == ["parked", "paid_twice"]


async def _tried(casino: InProcessCasino, times: int) -> bool:
    return len([call for call in await casino.casino_calls() if call["path"] == MAKE]) >= times


async def test_a_bet_without_a_workflow_is_left_to_the_sweep(database_url: str, temporal: Client) -> None:
    profile = "{effect_within: 0.3, accept_within: 0.1, retry: {first: 3600, cap: 3600}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await casino.faults({"kind": "error", "path": MAKE, "transaction_type": 1})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(lambda: _tried(casino, 4))
        await handle.terminate()
        assert await _findings(casino, await _reconciled(temporal, casino)) == [(1, *["left_to_the_bet"] * 2)]


async def test_what_cannot_be_healed_is_an_incident_once(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=SHORT) as casino, working(temporal, casino):
        other, gone = await _settled(temporal, casino), await _settled(temporal, casino)
        more = await casino.row(await _settled(temporal, casino))
        other_id, gone_id = (await casino.row(other)).bet_id, (await casino.row(gone)).bet_id
        await _cook(casino, f"{CHANGE} SET amount = 26 {WIN}", bet_id=other_id)
        await _cook(casino, f"{CHANGE} SET bet_id = -bet_id {WIN}", bet_id=gone_id)
        await _cook(casino, JACKPOT, bet_id=more.bet_id, client_id=casino.partner_client_id)
        expected = [(1, "amount", "incident"), (1, "missing_there", "incident"), (4, "missing_here", "incident")]
        before = await casino.journal()
        for _ in range(2):
            assert sorted(await _findings(casino, await _reconciled(temporal, casino))) == sorted(expected)
        assert sorted(await _incidents(casino)) == sorted(f"reconciliation_{kind}" for _, kind, _ in expected)
        assert await casino.journal() == before


async def test_an_unclear_answer_is_asked_for_until_it_is_clear(database_url: str, temporal: Client) -> None:
    profile = "{effect_within: 0.3, accept_within: 0.1}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        for _ in range(3):
            bet = await casino.row(await _settled(temporal, casino))
            await _cook(casino, f"{CHANGE} SET amount = 26 {WIN}", bet_id=bet.bet_id)
        # More than the asks of one attempt.
        await casino.faults({"kind": "garbage", "path": INFO, "times": 17})
        run = await _reconciled(temporal, casino)
        assert (run.bets, run.kinds) == (3, {"amount": 3})


async def test_a_bet_that_moves_while_it_is_compared_does_not_differ(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="attempt_timeout: 10") as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await casino.faults({"kind": "hold", "path": INFO, "times": 1})
        running = asyncio.create_task(_reconciled(temporal, casino))
        await casino.held()
        assert (await update(handle, "pay_out", casino.pay_out(bet, "25.00"))).state is BetState.SETTLED
        await casino.release()
        assert (await running).kinds == {}


async def _age(casino: InProcessCasino, minutes: int) -> None:
    await _sql(casino, "ALTER TABLE bet DISABLE TRIGGER guard_bet")
    await _sql(casino, "UPDATE bet SET opened_at = opened_at - make_interval(mins => :minutes)", minutes=minutes)
    await _sql(casino, "ALTER TABLE bet ENABLE TRIGGER guard_bet")


async def test_the_schedule_goes_on_from_the_end_of_its_last_run(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        runs = Reconciliations(casino.database)
        await _settled(temporal, casino)
        assert await _round(temporal) == 0, "too young"
        await _age(casino, 11)
        (wanted,) = await runs.due(timedelta(minutes=10))
        assert wanted.workflow_id.startswith(f"{SCHEDULED_RECONCILIATION}:c:")
        assert await _round(temporal) == 1
        await _all_ended(casino, 1)
        assert await _round(temporal) == 0, "nothing new"
        # Ten minutes later.
        await _sql(casino, "UPDATE reconciliation SET opened_to = opened_to - interval '11 minutes', "
                          "opened_from = opened_from - interval '11 minutes'")  # fmt: skip
        await _age(casino, 11)
        await _settled(temporal, casino)
        await _age(casino, 11)
        assert await _round(temporal) == 1
        await _all_ended(casino, 2)
        async with casino.engine.connect() as connection:
            rows = (await connection.execute(text("SELECT * FROM reconciliation ORDER BY 1"))).all()
        assert rows[1].opened_from == rows[0].opened_to
        assert [(row.bets, row.compared) for row in rows] == [(1, 1), (1, 1)]


async def _round(client: Client) -> int:
    started: int = await client.execute_workflow(
        "Reconciliations", id=f"round-{uuid4()}", task_queue=BETS_QUEUE, result_type=int
    )
    return started


async def _all_ended(casino: InProcessCasino, runs: int) -> None:
    async def ended() -> bool:
        async with casino.engine.connect() as connection:
            query = text("SELECT count(*) FROM reconciliation WHERE ended_at IS NOT NULL")
            return bool((await connection.execute(query)).scalar_one() == runs)

    await eventually(ended)


async def test_a_run_that_was_terminated_is_taken_up_by_the_schedule(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="attempt_timeout: 10") as casino, working(temporal, casino):
        await _settled(temporal, casino)
        await _age(casino, 11)
        await casino.faults({"kind": "hold", "path": INFO, "times": 1})
        assert await _round(temporal) == 1
        await casino.held()
        assert await _round(temporal) == 0, "it runs"
        (wanted,) = await Reconciliations(casino.database).due(timedelta(minutes=10))
        handle: Handle = temporal.get_workflow_handle(wanted.workflow_id)
        await handle.terminate()
        await casino.release()
        assert await _round(temporal) == 1
        await _all_ended(casino, 1)
