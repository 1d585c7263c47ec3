"""Operators' actions: send one to the workflow of its bet or cashback, and return the result."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from betcore.cli import parked_debit
from betcore.cli.context import CommandContext, Json
from betcore.cli.ops_queries import temporal
from betcore.db.bet_history import BetHistory, BetWorkflows
from betcore.domain.errors import InvalidInput, Malformed, PreconditionFailed, Unavailable
from betcore.domain.messages import Action, Operate, Operated
from betcore.domain.money import Money

if TYPE_CHECKING:
    from temporalio.client import Client

_LONGEST = 500
_WITHIN = timedelta(seconds=10)
_ASKS_THE_CASINO = (Action.MARK_TAKEN, Action.MARK_NOT_TAKEN)


async def send_action(
    context: CommandContext,
    action: Action,
    named: str,
    operator: str,
    reason: str,
    win: str | None,
    show: Callable[[Json], None] = lambda _: None,
) -> Json:
    """Send an action to a bet's workflow; for a mark on a debit, first ``show`` what the casino lists.

    Nothing has changed after NotFound, InvalidInput(invalid_operation), and PreconditionFailed(operation_refused) with
    the bet's state. Raises Unavailable(unknown) if no worker has answered.
    """
    stories = BetHistory(context.database)
    bet = await stories.find(named)
    order = Operate(
        action=action,
        operator=checked_text("operator", operator),
        reason=checked_text("reason", reason),
        win=None if win is None else _win(win, bet.currency),
        bet_id=bet.bet_id,
    )
    listed = await parked_debit.look_up(context, bet.bet_id) if action in _ASKS_THE_CASINO else None
    if listed is not None:
        show(listed)
        if action is Action.MARK_NOT_TAKEN and listed["says"] == "ours":
            message = f"the {bet.what} is {bet.state}: the casino lists {listed['transaction_id']} as ours, it is taken"
            raise PreconditionFailed(message, code="operation_refused")
    done = await send_order(stories, await temporal(context), bet, order)
    return {
        "bet_id": bet.bet_id,
        "action": action,
        "win": order.win and str(order.win),
        "done": done.done,
        "state": done.state,
        "detail": done.detail,
        "casino": listed,
    }


async def send_order(stories: BetHistory, client: "Client", bet: BetWorkflows, order: Operate) -> Operated:
    """Send an order to the workflow that carries a bet, and return what has become of it.

    Raises PreconditionFailed(operation_refused) if nothing has changed, Unavailable(unknown) if that is not known.
    """
    # Even if the rows have ended, the workflow is asked: it may not have read them yet, and refuses by itself.
    handle = client.get_workflow_handle(bet.open or bet.workflow_ids[-1])
    try:
        done: Operated = await handle.execute_update(
            "operate", order, id=f"operate:{uuid.uuid4()}", result_type=Operated, rpc_timeout=_WITHIN
        )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        message = cause.message if isinstance(cause, ApplicationError) else str(error)
        raise PreconditionFailed(message, code="operation_refused") from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise _unknown("no worker has answered") from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise await _gone(stories, bet) from error
        raise _unknown(f"Temporal: {error}") from error
    return done


def checked_text(name: str, given: str) -> str:
    """Return a text that is recorded, without blanks around it. Raises InvalidInput(invalid_operation)."""
    text = given.strip()
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise InvalidInput(f"{name}: 1 to {_LONGEST} printable characters", code="invalid_operation")
    return text


def _win(given: str, currency: str) -> Money:
    try:
        return Money.parse(given, currency)
    except Malformed as error:
        raise InvalidInput(f"win: {error}", code="invalid_operation") from None


def _unknown(why: str) -> Unavailable:
    message = (
        "it is not known whether the action is taken. `ops show` tells; to run the same command again does no harm"
    )
    return Unavailable(f"{why}: {message}", code="unknown")


def _ended(bet: BetWorkflows) -> PreconditionFailed:
    return PreconditionFailed(f"the {bet.what} is {bet.state}: it has ended", code="operation_refused")


async def _gone(stories: BetHistory, before: BetWorkflows) -> PreconditionFailed:
    """Return the refusal for a workflow that has ended, with the bet or without it."""
    bet = await stories.find(str(before.bet_id))
    if bet.open is None:
        return _ended(bet)
    return PreconditionFailed(
        f"the {bet.what} is {bet.state}, and no workflow carries it: the sweep resumes it, try again then",
        code="operation_refused",
    )
