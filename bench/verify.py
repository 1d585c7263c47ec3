"""How fast ``verify`` looks at rows, and that its memory does not grow with them.

Bets, settled for the most part, are made in an embedded PostgreSQL, with an embedded Temporal beside it that runs a
workflow for each open one. A process of its own then verifies a tenth of them, another one all. The casino's journal is
served from a table that is filled in the same way. Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import web
from cryptography.fernet import Fernet
from pydantic import SecretStr
from temporalio.client import Client

from bench import harness
from betcore.db.engine import create_engine
from betcore.domain.ids import BetKey, bet_workflow_id
from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from betcore.verify.report import Report
from betcore.verify.run import verify
from betcore.verify.sources import Scope, open_sources
from devkit.stack import postgres, temporal

# As many bets as one statement makes; one in so many is open; and players.
_AT_ONCE, _OPEN, _PLAYERS = 50_000, 2_000, 10_000
_PARTNERS = """
WITH g AS (
    INSERT INTO game (provider_id, provider_game_id, name) SELECT provider_id, 'dice', 'Dice' FROM provider
    RETURNING game_id
), players AS (
    INSERT INTO player (casino_id, partner_user_id)
    SELECT casino_id, 'player-' || n FROM casino, generate_series(1, $1::int) AS n
    RETURNING player_id
)
INSERT INTO session (session_id, provider_id, player_id, game_id, currency)
SELECT 's-' || player_id, provider_id, player_id, game_id, 'EUR' FROM g, players, provider
"""
# A bet's number gives its player. Every fourth wins, every tenth is refunded; each has one or two movements, and
# ``told_at``.
_BETS = """
WITH made AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id, currency,
                     stake, win, state, opened_at, accepted_at, told_at, withdrawn_at, closed_at, owner)
    SELECT 1, 'bet-' || n, 1, 1 + n % $3::int, 1, 's-' || 1 + n % $3::int, n, 'EUR', 1000,
           CASE WHEN state = 'settled' THEN CASE WHEN n % 4 = 0 THEN 2500 ELSE 0 END END,
           state, opened, opened, opened, CASE WHEN state = 'refunded' THEN opened END,
           CASE WHEN state <> 'acceptance' THEN opened END, 'bench'
    FROM (SELECT n, now() - interval '1 day' AS opened,
                 CASE WHEN n % $4::int = 0 THEN 'acceptance' WHEN n % 10 = 1 THEN 'refunded' ELSE 'settled' END AS state
          FROM generate_series($1::int, $2::int) AS n) AS numbered
    ORDER BY n
    RETURNING bet_id, state, win, opened_at
), heard AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'told', '{"answer": "pay_in"}' FROM made
), moved AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at, not_after)
    SELECT bet_id, kind, CASE WHEN kind = 1 THEN win ELSE 1000 END, 'done', 1, '200', opened_at,
           CASE kind WHEN -1 THEN opened_at + interval '14 seconds' END
    FROM made, unnest(CASE state WHEN 'acceptance' THEN ARRAY[-1] WHEN 'refunded' THEN ARRAY[-1, 2]
                      ELSE ARRAY[-1, 1] END) AS kind
    ORDER BY bet_id, kind
    RETURNING bet_id, transaction_type, amount
)
INSERT INTO journal (bet_id, transaction_type, amount) SELECT * FROM moved
"""
_PAGE = """
SELECT coalesce(string_agg(format(
           '{"id":%s,"bet_id":%s,"transaction_type":%s,"transaction_id":"%s:%s","amount":"%s","partner_user_id":"%s",'
           '"balance_after":"0.00","cashback":false,"at":"2026-01-01T00:00:00+00:00"}', id, bet_id,
           transaction_type, bet_id, transaction_type, to_char(amount / 100, 'FM99999990.00'),
           'player-' || (1 + bet_id % $4)), ',' ORDER BY id), '')
FROM (SELECT * FROM journal WHERE id > $1 AND ($2::bigint IS NULL OR bet_id = $2) ORDER BY id LIMIT $3) AS page
"""


async def main(movements: int) -> dict[str, Any]:
    """Insert this many movements, two a bet, verify a tenth of the bets and then all, and print time and memory."""
    bets = movements // 2
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        running = postgres.running(Path(folder) / "postgres", options={"fsync": "off"})
        async with running as url, temporal.running(Path(folder) / "temporal") as address:
            settings = Settings(
                database_url=SecretStr(url),
                temporal_address=address,
                secret_key=SecretStr(Fernet.generate_key().decode()),
            )
            connection = await asyncpg.connect(url)
            journal = harness.beside("bench.verify", "--journal", BETCORE_DATABASE_URL=url)
            async with journal as casino:
                await _prepare(settings, connection, casino)
                client = await connect(settings)
                await _fill(settings, connection, client, 1, bets // 10)
                tenth = await _verified(settings, casino)
                await _fill(settings, connection, client, bets // 10 + 1, bets)
                whole = await _verified(settings, casino)
            await connection.close()
    ratio = round(whole["peak_mib"] / tenth["peak_mib"], 3)
    return {"cores": os.cpu_count(), "movements": movements, "tenth": tenth, "whole": whole, "peak_ratio": ratio}


async def _prepare(settings: Settings, connection: asyncpg.Connection, casino: str) -> None:
    engine = create_engine(settings)
    try:
        await harness.prepare(engine, settings, casino)
    finally:
        await engine.dispose()
    await connection.execute(_PARTNERS, _PLAYERS)
    await connection.execute(
        "CREATE TABLE journal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bet_id bigint NOT NULL, "
        "transaction_type smallint NOT NULL, amount numeric NOT NULL)"
    )
    await connection.execute("CREATE INDEX journal_bet ON journal (bet_id)")


async def _fill(settings: Settings, connection: asyncpg.Connection, client: Client, first: int, last: int) -> None:
    """Insert these bets, and start a workflow, without a worker, for each that is open."""
    for start in range(first, last + 1, _AT_ONCE):
        upto = min(start + _AT_ONCE - 1, last)
        await connection.execute(_BETS, start, upto, _PLAYERS, _OPEN)
    counterparty = str(await connection.fetchval("SELECT counterparty_id FROM provider"))
    for number in range(first + -first % _OPEN, last + 1, _OPEN):
        name = bet_workflow_id(BetKey(counterparty, f"bet-{number}"))
        await client.start_workflow("Bet", id=name, task_queue="bench")
    await connection.execute("VACUUM ANALYZE")


async def _verified(settings: Settings, casino: str) -> dict[str, Any]:
    """Return the figures of a process that verifies all bets."""
    given = {
        "BETCORE_DATABASE_URL": settings.database_url,
        "BETCORE_SECRET_KEY": settings.secret_key,
    }
    secrets = {name: value.get_secret_value() for name, value in given.items() if value is not None}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.verify", "--verify", casino),
        env=os.environ | secrets | {"BETCORE_TEMPORAL_ADDRESS": str(settings.temporal_address)},
        stdout=PIPE,
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"verifying ended with {process.returncode}: {told.decode()}")
    figures: dict[str, Any] = json.loads(told)
    return figures


async def _measure(casino: str) -> dict[str, Any]:
    """Verify in this process. Raises RuntimeError if anything is violated or was not checked."""
    async with open_sources(Settings(), Scope(sandbox=casino)) as sources:
        report = await verify(sources)
    if report.exit_code:
        raise RuntimeError(f"{report.violations[:5]} {report.checks}")
    return _figures(report)


def _figures(report: Report) -> dict[str, Any]:
    (total,) = report.sums.values()
    return {
        "bets": total.bets,
        "movements": total.movements,
        "looked_at": {name: asdict(check)["looked_at"] for name, check in report.checks.items()},
        "seconds": report.seconds,
        "parts": report.parts,
        "movements_per_second": round(total.movements / report.seconds),
        "peak_mib": round(harness.peak_mib(), 1),
    }


# The casino, in a process of its own


async def _journal() -> None:
    """Serve the journal of a casino that has every movement."""
    pool = await asyncpg.create_pool(os.environ["BETCORE_DATABASE_URL"], min_size=1, max_size=4)

    async def entries(request: web.Request) -> web.Response:
        asked = request.query
        bet_id = int(asked["bet_id"]) if "bet_id" in asked else None
        place = int(asked.get("after", 0)), bet_id, int(asked.get("limit", 100))
        page = await pool.fetchval(_PAGE, *place, _PLAYERS)
        return web.Response(text=f"[{page}]", content_type="application/json")

    await harness.serve(web.get("/_journal", entries))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--movements", type=int, default=1_000_000)
    options.add_argument("--verify", help=argparse.SUPPRESS)
    options.add_argument("--journal", action="store_true", help=argparse.SUPPRESS)
    asked_for = options.parse_args()
    if asked_for.journal:
        asyncio.run(_journal())
    elif asked_for.verify:
        print(json.dumps(asyncio.run(_measure(asked_for.verify))))
    else:
        print(json.dumps(asyncio.run(main(asked_for.movements)), indent=2))
