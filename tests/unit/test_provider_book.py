"""A provider's book against our rows: what it was answered of a jackpot is what is paid."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.database import Database, open_database
from betcore.runtime.settings import Settings
from betcore.verify.report import Report, ignore_progress
from devkit.verify.provider_book import provider_book
from tests.unit.partner_rows import PARTNERS, SESSION

POOL = """
INSERT INTO jackpot (casino_id, provider_id, name, currency, game_id, share, seed, amount)
VALUES (1, 1, 'Grand', 'EUR', 1, 0.01, 0, 0) RETURNING jackpot_id
"""
SETTLED = """
INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win, state,
                 jackpot, jackpot_id, win_paid_at, accepted_at, told_at, closed_at)
VALUES (1, $1, 1, 1, 1, 's', 'EUR', 1000, 2500, 'settled', $2, $3, now(), now(), now(), now())
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with bets that have won no jackpot, one of the provider's own, and a pool."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.execute(SESSION)
    pool = await connection.fetchval(POOL)
    for name, jackpot, of_pool in (("plain", None, None), ("own", 50000, None), ("pool", 10030, pool)):
        await connection.execute(SETTLED, name, jackpot, of_pool)
    await connection.close()
    async with open_database(Settings(database_url=SecretStr(database_url))) as found:
        yield found


Named = dict[str, Any] | None
OWN, POOL_1 = {"amount": "500.00", "pool": None}, {"amount": None, "pool": 1}


def _write(book: Path, bet: str, named: Named, answered: str | None, call: str) -> None:
    heard = {"operation": call, "code": 1, "reason": "", "definite": True, "at": "then", "jackpot": answered}
    stake = {"session_id": "s", "amount": "10.00", "win": None}
    lines = [("bet", stake), ("ending", {"win": "25.00", "jackpot": named}), ("heard", heard)]
    book.write_text("".join(json.dumps({"kind": kind, "bet_id": bet, "data": data}) + "\n" for kind, data in lines))


async def _found(
    database: Database, book: Path, bet: str, named: Named, answered: str | None, call: str = "pay-out"
) -> list[str]:
    """Return what is wrong with a bet that the book ends with this jackpot, and whose call was answered so."""
    _write(book, bet, named, answered, call)
    report = Report()
    await provider_book(book)(database, report, ignore_progress)
    assert report.checks["heard"].unchecked == []
    assert {one.check for one in report.violations} <= {"heard"}
    return [one.what for one in report.violations]


@pytest.mark.parametrize(
    ("bet", "named", "answered"),
    [("plain", None, None), ("own", OWN, "500.00"), ("own", OWN, "500"), ("pool", POOL_1, "100.30")],
)
async def test_what_was_answered_and_is_paid_holds(
    database: Database, tmp_path: Path, bet: str, named: Named, answered: str | None
) -> None:
    assert await _found(database, tmp_path / "book", bet, named, answered) == []


@pytest.mark.parametrize(
    ("bet", "named", "answered", "what"),
    [
        ("own", OWN, None, "was answered a jackpot of None at then, and 500.00 is paid"),
        ("pool", POOL_1, None, "was answered a jackpot of None at then, and 100.30 is paid"),
        ("pool", POOL_1, "100.29", "was answered a jackpot of 100.29 at then, and 100.30 is paid"),
        ("plain", None, "100.30", "was answered a jackpot of 100.30 at then, and None is paid"),
        ("plain", OWN, None, "its jackpot is 500.00 in the book, None here"),
        ("own", OWN | {"amount": "500.01"}, "500.00", "its jackpot is 500.01 in the book, 500.00 here"),
        ("pool", {"amount": None, "pool": 2}, "100.30", "its jackpot is the pool 2 in the book, the pool 1 here"),
        ("pool", OWN | {"amount": "100.30"}, "100.30", "its jackpot is 100.30 in the book, the pool 1 here"),
    ],
)
async def test_a_jackpot_that_differs_is_noticed(
    database: Database, tmp_path: Path, bet: str, named: Named, answered: str | None, what: str
) -> None:
    [found] = await _found(database, tmp_path / "book", bet, named, answered)
    assert found.endswith(what)


async def test_a_repeated_pay_in_names_no_jackpot(database: Database, tmp_path: Path) -> None:
    assert await _found(database, tmp_path / "book", "own", OWN, None, "pay-in") == []
