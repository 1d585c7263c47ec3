"""Edge cases 262 to 266: wins that cannot be right wait for two operators."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from betcore.db.database import DatabaseError
from betcore.db.onboarding_sessions import NewSession
from betcore.db.statements import verify_rows
from betcore.domain.ids import BetKey, current_bet_workflow_id
from betcore.domain.messages import Action, Operate, Operated
from betcore.domain.money import Money
from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    DONE,
    REFUNDED,
    REFUNDED_ALREADY,
    SETTLED,
    STAKED,
    UNKNOWN,
    bet_with_stake_taken,
    in_parallel,
    journal_becomes,
)
from tests.watch import has_status, sends

LIMITED = "{answer_deadline: 2, win_review: {max_win: {EUR: 20}}}"
REFUSED_WIN = (7, "win_refused")
RELEASE, REFUSE, RETRY, VOID, SETTLE = Action.RELEASE, Action.REFUSE, Action.RETRY, Action.VOID, Action.SETTLE

Call = Callable[[TestPartner, str], Awaitable[Answer]]


async def win_of_one_step(partner: TestPartner, bet: str) -> Answer:
    return await partner.pay_in_out(bet)


async def win_of_two_steps(partner: TestPartner, bet: str) -> Answer:
    return await partner.pay_out(bet)


async def in_review(partner: TestPartner, call: Call = win_of_two_steps) -> str:
    """Return a new bet whose win of 25.00 is in review, and whose provider was answered 99."""
    bet = partner.new_bet()
    if call is win_of_two_steps:
        bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await call(partner, bet)).outcome == UNKNOWN
    await has_status(partner, bet, "in_review", True)
    return bet


async def decide(partner: TestPartner, bet: str, action: Action, operator: str = "ann") -> Operated:
    row = await partner.row(bet)
    workflow_id = current_bet_workflow_id(BetKey(partner.counterparty_id, bet), row.bet_id, row.lives)
    handle = partner.stack.client.get_workflow_handle(workflow_id)
    order = Operate(action=action, operator=operator, reason="a test", bet_id=row.bet_id)
    done: Operated = await handle.execute_update("operate", order, id=uuid4().hex, result_type=Operated)
    return done


async def by_two(partner: TestPartner, bet: str, action: Action) -> None:
    assert not (await decide(partner, bet, action, "ann")).done
    assert (await decide(partner, bet, action, "ben")).done


async def not_allowed(asked: Awaitable[Operated]) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await asked
    assert isinstance(refusal.value.cause, ApplicationError)
    return refusal.value.cause.message


async def rows_fit(partner: TestPartner, bet: str) -> None:
    number = (await partner.row(bet)).bet_id
    faults = await partner.stack.database.all_rows(verify_rows.FAULTS, after=number - 1, upto=number)
    assert [row.faults for row in faults] == []


@pytest.mark.edge_case(262)
@pytest.mark.parametrize("call", [win_of_two_steps, win_of_one_step])
async def test_a_win_beyond_a_limit_waits_until_two_release_it(stack: Stack, call: Call) -> None:
    partner = await stack.partner(LIMITED)
    bet = await in_review(partner, call)
    assert await partner.incidents(bet) == ["win_in_review"]
    await rows_fit(partner, bet)
    # Repeats change nothing, and neither does one operator alone.
    assert {one.outcome for one in await in_parallel(4, partial(call, partner, bet))} == {UNKNOWN}
    assert not (await decide(partner, bet, RELEASE)).done
    assert "another operator" in await not_allowed(decide(partner, bet, RELEASE, " Ann"))
    assert "nothing is on its way" in await not_allowed(decide(partner, bet, RETRY))
    assert "in review" in await not_allowed(decide(partner, bet, VOID, "ben"))
    assert await partner.journal(bet) == STAKED
    assert (await decide(partner, bet, RELEASE, "ben")).done
    assert (await until(partial(call, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    row = await partner.row(bet)
    assert [one["transaction_id"] for one in await partner.entries(row.bet_id)] == [
        f"{row.bet_id}:-1",
        f"{row.bet_id}:1",
    ]
    await has_status(partner, bet, "settled", False)
    await rows_fit(partner, bet)
    assert await partner.incidents(bet) == ["win_in_review"]


@pytest.mark.edge_case(262)
async def test_a_win_at_its_limit_is_paid_at_once(stack: Stack) -> None:
    partner = await stack.partner("{win_review: {max_win: {EUR: 25, USD: 1}, max_odd: 2.5}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await partner.pay_out(bet)).outcome == DONE
    assert (await partner.row(bet)).review is None


@pytest.mark.edge_case(262)
@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ("{max_odd: 2.4}", ["max_odd"]),
        ("{as_launched: true}", ["game_max_odd"]),
        ("{per_hour: {EUR: 24.99}}", ["per_hour"]),
        ("{max_win: {EUR: 1}, max_odd: 2, per_hour: {EUR: 20}}", ["max_win", "max_odd", "per_hour"]),
    ],
)
async def test_each_limit_is_named(stack: Stack, limits: str, reasons: list[str]) -> None:
    partner = await stack.partner(f"{{answer_deadline: 2, win_review: {limits}}}")
    await partner.sql(
        "UPDATE game SET max_odd = 2 FROM provider p WHERE p.name = :p AND p.provider_id = game.provider_id",
        p=partner.provider,
    )
    bet = await in_review(partner)
    assert (await partner.row(bet)).review["reasons"] == reasons
    await by_two(partner, bet, REFUSE)


@pytest.mark.edge_case(262)
@pytest.mark.parametrize("call", [win_of_two_steps, win_of_one_step])
async def test_a_bet_keeps_the_limits_of_its_session(stack: Stack, call: Call) -> None:
    partner = await stack.partner(
        "{answer_deadline: 2, win_review: {max_win: {EUR: 900}}}",
        casino="{send: {list: one_step}, win_review: {max_win: {EUR: 24.99}, max_odd: 100}}",
    )
    bet = partner.new_bet()
    if call is win_of_two_steps:
        bet = await bet_with_stake_taken(partner, partner.pay_in)
        # Neither the profiles by now nor the session of the PayOut count.
        await partner.onboarding.change("casino", partner.casino, profile="{confirmation: reply, attempt_timeout: 12}")
        partner.session_id = await partner.seat()
    assert (await call(partner, bet)).outcome == UNKNOWN
    await has_status(partner, bet, "in_review", True)
    row = await partner.row(bet)
    assert (row.review["reasons"], row.session_max_win, row.session_max_odd) == (["max_win"], Decimal("24.99"), 100)
    assert [one["transaction_type"] for one in await sends(partner, bet)] == [-1]
    assert await partner.journal(bet) == STAKED
    await rows_fit(partner, bet)
    with pytest.raises(DatabaseError, match="limits of its win stand"):
        await partner.sql("UPDATE bet SET session_max_win = NULL WHERE bet_id = :b RETURNING 1", b=row.bet_id)
    await by_two(partner, bet, RELEASE)
    assert (await until(partial(call, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(262)
async def test_of_two_limits_the_strictest_holds(stack: Stack) -> None:
    partner = await stack.partner("{answer_deadline: 2, win_review: {max_win: {EUR: 20}, max_odd: 90}}")
    seat = NewSession(partner.provider, partner.casino, "dice", "anna", "EUR", max_win="500", max_odd="2.4")
    partner.session_id = str((await partner.sessions.open(seat))["session_id"])
    bet = await in_review(partner)
    assert (await partner.row(bet)).review["reasons"] == ["max_win", "max_odd"]
    # What an operator settles has a rule of its own.
    other = await bet_with_stake_taken(partner, partner.pay_in)
    row = await partner.row(other)
    order = Operate(action=SETTLE, operator="ann", reason="a test", win=Money.parse("25.00", "EUR"), bet_id=row.bet_id)
    handle = partner.workflow(other)
    assert (await handle.execute_update("operate", order, id=uuid4().hex, result_type=Operated)).done
    await journal_becomes(partner, other, SETTLED)
    await by_two(partner, bet, REFUSE)


@pytest.mark.edge_case(263)
async def test_a_refused_win_is_refused_for_good_and_another_one_is_paid(stack: Stack) -> None:
    partner = await stack.partner(LIMITED)
    bet = await in_review(partner)
    # Not one that comes behind the refusal: that would be in review itself.
    assert (await partner.pay_out(bet, "26.00")).outcome == UNKNOWN
    await by_two(partner, bet, REFUSE)
    assert (await until(partial(partner.pay_out, bet))).outcome == REFUSED_WIN
    await has_status(partner, bet, "open", False)
    # An operator cannot pay it alone either.
    row = await partner.row(bet)
    handle = partner.workflow(bet)
    order = Operate(action=SETTLE, operator="ann", reason="a test", win=Money.parse("25.00", "EUR"), bet_id=row.bet_id)
    asked = handle.execute_update("operate", order, id=uuid4().hex, result_type=Operated)
    assert "refused to pay" in await not_allowed(asked)
    assert (await until(partial(partner.pay_out, bet, "15.00"))).outcome == DONE
    assert await partner.journal(bet) == [*STAKED, (1, "15.00")]
    assert (await partner.pay_out(bet)).outcome == (6, "different_data")
    await rows_fit(partner, bet)


@pytest.mark.edge_case(263)
async def test_after_a_refusal_the_provider_can_refund(stack: Stack) -> None:
    partner = await stack.partner(LIMITED)
    bet = await in_review(partner)
    await by_two(partner, bet, REFUSE)
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == REFUNDED
    assert (await partner.pay_out(bet)).outcome == REFUNDED_ALREADY
    await rows_fit(partner, bet)


@pytest.mark.edge_case(263)
async def test_a_refund_that_comes_during_the_review_decides_after_a_refusal(stack: Stack) -> None:
    partner = await stack.partner(LIMITED)
    refused, released = [await in_review(partner) for _ in range(2)]
    for bet in (refused, released):
        assert (await partner.refund(bet)).outcome == UNKNOWN
    await by_two(partner, refused, REFUSE)
    await by_two(partner, released, RELEASE)
    assert (await until(partial(partner.refund, refused))).outcome == DONE
    assert (await until(partial(partner.refund, released))).outcome == (6, "already_settled")
    assert await partner.journal(refused) == REFUNDED
    assert await partner.journal(released) == SETTLED


@pytest.mark.edge_case(264)
async def test_a_refused_win_of_one_step_returns_its_stake(stack: Stack) -> None:
    partner = await stack.partner(LIMITED)
    bet = await in_review(partner, win_of_one_step)
    await by_two(partner, bet, REFUSE)
    assert (await until(partial(partner.pay_in_out, bet))).outcome == REFUNDED_ALREADY
    await journal_becomes(partner, bet, REFUNDED)
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    await rows_fit(partner, bet)


@pytest.mark.edge_case(264)
async def test_a_win_with_limits_does_not_leave_in_one_list_with_its_stake(stack: Stack) -> None:
    partner = await stack.partner(LIMITED, casino="send: {list: one_step}")
    bet = await in_review(partner, win_of_one_step)
    assert [one["transaction_type"] for one in await sends(partner, bet)] == [-1]
    await by_two(partner, bet, RELEASE)
    assert (await until(partial(partner.pay_in_out, bet))).outcome == DONE
    lost = partner.new_bet()
    assert (await until(partial(partner.pay_in_out, lost, "10.00", "0"))).outcome == DONE
    assert "/payments/make-list" in [one["path"] for one in await partner.calls()]


@pytest.mark.edge_case(265)
async def test_a_jackpot_is_weighed_with_its_win(stack: Stack) -> None:
    partner = await stack.partner("{answer_deadline: 2, win_review: {max_win: {EUR: 400}}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    body: dict[str, Any] = {"betId": bet, "winAmount": "25.00", "gameRoundId": "round-1", "jackpotAmount": "500.00"}
    assert (await partner.post("pay-out", body)).outcome == UNKNOWN
    await has_status(partner, bet, "in_review", True)
    await by_two(partner, bet, REFUSE)
    assert (await until(partial(partner.post, "pay-out", body))).outcome == REFUSED_WIN
    # The win is the same, its jackpot is another one.
    assert (await until(partial(partner.post, "pay-out", body | {"jackpotAmount": "50.00"}))).outcome == DONE
    assert await partner.journal(bet) == [*SETTLED, (4, "50.00")]
    await rows_fit(partner, bet)


@pytest.mark.edge_case(266)
async def test_what_a_provider_pays_in_an_hour_is_bounded(stack: Stack) -> None:
    partner = await stack.partner("{answer_deadline: 2, win_review: {per_hour: {EUR: 60}}}")
    bets = [await bet_with_stake_taken(partner, partner.pay_in) for _ in range(4)]
    answers = [await partner.pay_out(bet) for bet in bets[:3]]
    assert [one.outcome for one in answers] == [DONE, DONE, UNKNOWN]
    # A loss is paid nothing, and a smaller win still fits.
    assert (await partner.pay_out(bets[3], "10.00")).outcome == DONE
    # An hour later there is room again, and what was held stays with the operators.
    query = "UPDATE paid_minute SET minute = minute - interval '61 minutes' FROM provider p WHERE name = :p"
    await partner.sql(f"{query} AND p.provider_id = paid_minute.provider_id", p=partner.provider)
    late = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await partner.pay_out(late)).outcome == DONE
    assert (await partner.pay_out(bets[2])).outcome == UNKNOWN
    await by_two(partner, bets[2], RELEASE)
    assert (await until(partial(partner.pay_out, bets[2]))).outcome == DONE
    [paid] = await partner.sql(
        "SELECT sum(amount) AS amount FROM paid_minute JOIN provider USING (provider_id) "
        "WHERE name = :p AND minute > now() - interval '10 minutes'",
        p=partner.provider,
    )
    # Released by people: it takes no room.
    assert paid.amount == 2500
