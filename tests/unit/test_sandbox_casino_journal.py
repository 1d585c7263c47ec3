"""The sandbox casino's journal: that it balances, that it stays, and that its audit is worth something."""

import asyncio

import asyncpg
import pytest

from devkit.sandbox.casino.database import create_schema
from tests.unit.sandbox_casino_support import Casino, Sandbox, new_bet


async def test_a_reset_is_an_entry_and_keeps_the_currency(casino: Casino) -> None:
    await casino.open_player(balance="30.00", decimals=2)
    entries = await casino.control("GET", "/_journal", partner_user_id="alice")
    assert [(one["bet_id"], one["amount"]) for one in entries] == [(None, "100.00"), (None, "-70.00")]
    body = {
        "partner_client_id": f"PartnerClient-{casino.client_id}",
        "partner_user_id": "alice",
        "currency": "USD",
        "balance": "1.00",
    }
    async with casino.http.post(f"{casino.url}/_players", json=body) as answer:
        assert answer.status == 409
    assert await casino.balance() == "30.00"


async def test_the_journal_can_be_read_in_pages(casino: Casino) -> None:
    await casino.make(new_bet(), -1, "1.00")
    first = await casino.control("GET", "/_journal", limit=1)
    rest = await casino.control("GET", "/_journal", after=first[0]["id"])
    assert [one["transaction_type"] for one in (*first, *rest)] == [None, -1]


async def test_the_audit_finds_crooked_books(sandbox: Sandbox) -> None:
    casino = sandbox.new_casino()
    await casino.open_player()
    await casino.make(new_bet(), -1, "10.00")
    audit = await casino.control("GET", "/_audit")
    assert (audit["balanced"], audit["entries"]) == (True, 2)
    assert audit["sum_by_account"] == {"house:EUR": "-90.00", "player:alice": "90.00"}
    await sandbox.pool.execute(
        "UPDATE sandbox_casino.player SET balance = balance + 1 WHERE client_id = $1", casino.client_id
    )
    assert (await casino.control("GET", "/_audit"))["wrong_balances"] == ["alice"]
    entry = (await casino.control("GET", "/_journal"))[0]["id"]
    await sandbox.pool.execute("INSERT INTO sandbox_casino.posting VALUES ($1, 'house:lost', 1)", entry)
    audit = await casino.control("GET", "/_audit")
    assert (audit["balanced"], audit["unbalanced_entries"]) == (False, [entry])


async def test_the_journal_is_only_added_to(sandbox: Sandbox, casino: Casino) -> None:
    await casino.make(new_bet(), -1, "10.00")
    for table in ("entry", "posting"):
        with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
            await sandbox.pool.execute(f"UPDATE sandbox_casino.{table} SET amount = 0")  # noqa: S608
        with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
            await sandbox.pool.execute(f"DELETE FROM sandbox_casino.{table}")  # noqa: S608


async def test_servers_that_start_together_make_one_schema(sandbox: Sandbox) -> None:
    await asyncio.gather(*(create_schema(sandbox.pool) for _ in range(4)))
    assert await sandbox.pool.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'sandbox_casino'") == 1
