"""What ``release ...`` does: show and change which release of the worker gets work, and reset what one has led."""

import asyncio
import re
from dataclasses import asdict, dataclass
from time import monotonic
from typing import TYPE_CHECKING

from temporalio.service import RPCError, RPCStatusCode

from betcore.cli.context import CommandContext, Json
from betcore.cli.ops_actions import checked_text
from betcore.cli.ops_queries import temporal
from betcore.db.bet_history import BetHistory
from betcore.db.bets import Bets
from betcore.domain.errors import InvalidInput, NotFound, PreconditionFailed
from betcore.runtime.version import BUILD_ID
from betcore.temporal import releases, resets
from betcore.temporal.releases import UNVERSIONED, Rollout
from betcore.temporal.resets import ResetPoint

if TYPE_CHECKING:
    from temporalio.client import Client

_LOOK_EVERY = 1.0


async def shown(context: CommandContext) -> Json:
    """Return which releases get work, and of each what is open on it, what fails, and what operators have changed."""
    client = await temporal(context)
    rollout = await releases.rollout(client)
    failing, workers = await releases.failing(client), await releases.workers(client)
    rows = [
        {
            "release": one.build_id,
            "status": one.status,
            "workers": workers[one.build_id],
            "created_at": one.created_at.isoformat(),
            **asdict(await releases.load(client, one.build_id)),
            "failing": failing[one.build_id],
            "changes": await releases.notes(client, one.build_id),
        }
        for one in rollout.releases
    ]
    unversioned = {"workers": workers[UNVERSIONED], "failing": failing[UNVERSIONED]}
    return _as_json(rollout) | {"releases": rows, UNVERSIONED: unversioned}


def _as_json(rollout: Rollout) -> Json:
    return {"current": rollout.current, "ramping": rollout.ramping, "percent": rollout.percent}


async def ramped(context: CommandContext, chosen: str | None, percent: float, operator: str, reason: str) -> Json:
    """Give a release a share of the workflows, and return how work is shared out now."""
    change, named = await _Change.begin(context, operator, reason), chosen or context.settings.release
    return await change.ramp(named, percent)


async def made_current(context: CommandContext, chosen: str | None, operator: str, reason: str) -> Json:
    """Give a release all work, and return how work is shared out now."""
    change = await _Change.begin(context, operator, reason)
    return await change.make_current(chosen or context.settings.release)


async def rolled_back(context: CommandContext, operator: str, reason: str) -> Json:
    """Take the ramp away, or give all work to the previous release; return how work is shared out now."""
    change = await _Change.begin(context, operator, reason)
    if change.seen.ramping is not None:
        return await change.ramp(None, 0)
    if change.seen.current == UNVERSIONED:
        raise PreconditionFailed("nothing is ramped, and no release is current", code="operation_refused")
    return await change.make_current(change.seen.previous)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the rollout that an operator has ``seen``; it is kept with the releases that it concerns."""

    client: "Client"
    seen: Rollout
    operator: str
    reason: str

    @classmethod
    async def begin(cls, context: CommandContext, operator: str, reason: str) -> "_Change":
        who, why = checked_text("operator", operator), checked_text("reason", reason)
        client = await temporal(context)
        return cls(client, await releases.rollout(client), who, why)

    async def ramp(self, named: str | None, percent: float) -> Json:
        now = await releases.ramp(self.client, self.seen, named, percent, self.operator)
        what = f"ramp of {percent:g} %" if named else "no ramp any more"
        await self._note({named, self.seen.ramping}, what)
        return _as_json(now)

    async def make_current(self, named: str) -> Json:
        now = await releases.make_current(self.client, self.seen, named, self.operator)
        await self._note({named, self.seen.current}, f"{named} is current, after {self.seen.current}")
        return _as_json(now)

    async def _note(self, named: set[str | None], what: str) -> None:
        for one in filter(None, named):
            await releases.note(self.client, one, f"{what}, by {self.operator}: {self.reason}", self.operator)


async def waited(context: CommandContext, named: str, seconds: int) -> Json:
    """Wait until no pinned workflow is open in a release that gets no work any more, and return how many there were.

    Raises PreconditionFailed(operation_refused) if it gets work, or if some are still open after ``seconds``.
    """
    client, until = await temporal(context), monotonic() + seconds
    _gets_no_work(await releases.rollout(client), named)
    while left := (await releases.load(client, named)).pinned:
        if monotonic() < until:
            await asyncio.sleep(_LOOK_EVERY)
            continue
        message = f"{left} workflows that only {named} can end are still open: keep its workers"
        raise PreconditionFailed(message, code="operation_refused")
    return {"release": named, "pinned": 0}


async def were_reset(
    context: CommandContext, named: str, operator: str, reason: str, most: int, carry_out: bool
) -> Json:
    """Reset the workflows that a release has led, or only list them.

    Raises PreconditionFailed(operation_refused) if the release gets work: it would lead them again.
    """
    client, who, why = await temporal(context), checked_text("operator", operator), checked_text("reason", reason)
    _gets_no_work(await releases.rollout(client), named)
    points = [point async for point in resets.led_by(client, named, most)]
    if carry_out:
        for point in points:
            await _record(context, point, named, who, why)
            try:
                await resets.reset(client, point, who, why)
            except RPCError as error:
                # It has ended since it was listed.
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
    return {"release": named, "carried_out": carry_out, "workflows": [asdict(point) for point in points]}


async def _record(context: CommandContext, point: ResetPoint, named: str, operator: str, reason: str) -> None:
    """Write the reset among the events of its bet or cashback."""
    try:
        bet = await BetHistory(context.database).find(point.workflow_id)
    except NotFound:
        return
    detail = f"carried out anew from event {point.event_id} on, in which release {named} has led it"
    data = {
        "action": "reset",
        "operator": operator,
        "reason": reason,
        "detail": detail,
        "done": True,
        "run_id": point.run_id,
    }
    await Bets(context.database).note_once(bet.bet_id, "operate", data)


def _gets_no_work(rollout: Rollout, named: str) -> None:
    """Raise PreconditionFailed(operation_refused) for a release that gets work, InvalidInput for no name of one."""
    if not re.match(BUILD_ID, named):
        raise InvalidInput(f"{named!r} is no name of a release", code="invalid_name")
    if named in (rollout.current, rollout.ramping):
        message = f"{named} gets work: first `release roll-back`, or `release set` another one"
        raise PreconditionFailed(message, code="operation_refused")
