"""Stacks of several checkouts, or of one with other variables, beside each other: for before and after."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from bench.bets.modes.variants import compare_variants
from bench.bets.options import add_load_options, add_round_options
from bench.bets.processes import Watch
from bench.bets.stacks import StackOptions


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument(
        "variants",
        type=variant,
        nargs="+",
        metavar="NAME=CHECKOUT[,VARIABLE=VALUE...]",
        help="the first is the base; such as before=../before after=.,BETCORE_DATABASE_POOL_SIZE=20",
    )
    add_round_options(parser)
    add_load_options(parser, 1, 8, 16)


def variant(given: str) -> tuple[str, StackOptions]:
    """Return the name and the options of one variant, as the command line has it."""
    name, found, rest = given.partition("=")
    checkout, *variables = rest.split(",")
    path = Path(checkout).resolve()
    if not (found and (path / "worker.py").is_file() and all("=" in one for one in variables)):
        raise ArgumentTypeError(f"{given!r} is not NAME=CHECKOUT[,VARIABLE=VALUE...]")
    return name, StackOptions(variables=dict(one.split("=", 1) for one in variables), checkout=path)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure the stacks in turn."""
    found = await compare_variants(dict(options.variants), options, watch)
    # The path of a checkout is nobody's business who reads a result.
    options.variants = [f"{name} {dict(one.variables) or ''}".strip() for name, one in options.variants]
    return found
