"""A database with a million settled bets and thousands of open ones, beside an empty one."""

import asyncio
import time
from argparse import ArgumentParser, Namespace
from functools import partial

import asyncpg

from bench.bets.floors.temporal_worker import connect_to
from bench.bets.modes.variants import compare_variants
from bench.bets.options import add_load_options, add_round_options
from bench.bets.processes import Watch
from bench.bets.rounds import Results, say
from bench.bets.stacks import RunningStack, StackOptions
from bench.bets.verdicts import Verdict
from betcore.domain.ids import BetKey, bet_workflow_id

_PLAYERS, _AT_ONCE, _STARTS_AT_ONCE = 10_000, 50_000, 50
_EMPTY, _FILLED = "empty", "filled"
# What is settled must cost no bet that comes later more than this.
_SLOWER, _DEARER = 0.9, 1.1
_NEW_PLAYERS = """
INSERT INTO player (casino_id, partner_user_id)
SELECT casino_id, 'filled-' || n FROM (SELECT casino_id FROM casino ORDER BY casino_id LIMIT 1) AS first,
       generate_series(1, $1::int) AS n
"""
# The first bets by number are open. All began within the last thirty days, the latest an hour ago.
_BETS = """
WITH numbered AS (
    SELECT n, n > $3::int AS settled,
           now() - interval '30 days' * (1 - n::float8 / $4::int) - interval '1 hour' AS opened,
           1 + (n::bigint * 7919) % $5::int AS turn
    FROM generate_series($1::int, $2::int) AS n
),
players AS (
    SELECT row_number() OVER (ORDER BY player_id) AS turn, player_id, casino_id FROM player
),
made AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id, currency,
                     stake, win, state, opened_at, accepted_at, told_at, closed_at, accepted_balance, closed_balance,
                     owner)
    SELECT provider_id, 'filled-' || n, casino_id, player_id, game_id, 's', n, 'EUR', 1000,
           CASE WHEN settled THEN 1000 END, CASE WHEN settled THEN 'settled' ELSE 'acceptance' END,
           opened, opened, opened, CASE WHEN settled THEN opened END,
           99000, CASE WHEN settled THEN 100000 END, gen_random_uuid()::text
    FROM numbered JOIN players USING (turn)
    CROSS JOIN (SELECT game_id, provider_id FROM game ORDER BY game_id LIMIT 1) AS played
    ORDER BY n
    RETURNING bet_id, state, opened_at
),
moved AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at, ended_at,
                          not_after, partner_transaction_id)
    SELECT bet_id, kind, 1000, 'done', 1, '200', opened_at, opened_at,
           CASE kind WHEN -1 THEN opened_at + interval '14 seconds' END, 'filled-' || bet_id || kind
    FROM made, (VALUES (-1), (1)) AS kinds (kind) WHERE kind = -1 OR state = 'settled'
)
INSERT INTO bet_event (bet_id, kind, data)
SELECT bet_id, kind, '{"type": -1, "amount": "10.00"}'
FROM made, unnest(ARRAY['pay_in', 'send', 'answer', 'told', 'pay_out', 'send', 'answer']) WITH ORDINALITY
     AS kinds (kind, place)
WHERE place < 5 OR state = 'settled'
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--settled", type=int, default=1_000_000, help="settled bets that are copied in")
    parser.add_argument("--open", type=int, default=20_000, help="open bets that are copied in, each with a workflow")
    add_round_options(parser)
    add_load_options(parser, 8, 16)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Fill one of two stacks, and measure both in turn."""
    filled: dict[str, object] = {}
    prepare = partial(_prepare, filled, options)
    variants = {_EMPTY: StackOptions(), _FILLED: StackOptions()}
    found = await compare_variants(variants, options, watch, prepare, _judge)
    return found | {"filled": filled}


def _judge(results: Results) -> list[Verdict]:
    limits = (("bets_per_s", "bets/s", _SLOWER, True), ("cpu_own", "CPU of API and worker", _DEARER, False))
    return [
        Verdict(f"{what} to the empty stack", str(load), limit, at_least, ratio)
        for load in results.rounds
        for figure, what, limit, at_least in limits
        if (ratio := results.ratio(load, figure, _FILLED, _EMPTY)) is not None
    ]


async def _prepare(filled: dict[str, object], options: Namespace, name: str, stack: RunningStack) -> None:
    if name == _FILLED:
        filled.update(await fill(stack, options.settled, options.open))


async def fill(stack: RunningStack, settled: int, still_open: int) -> dict[str, object]:
    """Copy bets in, and start a workflow that no worker runs for each open one; return what is there then."""
    began, total = time.monotonic(), settled + still_open
    connection = await asyncpg.connect(stack.ready.database, command_timeout=600)
    try:
        # Before their rows: a sweep would start others for rows without a workflow.
        await _start_workflows(stack, still_open)
        await connection.execute(_NEW_PLAYERS, _PLAYERS)
        # The rows of one statement refer to each other; and what is copied in need not survive a crash.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET synchronous_commit = off")
        for first in range(1, total + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, total)
            await connection.execute(_BETS, first, last, still_open, total, _PLAYERS)
            say(f"{last:,} of {total:,} bets are copied in")
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
    finally:
        await connection.close()
    seconds = round(time.monotonic() - began)
    return {"settled": settled, "open": still_open, "database_mib": size >> 20, "seconds": seconds}


async def _start_workflows(stack: RunningStack, number: int) -> None:
    client = await connect_to(stack.settings)
    for first in range(1, number + 1, _STARTS_AT_ONCE):
        names = [
            bet_workflow_id(BetKey(stack.counterparty_id, f"filled-{bet}"))
            for bet in range(first, min(first + _STARTS_AT_ONCE, number + 1))
        ]
        await asyncio.gather(*(client.start_workflow("Bet", id=name, task_queue="bench-filled") for name in names))
    say(f"{number:,} workflows are open")
