"""``python -m betcore live ...``: live games and their rounds."""

from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import ID_MAY_BEGIN_WITH_DASH, AsJson, DataDir, Operator, Reason

if TYPE_CHECKING:
    from betcore.db.live_rounds import LiveRounds
    from betcore.db.statements.live_rounds import LiveGameRow
    from betcore.domain.live_rounds import LiveRound

live = typer.Typer(no_args_is_help=True, help="Live games: their rounds, as providers report them.")

GameType = Annotated[int, typer.Argument(metavar="GAME_TYPE", min=1, max=32767, help="The game's number in the feed.")]
RoundId = Annotated[str, typer.Argument(metavar="ROUND", help="The round's id, as its provider names it.")]
OfGame = Annotated[int, typer.Option("--game-type", min=1, max=32767, help="The game's number in the feed.")]


@live.command("add")
def add(
    game_type: OfGame,
    provider: Annotated[str, typer.Option("--provider", help="Name of the provider that reports its rounds.")],
    name_key: Annotated[str, typer.Option("--name-key", help="Under which the feed's translations have its name.")],
    betting_seconds: Annotated[
        int, typer.Option("--betting-seconds", min=1, max=86400, help="How long bets are taken, for pages.")
    ],
    operator: Operator,
    game_id: Annotated[str | None, typer.Option("--game-id", help="The provider's id of it in the catalogue.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add a live game. Its number and its provider are for good."""

    async def work(context: CommandContext) -> Json:
        from betcore.db import validation
        from betcore.db.live_rounds import NewLiveGame

        name = validation.name("name-key", name_key)
        return _game(await _rounds(context).add_game(NewLiveGame(game_type, provider, name, betting_seconds, game_id)))

    run_command(as_json, data_dir, work, formatting.fields, operator=operator)


@live.command("list")
def list_games(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List live games, each with its newest round."""

    async def work(context: CommandContext) -> Json:
        rounds = _rounds(context)
        games = []
        for row in await rounds.games():
            newest = await rounds.newest(row.game_type, 1)
            now = {"round": newest[0].round_id, "state": str(newest[0].state)} if newest else {}
            games.append(_game(row) | {"round": None, "state": None} | now)
        return {"games": games}

    run_command(as_json, data_dir, work, lambda found: formatting.table(found["games"]))


@live.command("show")
def show(
    game_type: GameType,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most this number of rounds.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a live game and its newest rounds; of cancelled ones, how their refunds stand."""

    async def work(context: CommandContext) -> Json:
        rounds = _rounds(context)
        game = await rounds.game(game_type)
        shown = [_round(found) for found in await rounds.newest(game_type, limit)]
        for one in shown:
            if one["state"] == "cancelled":
                refunds = await rounds.refunds(game_type, one["round"])
                one |= {"refunds": refunds.refunds, "open_bets": refunds.open_bets}
        return _game(game) | {"rounds": shown}

    def words(found: Json) -> str:
        head = {name: value for name, value in found.items() if name != "rounds"}
        columns = ("edition", "round", "state", "play_status", "started_at", "finished_at", "results", "reason")
        rows = [{name: one[name] for name in columns} for one in found["rounds"]]
        return "\n\n".join([formatting.fields(head), formatting.table(rows)])

    run_command(as_json, data_dir, work, words)


@live.command("check", context_settings=ID_MAY_BEGIN_WITH_DASH)
def check(round_id: RoundId, game_type: OfGame, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Check the proof of a round: whether its seed fits what was promised, and its results follow from the seed."""

    async def work(context: CommandContext) -> Json:
        from betcore.domain import live_draw

        found = await _find(_rounds(context), round_id, game_type)
        proof = {"commitment": found.commitment, "seed": found.seed, "algorithm": found.algorithm}
        shown = {"round": round_id, "state": str(found.state), "results": list(found.results), **proof}
        if found.commitment is None:
            return shown | {"holds": None, "detail": "its provider has promised nothing"}
        if found.seed is None:
            return shown | {"holds": None, "detail": "the seed is not published yet"}
        wrong = live_draw.fault(round_id, found.commitment, found.seed, found.algorithm, found.results)
        known = live_draw.is_known(found.algorithm)
        right = "the seed fits the commitment" + (", and the results follow from it" if known else "")
        return shown | {"holds": wrong is None, "detail": wrong or right}

    run_command(as_json, data_dir, work, formatting.fields)


@live.command("maintenance")
def maintenance(
    game_type: GameType,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether the feed shows it as being in maintenance.")],
    operator: Operator,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let the feed show that a game is in maintenance, or is no longer. Rounds go on."""

    async def work(context: CommandContext) -> Json:
        return _game(await _rounds(context).set_maintenance(game_type, on))

    run_command(as_json, data_dir, work, formatting.fields, operator=operator)


@live.command("disable")
def disable(game_type: GameType, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Take no new rounds, for good, and show the game no more. The round that runs can still end."""

    async def work(context: CommandContext) -> Json:
        return _game(await _rounds(context).disable_game(game_type))

    run_command(as_json, data_dir, work, formatting.fields, operator=operator)


@live.command("cancel", context_settings=ID_MAY_BEGIN_WITH_DASH)
def cancel(
    round_id: RoundId,
    game_type: OfGame,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Cancel a round that has not ended, once a second operator asks for the same within the hour."""

    async def work(context: CommandContext) -> Json:
        from betcore.cli.live_actions import cancel_round

        return await cancel_round(context, game_type, round_id, operator, reason)

    run_command(as_json, data_dir, work, formatting.fields)


def _rounds(context: CommandContext) -> "LiveRounds":
    from betcore.db.live_rounds import LiveRounds

    return LiveRounds(context.database)


async def _find(rounds: "LiveRounds", round_id: str, game_type: int) -> "LiveRound":
    from betcore.domain.errors import NotFound

    found = await rounds.find(round_id, game_type)
    if not found:
        raise NotFound(f"no round {round_id} of live game {game_type}")
    return found[0]


def _game(row: "LiveGameRow") -> Json:
    from betcore.db.row_mapping import time_text

    return {
        "game_type": row.game_type,
        "provider": row.provider,
        "game_id": row.provider_game_id,
        "name_key": row.name_key,
        "betting_seconds": row.betting_seconds,
        "in_maintenance": row.in_maintenance,
        "disabled_at": time_text(row.disabled_at),
    }


def _round(found: "LiveRound") -> Json:
    from betcore.db.row_mapping import time_text

    return {
        "edition": found.edition,
        "round": found.round_id,
        "state": str(found.state),
        "play_status": found.play_status and str(found.play_status),
        "started_at": time_text(found.started_at),
        "betting_closes_at": time_text(found.betting_closes_at),
        "finished_at": time_text(found.finished_at),
        "results": " ".join(map(str, found.results)) or None,
        "reason": found.reason,
    }
