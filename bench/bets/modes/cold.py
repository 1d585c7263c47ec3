"""Every bet cold: a worker that keeps no workflow in memory replays each one from its history, beside one that does."""

from argparse import ArgumentParser, Namespace

from bench.bets.modes.variants import compare_variants
from bench.bets.options import add_load_options, add_round_options
from bench.bets.processes import Watch
from bench.bets.stacks import StackOptions


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    add_round_options(parser)
    add_load_options(parser, 8)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure both stacks in turn."""
    none_cached = {"BETCORE_WORKER_MAX_CACHED_WORKFLOWS": "0"}
    return await compare_variants({"warm": StackOptions(), "cold": StackOptions(variables=none_cached)}, options, watch)
