"""Stacks with 1, 2 and 4 worker processes beside each other."""

from argparse import ArgumentParser, Namespace

from bench.bets.modes.variants import compare_variants
from bench.bets.options import add_load_options, add_round_options
from bench.bets.processes import Watch
from bench.bets.stacks import StackOptions


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="worker processes of each stack")
    add_round_options(parser)
    add_load_options(parser, 8, 32)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure the stacks in turn."""
    variants = {f"{number} workers": StackOptions(processes=number) for number in options.workers}
    return await compare_variants(variants, options, watch)
