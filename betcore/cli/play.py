"""``python -m betcore play``: the sandbox provider plays rounds, and three books are compared at the end."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from betcore.cli.output import AsJson, DataDir, answering, emit, read_settings

app = typer.Typer()


@app.command()
def play(
    bets: Annotated[int, typer.Option(min=1, help="How many bets.")] = 100,
    rate: Annotated[float, typer.Option(min=0.01, help="Bets begun a second.")] = 20,
    players: Annotated[int, typer.Option(min=1, help="How many players share them.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rounds.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="Bets under way at the same time, at most.")] = 200,
    patience: Annotated[int, typer.Option(min=0, help="Seconds to go on repeating after the last bet began.")] = 900,
    book: Annotated[Path | None, typer.Option(help="The provider's book; bets open in it are finished first.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Play rounds of the sandbox's dice game, and compare the provider's book with ours and the casino's.

    Exit status 1 when any bet differs or has no definite end.
    """
    from betcore.cli import playing  # here: `play --help` starts faster without

    with answering(as_json):
        settings = read_settings(data_dir)
        plan = playing.Plan(bets, rate, players, seed, at_once, patience, book)
        summary = asyncio.run(playing.play(settings, plan))
        emit(summary, as_json, "" if as_json else playing.drawn(summary))
    if summary["differences"] or summary["unresolved"] or summary["not_begun"]:
        raise typer.Exit(1)
