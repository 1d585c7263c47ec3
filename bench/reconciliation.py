"""How fast one process compares books, and that its memory does not grow with them.

Bets with a stake and a win are made in an embedded PostgreSQL; a server of its own process answers ``payments/info``
for them, without the win for one in a thousand. The real activity then compares a tenth of them, and after that all.
Prints one JSON object.
"""

import argparse
import asyncio
import base64
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.reconciliation import Reconciler
from bench import harness
from betcore.casino.client import CasinoClient
from betcore.db.bets import Bets
from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.partners import Partners
from betcore.db.reconciliations import Reconciliations
from betcore.db.signing_keys import SigningKeys
from betcore.domain.reconciliation import Reconcile, Wanted
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.stack import postgres

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
# As many bets as one statement makes, and one bet in so many whose win the casino lacks.
_AT_ONCE, _LACKING = 50_000, 1000
# No pace: what is measured is what the process can do.
_PROFILE = "{owed_per_second: 1000000, attempt_timeout: 10, confirmation: reply}"
_PARTNERS = """
WITH g AS (
    INSERT INTO game (provider_id, provider_game_id, name) SELECT provider_id, 'dice', 'Dice' FROM provider
)
INSERT INTO player (casino_id, partner_user_id) SELECT casino_id, 'anna' FROM casino
"""
# One bet a millisecond, settled.
_BETS = """
WITH made AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id, currency,
                     stake, win, state, opened_at, accepted_at, told_at, closed_at)
    SELECT provider_id, n, casino_id, player_id, game_id, 's', n, 'EUR', 1000, 2500, 'settled',
           opened, opened, opened, opened
    FROM player, game,
         LATERAL (SELECT n, $1::timestamptz + n * interval '1 millisecond' AS opened
                  FROM generate_series($2::int, $3::int) AS n) AS numbered
    ORDER BY n
    RETURNING bet_id, opened_at
)
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at, not_after)
SELECT bet_id, kind, CASE kind WHEN -1 THEN 1000 ELSE 2500 END, 'done', 1, '200', opened_at,
       CASE kind WHEN -1 THEN opened_at + interval '14 seconds' END
FROM made, (VALUES (-1), (1)) AS kinds (kind)
"""


async def main(movements: int) -> dict[str, Any]:
    """Insert this many movements, two a bet, compare them, and print time and memory."""
    bets = movements // 2
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = postgres.running(Path(folder), options={"fsync": "off"})
        async with database as url, harness.beside("bench.reconciliation", "--casino") as casino:
            settings = Settings(database_url=SecretStr(url), secret_key=SecretStr(Fernet.generate_key().decode()))
            engine = create_engine(settings)
            try:
                await _prepare(engine, settings, url, casino, bets)
            finally:
                await engine.dispose()
            async with open_database(settings) as opened:
                tenth = await _compared(opened, settings, bets // 10)
                whole = await _compared(opened, settings, bets)
    return {
        "movements": movements,
        "bets": bets,
        "tenth": tenth,
        "whole": whole,
        "peak_ratio": round(whole["peak_mib"] / tenth["peak_mib"], 3),
    }


async def _prepare(engine: AsyncEngine, settings: Settings, url: str, casino: str, bets: int) -> None:
    await harness.prepare(engine, settings, casino, _PROFILE)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_PARTNERS)
        for first in range(1, bets + 1, _AT_ONCE):
            await connection.execute(_BETS, _FIRST, first, min(first + _AT_ONCE - 1, bets))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _compared(database: Database, settings: Settings, bets: int) -> dict[str, Any]:
    """Compare the first bets, and return coverage, findings, speed and the peak memory so far."""
    vault, runs = Vault.of(settings), Reconciliations(database)
    window = _FIRST, _FIRST + timedelta(milliseconds=bets + 1)
    order = Reconcile(casino_id=1, opened_from=window[0], opened_to=window[1])
    run = await runs.open(Wanted(order, f"bench-{bets}"))
    async with aiohttp.ClientSession() as http:
        keys, partners = SigningKeys(database, vault, 60), Partners(database, vault, 60)
        client = await Client.connect("127.0.0.1:1", lazy=True)
        books = Reconciler(client, runs, Bets(database), partners, CasinoClient(http, keys, "bench"))
        began = time.monotonic()
        await ActivityEnvironment().run(books.compare_books, run.reconciliation_id)
        seconds = time.monotonic() - began
    done = await runs.summary(run.reconciliation_id)
    expected = {"missing_there": bets // _LACKING} if bets >= _LACKING else {}
    if (done.bets, done.compared, done.kinds) != (bets, bets, expected):
        raise RuntimeError(f"the books were not compared as they should be: {done}")
    return {
        "coverage": f"{done.compared} of {done.bets} bets compared",
        "findings": sum(done.kinds.values()),
        "seconds": round(seconds, 1),
        "bets_per_second": round(bets / seconds),
        "peak_mib": round(harness.peak_mib(), 1),
    }


# The casino, in a process of its own


async def _info(request: web.Request) -> web.Response:
    """Answer the movements of a bet, made from its number; any token is accepted."""
    payload = json.loads(await request.text()).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    bet_id = json.loads(claims["data"])["BetId"]
    listed = [_movement(bet_id, -1, "10.00")]
    if bet_id % _LACKING:
        listed.append(_movement(bet_id, 1, "25.00"))
    return web.json_response({"ErrorCode": 200, "Message": "Success", "Value": listed})


def _movement(bet_id: int, transaction_type: int, amount: str) -> dict[str, Any]:
    return {
        "BetId": bet_id,
        "TransactionType": transaction_type,
        "TransactionId": f"{bet_id}:{transaction_type}",
        "PartnerTransactionId": f"C-{bet_id}-{transaction_type}",
        "PartnerUserId": "anna",
        "Amount": amount,
        "Timestamp": (_FIRST + timedelta(milliseconds=bet_id)).isoformat(),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--movements", type=int, default=100_000)
    options.add_argument("--casino", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.casino:
        asyncio.run(harness.serve(web.post("/payments/info", _info)))
    else:
        print(json.dumps(asyncio.run(main(given.movements)), indent=2))
