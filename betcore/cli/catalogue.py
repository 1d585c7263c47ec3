"""``python -m betcore game ...``, ``player ...`` and ``session ...``."""

from typing import Annotated

import typer

from betcore.cli.context import CommandContext, Json, given_operator, lines, run_command
from betcore.cli.output import AsJson, DataDir, Operator, OperatorOfChange
from betcore.domain.errors import Unavailable

game = typer.Typer(no_args_is_help=True, help="Games of a provider.")
player = typer.Typer(no_args_is_help=True, help="Players of a casino.")
session = typer.Typer(no_args_is_help=True, help="Sessions: a player in a game, in one currency.")

Provider = Annotated[str, typer.Option("--provider", help="Name of the provider.")]
Casino = Annotated[str, typer.Option("--casino", help="Name of the casino.")]
GameId = Annotated[str, typer.Option("--game-id", help="The provider's id of the game.")]
Player = Annotated[str, typer.Option("--player", help="The casino's id of the player (PartnerUserId).")]
Currency = Annotated[str, typer.Option("--currency", help="ISO 4217, or one of the settings.")]
Limit = Annotated[str | None, typer.Option(help="In major units of the currency, such as 0.10.")]


@game.command("add")
def add_game(
    provider: Provider,
    game_id: GameId,
    name: Annotated[str, typer.Option("--name", help="The name for operators and reports.")],
    operator: Operator,
    currency: Annotated[str | None, typer.Option("--currency", help="The currency of the limits.")] = None,
    min_bet: Limit = None,
    max_bet: Limit = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add a game, with its limits for a stake in one currency."""
    run_command(
        as_json,
        data_dir,
        lambda context: context.catalogue.add_game(provider, game_id, name, currency, min_bet, max_bet),
        operator=operator,
    )


@game.command("set-limits")
def set_game_limits(
    provider: Provider,
    game_id: GameId,
    currency: Currency,
    operator: Operator,
    min_bet: Limit = None,
    max_bet: Limit = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Replace a game's limits in one currency; without --min-bet and --max-bet it has none there."""

    async def work(context: CommandContext) -> Json:
        limits = await context.limits.set_game(provider, game_id, currency, min_bet, max_bet)
        return {"provider": provider, "game_id": game_id, "limits": limits}

    run_command(as_json, data_dir, work, operator=operator)


@game.command("list")
def list_games(
    provider: Annotated[str | None, typer.Option("--provider", help="Of this provider alone.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List games."""

    async def work(context: CommandContext) -> Json:
        return {"games": await context.catalogue.games(provider)}

    run_command(as_json, data_dir, work, lambda found: lines(found["games"]))


@game.command("disable")
def disable_game(
    provider: Provider, game_id: GameId, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Refuse new stakes on a game; its open bets continue."""
    run_command(as_json, data_dir, lambda context: context.catalogue.disable_game(provider, game_id), operator=operator)


@game.command("enable")
def enable_game(
    provider: Provider, game_id: GameId, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Accept new stakes on a game again."""
    run_command(as_json, data_dir, lambda context: context.catalogue.enable_game(provider, game_id), operator=operator)


@game.command("show")
def show_game(provider: Provider, game_id: GameId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a game, its limits, and whether it takes stakes."""
    run_command(as_json, data_dir, lambda context: context.catalogue.game(provider, game_id))


@game.command("sync")
def sync_games(
    provider: Provider,
    accept: Annotated[
        bool, typer.Option("--accept", help="Also if most of the games are missing from the list.")
    ] = False,
    operator: OperatorOfChange = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Fetch the provider's list of games now, and say what has changed; exit with status 1 if it is not applied."""
    outcome = ""

    async def work(context: CommandContext) -> Json:
        nonlocal outcome
        done = await _synced(context, provider, accepted_by=given_operator(operator) if accept else None)
        outcome = done["outcome"]
        return {"provider": provider, **done}

    run_command(as_json, data_dir, work)
    if outcome in ("failed", "held"):
        raise typer.Exit(1)


async def _synced(context: CommandContext, provider: str, accepted_by: str | None) -> Json:
    from uuid import uuid4

    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    from betcore.domain.catalogue import SyncCatalogue
    from betcore.temporal.client import connect
    from betcore.temporal.schedules import sync_catalogue

    counterparty_id = str((await context.partners.shown("provider", provider))["counterparty_id"])
    order = SyncCatalogue(counterparty_id=counterparty_id, accept=accepted_by is not None, operator=accepted_by)
    try:
        done = await sync_catalogue(await connect(context.settings), order, uuid4().hex)
    except WorkflowFailureError as error:
        raise Unavailable(f"the sync was ended: {error.cause}", code="ended") from error
    except (RPCError, RuntimeError) as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    return done.model_dump(mode="json")


@player.command("block")
def block_player(
    casino: Casino, player: Player, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Refuse new stakes of a player; wins and returns go through."""
    run_command(
        as_json, data_dir, lambda context: context.sessions.block(casino, player, blocked=True), operator=operator
    )


@player.command("unblock")
def unblock_player(
    casino: Casino, player: Player, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Accept stakes of a player again."""
    run_command(
        as_json, data_dir, lambda context: context.sessions.block(casino, player, blocked=False), operator=operator
    )


@session.command("open")
def open_session(
    provider: Provider,
    casino: Casino,
    game: Annotated[str, typer.Option("--game", help="The provider's id of the game.")],
    player: Player,
    currency: Currency,
    operator: Operator,
    mode: Annotated[str, typer.Option("--mode", help="real or demo; bets in demo are refused.")] = "real",
    brand: Annotated[str | None, typer.Option("--brand", help="The casino's site on which the player plays.")] = None,
    min_bet: Limit = None,
    max_bet: Limit = None,
    max_win: Annotated[str | None, typer.Option(help="A win above it waits for two operators; major units.")] = None,
    max_odd: Annotated[str | None, typer.Option(help="So does a win of more than this many times its stake.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Open a session, and register a new player; print the session's id."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.onboarding_sessions import NewSession

        new = NewSession(provider, casino, game, player, currency, mode, brand, min_bet, max_bet, max_win, max_odd)
        return await context.sessions.open(new)

    run_command(as_json, data_dir, work, operator=operator)


@session.command("close")
def close_session(
    session: Annotated[str, typer.Option("--session", help="The session's id.")],
    operator: Operator,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """End a session for new stakes; its open bets continue."""
    run_command(as_json, data_dir, lambda context: context.sessions.close(session), operator=operator)
