"""What ``ops show`` and ``ops stuck`` read from the database and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from temporalio.service import RPCError

from betcore.cli.context import CommandContext, Json
from betcore.db.bet_history import BetHistory, known_casino
from betcore.db.live_rounds import LiveRounds
from betcore.db.open_bets import OpenBets
from betcore.db.row_mapping import UnreadableRow
from betcore.domain.errors import Misconfigured, NotFound, Unavailable
from betcore.domain.open_bets import OpenBet
from betcore.temporal import executions
from betcore.temporal.client import connect
from betcore.temporal.visibility import story_link

if TYPE_CHECKING:
    from temporalio.client import Client

_WITHIN = 10.0
_PAGE = 500
_WHY = {
    "failing": "its workflow tasks fail",
    "overdue": "past its time, without a result",
    "attention": "needs attention",
    "alone": "no workflow carries it; the sweep resumes it",
    "unreadable": "unreadable: this deployment cannot read its rows, and the sweep passes it over",
}


async def show_bet(context: CommandContext, named: str) -> Json:
    """Return all about one bet. If Temporal does not answer, what comes next is left out, and ``no_next`` has the
    reason."""
    stories = BetHistory(context.database)
    bet = await stories.find(named)
    found = await stories.read(bet.bet_id)
    try:
        async with asyncio.timeout(_WITHIN):
            client = await temporal(context)
            execution = [await executions.describe(client, workflow_id) for workflow_id in bet.workflow_ids]
    except (Misconfigured, Unavailable, TimeoutError, RPCError) as error:
        return found | {"next": [], "no_next": f"Temporal does not answer: {str(error) or 'no answer in time'}"}
    known = [_as_json(one) | {"ui": _link(context, one)} for one in execution if one is not None]
    return found | {"next": known, "no_next": None if known else "Temporal does not know its workflow any more"}


async def list_stuck(context: CommandContext, casino: str | None, limit: int) -> Json:
    """Return the bets that make no progress by themselves, each with the first reason found; and rounds in review.

    Rounds are of no casino: with one they are left out.

    Raises NotFound if there is no such casino, Unavailable(unreachable) if Temporal does not answer.
    """
    if casino is not None:
        await known_casino(context.database, casino)
    client = await temporal(context)
    try:
        bets = await _stuck(context, client, casino, limit)
    except RPCError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    rounds = await LiveRounds(context.database).in_review(limit) if casino is None else []
    return {"stuck": bets, "rounds": [asdict(row) | {"since": row.since.isoformat()} for row in rounds]}


async def _stuck(context: CommandContext, client: "Client", casino: str | None, limit: int) -> list[Json]:
    stories, seen = BetHistory(context.database), dict[str, Json]()
    for why in executions.STUCK:
        async for found in executions.find_stuck(client, why, casino, limit):
            line = await _line(stories, client, found.id, why)
            if line is not None:
                seen.setdefault(line["bet"], line)
    async for row, why in _without_workflow(context, client):
        line = await _line(stories, client, row.workflow_id, why)
        if line is not None and casino in (None, line["casino"]):
            seen.setdefault(line["bet"], line)
            limit -= 1
        if not limit:
            break
    return list(seen.values())


async def temporal(context: CommandContext) -> "Client":
    """Return a client of the Temporal of the settings. Raises Unavailable (``unreachable``)."""
    try:
        return await connect(context.settings)
    except RuntimeError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error


async def _without_workflow(context: CommandContext, client: "Client") -> AsyncIterator[tuple[OpenBet, str]]:
    """Open rows whose workflow does not run, and why."""
    lives = OpenBets(context.database)
    for kind in lives.kinds:
        after = 0
        while rows := await lives.open_rows(kind, after, _PAGE):
            for row in await executions.without_execution(client, rows):
                yield row, await _why_without_workflow(lives, row)
            after = rows[-1].bet_id


async def _why_without_workflow(lives: OpenBets, row: OpenBet) -> str:
    try:
        await lives.resumption(row)
    except UnreadableRow:
        return "unreadable"
    return "alone"


async def _line(stories: BetHistory, client: "Client", workflow_id: str, why: str) -> Json | None:
    """Return the line of a bet in the list; None if the bet has ended meanwhile."""
    execution = await executions.describe(client, workflow_id)
    try:
        bet = await stories.find(workflow_id)
    except NotFound:
        return None if execution is None else _without_row(execution, why)
    # Temporal's list lags behind: a workflow in it may have ended.
    if bet.open is None and (execution is None or execution.status != "RUNNING"):
        return None
    concerns = await stories.concerns(bet.bet_id)
    if why == "overdue" and execution is not None and execution.settle_by is not None:
        concerns["since"] = execution.settle_by.isoformat()
    return {
        "bet_id": bet.bet_id,
        "bet": concerns["bet"],
        "casino": concerns["casino"],
        "state": bet.state,
        "status": execution and execution.bet_status,
        "since": concerns["since"],
        "amount": concerns["amount"],
        "why": _WHY[why],
        "retry_at": execution and execution.next_at and execution.next_at.isoformat(),
    }


def _without_row(execution: executions.Description, why: str) -> Json:
    """Return the line of a workflow that has no row of a bet yet."""
    return {
        "bet_id": None,
        "bet": execution.workflow_id,
        "casino": execution.casino,
        "state": None,
        "status": execution.bet_status,
        "since": execution.started_at.isoformat(),
        "amount": None,
        "why": _WHY[why],
        "retry_at": execution.next_at and execution.next_at.isoformat(),
    }


def _link(context: CommandContext, execution: executions.Description) -> str | None:
    ui, namespace = context.settings.temporal_ui_url, context.settings.temporal_namespace
    return story_link(ui, namespace, execution.workflow_id, execution.run_id) if ui else None


def _as_json(execution: executions.Description) -> Json:
    """Return the description of a workflow as JSON, times as text."""
    described = asdict(execution)
    for facts in (described, *described["pending"]):
        facts.update({name: value.isoformat() for name, value in facts.items() if isinstance(value, datetime)})
    return described
