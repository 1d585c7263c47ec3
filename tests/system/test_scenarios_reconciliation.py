"""Edge cases 72, 82, 199 and 222: our rows and the casino's journal differ, and reconciliation compares them."""

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cashbacks import CREDIT, Cashbacks, fault
from tests.command_line import run
from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import (
    DONE,
    HASTY,
    REFUNDED,
    SETTLED,
    STAKED,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    journal_becomes,
)
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
        """Return the findings of the JSON file; the CSV file must have the same."""
        told, partner = (Path(file) for file in self.printed["files"])
        found: list[dict[str, Any]] = json.loads(told.read_text())["findings"]
        with partner.open(newline="") as lines:
            rows = [(row["finding_id"], row["kind"], row["outcome"]) for row in csv.DictReader(lines)]
        assert rows == [(str(one["finding_id"]), one["kind"], one["outcome"]) for one in found]
        return found

    @property
    def outcomes(self) -> list[tuple[int, str, str]]:
        """Type, kind and outcome of each finding."""
        return [(one["transaction_type"], one["kind"], one["outcome"]) for one in self.findings]


async def _reconcile(partner: TestPartner, **options: str) -> Ran:
    """Run the command over all bets of a partner, as an operator does."""
    (row,) = await partner.sql("SELECT clock_timestamp() AS now")
    given = {
        "casino": partner.casino,
        "from": (row.now - timedelta(days=1)).isoformat(),
        "to": row.now.isoformat(),
        "out": str(partner.stack.folder / "reports"),
    } | options
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    result = await run(partner.stack.folder, "ops", "reconcile", *words, "--json")
    return Ran(result.exit_code, json.loads(result.stdout or "{}"), result.stderr)


async def _cook(partner: TestPartner, statement: str, **given: Any) -> None:
    """Change the casino's book behind its back."""
    await partner.sql("ALTER TABLE sandbox_casino.entry DISABLE TRIGGER USER")
    await partner.sql(statement, **given)
    await partner.sql("ALTER TABLE sandbox_casino.entry ENABLE TRIGGER USER")


async def _settled(partner: TestPartner, **jackpot: str) -> str:
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    body = {"betId": bet, "winAmount": "25.00", "gameRoundId": "round-1", **jackpot}
    assert (await until(lambda: partner.post("pay-out", body))).outcome == DONE
    return bet


async def _all_compared(partner: TestPartner) -> str:
    """Return the command's line for a run that has compared every bet of the partner."""
    query = "SELECT bet_id FROM bet JOIN provider USING (provider_id) WHERE counterparty_id = :c"
    bets = len(await partner.sql(query, c=partner.counterparty_id))
    return f"{bets} of {bets} bets compared"


@pytest.mark.edge_case(72)
async def test_an_unclaimed_debit_is_returned(stack: Stack) -> None:
    """The casino takes a stake, loses the answer, and lists it only when its bet has ended without it."""
    partner = await stack.partner(provider=HASTY, casino=SHORT)
    await _settled(partner)
    await partner.faults(
        {"kind": "error", "path": MAKE, "commit": True}, {"kind": "error_code", "error_code": 103804, "path": INFO}
    )
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    refused = (await until(lambda: partner.pay_in(bet))).outcome
    assert refused == (7, "casino_unavailable")
    await partner.faults()
    assert await partner.journal(bet) == STAKED
    ran = await _reconcile(partner)
    assert (ran.status, ran.outcomes) == (0, [(-1, "missing_here", "returned")])
    assert ran.printed["coverage"] == await _all_compared(partner)
    assert ran.findings[0]["provider_bet_id"] == bet
    await journal_becomes(partner, bet, REFUNDED)
    assert await partner.incidents(bet) == ["debited_after_the_end"]
    assert (await partner.pay_in(bet)).outcome == refused
    await holds(lambda: partner.row(bet), lambda row: row.reversed_by is not None)
    assert (await _reconcile(partner)).outcomes == []
    assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(72)
async def test_what_is_owed_and_missing_is_sent_again(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=OWED)
    won, off = await bet_with_stake_taken(partner, partner.pay_in), await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "drop", "path": MAKE})
    assert (await partner.pay_out(won)).code == 99
    assert (await partner.refund(off)).code == 99
    # Both lanes have tried; the next time would be in an hour.
    await sent(partner, won, 4)
    await sent(partner, off, 4)
    await partner.faults()
    ran = await _reconcile(partner)
    assert ran.status == 0
    assert sorted(ran.outcomes) == [(1, "missing_there", "asked_the_bet"), (2, "missing_there", "asked_the_bet")]
    assert (await until(lambda: partner.pay_out(won))).outcome == DONE
    assert (await until(lambda: partner.refund(off))).outcome == DONE
    assert (await partner.journal(won), await partner.journal(off)) == (SETTLED, REFUNDED)
    assert (await _reconcile(partner)).outcomes == []


@pytest.mark.edge_case(72)
async def test_other_amounts_and_movements_are_for_a_person(stack: Stack) -> None:
    partner = await stack.partner(casino=SHORT)
    other, gone = await _settled(partner), await _settled(partner)
    buried = partner.new_bet()
    assert (await partner.refund(buried)).outcome == DONE
    await _cook(partner, f"{CHANGE} SET amount = 26 {WIN}", bet_id=(await partner.row(other)).bet_id)
    await _cook(partner, f"{CHANGE} SET bet_id = :to {WIN}", bet_id=(await partner.row(gone)).bet_id,
                to=(await partner.row(buried)).bet_id)  # fmt: skip
    kinds = ("amount", "missing_there", "missing_here")
    for _ in range(2):
        ran = await _reconcile(partner)
        assert (ran.status, ran.printed["coverage"]) == (1, await _all_compared(partner))
        assert ran.outcomes == [(1, kind, "incident") for kind in kinds]
        assert ran.printed["outcomes"] == {"incident": 3}
    # The same words are filed once, and no money has moved.
    assert await partner.incidents(other) == ["reconciliation_amount"]
    assert await partner.incidents(gone) == ["reconciliation_missing_there"]
    assert await partner.incidents(buried) == ["reconciliation_missing_here"]
    assert len(await partner.entries()) == 4


@pytest.mark.edge_case(199)
async def test_jackpots_are_compared_as_other_movements(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=OWED)
    other, gone = [await _settled(partner, jackpotAmount="500.00") for _ in range(2)]
    without = await _settled(partner)
    jackpot = WIN.replace("= 1", "= 4")
    await _cook(partner, f"{CHANGE} SET amount = 501 {jackpot}", bet_id=(await partner.row(other)).bet_id)
    await _cook(partner, f"{CHANGE} SET bet_id = :to {jackpot}", bet_id=(await partner.row(gone)).bet_id,
                to=(await partner.row(without)).bet_id)  # fmt: skip
    for _ in range(2):
        ran = await _reconcile(partner)
        kinds = ("amount", "missing_there", "missing_here")
        assert (ran.status, ran.outcomes) == (1, [(4, kind, "incident") for kind in kinds])
    assert [await partner.incidents(bet) for bet in (other, gone, without)] == [
        ["reconciliation_amount"],
        ["reconciliation_missing_there"],
        ["reconciliation_missing_here"],
    ]


@pytest.mark.edge_case(199)
async def test_a_jackpot_that_is_owed_and_missing_is_sent_again(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=OWED)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    body = {"betId": bet, "winAmount": "25.00", "gameRoundId": "round-1", "jackpotAmount": "500.00"}
    await partner.faults({"kind": "drop", "path": MAKE, "transaction_type": 4})
    assert (await partner.post("pay-out", body)).code == 99
    # Both lanes have tried; the next time would be in an hour.
    await sent(partner, bet, 5)
    await partner.faults()
    assert (await _reconcile(partner)).outcomes == [(4, "missing_there", "asked_the_bet")]
    assert (await until(lambda: partner.post("pay-out", body))).outcome == DONE
    assert await partner.journal(bet) == [*SETTLED, (4, "500.00")]
    assert (await _reconcile(partner)).outcomes == []


async def _listing(stack: Stack, casino: str) -> Cashbacks:
    """Return the cashbacks of a new casino, which lists them."""
    partner = await stack.partner(casino=casino.replace("{", "{cashback_info: true, ", 1))
    await partner.switches(cashback_info=True)
    return Cashbacks(partner)


@pytest.mark.edge_case(222)
async def test_cashbacks_of_a_casino_that_lists_them_are_compared(stack: Stack) -> None:
    cashbacks = await _listing(stack, "{effect_within: 0.5}")
    partner = cashbacks.partner
    bet = await _settled(partner)
    other, gone, extra, right = [await cashbacks.issued() for _ in range(4)]
    assert (await cashbacks.cancel(right, wait=60))["state"] == "cancelled"
    await _cook(partner, f"{CHANGE} SET amount = 6 {WIN}", bet_id=other)
    await _cook(partner, f"{CHANGE} SET bet_id = :to, transaction_type = -2 {WIN}", bet_id=gone, to=extra)
    for _ in range(2):
        ran = await _reconcile(partner)
        assert (ran.status, ran.printed["coverage"]) == (1, "5 of 5 bets compared")
        expected = [(other, 1, "amount"), (gone, 1, "missing_there"), (extra, -2, "missing_here")]
        assert [(one["bet_id"], one["transaction_type"], one["kind"]) for one in ran.findings] == expected
        assert {(one["provider"], one["outcome"]) for one in ran.findings} == {(None, "incident")}
    assert [await cashbacks.incidents(number) for number in (other, gone, extra, right)] == [
        ["reconciliation_amount"],
        ["reconciliation_missing_there"],
        ["reconciliation_missing_here"],
        [],
    ]
    assert await partner.incidents(bet) == []


@pytest.mark.edge_case(222)
async def test_a_cashback_that_is_owed_and_missing_is_sent_again(stack: Stack) -> None:
    cashbacks = await _listing(stack, OWED)
    await cashbacks.partner.faults(fault("drop", CREDIT))
    number = (await cashbacks.issue())["cashback_id"]
    # Both lanes have tried; the next time would be in an hour.
    await cashbacks.sent(number, 3)
    await cashbacks.partner.faults()
    assert (await _reconcile(cashbacks.partner)).outcomes == [(1, "missing_there", "asked_the_bet")]
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == [(1, "5.00")]
    assert (await _reconcile(cashbacks.partner)).outcomes == []


@pytest.mark.edge_case(222)
async def test_a_parked_cashback_that_the_casino_has_paid_is_found(stack: Stack) -> None:
    cashbacks = await _listing(stack, OWED)
    await cashbacks.partner.faults(fault("error_code", CREDIT, error_code=103805, commit=True))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.parked(number, CREDIT)
    await cashbacks.partner.faults()
    assert (await _reconcile(cashbacks.partner)).outcomes == [(1, "status", "asked_the_bet")]
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == [(1, "5.00")]
    assert await cashbacks.movements(number) == {1: "done"}


@pytest.mark.edge_case(222)
async def test_cashbacks_of_a_casino_that_lists_none_are_not_asked_for(stack: Stack) -> None:
    partner = await stack.partner()
    cashbacks = Cashbacks(partner)
    await cashbacks.issued()
    await _settled(partner)
    ran = await _reconcile(partner)
    assert (ran.outcomes, ran.printed["coverage"]) == ([], "1 of 1 bets compared")


@pytest.mark.edge_case(72, 133)
async def test_another_tax_is_for_a_person(stack: Stack) -> None:
    partner = await stack.partner(casino="{effect_within: 0.5, send: {tax: true}}")
    bet = await _settled(partner)
    assert (await _reconcile(partner)).outcomes == []
    bet_id = (await partner.row(bet)).bet_id
    await _cook(partner, f"{CHANGE} SET tax = 0.01 {WIN}", bet_id=bet_id)
    ran = await _reconcile(partner)
    assert (ran.status, ran.outcomes) == (1, [(1, "amount", "incident")])
    [incident] = await partner.sql("SELECT * FROM incident WHERE bet_id = :b", b=bet_id)
    assert incident.kind == "reconciliation_amount"
    assert (incident.ours["tax"], incident.theirs["tax"]) == ("0.00", "0.01")
    assert incident.theirs["reason"] == "other_tax"


@pytest.mark.edge_case(82)
async def test_a_debit_in_doubt_is_left_to_its_bet(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=IN_DOUBT)
    await partner.faults({"kind": "lost", "path": MAKE})
    there = await bet_with_unknown_outcome(partner, partner.pay_in)
    await partner.faults({"kind": "drop", "path": MAKE})
    missing = await bet_with_unknown_outcome(partner, partner.pay_in)
    ran = await _reconcile(partner)
    assert (ran.status, ran.outcomes) == (0, [(-1, *["left_to_the_bet"] * 2)] * 2)
    assert [bool(one["theirs"]) for one in ran.findings] == [True, False]
    for bet in (there, missing):
        assert (await partner.row(bet)).state == "accepting"
        assert await partner.incidents(bet) == []
    assert (await partner.journal(there), await partner.journal(missing)) == (STAKED, [])
    await partner.faults()
    for bet in (there, missing):
        assert (await until(lambda bet=bet: partner.pay_in(bet))).outcome == DONE
        assert (await until(lambda bet=bet: partner.pay_out(bet))).outcome == DONE
        assert await partner.journal(bet) == SETTLED
    assert (await _reconcile(partner)).outcomes == []


@pytest.mark.edge_case(72)
async def test_a_worker_that_dies_in_the_middle_of_a_run(stack: Stack) -> None:
    partner = await stack.partner(casino="{owed_per_second: 500, effect_within: 0.5}")
    bet = await _settled(partner)
    bet_id = (await partner.row(bet)).bet_id
    await partner.sql(TOMBSTONES, bets=249, like=bet_id)
    await _cook(partner, f"{CHANGE} SET amount = 26 {WIN}", bet_id=bet_id)
    armed, pid = stack.failpoints / "books_compared", stack.pid("worker-1")
    armed.touch()
    ran = await _reconcile(partner)
    assert not armed.exists()
    assert stack.pid("worker-1") != pid
    assert ran.printed["coverage"] == "250 of 250 bets compared"
    assert (ran.status, ran.outcomes) == (1, [(1, "amount", "incident")])
    # The killed worker's hundred bets were written down with the place it had reached: only the second look, at
    # what differs, comes twice.
    asked = [call["bet_id"] for call in await partner.calls() if call["path"] == INFO]
    assert (len(asked), len(set(asked))) == (251, 250)


@pytest.mark.edge_case(72)
async def test_a_refused_command_changes_nothing(stack: Stack) -> None:
    partner = await stack.partner()
    await _settled(partner)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for options, code in (({"casino": "nobody"}, "not_found"), ({"to": tomorrow}, "invalid_window")):
        ran = await _reconcile(partner, **options)
        assert (ran.status, ran.printed["error"]["code"]) == (1, code)
    query = "SELECT FROM reconciliation JOIN casino USING (casino_id) WHERE name = :name"
    assert await partner.sql(query, name=partner.casino) == []
