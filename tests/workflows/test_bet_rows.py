"""The rows of a bet: what the database refuses to change, and which of two attempts counts."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.testing import ActivityEnvironment

from activities.admission import AdmissionControl
from activities.casino_gateway import CasinoGateway
from activities.wallet import Wallet
from betcore.db.cashback_movements import CashbackMovements
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.database import DatabaseError
from betcore.db.open_bets import OpenBets
from betcore.db.reversals import Reversals
from betcore.db.statements import bets as statements_bets
from betcore.db.win_reviews import WinReviews
from betcore.domain import answers
from betcore.domain.activity_inputs import Progress, TakeStake
from betcore.domain.bet import BetState
from betcore.domain.claims import Confirmation
from betcore.domain.errors import Code
from betcore.domain.messages import Action, Operate, Operated, PayIn
from betcore.domain.money import Money
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, events, start, update, working


async def _settled(casino: InProcessCasino, client: Client) -> int:
    bet = await casino.pay_in("10.00")
    _, handle = await start(client, bet)
    record = await update(handle, "pay_out", casino.pay_out(bet, "25.00"))
    assert record.state is BetState.SETTLED
    return record.bet_id


async def _execute(casino: InProcessCasino, statement: str, bet_id: int) -> None:
    async with casino.engine.connect() as connection:
        await connection.execute(text(statement), {"bet": bet_id})


FORBIDDEN = [
    "UPDATE bet SET stake = stake + 1 WHERE bet_id = :bet",
    "UPDATE bet SET win = win + 1 WHERE bet_id = :bet",
    "UPDATE bet SET provider_bet_id = 'another' WHERE bet_id = :bet",
    "UPDATE bet SET player_id = player_id + 1 WHERE bet_id = :bet",
    "UPDATE bet SET currency = 'USD' WHERE bet_id = :bet",
    "UPDATE bet SET state = 'refunded', win = NULL WHERE bet_id = :bet",
    "UPDATE bet SET state = 'acceptance', closed_at = NULL WHERE bet_id = :bet",
    "UPDATE bet SET told_at = now() - interval '1 day' WHERE bet_id = :bet",
    "DELETE FROM bet WHERE bet_id = :bet",
    "UPDATE movement SET amount = amount + 1 WHERE bet_id = :bet",
    "UPDATE movement SET transaction_type = 2 WHERE bet_id = :bet AND transaction_type = 1",
    "UPDATE movement SET state = 'sending' WHERE bet_id = :bet",
    "UPDATE movement SET attempts = attempts - 1 WHERE bet_id = :bet",
    "DELETE FROM movement WHERE bet_id = :bet",
    "UPDATE bet_event SET kind = 'nothing' WHERE bet_id = :bet",
    "DELETE FROM bet_event WHERE bet_id = :bet",
]


async def test_amounts_identities_and_a_terminal_state_stand(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet_id = await _settled(casino, temporal)
        for statement in FORBIDDEN:
            with pytest.raises(DatabaseError, match=r"bet|movement|stands"):
                await _execute(casino, statement, bet_id)
        # The guards refuse no statement of a bet's own course.
        await _execute(casino, "UPDATE bet SET told_at = coalesce(told_at, now()) WHERE bet_id = :bet", bet_id)


async def test_a_timeline_holds_every_message_send_and_answer(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        await casino.faults({"kind": "lost", "path": "/payments/make", "transaction_type": 1, "times": 1})
        bet_id = await _settled(casino, temporal)
        async with casino.engine.connect() as connection:
            rows = await connection.execute(
                text("SELECT kind, at, data FROM bet_event WHERE bet_id = :bet ORDER BY event_id"), {"bet": bet_id}
            )
            events = list(rows)
        assert [event.kind for event in events] == [
            *("pay_in", "send", "answer"),
            *("pay_out", "send", "answer", "send", "answer"),
        ]
        assert [event.data.get("progress") for event in events if event.kind == "answer"] == ["done", "unknown", "done"]
        assert [event.data.get("attempt") for event in events if event.kind == "send"] == [1, 1, 2]
        assert [event.at for event in events] == sorted(event.at for event in events)


async def _held_first_send(casino: InProcessCasino, client: Client) -> tuple[PayIn, Handle]:
    """Hold the casino's refusal of a bet's first send on its way to the worker."""
    await casino.faults({"kind": "hold_after", "path": "/payments/make", "transaction_type": -1, "times": 1})
    bet = await casino.pay_in("1000.01")
    handle = await begin(client, bet)
    await casino.held()
    return bet, handle


async def test_a_refusal_is_not_believed_once_another_process_has_counted_a_send(
    database_url: str, temporal: Client
) -> None:
    # A frozen worker that has received a refusal must not end a bet for which another worker sends again meanwhile.
    profile = "{message_lifetime: 1, attempt_timeout: 5, clock_leeway: 0, effect_within: 0.5, retry: {first: 0.2}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        bet, handle = await _held_first_send(casino, temporal)
        owner = (await casino.row(bet)).owner
        claim = await casino.bets.open(bet, owner, BetState.ACCEPTING, None)
        assert claim.attempts == 2
        await casino.release()
        # The second send is counted and never made: the bet is decided by the look-up, not by the refusal.
        assert await handle.result() is BetState.REFUSED
        assert (await casino.row(bet)).refusal == "casino_unavailable"
        looks = [call for call in await casino.casino_calls() if call["path"] == "/payments/info"]
        assert len(looks) == 2


async def test_a_refusal_of_the_only_send_ends_the_bet(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="attempt_timeout: 5") as casino, working(temporal, casino):
        bet, handle = await _held_first_send(casino, temporal)
        await casino.release()
        assert await handle.result() is BetState.REFUSED
        assert (await casino.row(bet)).refusal == "no_money"


@pytest.mark.parametrize("why", ["breaker", "places"])
async def test_a_stake_that_was_begun_is_left_to_the_slow_lane_if_a_new_one_would_be_refused(
    database_url: str, temporal: Client, why: str
) -> None:
    """A workflow task is executed again and runs its activity again, while the first send is at the casino."""
    profile = "{attempt_timeout: 5, fast_attempts: 1, breaker: {failures: 1, probe_every: 60}}"
    async with open_casino(database_url, casino=profile) as casino:
        wallet, bet = casino.activities(temporal).wallet, await casino.pay_in()
        order = TakeStake(pay_in=bet, owner="run", refund_filed=False)
        await casino.faults({"kind": "error" if why == "breaker" else "hold", "path": "/payments/make"})
        first = asyncio.create_task(ActivityEnvironment().run(wallet.try_stake, order))
        if why == "breaker":
            await first
        else:
            await casino.held()
            full = AdmissionControl(CircuitBreakers(casino.database, 0), slots=0)
            gateway = CasinoGateway(casino.bets, casino.partners, casino.casinos, casino.hints, full)
            wallet = Wallet(
                gateway,
                casino.bets,
                WinReviews(casino.database),
                Reversals(casino.database),
                CashbackMovements(casino.database),
            )
        step = await ActivityEnvironment().run(wallet.try_stake, order)
        assert step.progress is Progress.UNKNOWN
        assert await casino.attempts() == {-1: 2}
        fresh = TakeStake(pay_in=await casino.pay_in(), owner="another", refund_filed=False)
        assert (await ActivityEnvironment().run(wallet.try_stake, fresh)).progress is Progress.REFUSED
        assert [call["path"] for call in await casino.casino_calls()] == ["/payments/make"]
        await casino.release()
        await first


async def test_a_debit_after_the_end_is_an_incident(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="attempt_timeout: 5") as casino, working(temporal, casino):
        await casino.faults({"kind": "hold_after", "path": "/payments/make", "times": 1})
        bet = await casino.pay_in()
        handle = await begin(temporal, bet)
        await casino.held()
        row = await casino.row(bet)
        await casino.bets.end_absent(row.bet_id, row.owner, [])
        await casino.release()
        assert await handle.result() is BetState.REFUSED
        assert [incident.kind for incident in await casino.incidents()] == ["debited_after_the_end"]


async def test_a_claim_that_was_overtaken_returns_the_row(database_url: str, temporal: Client) -> None:
    """Without it a credit that is done looks parked, and its workflow waits for an operator indefinitely."""
    async with open_casino(database_url) as casino:
        bet = await casino.pay_in("10.00")
        async with working(temporal, casino):
            record, _ = await start(temporal, bet)
        pay = casino.credit(bet, record, "25.00")
        assert (await casino.bets.begin_credit(pay)).counted
        async with casino.database.transaction() as another:
            done = {
                "bet_id": pay.bet_id,
                "owner": pay.owner,
                "transaction_type": 1,
                "state": "settled",
                "how": "done",
                **ANSWERED,
            }
            await another.all_rows(statements_bets.CREDIT_DONE, **done)
            claiming = asyncio.create_task(casino.bets.begin_credit(pay))
            await eventually(lambda: _waits_for_a_lock(casino))
        claim = await claiming
        assert (claim.record.state, claim.attempts, claim.counted) == (BetState.SETTLED, None, False)


ANSWERED = {"error_code": "200", "partner_transaction_id": None, "balance": None}


async def test_what_another_attempt_has_recorded_first_is_returned(database_url: str) -> None:
    """Two attempts read one Accept. Without it the slower one reads its old snapshot, takes a movement that is done for
    parked, and the workflow waits for an operator indefinitely."""
    async with open_casino(database_url) as casino:
        bet, bets, word = await casino.pay_in("10.00"), casino.bets, Confirmation("200", None, None)
        bet_id = (await bets.open(bet, "run", BetState.ACCEPTING, None)).record.bet_id
        async with casino.database.transaction() as another:
            await another.all_rows(statements_bets.ACCEPT, bet_id=bet_id, owner="run", **ANSWERED)
            accepting = asyncio.create_task(bets.accept(bet_id, "run", word))
            await eventually(lambda: _waits_for_a_lock(casino))
        taken = await accepting
        assert taken.state is BetState.ACCEPTANCE
        pay = casino.credit(bet, taken, "25.00")
        await bets.begin_credit(pay)
        done = {"bet_id": bet_id, "owner": "run", "transaction_type": 1, "state": "settled", "how": "done", **ANSWERED}
        async with casino.database.transaction() as another:
            await another.all_rows(statements_bets.CREDIT_DONE, **done)
            recording = asyncio.create_task(bets.credit_done(bet_id, "run", pay.transaction_type, word))
            parking = asyncio.create_task(bets.park(bet_id, "run", pay.transaction_type, "515"))
            await eventually(lambda: _waits_for_a_lock(casino))
        overtaken, parked = await parking
        assert not parked
        for record in (await recording, overtaken):
            assert (record.state, record.closed_at is None) == (BetState.SETTLED, False)
        assert await casino.incidents() == []


async def _waits_for_a_lock(casino: InProcessCasino) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(await casino.sql(query))


LOST = {"before the time to be told is over": 1, "afterwards": 0.1}


@pytest.mark.edge_case(75)
@pytest.mark.parametrize("unconfirmed_within", LOST.values(), ids=LOST)
async def test_a_win_whose_message_was_lost_with_temporal_is_paid(
    database_url: str, temporal: Client, unconfirmed_within: float
) -> None:
    """Temporal holds a PayOut in memory until its workflow task is over. A server that dies before that loses it, while
    the row has the attempt to pay: the win is owed, and the provider may not ask again."""
    provider = f"unconfirmed_within: {unconfirmed_within}"
    async with open_casino(database_url, provider=provider) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        await casino.calls.mark_told(record.bet_id, "r")
        if unconfirmed_within < 1:
            await eventually(lambda: _waits_on(handle))
        await casino.bets.begin_credit(casino.credit(bet, record, "25.00"))
        if unconfirmed_within < 1:
            await handle.execute_update("recheck")
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.edge_case(75)
async def test_a_refund_does_not_turn_a_win_round_whose_message_was_lost(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        await casino.bets.begin_credit(casino.credit(bet, record, "25.00"))
        await handle.signal("refund", casino.refund(bet))
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.edge_case(75)
@pytest.mark.parametrize("on_overdue", ["hold", "refund"])
async def test_a_bet_that_waits_although_its_row_has_ended_is_over(
    database_url: str, temporal: Client, on_overdue: str
) -> None:
    """The server dies when the casino's response is recorded, and the provider does not ask again."""
    provider = f"{{unconfirmed_within: 0.1, on_overdue: {on_overdue}}}"
    async with open_casino(database_url, provider=provider) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        await casino.calls.mark_told(record.bet_id, "r")
        await eventually(lambda: _waits_on(handle))
        pay = casino.credit(bet, record, "25.00")
        await casino.bets.begin_credit(pay)
        await casino.bets.credit_done(record.bet_id, pay.owner, pay.transaction_type, Confirmation("200", "t", None))
        recovery = casino.activities(temporal).recovery
        # A workflow whose row has ended a moment ago is about to complete.
        assert await recovery.remind(timedelta(minutes=2)) == 0

        async def reminded() -> bool:
            return await recovery.remind(timedelta()) == 1

        await eventually(reminded)
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00")]


@pytest.mark.edge_case(77)
async def test_the_first_to_update_the_row_decides_the_answer(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        for told_first in (True, False):
            record, _ = await start(temporal, await casino.pay_in("10.00"))
            if told_first:
                assert await casino.calls.mark_told(record.bet_id, "r")
            withdrawn = await casino.bets.withdraw(record.bet_id, record.owner or "")
            assert (withdrawn.withdrawn_at is None) is told_first
            assert await casino.calls.mark_told(record.bet_id, "r") is told_first


@pytest.mark.edge_case(75)
async def test_only_a_bet_that_waits_is_reminded(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("recheck")
        assert await _quiet(casino, timedelta()) == []
        await casino.bets.begin_credit(casino.credit(bet, record, "25.00"))
        assert await _quiet(casino, timedelta()) == [handle.id]
        assert await _quiet(casino, timedelta(minutes=2)) == []


async def _quiet(casino: InProcessCasino, quiet: timedelta) -> list[str]:
    page = await OpenBets(casino.database).quiet(quiet, 0, 10)
    return [row.workflow_id for row in page.rows]


async def _waits_on(handle: Handle) -> bool:
    return (await events(handle)).count(EventType.EVENT_TYPE_TIMER_STARTED) == 2


# What the row has and the workflow does not know: the worker was killed when the statement was done.


async def _settled_by_hand(handle: Handle, win: str) -> None:
    order = Operate(action=Action.SETTLE, operator="ann", reason="asked", win=Money.parse(win, "EUR"))
    operated: Operated = await handle.execute_update("operate", order, result_type=Operated)
    assert operated.done


@pytest.mark.edge_case(93)
@pytest.mark.parametrize("filed", ["asked", "kept", "by an operator"])
async def test_a_bet_that_was_withdrawn_is_not_paid_out(database_url: str, temporal: Client, filed: str) -> None:
    """Without it a PayIn is answered 6, the player is paid all the same, and the next PayIn is answered 1."""
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        withdrawn = await casino.bets.withdraw(record.bet_id, record.owner or "")
        call = casino.pay_out(bet, "25.00")
        assert answers.to_pay_in(withdrawn, bet) is Code.ALREADY_REFUNDED
        assert answers.to_pay_out(withdrawn, call) is Code.ALREADY_REFUNDED
        match filed:
            case "asked":
                assert answers.to_pay_out(await update(handle, "pay_out", call), call) is Code.ALREADY_REFUNDED
            case "kept":
                await handle.signal("pay_out", call)
            case _:
                await _settled_by_hand(handle, "25.00")
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        assert not await casino.calls.mark_told(record.bet_id, "r")
        assert (await casino.row(bet)).win is None
        assert [incident.kind for incident in await casino.incidents()] == ["already_refunded"]


@pytest.mark.edge_case(93)
async def test_a_payout_that_has_begun_goes_on_though_its_bet_was_withdrawn(
    database_url: str, temporal: Client
) -> None:
    """An earlier release has begun to pay such a bet: the win may be at the casino."""
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        await casino.bets.begin_credit(casino.credit(bet, record, "25.00"))
        async with casino.engine.connect() as connection:
            await connection.exec_driver_sql("UPDATE bet SET withdrawn_at = now()")
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.edge_case(94)
@pytest.mark.parametrize("filed", ["asked", "by an operator"])
@pytest.mark.parametrize("ended", [False, True], ids=["begun", "ended"])
async def test_a_win_that_has_begun_is_paid_and_no_other(
    database_url: str, temporal: Client, filed: str, ended: bool
) -> None:
    """Temporal has lost a PayOut that the row has, and another win is asked for. Without it the statement fails at the
    row's guard in every attempt, and the player waits."""
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        pay = casino.credit(bet, record, "25.00")
        await casino.bets.begin_credit(pay)
        if ended:
            await casino.bets.credit_done(
                record.bet_id, pay.owner, pay.transaction_type, Confirmation("200", "t", None)
            )
        if filed == "asked":
            call = casino.pay_out(bet, "30.00")
            assert answers.to_pay_out(await update(handle, "pay_out", call), call) is Code.DIFFERENT_DATA
        else:
            await _settled_by_hand(handle, "30.00")
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), *([] if ended else [(1, "25.00")])]
        (incident,) = await casino.incidents()
        assert incident.kind == "settled_with_another_win"
        assert (incident.ours["win"], incident.theirs["win"]) == ("EUR 25.00", "EUR 30.00")
