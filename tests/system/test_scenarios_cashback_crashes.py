"""Edge cases of cashbacks whose worker or workflow is lost while their money moves."""

import os
import signal

import pytest

from betcore.domain.ids import cashback_workflow_id
from tests.cashbacks import CANCELLED, ISSUED, Cashbacks, fault
from tests.partner import Stack, eventually
from tests.watch import holds

# A debit may still be sent by the worker, or the workflow, that comes after.
PATIENT = "{message_lifetime: 600, retry: {first: 0.1, cap: 0.5}}"
CREDIT, DEBIT = 1, -2


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """Its only worker is the one that carries the cashback, and its sweep comes round often."""
    return sweeping


async def _at(stack: Stack) -> Cashbacks:
    return Cashbacks(await stack.partner(casino=PATIENT))


@pytest.mark.edge_case(219)
@pytest.mark.parametrize("failpoint", ["credit_counted", "credit_answered", "credit_recorded"])
async def test_a_worker_that_dies_while_it_issues_pays_once(stack: Stack, failpoint: str) -> None:
    cashbacks = await _at(stack)
    (stack.failpoints / failpoint).touch()
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.in_state(number, "issued")
    assert not (stack.failpoints / failpoint).exists()
    assert await cashbacks.journal(number) == ISSUED
    assert {send["transaction_id"] for send in await cashbacks.sends(number)} == {f"{number}:1"}


@pytest.mark.edge_case(219)
@pytest.mark.parametrize("failpoint", ["cancel_counted", "cancel_answered", "cancel_recorded"])
async def test_a_worker_that_dies_while_it_cancels_takes_once(stack: Stack, failpoint: str) -> None:
    cashbacks = await _at(stack)
    number = await cashbacks.issued()
    (stack.failpoints / failpoint).touch()
    await cashbacks.cancel(number)
    await cashbacks.in_state(number, "cancelled")
    assert not (stack.failpoints / failpoint).exists()
    assert await cashbacks.journal(number) == CANCELLED
    assert await cashbacks.balance() == "1000.00"


@pytest.mark.edge_case(220)
async def test_a_workflow_that_is_terminated_is_resumed(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("error", CREDIT))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.sent(number, 1)
    first = stack.client.get_workflow_handle(cashback_workflow_id(number, 0))
    await first.terminate()
    await holds(lambda: cashbacks.row(number), lambda row: row.lives == 1)
    assert (await stack.client.get_workflow_handle(cashback_workflow_id(number, 1)).describe()).id
    await cashbacks.partner.faults()
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == ISSUED


@pytest.mark.edge_case(220)
async def test_a_cancellation_of_its_workflow_is_not_followed(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("error", CREDIT))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.sent(number, 1)
    await stack.client.get_workflow_handle(cashback_workflow_id(number, 0)).cancel()
    await holds(lambda: cashbacks.incidents(number), lambda found: found == ["cancelled"])
    await cashbacks.partner.faults()
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == ISSUED


@pytest.mark.edge_case(221)
async def test_an_order_stands_while_no_worker_runs(stack: Stack) -> None:
    cashbacks = await _at(stack)
    os.kill(stack.pid("worker-1"), signal.SIGKILL)
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.in_state(number, "issued")
    await eventually(stack.is_up)
    assert await cashbacks.journal(number) == ISSUED
