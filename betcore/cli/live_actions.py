"""The operator's order to cancel a round, sent to its game's workflow."""

import uuid

from betcore.cli.context import CommandContext, Json
from betcore.cli.ops_actions import checked_text
from betcore.cli.ops_queries import temporal
from betcore.db.live_reports import ASKED_BEFORE, ENDED, PROPOSED
from betcore.db.live_rounds import LiveRounds
from betcore.domain.errors import NotFound, OutcomeUnknown, PreconditionFailed, Unavailable
from betcore.domain.live_messages import CancelRound
from betcore.temporal import live_games

_WITHIN = 10.0


async def cancel_round(context: CommandContext, game_type: int, round_id: str, operator: str, reason: str) -> Json:
    """Return whether a round is cancelled now, or waits for a second operator.

    Raises NotFound, PreconditionFailed(operation_refused), and Unavailable(unknown) if no worker has answered.
    """
    who, why = checked_text("operator", operator), checked_text("reason", reason)
    if not await LiveRounds(context.database).find(round_id, game_type):
        raise NotFound(f"no round {round_id} of live game {game_type}")
    order = CancelRound(game_type=game_type, round_id=round_id, operator=who, reason=why)
    try:
        answer = await live_games.cancel(await temporal(context), order, f"cancel_round:{uuid.uuid4()}", _WITHIN)
    except OutcomeUnknown as error:
        message = "no worker has answered: `live show` tells; to run the same command again does no harm"
        raise Unavailable(message, code="unknown") from error
    if answer.refusal is not None:
        raise Unavailable("the database has not answered: run the same command again", code="unknown")
    if answer.why == ASKED_BEFORE:
        message = f"{who} has asked for this already: another operator has to ask for the same"
        raise PreconditionFailed(message, code="operation_refused")
    if answer.why == ENDED:
        state = answer.round.state if answer.round else "unknown"
        raise PreconditionFailed(f"the round is {state}", code="operation_refused")
    if answer.why not in ("", PROPOSED):
        raise NotFound(f"no round {round_id} of live game {game_type}")
    detail = "waits for a second operator for an hour" if answer.why == PROPOSED else "done"
    return {
        "round": round_id,
        "done": not answer.why,
        "state": answer.round and str(answer.round.state),
        "detail": detail,
    }
