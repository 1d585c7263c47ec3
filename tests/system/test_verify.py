"""``python -m betcore verify`` on a running stack: nothing is violated; then one thing at a time is, and is found."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from betcore.runtime.settings import Settings
from betcore.verify.report import Report
from betcore.verify.run import verify
from betcore.verify.sources import Scope, open_sources
from betcore.verify.workflows import Timing
from devkit.stack.database_roles import url_of
from devkit.stack.folder import Folder
from devkit.verify.provider_book import provider_book
from tests import command_line
from tests.cashbacks import Cashbacks
from tests.partner import Stack, TestPartner, eventually, start_stack, until
from tests.system.scenarios import DONE, HASTY, bet_with_stake_taken, until_definite

BRISK = Timing(settled=timedelta(seconds=1), again_after=timedelta(seconds=1))
ROWS_ALONE: dict[str, Any] = {"casinos": "none", "temporal": False}
REVERSES = "refund_after_pay_out: reverse"
BROKEN = {"kind": "error", "path": "/payments/make"}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack of this file alone, which heals nothing: its sweep runs once an hour."""
    folder = tmp_path_factory.mktemp("verified")
    async with start_stack(folder, "--processes", "1", BETCORE_SWEEP_SECONDS="3600") as running:
        yield running


@pytest.fixture
async def partner(stack: Stack) -> TestPartner:
    """A partner whose provider may take back what was paid out."""
    return await stack.partner(provider=REVERSES)


async def test_what_was_played_holds(partner: TestPartner) -> None:
    bets = {name: partner.new_bet() for name in ("won", "lost", "back", "reversed", "open", "broke", "one", "taken")}
    for name in ("won", "lost", "back", "reversed", "open"):
        assert (await partner.pay_in(bets[name])).outcome == DONE
    assert (await partner.pay_out(bets["won"])).outcome == DONE
    assert (await partner.pay_out(bets["lost"], "0")).outcome == DONE
    assert (await partner.refund(bets["back"])).outcome == DONE
    assert (await partner.pay_out(bets["reversed"])).outcome == DONE
    assert await until_definite(lambda: partner.refund(bets["reversed"])) == DONE
    assert (await partner.pay_in(bets["broke"], "999999.00")).code == 4
    assert (await partner.pay_in_out(bets["one"])).outcome == DONE
    assert (await partner.pay_in_out(bets["taken"], "10.00", "0")).outcome == DONE
    assert await until_definite(lambda: partner.refund(bets["taken"])) == DONE
    assert (await partner.refund(partner.new_bet())).outcome == DONE
    for way in ("journal", "info"):
        status, said = await _run(partner.stack.folder, "--casino", way)
        assert (status, said["violations"], said["total"]) == (0, [], 0), said
        assert all(not check["unchecked"] for check in said["checks"].values())
        assert said["checks"]["outcome"]["looked_at"] >= 9
        assert said["checks"]["journal"]["looked_at"] >= 9
        assert said["checks"]["workflows"]["looked_at"] >= 1
    # By the role that reads no secrets too, which can ask no casino.
    reader = url_of(partner.stack.addresses["database"], "read", Folder(partner.stack.folder).keys())
    status, read = await _run(partner.stack.folder, "--casino", "none", BETCORE_DATABASE_URL=reader)
    assert (status, read["violations"], read["total"]) == (0, [], 0), read
    assert read["checks"]["told"]["looked_at"] >= len(bets)
    (ours,) = [one for one in said["sums"] if one["casino"] == partner.casino]
    assert (ours["staked"], ours["paid"], ours["returned"], ours["clawed_back"]) == (
        *("70.00", "75.00", "30.00"),
        "25.00",
    )
    assert (ours["says"], ours["moved"], ours["differs"]) == ("10.00", "10.00", False)


SETTLED, OPEN, REFUNDED = "settled", "open", "refunded"
DAMAGE = {
    "paid out and returned": (
        SETTLED,
        "outcome",
        "INSERT INTO movement (bet_id, transaction_type, amount, state, attempts) VALUES (:b, 2, 1000, 'done', 1)",
    ),
    "settled without its win": (SETTLED, "outcome", "DELETE FROM movement WHERE bet_id = :b AND transaction_type = 1"),
    "refused with its stake": (
        OPEN,
        "outcome",
        "UPDATE bet SET state = 'refused', refusal = 'no_money', closed_at = now() WHERE bet_id = :b",
    ),
    "a win of another amount": (
        SETTLED,
        "sums",
        "UPDATE movement SET amount = 2501 WHERE bet_id = :b AND transaction_type = 1",
    ),
    "the bet's win changed": (SETTLED, "sums", "UPDATE bet SET win = 9900 WHERE bet_id = :b"),
    "a return of bet and reversal": (
        REFUNDED,
        "identity",
        "INSERT INTO reversal (bet_id, state, closed_at) VALUES (:b, 'reversed', now())",
    ),
    "told, and the row does not know": (OPEN, "told", "UPDATE bet SET told_at = NULL WHERE bet_id = :b"),
    "paid out and untold": (SETTLED, "told", "UPDATE bet SET told_at = NULL WHERE bet_id = :b"),
    "told though it was withdrawn": (OPEN, "told", "INSERT INTO bet_event (bet_id, kind) VALUES (:b, 'withdrawn')"),
    "parked and nobody knows": (
        SETTLED,
        "owed",
        "UPDATE movement SET state = 'parked' WHERE bet_id = :b AND transaction_type = 1",
    ),
    "closed while it is carried": (
        OPEN,
        "workflows",
        "UPDATE bet SET state = 'refunded', closed_at = now() - interval '1 hour' WHERE bet_id = :b",
    ),
    "open though it is over": (
        SETTLED,
        "workflows",
        "UPDATE bet SET state = 'acceptance', closed_at = NULL WHERE bet_id = :b",
    ),
    "owed and over": (
        SETTLED,
        "owed",
        "UPDATE bet SET state = 'settling', closed_at = NULL WHERE bet_id = :b",
    ),
    "made twice at the casino": (
        SETTLED,
        "journal",
        """INSERT INTO sandbox_casino.entry (client_id, partner_user_id, bet_id, transaction_type, repetition,
                                             transaction_id, amount, balance_after)
           SELECT client_id, partner_user_id, bet_id, transaction_type, 1, transaction_id, amount, balance_after
           FROM sandbox_casino.entry WHERE bet_id = :b AND transaction_type = 1""",
    ),
    "lacking at the casino": (
        SETTLED,
        "journal",
        "DELETE FROM sandbox_casino.entry WHERE bet_id = :b AND transaction_type = 1",
    ),
    "of another amount at the casino": (
        SETTLED,
        "journal",
        "UPDATE sandbox_casino.entry SET amount = 26 WHERE bet_id = :b AND transaction_type = 1",
    ),
}


async def test_what_is_damaged_is_found_and_named(partner: TestPartner) -> None:
    bets = {damage: await _bet(partner, kind) for damage, (kind, _, _) in DAMAGE.items()}
    await _settled_down(partner)
    assert not set(bets.values()) & {one.provider_bet_id for one in (await _verified(partner.stack)).violations}
    rows = {damage: await partner.row(bet) for damage, bet in bets.items()}
    for damage, (_, _, statement) in DAMAGE.items():
        await _damage(partner, statement, b=rows[damage].bet_id)
    report = await _verified(partner.stack)
    for damage, (_, check, _) in DAMAGE.items():
        found = [one for one in report.violations if one.provider_bet_id == bets[damage]]
        assert check in {one.check for one in found}, (damage, found)
        assert {(one.bet_id, one.provider) for one in found} == {(str(rows[damage].bet_id), partner.provider)}
    assert report.exit_code == 1


async def test_another_tax_at_the_casino_is_found(stack: Stack) -> None:
    partner = await stack.partner(casino="send: {tax: true}")
    bet = await _bet(partner, SETTLED)
    await _settled_down(partner)
    assert bet not in {one.provider_bet_id for one in (await _verified(stack)).violations}
    statement = "UPDATE sandbox_casino.entry SET tax = 0.01 WHERE bet_id = :b AND transaction_type = 1"
    await _damage(partner, statement, b=(await partner.row(bet)).bet_id)
    found = [one for one in (await _verified(stack)).violations if one.provider_bet_id == bet]
    assert ["other_tax" in one.what for one in found if one.check == "journal"] == [True]


async def test_a_movement_of_no_bet_at_the_casino_is_found(partner: TestPartner) -> None:
    bet = await _bet(partner, SETTLED)
    row = await partner.row(bet)
    await _damage(
        partner,
        """INSERT INTO sandbox_casino.entry (client_id, partner_user_id, bet_id, transaction_type, transaction_id,
                                             amount, balance_after)
           SELECT client_id, partner_user_id, 900000000 + bet_id, transaction_type, transaction_id, amount,
                  balance_after FROM sandbox_casino.entry WHERE bet_id = :b AND transaction_type = -1""",
        b=row.bet_id,
    )
    found = (await _verified(partner.stack)).violations
    assert [one.check for one in found if one.bet_id == str(900_000_000 + row.bet_id)] == ["journal"]


DAMAGED_CASHBACKS = {
    "another amount": ("sums", "UPDATE movement SET amount = 501 WHERE bet_id = :c AND transaction_type = 1"),
    "issued without its credit": ("outcome", "DELETE FROM movement WHERE bet_id = :c"),
    "lacking at the casino": ("journal", "DELETE FROM sandbox_casino.entry WHERE bet_id = :c"),
    "more at the casino": ("journal", "UPDATE sandbox_casino.entry SET amount = 6 WHERE bet_id = :c"),
    "unknown to us": ("journal", "UPDATE movement SET state = 'refused' WHERE bet_id = :c"),
    "open and carried by none": (
        "workflows",
        """UPDATE cashback SET state = 'issuing', issued_at = NULL, closed_at = NULL,
                              opened_at = now() - interval '1 day'
           WHERE cashback_id = :c""",
    ),
}


async def test_cashbacks_hold_and_what_is_damaged_is_found(partner: TestPartner) -> None:
    cashbacks = Cashbacks(partner)
    numbers = {damage: await cashbacks.issued() for damage in DAMAGED_CASHBACKS}
    cancelled = await cashbacks.issued()
    assert (await cashbacks.cancel(cancelled, wait=60))["state"] == "cancelled"
    await _settled_down(partner)
    before = (await _verified(partner.stack)).violations
    assert not {str(number) for number in (*numbers.values(), cancelled)} & {one.bet_id for one in before}
    for damage, (_, statement) in DAMAGED_CASHBACKS.items():
        await _damage(partner, statement, c=numbers[damage])
    report = await _verified(partner.stack)
    for damage, (check, _) in DAMAGED_CASHBACKS.items():
        found = [one for one in report.violations if one.bet_id == str(numbers[damage])]
        assert check in {one.check for one in found}, (damage, found)
    assert str(cancelled) not in {one.bet_id for one in report.violations}


async def test_an_open_bet_whose_workflow_is_gone_is_found(partner: TestPartner) -> None:
    bet = await _bet(partner, OPEN)
    await partner.workflow(bet).terminate()
    await _settled_down(partner)
    found = [one for one in (await _verified(partner.stack, casinos="none")).violations if one.provider_bet_id == bet]
    assert [one.check for one in found] == ["workflows"]


async def test_a_win_that_is_being_tried_is_no_violation_and_one_that_is_not_is(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY)
    bet = await _bet(partner, OPEN)
    await partner.faults(BROKEN)
    assert (await partner.pay_out(bet)).code == 99

    async def owed() -> bool:
        described = await partner.workflow(bet).describe()
        return bool(described.raw_description.pending_activities)

    await eventually(owed)
    await _settled_down(partner)
    assert bet not in {one.provider_bet_id for one in (await _verified(partner.stack, casinos="none")).violations}
    await partner.workflow(bet).terminate()
    await _settled_down(partner)
    found = [one for one in (await _verified(partner.stack, casinos="none")).violations if one.provider_bet_id == bet]
    assert {one.check for one in found} == {"workflows", "owed"}


async def test_a_lost_unique_key_and_what_came_in_without_it(partner: TestPartner) -> None:
    bet = await _bet(partner, SETTLED)
    row = await partner.row(bet)
    await partner.sql("ALTER TABLE movement DROP CONSTRAINT movement_pkey")
    try:
        copied = "INSERT INTO movement SELECT * FROM movement WHERE bet_id = :b AND transaction_type = 1"
        await partner.sql(copied, b=row.bet_id)
        found = [one for one in (await _verified(partner.stack, **ROWS_ALONE)).violations if one.check == "identity"]
        assert bet in {one.provider_bet_id for one in found}
        assert any("unique key movement" in one.what for one in found)
    finally:
        twin = "DELETE FROM movement a USING movement b WHERE a.ctid > b.ctid AND a.bet_id = b.bet_id AND a.bet_id = :b"
        await _damage(partner, twin + " AND a.transaction_type = b.transaction_type", b=row.bet_id)
        await partner.sql("ALTER TABLE movement ADD PRIMARY KEY (bet_id, transaction_type)")


async def test_a_provider_s_book_with_an_answer_that_is_not_on_record(partner: TestPartner, tmp_path: Path) -> None:
    bet, book = await _bet(partner, SETTLED), tmp_path / "book.jsonl"
    stake = {"bet_id": bet, "session_id": partner.session_id, "amount": "10.00", "win": None}
    heard = {"operation": "pay-out", "code": 1, "reason": "", "definite": True, "at": "then"}
    lines = [("bet", stake), ("ending", {"win": "25.00"}), ("heard", heard)]
    _write(book, bet, lines)
    assert (await _verified(partner.stack, **ROWS_ALONE, books=[provider_book(book)])).checks["heard"].violations == 0
    _write(book, bet, [("bet", stake | {"amount": "11.00"}), ("ending", {"win": "26.00"})])
    _write(book, bet, [("heard", heard | {"operation": "refund"})], "a")
    _write(book, "never-there", [("heard", heard | {"operation": "pay-in"})], "a")
    report = await _verified(partner.stack, **ROWS_ALONE, books=[provider_book(book)])
    found = [one for one in report.violations if one.check == "heard"]
    assert [one.provider_bet_id for one in found] == [bet, bet, bet, "never-there"]
    assert report.checks["heard"].looked_at == 2


async def test_without_temporal_it_says_what_was_not_looked_at(partner: TestPartner) -> None:
    (now,) = await partner.sql("SELECT (clock_timestamp() + interval '1 day')::text AS now")
    nowhere = {"BETCORE_TEMPORAL_ADDRESS": "127.0.0.1:1"}
    folder = partner.stack.folder
    status, said = await _run(folder, "--since", now.now, "--casino", "none", **nowhere)
    assert (status, said["total"]) == (2, 0)
    assert said["checks"]["workflows"]["unchecked"]
    status, said = await _run(folder, "--since", now.now, "--casino", "none", "--no-temporal", **nowhere)
    assert (status, said["checks"]["workflows"]["left_out"]) == (0, "not wanted")
    status, said = await _run(folder, BETCORE_DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/x", **nowhere)
    assert (status, said["error"]["code"]) == (2, "unreachable")


async def test_a_casino_that_does_not_answer_is_reported_as_unchecked(partner: TestPartner) -> None:
    await partner.onboarding.add_casino(f"dead-{partner.number}", "http://127.0.0.1:1")
    check = (await _verified(partner.stack)).checks["journal"]
    assert check.unchecked == [f"the journal of dead-{partner.number}: ClientConnectorError"]


async def _bet(partner: TestPartner, kind: str) -> str:
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    if kind == SETTLED:
        assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    elif kind == REFUNDED:
        assert (await until(lambda: partner.refund(bet))).outcome == DONE
    return bet


async def _settled_down(partner: TestPartner) -> None:
    """Wait until rows are old enough to be judged: a second, by the clock that judges them."""
    query = "SELECT max(greatest(opened_at, closed_at)) < clock_timestamp() - interval '1 second' AS so FROM bet"

    async def settled() -> bool:
        return bool((await partner.sql(query))[0].so)

    await eventually(settled)


async def _damage(partner: TestPartner, statement: str, **given: Any) -> None:
    """Do what no statement of the service can do: the guards are switched off for this connection alone."""
    engine = partner.stack.engine.execution_options(isolation_level="READ COMMITTED")
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        assert (await connection.execute(text(statement), given)).rowcount


async def _verified(stack: Stack, **wanted: Any) -> Report:
    given = Scope(casinos="journal", timing=BRISK)
    async with open_sources(stack.settings, replace(given, **wanted)) as sources:
        return await verify(sources)


def _write(book: Path, bet: str, lines: list[tuple[str, dict[str, Any]]], mode: str = "w") -> None:
    with book.open(mode) as file:
        for kind, data in lines:
            file.write(json.dumps({"kind": kind, "bet_id": bet, "data": data}) + "\n")


async def _run(folder: Path, *options: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run the command as an operator does."""
    if "BETCORE_DATABASE_URL" not in environment and "BETCORE_TEMPORAL_ADDRESS" in environment:
        settings = Settings(data_dir=folder)
        assert settings.database_url is not None
        environment["BETCORE_DATABASE_URL"] = settings.database_url.get_secret_value()
    result = await command_line.run(folder, "verify", "--json", *options, **environment)
    return result.exit_code, json.loads(result.stdout)
