"""smoke"""

import asyncio, os, signal
import pytest
from tests.table import Table, Stack, until


@pytest.mark.row(1, 5)
async def test_one(table: Table) -> None:
    bet = table.new_bet()
    assert (await table.pay_in(bet)).code == 1
    assert (await table.pay_in(bet)).code == 1
    assert (await table.pay_out(bet)).code == 1
    assert (await table.pay_out(bet)).code == 1
    assert await table.journal(bet) == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.row(66)
async def test_killed_between_answer_and_record(stack: Stack) -> None:
    table = await stack.table()
    bet = table.new_bet()
    (stack.failpoints / "debit_answered").touch()
    first = await table.pay_in(bet)
    assert not (stack.failpoints / "debit_answered").exists()
    assert (await until(lambda: table.pay_in(bet))).code == 1
    (stack.failpoints / "credit_answered").touch()
    await table.pay_out(bet)
    assert (await until(lambda: table.pay_out(bet))).code == 1
    assert await table.journal(bet) == [(-1, "10.00"), (1, "25.00")]
    attempts = await table.sql(
        "SELECT attempts FROM movement JOIN bet USING (bet_id) WHERE provider_bet_id = :b ORDER BY 1", b=bet
    )
    print(first, attempts)
