"""What the rows alone show ``verify`` of cashbacks: every valid state passes, and no other."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import product

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.database import Database, open_database
from betcore.runtime.settings import Settings
from betcore.verify.cashbacks import check_cashbacks
from betcore.verify.report import Report, ignore_progress
from tests.unit.partner_rows import PARTNERS

CASHBACK = """
INSERT INTO cashback (casino_id, player_id, currency, amount, source, key, reason, state, issued_at, cancel_asked_at,
                      cancel_reason, closed_at)
VALUES (1, 1, 'EUR', 500, 'operator', $1, 'r', $2, CASE WHEN $2 <> 'issuing' THEN now() END,
        CASE WHEN $2 LIKE 'cancel%' THEN now() END, CASE WHEN $2 LIKE 'cancel%' THEN 'r' END,
        CASE WHEN $2 IN ('issued', 'cancelled') THEN now() END)
RETURNING cashback_id
"""
MOVEMENT = "INSERT INTO movement (bet_id, transaction_type, amount, state, attempts) VALUES ($1, $2, 500, $3, 1)"
STATES = ("issuing", "issued", "cancelling", "cancelled")
MOVEMENTS = (None, "sending", "parked", "done", "paid_by_hand", "refused", "absent")
BEGUN, MADE = {None, "sending", "parked"}, {"done", "paid_by_hand"}
# The states that issue and cancel may have.
VALID: dict[str, tuple[set[str | None], set[str | None]]] = {
    "issuing": (BEGUN, {None}),
    "issued": ({*MADE}, {None, "refused", "absent"}),
    "cancelling": ({*MADE}, BEGUN),
    "cancelled": ({*MADE}, {"done"}),
}


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database_url)
    await made.execute(PARTNERS)
    yield made
    await made.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(Settings(database_url=SecretStr(database_url))) as found:
        yield found


async def _faults(database: Database) -> dict[str, set[str]]:
    report = Report()
    await check_cashbacks(database, None, report, ignore_progress)
    found: dict[str, set[str]] = {}
    for one in report.violations:
        found.setdefault(one.bet_id, set()).add(one.check)
    return found


async def test_each_state_has_its_movements_and_no_others(connection: asyncpg.Connection, database: Database) -> None:
    wrong, parked = set(), set()
    for number, (state, issue, cancel) in enumerate(product(STATES, MOVEMENTS, MOVEMENTS)):
        cashback_id = await connection.fetchval(CASHBACK, str(number), state)
        for transaction_type, its_state in ((1, issue), (-2, cancel)):
            if its_state is not None:
                await connection.execute(MOVEMENT, cashback_id, transaction_type, its_state)
        issues, cancels = VALID[state]
        if issue not in issues or cancel not in cancels:
            wrong.add(str(cashback_id))
        if "parked" in (issue, cancel):
            parked.add(str(cashback_id))
    found = await _faults(database)
    assert {number for number, checks in found.items() if "outcome" in checks} == wrong
    assert {number for number, checks in found.items() if "owed" in checks} == parked


async def test_a_movement_of_another_amount_or_type_is_found(
    connection: asyncpg.Connection, database: Database
) -> None:
    less, other = [await connection.fetchval(CASHBACK, key, "issued") for key in ("less", "other")]
    await connection.execute(MOVEMENT.replace("500", "499"), less, 1, "done")
    await connection.execute(MOVEMENT, other, 1, "done")
    await connection.execute(MOVEMENT, other, 2, "done")
    assert await _faults(database) == {str(less): {"sums"}, str(other): {"outcome"}}


async def test_what_cashbacks_come_to_is_in_the_sums(connection: asyncpg.Connection, database: Database) -> None:
    """Of the player who differs the note has the difference; a cancel that is under way has taken nothing yet."""
    moves = {"issued": {1: "done"}, "cancelling": {1: "paid_by_hand", -2: "sending"}, "issuing": {1: "sending"}}
    moves["cancelled"] = {1: "done", -2: "done"}
    for state, states in moves.items():
        cashback_id = await connection.fetchval(CASHBACK, state, state)
        for transaction_type, its_state in states.items():
            await connection.execute(MOVEMENT, cashback_id, transaction_type, its_state)
    report = Report()
    await check_cashbacks(database, None, report, ignore_progress)
    (total,) = report.sums.values()
    assert (total.casino, total.currency, total.cashbacks, total.movements) == ("c", "EUR", 4, 6)
    assert (total.issued, total.cancelled, total.says, total.moved) == (1500, 500, 1000, 1000)
    assert report.checks["sums"].notes == []
    doubled = await connection.fetchval(CASHBACK, "doubled", "issued")
    await connection.execute(MOVEMENT.replace("500", "1000"), doubled, 1, "done")
    report = Report()
    await check_cashbacks(database, None, report, ignore_progress)
    assert report.checks["sums"].notes == [
        "player 1 of c, cashbacks: 500 minor units of EUR too much",
        "c, cashbacks: 500 minor units of EUR too much",
    ]
    assert [one.as_json()["differs"] for one in report.sums.values()] == [True]


async def test_a_player_of_another_casino_is_found(connection: asyncpg.Connection, database: Database) -> None:
    await connection.execute("INSERT INTO casino (name, api_host, profile, secret) VALUES ('d', 'http://d', '{}', '')")
    stranger = await connection.fetchval(CASHBACK.replace("(1, 1, 'EUR'", "(2, 1, 'EUR'"), "k", "issuing")
    assert await _faults(database) == {str(stranger): {"identity"}}


async def test_a_cashback_of_a_rule_belongs_to_a_run_of_its_window(
    connection: asyncpg.Connection, database: Database
) -> None:
    version = await connection.fetchval(
        "INSERT INTO cashback_rule_version (casino_id, name, rule, time_zone, created_at) "
        "VALUES (1, 'weekly', '{}', 'UTC', now()) RETURNING version_id"
    )
    await connection.execute(
        "INSERT INTO cashback_rule_run (casino_id, name, version_id, period_from, period_to, excluded_games) "
        "VALUES (1, 'weekly', $1, '2026-11-02', '2026-11-09', '{}')",
        version,
    )
    made = (
        "INSERT INTO cashback (casino_id, player_id, currency, amount, source, key, reason, rule_version_id, "
        "period_from, period_to) VALUES (1, 1, 'EUR', 500, 'rule', $1, 'r', $2, '2026-11-02', $3::timestamptz) "
        "RETURNING cashback_id"
    )
    await connection.fetchval(made, "right", version, datetime(2026, 11, 9, tzinfo=UTC))
    wrong = await connection.fetchval(made, "wrong", version, datetime(2026, 11, 16, tzinfo=UTC))
    assert await _faults(database) == {str(wrong): {"identity"}}
