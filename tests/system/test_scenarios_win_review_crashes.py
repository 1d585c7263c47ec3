"""Edge case 267: a process dies, or a workflow is lost, while a win waits for two operators."""

from functools import partial

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from betcore.domain.messages import Action
from tests.partner import Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    DONE,
    QUICK,
    REFUNDED,
    REFUNDED_ALREADY,
    SETTLED,
    STAKED,
    bet_with_stake_taken,
    journal_becomes,
    until_definite,
)
from tests.system.test_scenarios_win_review import (
    LIMITED,
    REFUSE,
    RELEASE,
    by_two,
    decide,
    in_review,
    rows_fit,
    win_of_one_step,
    win_of_two_steps,
)
from tests.watch import has_status, holds

WITHIN = 120


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """It has one worker, which dies, and soon resumes bets without a workflow."""
    return sweeping


@pytest.mark.edge_case(267)
async def test_a_review_outlives_its_workflow_and_the_limits(stack: Stack) -> None:
    partner = await stack.partner(LIMITED, QUICK)
    released, refused = [await in_review(partner, call) for call in (win_of_two_steps, win_of_one_step)]
    await partner.onboarding.change("provider", partner.provider, profile="answer_deadline: 2")
    for bet in (released, refused):
        await partner.workflow(bet).terminate("a test")
    for bet in (released, refused):
        await holds(partial(partner.row, bet), lambda row: row.lives == 1, WITHIN)
        await eventually(partial(_waits_again, partner, bet), WITHIN)
        assert await partner.journal(bet) == STAKED
    await by_two(partner, released, RELEASE)
    await by_two(partner, refused, REFUSE)
    assert (await until(partial(partner.pay_out, released))).outcome == DONE
    assert (await until(partial(partner.pay_in_out, refused))).outcome == REFUNDED_ALREADY
    await journal_becomes(partner, released, SETTLED)
    await journal_becomes(partner, refused, REFUNDED)
    for bet in (released, refused):
        await rows_fit(partner, bet)


async def _waits_again(partner: TestPartner, bet: str) -> bool:
    """Return whether the workflow that has taken the bet over waits for operators."""
    try:
        await decide(partner, bet, Action.VOID)
    except WorkflowUpdateFailedError as error:
        return isinstance(error.cause, ApplicationError) and "in review" in error.cause.message
    except RPCError:
        return False
    return False


@pytest.mark.edge_case(267)
@pytest.mark.parametrize("action", [RELEASE, REFUSE])
@pytest.mark.parametrize("point", ["win_weighed", "review_decided"])
async def test_a_worker_dies_with_the_review(stack: Stack, point: str, action: Action) -> None:
    partner = await stack.partner(LIMITED, QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    armed = stack.failpoints / point
    if point == "win_weighed":
        armed.touch()
    await partner.pay_out(bet)
    await has_status(partner, bet, "in_review", True)
    if point == "review_decided":
        armed.touch()
    await by_two(partner, bet, action)
    if action is RELEASE:
        assert await until_definite(partial(partner.pay_out, bet), WITHIN) == DONE
    else:
        assert await until_definite(partial(partner.pay_out, bet), WITHIN) == (7, "win_refused")
        assert await until_definite(partial(partner.refund, bet), WITHIN) == DONE
    assert not armed.exists()
    assert await partner.journal(bet) == (SETTLED if action is RELEASE else REFUNDED)
    assert await partner.incidents(bet) == ["win_in_review"]
    await rows_fit(partner, bet)


@pytest.mark.edge_case(267)
async def test_a_worker_dies_when_a_released_win_is_counted(stack: Stack) -> None:
    partner = await stack.partner(LIMITED, QUICK)
    bet = await in_review(partner)
    (stack.failpoints / "credit_counted").touch()
    await by_two(partner, bet, RELEASE)
    assert await until_definite(partial(partner.pay_out, bet), WITHIN) == DONE
    assert await partner.journal(bet) == SETTLED
    row = await partner.row(bet)
    assert {one["transaction_id"] for one in await partner.entries(row.bet_id)} == {
        f"{row.bet_id}:-1",
        f"{row.bet_id}:1",
    }
    await rows_fit(partner, bet)
