"""Two casinos of one stack in turn: one without jackpots, and one to whose jackpots all stakes contribute."""

from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack
from decimal import Decimal

import asyncpg

from bench.bets.options import add_load_options, add_round_options, play_chosen_loads
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.ratios import ratios_to
from bench.bets.rounds import Results, say
from bench.bets.stacks import RunningStack, StackOptions, running_stack
from bench.bets.verdicts import Verdict
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session
from betcore.db.database import open_database
from betcore.db.jackpot_pools import JackpotPools
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money

_OFF, _ON = "off", "on"
_AT_LEAST = 0.95
# The first jackpot brings the schedule that books, at the next sweep.
_SOON = StackOptions(variables={"BETCORE_SWEEP_SECONDS": "5"})
_SHARES = {"Mini": Decimal("0.005"), "Grand": Decimal("0.015")}
_GAME = """
SELECT provider.name, provider_game_id FROM session JOIN provider USING (provider_id) JOIN game USING (game_id)
WHERE session_id = $1
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    add_round_options(parser)
    add_load_options(parser, 8, 16, kinds=list(BetKind))


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure both casinos in turn, while the schedule books what the one contributes."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch, _SOON))
        partners = await running.enter_async_context(partners_of(stack, http))
        without, of_pools = [await partners.sandbox_casino(name, options.confirmation) for name in (_OFF, _ON)]
        await _add_pools(stack, of_pools.name, of_pools.sessions[0])
        say("the stack is up")
        results = await play_chosen_loads(
            [partners.calls(without, _OFF), partners.calls(of_pools, _ON)], options, watch
        )
        return {
            "rows": results.rows(),
            "verdicts": [one.row() for one in _verdicts(results)],
            "ratios": ratios_to(_OFF, results),
            "stakes": await _stakes(stack),
        }


def _verdicts(results: Results) -> list[Verdict]:
    return [
        Verdict("bets/s with jackpots, of those without", str(load), _AT_LEAST, True, ratio)
        for load in results.rounds
        if (ratio := results.ratio(load, "bets_per_s", _ON, _OFF)) is not None
    ]


async def _add_pools(stack: RunningStack, casino: str, session_id: str) -> None:
    """Add two jackpots of the game of a session to a casino."""
    async with open_database(stack.settings) as database:
        connection = await asyncpg.connect(stack.ready.database)
        provider, game = await connection.fetchrow(_GAME, session_id)
        await connection.close()
        for name, share in _SHARES.items():
            seed = Money.parse("1000.00", "EUR")
            await JackpotPools(database).add(NewPool(casino, name, provider, game, None, share, seed))


async def _stakes(stack: RunningStack) -> dict[str, int]:
    """Return how many stakes the jackpots have got, and how many of them are booked."""
    connection = await asyncpg.connect(stack.ready.database)
    row = await connection.fetchrow("SELECT count(*) AS written, count(entry) AS booked FROM jackpot_stake")
    await connection.close()
    return {"written": row["written"], "booked": row["booked"]}
