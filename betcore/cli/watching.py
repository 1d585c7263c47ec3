"""What the commands ``ops show`` and ``ops stuck`` ask database and Temporal."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from betcore.cli.desk import Desk, Json
from betcore.clients import carriers
from betcore.clients.temporal import connect
from betcore.db import entries
from betcore.db.lives import Lives
from betcore.db.story import Stories
from betcore.errors import SetupRefused
from betcore.visibility import BET_STATUS

if TYPE_CHECKING:
    from temporalio.client import Client

_WITHIN = 10.0
_PAGE = 100
_WHY = {
    "failing": "its workflow tasks fail",
    "overdue": "past its time, without a result",
    "attention": "needs attention",
    "alone": "no workflow carries it; the minute's look resumes it",
}


async def shown(desk: Desk, named: str) -> Json:
    """A bet's whole story. Where Temporal does not answer, what comes next is left out, and ``no_next`` says so."""
    stories = Stories(desk.engine)
    bet = await stories.find(named)
    found = await stories.told(bet.bet_id)
    try:
        async with asyncio.timeout(_WITHIN):
            client = await temporal(desk)
            standing = [await carriers.standing(client, workflow_id) for workflow_id in bet.workflow_ids]
    except (SetupRefused, TimeoutError) as error:
        return found | {"next": [], "no_next": f"Temporal does not answer: {str(error) or 'no answer in time'}"}
    known = [asdict(one) for one in standing if one is not None]
    no_next = None if known else "Temporal does not know its workflow any more"
    return found | {"next": [_in_words(one) for one in known], "no_next": no_next}


async def listed(desk: Desk, casino: str | None, limit: int) -> Json:
    """Bets that do not come on by themselves, each with the first reason that it has. Raises SetupRefused."""
    if casino is not None:
        entries.name("casino", casino)
    client, stories, seen = await temporal(desk), Stories(desk.engine), dict[int, Json]()
    for why in ("failing", "attention", "overdue"):
        async for found in carriers.troubled(client, why, casino, limit):
            bet = await stories.find(found.id)
            status = found.typed_search_attributes.get(BET_STATUS)
            seen.setdefault(bet.bet_id, await _line(stories, client, bet.bet_id, found.id, status, why))
    for row in await _alone(desk, client, limit):
        told = await _line(stories, client, row.bet_id, row.workflow_id, None, "alone")
        if casino in (None, told["casino"]):
            seen.setdefault(row.bet_id, told)
    return {"stuck": list(seen.values())}


async def temporal(desk: Desk) -> "Client":
    """The Temporal of the settings. Raises SetupRefused(unreachable)."""
    try:
        return await connect(desk.settings)
    except RuntimeError as error:
        raise SetupRefused(f"Temporal: {error}", code="unreachable") from error


async def _alone(desk: Desk, client: "Client", limit: int) -> list[Any]:
    """Open rows whose workflow does not run."""
    lives, alone = Lives(desk.engine), list[Any]()
    for kind in lives.kinds:
        after = 0
        while rows := await lives.open_rows(kind, after, _PAGE):
            running = await carriers.running(client, [row.workflow_id for row in rows])
            for row in rows:
                if row.workflow_id not in running and not await carriers.runs(client, row.workflow_id):
                    alone.append(row)
            if len(alone) >= limit:
                return alone[:limit]
            after = rows[-1].bet_id
    return alone


async def _line(
    stories: Stories, client: "Client", bet_id: int, workflow_id: str, status: str | None, why: str
) -> Json:
    bet, next_at = (await stories.told(bet_id))["bet"], None
    standing = await carriers.standing(client, workflow_id)
    if standing is not None and standing.pending:
        next_at = standing.pending[0].next_at
    return {
        "bet_id": bet_id,
        "bet": f"{bet['provider']}/{bet['provider_bet_id']}",
        "casino": bet["casino"],
        "state": bet["state"],
        "status": status,
        "stake": f"{bet['currency']} {bet['stake']}",
        "win": bet["win"],
        "opened_at": bet["opened_at"],
        "why": _WHY[why],
        "retry_at": next_at.isoformat() if next_at else None,
    }


def _in_words(standing: Json) -> Json:
    pending = [one | {"next_at": one["next_at"] and one["next_at"].isoformat()} for one in standing["pending"]]
    return standing | {"pending": pending}
