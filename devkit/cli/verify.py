"""``python -m betcore verify`` in a checkout: the checks of production, and the sandbox provider's own book."""

from pathlib import Path
from typing import Annotated

import typer

from betcore.cli.output import AsJson, DataDir
from betcore.cli.verify import AskCasinos, Books, NoTemporal, Since, check

app = typer.Typer()


@app.command()
def verify(
    casino: AskCasinos = Books.AUTO,
    no_temporal: NoTemporal = False,
    book: Annotated[list[Path] | None, typer.Option(help="A provider's book: its answers must be on record.")] = None,
    since: Since = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check that every bet fits together with its movements, its workflow, and the casino's book.

    Reads only, and may run beside a live system. Exits with status 1 if anything is violated, with 2 if nothing is but
    something could not be checked.
    """
    from devkit.verify.provider_book import provider_book  # here: `verify --help` starts faster without

    check(casino, no_temporal, since, [provider_book(path) for path in book or ()], as_json, data_dir)
