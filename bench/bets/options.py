"""Options that several modes have: how often and how long is measured, and under which loads."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from bench.bets.measuring import Window
from bench.bets.processes import Watch
from bench.bets.rounds import Load, Results, play_rounds, warm_up
from bench.bets.workload import BetKind, Target


def add_round_options(parser: ArgumentParser, *, rounds: int = 5, seconds: float = 4, ramp: float = 1) -> None:
    """Add how often is measured, and how long each time."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="for which bets count, in each measurement")
    parser.add_argument("--ramp", type=float, default=ramp, help="seconds under load before bets count")


def window_of(options: Namespace) -> Window:
    """Return how long each measurement takes."""
    return Window(options.ramp, options.seconds)


def add_load_options(
    parser: ArgumentParser, *in_flight: int, kinds: Sequence[BetKind] | None = (BetKind.TWO_STEP,)
) -> None:
    """Add which loads are measured; without ``kinds`` only bets of two steps can be."""
    parser.add_argument("--in-flight", type=int, nargs="+", default=list(in_flight), help="bets at once")
    if kinds is None:
        parser.set_defaults(kinds=[str(BetKind.TWO_STEP)])
    else:
        choices, chosen = list(map(str, BetKind)), list(map(str, kinds))
        parser.add_argument("--kinds", nargs="+", default=chosen, choices=choices, help="kinds of bets")
    parser.add_argument("--confirmation", default="reply", choices=("reply", "accept"), help="of the casino")


def loads_of(options: Namespace) -> list[Load]:
    """Return the loads that the options choose."""
    kinds = map(BetKind, options.kinds)
    return [Load(options.confirmation, kind, in_flight) for kind in kinds for in_flight in options.in_flight]


async def play_chosen_loads(
    targets: Sequence[Target], options: Namespace, watch: Watch, warm: Sequence[Target] = ()
) -> Results:
    """Warm up ``warm``, or all targets, and measure all targets under the loads that the options choose."""
    loads = loads_of(options)
    await warm_up(warm or targets, dict.fromkeys(load.kind for load in loads), watch)
    return await play_rounds(dict.fromkeys(loads, targets), options.rounds, window_of(options), watch)


def add_processes(parser: ArgumentParser) -> None:
    """Add the number of workers of the stack."""
    parser.add_argument("--processes", type=int, default=1, help="worker processes of the service")
