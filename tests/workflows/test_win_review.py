"""Wins beyond a limit against workflow and activities: who decides, what the row keeps, what an hour comes to."""

import asyncio

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from betcore.db.database import DatabaseError
from betcore.db.win_reviews import WinReviews
from betcore.domain import answers
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetState
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.jackpots import Jackpot
from betcore.domain.messages import Action, Operate, Operated, PayIn
from betcore.domain.money import Money
from betcore.domain.win_review import ReviewState, WinLimits
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, start, update, working

STAKED, SETTLED = [(-1, "10.00")], [(-1, "10.00"), (1, "25.00")]
LIMITS = WinLimits(max_win=Money.parse("20.00", "EUR"))


async def _ask(handle: Handle, action: Action, operator: str) -> Operated:
    order = Operate(action=action, operator=operator, reason="a test")
    operated: Operated = await handle.execute_update("operate", order, result_type=Operated)
    return operated


async def _by_two(handle: Handle, action: Action) -> None:
    assert not (await _ask(handle, action, "ann")).done
    assert (await _ask(handle, action, "ben")).done


async def _is_in_review(casino: InProcessCasino, bet: PayIn) -> bool:
    row = await casino.row(bet)
    return row.review is not None and row.review["state"] == "in_review"


async def _held(client: Client, casino: InProcessCasino) -> tuple[PayIn, Handle]:
    """Return a bet whose win of 25.00 is in review."""
    bet = await casino.pay_in()
    _, handle = await start(client, bet)
    await handle.signal("pay_out", casino.pay_out(bet, "25.00").model_copy(update={"limits": LIMITS}))
    await eventually(lambda: _is_in_review(casino, bet))
    return bet, handle


@pytest.mark.edge_case(262)
async def test_one_operator_alone_releases_no_win(database_url: str, temporal: Client) -> None:
    # Far below what one operator may move alone otherwise.
    async with open_casino(database_url, casino="{approval_above: {EUR: 1000}}") as casino, working(temporal, casino):
        _, handle = await _held(temporal, casino)
        assert not (await _ask(handle, Action.RELEASE, "ann")).done
        for operator in ("ann", " ANN "):
            with pytest.raises(WorkflowUpdateFailedError) as refusal:
                await _ask(handle, Action.RELEASE, operator)
            assert isinstance(refusal.value.cause, ApplicationError)
            assert "another operator" in refusal.value.cause.message
        # To refuse it is another proposal.
        assert not (await _ask(handle, Action.REFUSE, "ben")).done
        assert await casino.journal() == STAKED
        assert (await _ask(handle, Action.RELEASE, "ben")).done
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == SETTLED


@pytest.mark.edge_case(263)
async def test_a_waiting_call_is_answered_when_its_win_is_refused(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet, handle = await _held(temporal, casino)
        call = casino.pay_out(bet, "25.00").model_copy(update={"limits": LIMITS})
        waiting = asyncio.create_task(update(handle, "pay_out", call))
        await _by_two(handle, Action.REFUSE)
        assert answers.to_pay_out(await waiting, call) is Code.WIN_REFUSED
        # The same win changes nothing, by whatever way it comes and without limits.
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        record = await update(handle, "refund", casino.refund(bet))
        assert record.state is BetState.REFUNDED
        assert await casino.journal() == [*STAKED, (2, "10.00")]


@pytest.mark.edge_case(265)
async def test_a_proposal_is_for_the_jackpot_that_was_seen(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet, handle = await _held(temporal, casino)
        assert not (await _ask(handle, Action.RELEASE, "ann")).done
        await _by_two(handle, Action.REFUSE)
        # The same win comes with a jackpot, which Ann has not seen.
        jackpot = {"limits": LIMITS, "jackpot": Jackpot(amount=Money.parse("500.00", "EUR"))}
        await handle.signal("pay_out", casino.pay_out(bet, "25.00").model_copy(update=jackpot))
        await eventually(lambda: _is_in_review(casino, bet))
        assert not (await _ask(handle, Action.RELEASE, "ben")).done
        assert await casino.journal() == STAKED
        assert (await _ask(handle, Action.RELEASE, "ann")).done
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [*SETTLED, (4, "500.00")]


async def _opened(client: Client, casino: InProcessCasino, win: str, limits: WinLimits) -> Pay:
    """Return the order to pay a win of a new bet whose stake is taken."""
    bet = await casino.pay_in()
    record, _ = await start(client, bet)
    return casino.credit(bet, record, win).model_copy(update={"limits": limits})


@pytest.mark.edge_case(262, 267)
async def test_the_row_begins_no_credit_of_a_win_in_review(database_url: str, temporal: Client) -> None:
    """Whatever the worker, or the profile by then, says of limits."""
    async with open_casino(database_url) as casino, working(temporal, casino):
        pay, reviews = await _opened(temporal, casino, "25.00", LIMITS), WinReviews(casino.database)
        assert await reviews.hold(pay) == ["max_win"]
        # Once, and one incident: an attempt that was interrupted runs again.
        assert await reviews.hold(pay) == []
        assert [one.kind for one in await casino.incidents()] == ["win_in_review"]
        back = pay.model_copy(
            update={"transaction_type": TransactionType.BET_RETURN, "amount": Money.parse("10", "EUR")}
        )
        for one in (pay, pay.model_copy(update={"limits": None}), back):
            claim = await casino.bets.begin_credit(one)
            assert (claim.attempts, claim.record.state) == (None, BetState.ACCEPTANCE)
        record = await reviews.decide(pay.bet_id, pay.owner, ReviewState.REFUSED)
        assert (await reviews.decide(pay.bet_id, pay.owner, ReviewState.RELEASED)).review == record.review
        assert (await casino.bets.begin_credit(pay.model_copy(update={"limits": None}))).attempts is None
        other = pay.model_copy(update={"amount": Money.parse("26.00", "EUR")})
        assert await reviews.hold(other) == ["max_win"]
        await reviews.decide(pay.bet_id, pay.owner, ReviewState.RELEASED)
        assert (await casino.bets.begin_credit(pay)).attempts is None
        assert (await casino.bets.begin_credit(other)).attempts == 1


@pytest.mark.edge_case(263)
@pytest.mark.parametrize(
    "change", ["review = NULL", 'review = review || \'{"state": "in_review"}\'', "state = 'settling', win = 2500"]
)
async def test_the_database_keeps_what_operators_have_decided(database_url: str, temporal: Client, change: str) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        pay, reviews = await _opened(temporal, casino, "25.00", LIMITS), WinReviews(casino.database)
        await reviews.hold(pay)
        if "state" in change and "win" not in change:
            await reviews.decide(pay.bet_id, pay.owner, ReviewState.RELEASED)
        with pytest.raises(DatabaseError):
            await casino.sql(f"UPDATE bet SET {change} RETURNING 1")  # noqa: S608


@pytest.mark.edge_case(266)
async def test_wins_of_an_hour_are_added_up(database_url: str, temporal: Client) -> None:
    limits = WinLimits(per_hour=Money.parse("50.00", "EUR"))
    async with open_casino(database_url) as casino, working(temporal, casino):
        reviews = WinReviews(casino.database)
        first, second, third = [await _opened(temporal, casino, "25.00", limits) for _ in range(3)]
        assert [await reviews.hold(pay) for pay in (first, second, third)] == [[], [], ["per_hour"]]
        # What has begun to be paid is not counted again.
        await casino.bets.begin_credit(first)
        await reviews.hold(first)
        [counted] = await casino.sql("SELECT sum(amount) AS amount FROM paid_minute")
        assert counted.amount == 5000
        # The ring of minutes goes round: what is older than an hour makes room, in its own row too.
        await casino.sql("UPDATE paid_minute SET minute = minute - interval '61 minutes' RETURNING 1")
        fourth = await _opened(temporal, casino, "25.00", limits)
        assert await reviews.hold(fourth) == []
        recent = "SELECT sum(amount) AS amount FROM paid_minute WHERE minute > now() - interval '30 minutes'"
        assert [row.amount for row in await casino.sql(recent)] == [2500]


@pytest.mark.edge_case(266)
async def test_wins_at_the_same_moment_are_each_weighed(database_url: str, temporal: Client) -> None:
    limits = WinLimits(per_hour=Money.parse("1000.00", "EUR"))
    async with open_casino(database_url) as casino, working(temporal, casino):
        pays = [await _opened(temporal, casino, "25.00", limits) for _ in range(5)]
        reviews = WinReviews(casino.database)
        assert await asyncio.gather(*(reviews.hold(pay) for pay in pays)) == [[]] * 5
        [counted] = await casino.sql("SELECT sum(amount) AS amount FROM paid_minute")
        assert counted.amount == 12500
