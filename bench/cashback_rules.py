"""How fast one process runs a rule of cashback, and that its memory does not grow with the bets of the window.

Bets of many players are made in an embedded PostgreSQL. A process of its own then runs a rule over a tenth of them,
another one a second rule over all. Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
from cryptography.fernet import Fernet
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.cashback_rules import RuleRuns
from bench import harness
from betcore.db.cashback_rules import CashbackRules
from betcore.db.cashbacks import Cashbacks
from betcore.db.database import open_database
from betcore.db.engine import create_engine
from betcore.runtime.settings import Settings
from devkit.stack import postgres

# As many bets as one statement makes.
_AT_ONCE = 50_000
_CUT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
_SINCE = _CUT - timedelta(days=7)
_PARTNERS = """
WITH g AS (
    INSERT INTO game (provider_id, provider_game_id, name) SELECT provider_id, 'dice', 'Dice' FROM provider
)
INSERT INTO player (casino_id, partner_user_id)
SELECT casino_id, 'player-' || n FROM casino, generate_series(1, $1::int) AS n
"""
# Every fourth wins, every tenth is refunded; they end one after the other through the week.
_BETS = """
WITH made AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                     state, opened_at, accepted_at, told_at, withdrawn_at, closed_at)
    SELECT 1, 'bet-' || n, 1, 1 + n % $3::int, 1, 's', 'EUR', 1000,
           CASE WHEN state = 'settled' THEN CASE WHEN n % 4 = 0 THEN 2500 ELSE 0 END END, state, ended, ended, ended,
           CASE WHEN state = 'refunded' THEN ended END, ended
    FROM (SELECT n, $4::timestamptz + n * ($5::timestamptz - $4) / ($6::int + 1) AS ended,
                 CASE WHEN n % 10 = 1 THEN 'refunded' ELSE 'settled' END AS state
          FROM generate_series($1::int, $2::int) AS n) AS numbered
    ORDER BY n
    RETURNING bet_id, state, win, closed_at
)
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at, ended_at)
SELECT bet_id, kind, CASE WHEN kind = 1 THEN win ELSE 1000 END, 'done', 1, '200', closed_at, closed_at
FROM made, unnest(CASE state WHEN 'refunded' THEN ARRAY[-1, 2] ELSE ARRAY[-1, 1] END) AS kind
ORDER BY bet_id, kind
"""
_RUN = """
WITH version AS (
    INSERT INTO cashback_rule_version (casino_id, name, rule, time_zone, created_at)
    VALUES (1, $1, jsonb_build_object('name', $1::text, 'share', '0.1'), 'UTC', $2) RETURNING *
)
INSERT INTO cashback_rule_run (casino_id, name, version_id, period_from, period_to, excluded_games)
SELECT casino_id, name, version_id, $2, $3, '{}' FROM version RETURNING run_id
"""


async def main(bets: int, players: int) -> dict[str, Any]:
    """Make this many bets of as many players, run a rule over a tenth and another one over all, and compare."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with postgres.running(Path(folder) / "postgres", options={"fsync": "off"}) as url:
            settings = Settings(
                database_url=SecretStr(url), secret_key=SecretStr(Fernet.generate_key().decode()), data_dir=Path(folder)
            )
            engine = create_engine(settings)
            await harness.prepare(engine, settings, "http://127.0.0.1:1")
            await engine.dispose()
            connection = await asyncpg.connect(url)
            await connection.execute(_PARTNERS, players)
            await _fill(connection, 1, bets // 10, players, bets)
            tenth = await _ran(connection, url, "tenth")
            await _fill(connection, bets // 10 + 1, bets, players, bets)
            whole = await _ran(connection, url, "whole")
            expected = await connection.fetchval("SELECT count(DISTINCT player_id) FROM cashback")
            await connection.close()
    if whole["opened"] != expected:
        raise RuntimeError(f"{whole['opened']} cashbacks opened, of {expected} players")
    ratio = round(whole["peak_mib"] / tenth["peak_mib"], 3)
    return {"cores": os.cpu_count(), "bets": bets, "tenth": tenth, "whole": whole, "peak_ratio": ratio}


async def _fill(connection: asyncpg.Connection, first: int, last: int, players: int, bets: int) -> None:
    for start in range(first, last + 1, _AT_ONCE):
        await connection.execute(_BETS, start, min(start + _AT_ONCE - 1, last), players, _SINCE, _CUT, bets)
    # Not of cashbacks: of a table that is known to be empty, a statement would read all that comes into it.
    await connection.execute("VACUUM ANALYZE bet, movement, player")


async def _ran(connection: asyncpg.Connection, url: str, name: str) -> dict[str, Any]:
    """Return the figures of a process that runs a rule over all bets that there are."""
    run_id = await connection.fetchval(_RUN, name, _SINCE, _CUT)
    async with harness.child("bench.cashback_rules", "--run", str(run_id), BETCORE_DATABASE_URL=url) as running:
        figures = await harness.figures(running)
    bets = await connection.fetchval("SELECT count(*) FROM bet")
    return {"bets": bets, **figures, "bets_per_second": round(bets / figures["seconds"])}


async def _measure(run_id: int) -> dict[str, Any]:
    async with open_database(Settings()) as database:
        activities = RuleRuns(cast(Any, None), CashbackRules(database), Cashbacks(database))
        began = time.monotonic()
        done = await ActivityEnvironment().run(activities.pay_cashback_rule, run_id)
        seconds = round(time.monotonic() - began, 2)
    return {
        "players": done.players,
        "opened": done.opened,
        "seconds": seconds,
        "peak_mib": round(harness.peak_mib(), 1),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bets", type=int, default=1_000_000)
    options.add_argument("--players", type=int, default=20_000)
    options.add_argument("--run", type=int, help=argparse.SUPPRESS)
    asked_for = options.parse_args()
    if asked_for.run:
        print("begun", flush=True)
        print(json.dumps(asyncio.run(_measure(asked_for.run))), flush=True)
    else:
        print(json.dumps(asyncio.run(main(asked_for.bets, asked_for.players)), indent=2))
