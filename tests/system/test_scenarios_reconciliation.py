"""Edge cases 72 and 82: our rows and the casino's journal differ, and reconciliation compares them."""

import asyncio
import csv
import json
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.system.scenarios import DONE, HASTY, REFUNDED, SETTLED, STAKED, journal_is, taken, undecided
from tests.table import ROOT, Stack, Table, until
from tests.watch import holds, sent

MAKE, INFO = "/payments/make", "/payments/info"
# Nothing that was sent can take effect long after: absence is certain within two seconds of the deadline.
SHORT = (
    "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.5, attempt_timeout: 0.5, retry: {first: 0.1, cap: 0.3}}"
)
# A debit in doubt stays in doubt; what is owed is tried again by itself in an hour.
IN_DOUBT = "{message_lifetime: 90, effect_within: 0.5, retry: {first: 0.1, cap: 0.3}}"
OWED = "{effect_within: 0.5, retry: {first: 3600, cap: 3600}}"
CHANGE, WIN = "UPDATE sandbox_casino.entry", "WHERE bet_id = :bet_id AND transaction_type = 1"
TOMBSTONES = """
INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, state, closed_at)
SELECT bet.provider_id, 'buried-' || n, casino_id, player_id, game_id, session_id, currency, 'refunded', now()
FROM bet, generate_series(1, :bets) AS n WHERE bet_id = :like
"""


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """What reconciliation has found is soon taken up."""
    return sweeping


@dataclass(frozen=True)
class Ran:
    """What the command printed, its status, and the findings of both of its files."""

    status: int
    printed: dict[str, Any]
    errors: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        """As the JSON file has them; the CSV file must have the same."""
        told, table = (Path(file) for file in self.printed["files"])
        found: list[dict[str, Any]] = json.loads(told.read_text())["findings"]
        with table.open(newline="") as lines:
            rows = [(row["finding_id"], row["kind"], row["outcome"]) for row in csv.DictReader(lines)]
        assert rows == [(str(one["finding_id"]), one["kind"], one["outcome"]) for one in found]
        return found

    @property
    def said(self) -> list[tuple[int, str, str]]:
        """Type, kind and outcome of each finding."""
        return [(one["transaction_type"], one["kind"], one["outcome"]) for one in self.findings]


async def _reconcile(table: Table, **options: str) -> Ran:
    """The command over all bets of a table, as an operator runs it."""
    (row,) = await table.sql("SELECT clock_timestamp() AS now")
    given = {
        "casino": table.casino,
        "from": (row.now - timedelta(days=1)).isoformat(),
        "to": row.now.isoformat(),
        "out": str(table.stack.folder / "reports"),
    } | options
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "betcore", "ops", "reconcile", *words, "--json"),
        cwd=ROOT,
        env={**os.environ, "BETCORE_DATA_DIR": str(table.stack.folder)},
        stdout=PIPE,
        stderr=PIPE,
    )
    printed, errors = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, json.loads(printed or "{}"), errors.decode())


async def _cook(table: Table, statement: str, **given: Any) -> None:
    """Change the casino's book behind its back."""
    await table.sql("ALTER TABLE sandbox_casino.entry DISABLE TRIGGER USER")
    await table.sql(statement, **given)
    await table.sql("ALTER TABLE sandbox_casino.entry ENABLE TRIGGER USER")


async def _settled(table: Table) -> str:
    bet = await taken(table, table.pay_in)
    assert (await until(lambda: table.pay_out(bet))).said == DONE
    return bet


async def _all_compared(table: Table) -> str:
    """What the command says that has looked at every bet of the table."""
    query = "SELECT bet_id FROM bet JOIN provider USING (provider_id) WHERE counterparty_id = :c"
    bets = len(await table.sql(query, c=table.counterparty_id))
    return f"{bets} of {bets} bets compared"


@pytest.mark.edge_case(72)
async def test_a_debit_that_nobody_claims_is_returned(stack: Stack) -> None:
    """The casino takes a stake, loses the answer, and lists it only when its bet has ended without it."""
    table = await stack.table(provider=HASTY, casino=SHORT)
    await _settled(table)
    await table.faults(
        {"kind": "error", "path": MAKE, "commit": True}, {"kind": "error_code", "error_code": 103804, "path": INFO}
    )
    bet = await undecided(table, table.pay_in)
    refused = (await until(lambda: table.pay_in(bet))).said
    assert refused == (7, "casino_unavailable")
    await table.faults()
    assert await table.journal(bet) == STAKED
    ran = await _reconcile(table)
    assert (ran.status, ran.said) == (0, [(-1, "missing_here", "returned")])
    assert ran.printed["coverage"] == await _all_compared(table)
    assert ran.findings[0]["provider_bet_id"] == bet
    await journal_is(table, bet, REFUNDED)
    assert await table.incidents(bet) == ["debited_after_the_end"]
    assert (await table.pay_in(bet)).said == refused
    await holds(lambda: table.row(bet), lambda row: row.reversed_by is not None)
    assert (await _reconcile(table)).said == []
    assert await table.journal(bet) == REFUNDED


@pytest.mark.edge_case(72)
async def test_what_is_owed_and_missing_is_sent_again(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=OWED)
    won, off = await taken(table, table.pay_in), await taken(table, table.pay_in)
    await table.faults({"kind": "drop", "path": MAKE})
    assert (await table.pay_out(won)).code == 99
    assert (await table.refund(off)).code == 99
    # Both lanes have tried; the next time would be in an hour.
    await sent(table, won, 4)
    await sent(table, off, 4)
    await table.faults()
    ran = await _reconcile(table)
    assert ran.status == 0
    assert sorted(ran.said) == [(1, "missing_there", "asked_the_bet"), (2, "missing_there", "asked_the_bet")]
    assert (await until(lambda: table.pay_out(won))).said == DONE
    assert (await until(lambda: table.refund(off))).said == DONE
    assert (await table.journal(won), await table.journal(off)) == (SETTLED, REFUNDED)
    assert (await _reconcile(table)).said == []


@pytest.mark.edge_case(72)
async def test_other_amounts_and_movements_are_for_a_person(stack: Stack) -> None:
    table = await stack.table(casino=SHORT)
    other, gone = await _settled(table), await _settled(table)
    buried = table.new_bet()
    assert (await table.refund(buried)).said == DONE
    await _cook(table, f"{CHANGE} SET amount = 26 {WIN}", bet_id=(await table.row(other)).bet_id)
    await _cook(table, f"{CHANGE} SET bet_id = :to {WIN}", bet_id=(await table.row(gone)).bet_id,
                to=(await table.row(buried)).bet_id)  # fmt: skip
    kinds = ("amount", "missing_there", "missing_here")
    for _ in range(2):
        ran = await _reconcile(table)
        assert (ran.status, ran.printed["coverage"]) == (1, await _all_compared(table))
        assert ran.said == [(1, kind, "incident") for kind in kinds]
        assert ran.printed["outcomes"] == {"incident": 3}
    # The same words are filed once, and no money has moved.
    assert await table.incidents(other) == ["reconciliation_amount"]
    assert await table.incidents(gone) == ["reconciliation_missing_there"]
    assert await table.incidents(buried) == ["reconciliation_missing_here"]
    assert len(await table.entries()) == 4


@pytest.mark.edge_case(82)
async def test_a_debit_in_doubt_is_left_to_its_bet(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=IN_DOUBT)
    await table.faults({"kind": "lost", "path": MAKE})
    there = await undecided(table, table.pay_in)
    await table.faults({"kind": "drop", "path": MAKE})
    missing = await undecided(table, table.pay_in)
    ran = await _reconcile(table)
    assert (ran.status, ran.said) == (0, [(-1, *["left_to_the_bet"] * 2)] * 2)
    assert [bool(one["theirs"]) for one in ran.findings] == [True, False]
    for bet in (there, missing):
        assert (await table.row(bet)).state == "accepting"
        assert await table.incidents(bet) == []
    assert (await table.journal(there), await table.journal(missing)) == (STAKED, [])
    await table.faults()
    for bet in (there, missing):
        assert (await until(lambda bet=bet: table.pay_in(bet))).said == DONE
        assert (await until(lambda bet=bet: table.pay_out(bet))).said == DONE
        assert await table.journal(bet) == SETTLED
    assert (await _reconcile(table)).said == []


@pytest.mark.edge_case(72)
async def test_a_worker_that_dies_in_the_middle_of_a_run(stack: Stack) -> None:
    table = await stack.table(casino="{owed_per_second: 500, effect_within: 0.5}")
    bet = await _settled(table)
    bet_id = (await table.row(bet)).bet_id
    await table.sql(TOMBSTONES, bets=249, like=bet_id)
    await _cook(table, f"{CHANGE} SET amount = 26 {WIN}", bet_id=bet_id)
    armed, pid = stack.failpoints / "books_compared", stack.pid("worker-1")
    armed.touch()
    ran = await _reconcile(table)
    assert not armed.exists()
    assert stack.pid("worker-1") != pid
    assert ran.printed["coverage"] == "250 of 250 bets compared"
    assert (ran.status, ran.said) == (1, [(1, "amount", "incident")])
    # The killed worker's hundred bets were written down with the place it had reached: only the second look, at
    # what differs, comes twice.
    asked = [call["bet_id"] for call in await table.calls() if call["path"] == INFO]
    assert (len(asked), len(set(asked))) == (251, 250)


@pytest.mark.edge_case(72)
async def test_a_refused_command_changes_nothing(stack: Stack) -> None:
    table = await stack.table()
    await _settled(table)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for options, code in (({"casino": "nobody"}, "not_found"), ({"to": tomorrow}, "invalid_window")):
        ran = await _reconcile(table, **options)
        assert (ran.status, ran.printed["error"]["code"]) == (1, code)
    query = "SELECT FROM reconciliation JOIN casino USING (casino_id) WHERE name = :name"
    assert await table.sql(query, name=table.casino) == []
