"""Runs and findings in their tables, the command's refusals, and its reports."""

import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from betcore.cli import reconcile as command
from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.engine import create_engine
from betcore.db.incidents import KINDS
from betcore.db.reconciliations import Reconciliations
from betcore.domain.compared_rows import OurBet, Ours, UnreadBet
from betcore.domain.reconciliation import Difference, Kind, Outcome, Reconcile, Run, Wanted
from betcore.runtime.settings import Settings
from tests.unit.partner_database import refused

HOUR = timedelta(hours=1)
PARTNERS = """
WITH p AS (INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
           VALUES ('11111111-2222-4333-8444-555555555555', 'p', 'http://p', '{}', '') RETURNING provider_id),
     c AS (INSERT INTO casino (name, api_host, profile, secret)
           VALUES ('c', 'http://c', '{}', ''), ('d', 'http://d', '{}', '') RETURNING casino_id),
     g AS (INSERT INTO game (provider_id, provider_game_id, name) SELECT provider_id, 'g', 'g' FROM p RETURNING 1)
INSERT INTO player (casino_id, partner_user_id) SELECT casino_id, 'anna' FROM c
"""
# Bets of casino 1 a minute apart, the last one a minute ago; the odd ones are tombstones. Small BetIds stay valid.
BETS = """
WITH made AS (
    INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake,
                     state, opened_at, closed_at)
    SELECT :start + n, 1, 'bet-' || n, 1, 1, 1, 's', 'EUR', CASE WHEN n % 2 = 0 THEN 1000 END,
           CASE WHEN n % 2 = 0 THEN 'acceptance' ELSE 'refunded' END,
           now() - make_interval(mins => 1 + :bets - n), CASE WHEN n % 2 = 1 THEN now() END
    FROM generate_series(1, :bets) AS n ORDER BY n
    RETURNING bet_id, stake
)
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
SELECT bet_id, -1, stake, 'done', 1 FROM made WHERE stake IS NOT NULL
"""

# Two minutes old, with numbers behind those of the bets.
CASHBACKS = """
INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason, opened_at)
SELECT n, 1, 1, 'EUR', 500, 'operator', 'operator:' || n, 'a test', now() - interval '2 minutes'
FROM unnest(ARRAY[100, 101]) AS n
"""
LISTS_CASHBACKS = """UPDATE casino SET profile = '{"cashback_info": true}' WHERE name = 'c'"""


class Books:
    """A database with two casinos, and bets of one of them."""

    def __init__(self, database: Database, engine: AsyncEngine) -> None:
        self.engine = engine
        self.runs = Reconciliations(database)

    async def sql(self, statement: str, **given: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            result = await connection.execute(text(statement), given)
            return list(result) if result.returns_rows else []

    async def open(self, minutes: int = 60, workflow_id: str = "w") -> Run:
        """Open the run over the bets of the last minutes."""
        (row,) = await self.sql("SELECT now() AS now")
        order = Reconcile(casino_id=1, opened_from=row.now - timedelta(minutes=minutes), opened_to=row.now)
        return await self.runs.open(Wanted(order, workflow_id))


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    settings = Settings(database_url=SecretStr(database_url), database_pool_size=5)
    engine = create_engine(settings)
    async with open_database(settings) as database:
        found = Books(database, engine)
        await found.sql(PARTNERS)
        await found.sql(BETS, bets=10, start=0)
        yield found
    await engine.dispose()


def _difference(kind: Kind = Kind.MISSING_THERE, remedy: Outcome = Outcome.INCIDENT) -> Difference:
    return Difference(-1, kind, remedy, {"amount": "EUR 10.00"}, {})


def _found(bets: list[Ours | UnreadBet], remedy: Outcome = Outcome.INCIDENT) -> list[tuple[int, Difference]]:
    return [(bet.bet_id, _difference(remedy=remedy)) for bet in bets]


async def test_a_run_covers_the_bets_of_its_window(books: Books) -> None:
    run = await books.open(minutes=5)
    assert (run.bets, run.compared, run.last_bet_id) == (4, 0, 6)
    assert (await books.open(minutes=60)).reconciliation_id == run.reconciliation_id, "the workflow's run stands"
    bets = await books.runs.behind(run, 3)
    read = [bet for bet in bets if isinstance(bet, OurBet)]
    assert [(bet.bet_id, bet.key.provider_bet_id, len(bet.movements)) for bet in read] == [
        (7, "bet-7", 0),
        (8, "bet-8", 1),
        (9, "bet-9", 0),
    ]
    assert (read[1].partner_user_id, str(read[1].movements[0].amount)) == ("anna", "10.00")
    assert [bet.bet_id for bet in await books.runs.bets([9, 8])] == [8, 9]


@pytest.mark.edge_case(97)
async def test_a_bet_that_cannot_be_read_keeps_no_other_back(books: Books) -> None:
    await books.sql("ALTER TABLE bet DISABLE TRIGGER USER")
    await books.sql("UPDATE bet SET currency = 'LOST' WHERE bet_id = 8")
    run = await books.open(minutes=5)
    bets = await books.runs.behind(run, 100)
    assert [bet.bet_id for bet in bets] == [7, 8, 9, 10]
    assert bets[1] == UnreadBet(8, "unknown currency 'LOST'")
    moved = await books.runs.compared(run, bets, [])
    assert moved is not None
    assert moved.compared == 4


async def test_parallel_opens_begin_one_run(books: Books) -> None:
    runs = await asyncio.gather(*(books.open() for _ in range(8)))
    assert len({run.reconciliation_id for run in runs}) == 1


async def test_of_two_attempts_one_writes(books: Books) -> None:
    run = await books.open()
    bets = await books.runs.behind(run, 4)
    attempts = await asyncio.gather(*(books.runs.compared(run, bets, _found(bets)) for _ in range(5)))
    (moved,) = [one for one in attempts if one is not None]
    assert (moved.compared, moved.last_bet_id) == (4, 4)
    assert len(await books.sql("SELECT * FROM finding")) == 4
    assert [bet.bet_id for bet in await books.runs.behind(moved, 100)] == [5, 6, 7, 8, 9, 10]


async def test_a_run_does_not_end_before_all_is_compared(books: Books) -> None:
    run = await books.open()
    moved = await books.runs.compared(run, await books.runs.behind(run, 9), [])
    with pytest.raises(RuntimeError, match="has not compared all"):
        await books.runs.end(run.reconciliation_id)
    assert moved is not None
    await books.runs.compared(moved, await books.runs.behind(moved, 9), [])
    for _ in range(2):
        await books.runs.end(run.reconciliation_id)
    assert (await books.runs.run(run.reconciliation_id)).ended_at is not None


async def test_a_bet_that_came_late_is_counted(books: Books) -> None:
    run = await books.open()
    await books.sql(BETS.replace("'bet-'", "'late-'"), bets=1, start=100)
    moved = await books.runs.compared(run, await books.runs.behind(run, 100), [])
    assert moved is not None
    assert (moved.compared, moved.bets) == (11, 11)


async def test_findings_wait_for_the_second_look(books: Books) -> None:
    run = await books.open()
    bets = await books.runs.behind(run, 10)
    await books.runs.compared(run, bets, _found(bets[:3]) + _found(bets[3:], Outcome.LEFT_TO_THE_BET))
    number = run.reconciliation_id
    assert await books.runs.any_open(number)
    waiting = await books.runs.open_findings(number, 0, 2)
    assert [finding.bet_id for finding in waiting] == [1, 2]
    (last,) = await books.runs.open_findings(number, waiting[-1].finding_id, 2)
    changed = _difference(Kind.AMOUNT)
    await books.runs.decide([(waiting[0].finding_id, "noted", None), (waiting[1].finding_id, "incident", changed)])
    await books.runs.decide([(last.finding_id, "incident", _difference()), (waiting[0].finding_id, "returned", None)])
    assert not await books.runs.any_open(number)
    summary = await books.runs.summary(number)
    assert summary.outcomes == {"noted": 1, "incident": 2, "left_to_the_bet": 7}
    assert summary.kinds == {"missing_there": 9, "amount": 1}


async def test_windows_that_are_refused(books: Books) -> None:
    now = datetime.now(UTC)
    with refused("not_found"):
        await books.runs.wanted("nobody", now - HOUR, now)
    for window in ((now, now), (now, now - HOUR), (now - HOUR, now + HOUR)):
        with refused("invalid_window"):
            await books.runs.wanted("c", *window)
    assert await books.sql("SELECT * FROM reconciliation") == []


async def test_a_window_that_was_compared_is_compared_again_under_another_id(books: Books) -> None:
    window = datetime.now(UTC) - 2 * HOUR, datetime.now(UTC) - HOUR
    first = await books.runs.wanted("c", *window)
    run = await books.runs.open(first)
    assert (await books.runs.wanted("c", *window)).workflow_id == first.workflow_id, "joins what has not ended"
    await books.runs.end(run.reconciliation_id)
    assert (await books.runs.wanted("c", *window)).workflow_id == f"{first.workflow_id}:2"


async def test_cashbacks_are_compared_at_a_casino_that_lists_them(books: Books) -> None:
    await books.sql(CASHBACKS)
    run = await books.open(minutes=5, workflow_id="without")
    assert (run.bets, run.cashbacks) == (4, False)
    assert [one.bet_id for one in await books.runs.behind(run, 100)] == [7, 8, 9, 10]
    await books.sql(LISTS_CASHBACKS)
    assert not (await books.open(minutes=5, workflow_id="without")).cashbacks, "a run stays as it has begun"
    run = await books.open(minutes=5, workflow_id="with")
    assert (run.bets, run.cashbacks) == (6, True)
    seen: list[int] = []
    while found := await books.runs.behind(run, 3):
        seen += [one.bet_id for one in found]
        moved = await books.runs.compared(run, found, _found(found))
        assert moved is not None
        run = moved
    assert seen == [7, 8, 9, 10, 100, 101]
    assert [one.bet_id for one in await books.runs.named([101, 9])] == [9, 101]
    await books.runs.end(run.reconciliation_id)
    findings = [one async for one in books.runs.findings(run.reconciliation_id)]
    assert [(one["bet_id"], one["provider"]) for one in findings[-3:]] == [(10, "p"), (100, None), (101, None)]


async def test_the_schedule_compares_a_casino_that_has_cashbacks_alone(books: Books) -> None:
    await books.sql(CASHBACKS.replace(", 1, 1,", ", 2, 2,", 1))
    assert {wanted.order.casino_id for wanted in await books.runs.due(timedelta(minutes=1))} == {1}
    await books.sql(LISTS_CASHBACKS.replace("'c'", "'d'"))
    assert {wanted.order.casino_id for wanted in await books.runs.due(timedelta(minutes=1))} == {1, 2}


async def test_a_finding_is_of_a_bet_or_a_cashback(books: Books) -> None:
    run = await books.open()
    with pytest.raises(DatabaseError, match="there is no bet and no cashback 77"):
        await books.runs.compared(run, await books.runs.behind(run, 1), [(77, _difference())])


async def test_the_schedule_leaves_young_bets_and_idle_casinos_alone(books: Books) -> None:
    assert await books.runs.due(HOUR) == []
    (wanted,) = await books.runs.due(timedelta(minutes=5))
    assert wanted.order.casino_id == 1
    by_hand = await books.open(workflow_id="reconciliation:c:x:y")
    assert (await books.runs.due(timedelta(minutes=5)))[0].order.opened_from == wanted.order.opened_from
    assert by_hand.bets == 10
    run = await books.runs.open(wanted)
    assert run.bets == 6
    (again,) = await books.runs.due(timedelta(minutes=5))
    assert again == wanted, "one that has not ended comes first"
    await books.runs.compared(run, await books.runs.behind(run, 100), [])
    await books.runs.end(run.reconciliation_id)
    (following,) = await books.runs.due(timedelta(minutes=2))
    assert following.order.opened_from == wanted.order.opened_to


async def test_reports_hold_every_finding(books: Books, tmp_path: Path) -> None:
    await books.sql(BETS.replace("'bet-'", "'more-'"), bets=1200, start=100)
    run = await books.open(minutes=100_000)
    bets = await books.runs.behind(run, 2000)
    await books.runs.compared(run, bets, _found(bets))
    head = {"reconciliation_id": run.reconciliation_id, "casino": "c"}
    told, table = await command._write(books.runs, tmp_path, head)
    read = json.loads(told.read_text())
    assert read["casino"] == "c"
    assert [finding["bet_id"] for finding in read["findings"]] == [bet.bet_id for bet in bets]
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [int(row["bet_id"]) for row in rows] == [bet.bet_id for bet in bets]
    assert (json.loads(rows[0]["ours"]), rows[0]["outcome"]) == ({"amount": "EUR 10.00"}, "")
    assert sorted(os.listdir(tmp_path)) == [table.name, told.name]


def test_incidents_of_every_kind_that_needs_a_person_are_known() -> None:
    needs_one = {Kind.MISSING_THERE, Kind.MISSING_HERE, Kind.AMOUNT, Kind.STATUS}
    assert {f"reconciliation_{kind}" for kind in needs_one} == {kind for kind in KINDS if "reconciliation" in kind}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"--casino": "nobody"}, "not_found"),
        ({"--from": "2026-11-23"}, "invalid_window"),
        ({"--from": "2027-13-01"}, "invalid_time"),
        ({"--to": "noon"}, "invalid_time"),
        ({"--to": "2999-01-01"}, "invalid_window"),
        ({"--out": "/dev/null/here"}, "invalid_folder"),
        ({}, "no_temporal"),
    ],
)
async def test_the_command_refuses_and_changes_nothing(
    books: Books, database_url: str, tmp_path: Path, given: dict[str, str], code: str
) -> None:
    app = typer.Typer()
    app.command()(command.reconcile)
    options = {"--casino": "c", "--from": "2020-11-22", "--to": "2020-11-22T10:00:00Z", "--out": str(tmp_path)} | given
    environment = {"BETCORE_DATABASE_URL": database_url, "BETCORE_DATA_DIR": str(tmp_path)}
    words = [word for pair in options.items() for word in pair]
    ran = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"], env=environment)
    assert ran.exit_code == 1, ran
    assert json.loads(ran.stdout)["error"]["code"] == code
    assert await books.sql("SELECT * FROM reconciliation") == []
