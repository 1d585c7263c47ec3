"""What metrics say of open rows: how many, how much money, how old; added up by one process at a time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from betcore.db.database import Database, open_database
from betcore.db.metric_snapshots import MetricSnapshots
from betcore.runtime.settings import Settings
from betcore.telemetry.database_gauges import DatabaseGauges
from tests.unit.partner_rows import PARTNERS

# Bets by what they show. Each stake differs, so that a sum names its bets.
BETS = """
SET session_replication_role = replica;
UPDATE provider SET profile = profile || '{"settle_within": 3600}';
INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                 jackpot, state, owner, opened_at, withdrawn_at, win_paid_at, closed_at)
SELECT n, 1, 'b' || n, 1, 1, 1, 's', 'EUR', stake, win, jackpot, state, 'run', now() - age, withdrawn, paid, closed
FROM (VALUES
    (1, 1, NULL, NULL, 'acceptance', interval '1 minute', NULL, NULL, NULL),
    (2, 10, NULL, NULL, 'acceptance', '2 hours', NULL, NULL, NULL),
    (3, 100, NULL, NULL, 'acceptance', '3 hours', now() - interval '5 minutes', NULL, NULL),
    (4, 1000, NULL, NULL, 'accepting', '30 seconds', NULL, NULL, NULL),
    (5, 10000, NULL, NULL, 'accepting', '1 second', NULL, NULL, NULL),
    (6, 7, 500, NULL, 'settling', '2 hours', NULL, NULL, NULL),
    (7, 7, 5000, NULL, 'settling', '2 hours', NULL, NULL, NULL),
    (8, 7, 9, 70000, 'settling', '2 hours', NULL, now(), NULL),
    (9, 300000, NULL, NULL, 'refunding', '2 hours', now() - interval '10 minutes', NULL, NULL),
    (10, 7, 9, NULL, 'settled', '9 hours', NULL, NULL, now()),
    (11, 7, 2000000, NULL, 'settled', '9 hours', NULL, NULL, now()),
    (12, 40000000, 0, NULL, 'settled', '9 hours', NULL, NULL, now())
) AS b (n, stake, win, jackpot, state, age, withdrawn, paid, closed);
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, first_sent_at)
SELECT n, type, 1, state, 1, now() - age FROM (VALUES
    (1, -1, 'done', interval '1 minute'), (2, -1, 'done', '2 hours'), (3, -1, 'done', '3 hours'),
    (4, -1, 'sending', '30 seconds'), (5, -1, 'sending', '1 second'),
    (6, -1, 'done', '2 hours'), (6, 1, 'sending', '20 minutes'),
    (7, -1, 'done', '2 hours'), (7, 1, 'parked', '40 minutes'),
    (8, -1, 'done', '2 hours'), (8, 1, 'done', '1 hour'),
    (9, -1, 'done', '2 hours'), (11, 1, 'done', '9 hours'), (11, -2, 'sending', '15 minutes')
) AS m (n, type, state, age);
INSERT INTO reversal (bet_id, owner, opened_at) VALUES (11, 'run', now() - interval '20 minutes'),
                                                       (12, 'run', now() - interval '3 minutes');
INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason, state, owner, opened_at)
VALUES (20, 1, 1, 'EUR', 3, 'operator', 'a', 'r', 'issuing', NULL, now()),
       (21, 1, 1, 'JPY', 40, 'operator', 'b', 'r', 'issuing', 'run', now());
INSERT INTO jackpot (casino_id, provider_id, name, currency, category, share, seed, amount)
VALUES (1, 1, 'Grand', 'EUR', 'slots', 0.1, 0, 777);
INSERT INTO jackpot_stake (bet_id, jackpot_id, reversed, amount) VALUES (10, 1, false, 1), (11, 1, false, 1);
INSERT INTO live_game (game_type, provider_id, name_key, betting_seconds) VALUES (1, 1, 'draw', 15);
INSERT INTO live_round (game_type, edition, provider_id, round_id, state, announced_at, started_at, changed_at)
VALUES (1, 1, 1, 'r', 'review', now(), now(), now() - interval '8 minutes'),
       (1, 2, 1, 's', 'awaiting', now(), NULL, now());
RESET session_replication_role;
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.execute(BETS)
    await connection.close()
    async with open_database(Settings(database_url=SecretStr(database_url), database_pool_size=5)) as opened:
        yield opened


async def samples(gauges: DatabaseGauges) -> dict[tuple[str, ...], float]:
    """Return the samples of the metrics of open rows: by the metric, then the values of the labels by their name."""
    found = {}
    for family in text_string_to_metric_families((await gauges.exposition()).decode()):
        for one in family.samples:
            if one.name.startswith(("betcore_open", "betcore_jackpot", "betcore_live", "betcore_snapshot")):
                found[one.name, *(value for _, value in sorted(one.labels.items()))] = one.value
    return found


async def test_open_rows_are_counted_by_what_they_wait_for(database: Database) -> None:
    found = await samples(DatabaseGauges(database))
    count = {key[1:]: value for key, value in found.items() if key[0] == "betcore_open"}
    money = {key[1:]: value for key, value in found.items() if key[0] == "betcore_open_minor_units"}
    ages = {key[1:]: value for key, value in found.items() if key[0] == "betcore_open_oldest_seconds"}
    # casino, currency, provider, status, subject
    expected = {
        ("c", "EUR", "p", "open", "bet"): (2, 10_001, 60),
        ("c", "EUR", "p", "overdue", "bet"): (1, 10, 3600),
        ("c", "EUR", "p", "unknown", "bet"): (1, 1000, 30),
        ("c", "EUR", "p", "owed", "bet"): (4, 100 + 500 + 70_000 + 300_000, 7200),
        ("c", "EUR", "p", "parked", "bet"): (1, 5000, 2400),
        ("c", "EUR", "p", "unknown", "reversal"): (1, 2_000_000, 900),
        ("c", "EUR", "p", "owed", "reversal"): (1, 40_000_000, 180),
        ("c", "EUR", "", "owed", "cashback"): (1, 3, 0),
        ("c", "JPY", "", "owed", "cashback"): (1, 40, 0),
    }
    assert {key: (count[key], money[key]) for key in count} == {key: value[:2] for key, value in expected.items()}
    assert all(0 <= ages[key] - value[2] < 60 for key, value in expected.items()), ages


async def test_jackpots_and_rounds_in_review_are_shown(database: Database) -> None:
    found = await samples(DatabaseGauges(database))
    assert found["betcore_jackpot_minor_units", "c", "EUR", "Grand"] == 777
    assert found["betcore_jackpot_unbooked", "c", "EUR", "Grand"] == 2
    assert found["betcore_live_review", "1"] == 1
    assert 480 <= found["betcore_live_review_oldest_seconds", "1"] < 540
    assert {key[1] for key in found if key[0] == "betcore_snapshot_age_seconds"} == {"open", "jackpots", "live_rounds"}


async def test_rows_are_added_up_once_in_an_interval(database: Database, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    taken = "SELECT array_agg(xmin::text ORDER BY part) FROM metric_snapshot"
    await MetricSnapshots(database).take()
    first = await connection.fetchval(taken)
    # Every process that is scraped asks, at the same moment too.
    await asyncio.gather(*(MetricSnapshots(database).take() for _ in range(4)))
    assert await connection.fetchval(taken) == first
    await MetricSnapshots(database, timedelta()).take()
    assert await connection.fetchval(taken) != first
    await connection.close()


async def test_a_process_does_not_wait_for_one_that_adds_up(database: Database, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("SELECT FROM metric_snapshot FOR UPDATE")
        async with asyncio.timeout(30):
            await MetricSnapshots(database).take()
        assert await MetricSnapshots(database).shown() == []
    await connection.close()
