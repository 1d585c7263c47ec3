"""What ``ops review`` does: list wins in review, and release those of a set one by one."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from betcore.cli.context import CommandContext, Json
from betcore.cli.ops_actions import checked_text, send_order
from betcore.cli.ops_queries import temporal
from betcore.db.bet_history import BetHistory
from betcore.db.held_wins import HeldWins, Wanted, seen
from betcore.db.row_mapping import amount_text
from betcore.domain.errors import BetcoreError, InvalidInput, Unavailable
from betcore.domain.held_wins import HeldWin, set_id, text_of, wins_of
from betcore.domain.messages import Action, Operate

if TYPE_CHECKING:
    from temporalio.client import Client

# Orders that are under way at once.
_AT_ONCE = 20


async def listed(context: CommandContext, wanted: Wanted, limit: int, file: Path | None) -> Json:
    """Return the wins that are wanted, at most ``limit``; write them into a new file if one is named.

    Raises InvalidInput (``invalid_file``) if that file exists or cannot be written.
    """
    rows = await HeldWins(context.database).listed(wanted, limit + 1)
    wins = [
        seen(row)._asdict()
        | {
            "casino": row.casino,
            "game": row.game,
            "stake": f"{row.currency} {amount_text(row.stake, row.currency)}",
            "reasons": ", ".join(row.reasons),
            "since": row.since.isoformat(),
        }
        for row in rows[:limit]
    ]
    found: Json = {"wins": wins, "more": len(rows) > limit, "file": None, "set_id": None}
    if file is None or not wins:
        return found
    text = text_of(seen(row) for row in rows[:limit]).encode()
    try:
        with file.open("xb") as opened:
            opened.write(text)
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}", code="invalid_file") from None
    return found | {"file": str(file), "set_id": set_id(text)}


async def release(context: CommandContext, file: Path, operator: str, reason: str, of_set: str | None) -> Json:
    """Ask for the release of each win of a set, and return what has become of each.

    A win that does not stand in review as the file has it is left alone. Raises InvalidInput (``invalid_file``) for a
    file that is none, or that is not the set ``of_set``; nothing is asked for then.
    """
    text = _read(file)
    wins, named = wins_of(text), set_id(text)
    if of_set not in (None, named):
        raise InvalidInput(f"{file} is the set {named}, and not {of_set}", code="invalid_file")
    order = Operate(
        action=Action.RELEASE,
        operator=checked_text("operator", operator),
        reason=checked_text("reason", reason),
        set_id=named,
    )
    standing = await HeldWins(context.database).standing(wins)
    outcomes = await _ask_for_each(context, await temporal(context), [win for win in wins if win in standing], order)
    outcomes += [
        (win, "left", "it is not in review any more as the file has it") for win in wins if win not in standing
    ]
    counted = Counter(outcome for _, outcome, _ in outcomes)
    return {
        "set_id": named,
        "file": str(file),
        **{outcome: counted[outcome] for outcome in ("released", "proposed", "refused", "unknown", "left")},
        "wins": [
            {"bet_id": win.bet_id, "bet": win.bet, "win": win.win, "outcome": outcome, "detail": detail}
            for win, outcome, detail in outcomes
        ],
    }


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}", code="invalid_file") from None


async def _ask_for_each(
    context: CommandContext, client: "Client", wins: Sequence[HeldWin], order: Operate
) -> list[tuple[HeldWin, str, str]]:
    stories, places = BetHistory(context.database), asyncio.Semaphore(_AT_ONCE)

    async def ask(win: HeldWin) -> tuple[HeldWin, str, str]:
        async with places:
            try:
                bet = await stories.find(str(win.bet_id))
                done = await send_order(stories, client, bet, order.model_copy(update={"bet_id": win.bet_id}))
            except Unavailable as error:
                return win, "unknown", str(error)
            except BetcoreError as error:
                return win, "refused", str(error)
        return win, "released" if done.done else "proposed", done.detail

    return list(await asyncio.gather(*map(ask, wins)))
