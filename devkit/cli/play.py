"""``python -m betcore play``: the sandbox provider plays rounds, and three books are compared at the end."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from betcore.cli.output import AsJson, DataDir, emit, read_settings, reporting_errors

app = typer.Typer()


@app.command()
def play(
    bets: Annotated[int, typer.Option(min=1, help="How many bets.")] = 100,
    rate: Annotated[float, typer.Option(min=0.01, help="Bets begun per second.")] = 20,
    players: Annotated[int, typer.Option(min=1, help="How many players share them.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rounds.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="Bets under way at the same time, at most.")] = 200,
    patience: Annotated[
        int, typer.Option(min=0, help="Seconds for which calls are repeated after the last bet began.")
    ] = 900,
    one_step: Annotated[float, typer.Option(min=0, max=1, help="The share of rounds in one step (PayInOut).")] = 0.25,
    jackpots: Annotated[
        float, typer.Option(min=0, max=1, help="The share of rounds in two steps that win a jackpot.")
    ] = 0,
    pool: Annotated[
        int | None, typer.Option(help="The jackpot that they win, by its number; without it the provider's own.")
    ] = None,
    book: Annotated[Path | None, typer.Option(help="The provider's book; bets open in it are finished first.")] = None,
    casino: Annotated[
        str | None, typer.Option(help="Play at the own wallet of a casino that was added; needs --player.")
    ] = None,
    player: Annotated[
        list[str] | None, typer.Option(help="A PartnerUserId of that casino, with money there; may be repeated.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Play rounds of the sandbox's dice game, and compare the provider's book with ours and the casino's.

    The casino is the sandbox's, with players made for the run. With --casino it is that one, its players are those of
    --player, and its book is compared if it answers payments/info.

    Exits with status 1 if any bet differs, has no definite end, or is not at rest in our rows: its outcome unknown,
    money owed, or a reversal not over.
    """
    from devkit.play import runner  # here: `play --help` starts faster without

    if bool(casino) != bool(player):
        raise typer.BadParameter("--casino and --player belong together")
    with reporting_errors(as_json):
        settings = read_settings(data_dir)
        limits = (bets, rate, players, seed, at_once, patience)
        shares = Decimal(str(one_step)), Decimal(str(jackpots))
        plan = runner.Plan(*limits, book, shares[0], casino, tuple(player or ()), shares[1], pool)
        summary = asyncio.run(runner.play(settings, plan))
        emit(summary, as_json, "" if as_json else runner.as_text(summary))
    if any(summary[name] for name in ("differences", "unresolved", "not_begun", "not_at_rest")):
        raise typer.Exit(1)
