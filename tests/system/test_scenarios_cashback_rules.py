"""Rules of cashback over real bets: what players have lost comes back once, however often and wherever a rule runs."""

import json
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import ScheduleOverlapPolicy

from betcore.domain.ids import cashback_rule_workflow_id
from betcore.temporal.schedules import CASHBACK_RULES, CASHBACKS
from tests.command_line import run
from tests.partner import Stack, TestPartner, eventually, until

WEEKLY = "{retry: {first: 0.1, cap: 0.3}, cashback_rules: [{name: weekly, share: 0.1}]}"
# As if all that this casino has were of eight days ago, and its rule a week older: its window has ended.
AGED = """
SET LOCAL session_replication_role = replica;
UPDATE movement SET ended_at = ended_at - interval '8 days' FROM bet
WHERE bet.bet_id = movement.bet_id AND casino_id = {0};
UPDATE reversal SET closed_at = reversal.closed_at - interval '8 days' FROM bet
WHERE bet.bet_id = reversal.bet_id AND casino_id = {0};
UPDATE bet SET closed_at = closed_at - interval '8 days' WHERE casino_id = {0};
UPDATE cashback_rule_version SET created_at = created_at - interval '15 days' WHERE casino_id = {0}
"""
RUNS = "SELECT r.* FROM cashback_rule_run r JOIN casino USING (casino_id) WHERE casino.name = :casino ORDER BY run_id"
CASHBACKS_OF = """
SELECT c.*, partner_user_id FROM cashback c JOIN player USING (player_id) JOIN casino ON casino.casino_id = c.casino_id
WHERE casino.name = :casino ORDER BY partner_user_id
"""


async def _aged(partner: TestPartner) -> None:
    [casino] = await partner.sql("SELECT casino_id FROM casino WHERE name = :name", name=partner.casino)
    engine = partner.stack.engine.execution_options(isolation_level="READ COMMITTED")
    async with engine.begin() as connection:
        for statement in AGED.format(casino.casino_id).split(";"):
            await connection.execute(text(statement))


async def _round(stack: Stack) -> None:
    """Let both schedules fire at once: the one that begins windows, and the one that starts cashbacks."""
    for name in (CASHBACK_RULES, CASHBACKS):
        await stack.client.get_schedule_handle(name).trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)


async def _issued(partner: TestPartner, players: list[str]) -> list[Any]:
    """Wait until these players, and no others, have a cashback that is issued; return the rows."""

    async def all_issued() -> bool:
        await _round(partner.stack)
        rows = await partner.sql(CASHBACKS_OF, casino=partner.casino)
        return [row.partner_user_id for row in rows] == players and all(row.state == "issued" for row in rows)

    await eventually(all_issued)
    return await partner.sql(CASHBACKS_OF, casino=partner.casino)


async def _paid(partner: TestPartner) -> list[tuple[str, str]]:
    """Return player and amount of each cashback in the casino's journal."""
    entries = [entry for entry in await partner.entries() if entry["cashback"]]
    return sorted((entry["partner_user_id"], entry["amount"]) for entry in entries)


async def _lost(partner: TestPartner, stake: str, session: str | None = None) -> None:
    answer = await partner.pay_in_out(partner.new_bet(), stake, "0.00", session=session)
    assert answer.code == 1, answer


async def _command(partner: TestPartner, *arguments: str) -> Any:
    result = await run(partner.stack.folder, "cashback", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.edge_case(230, 231, 233, 237)
async def test_a_weekly_rule_pays_each_player_once_however_often_it_runs(stack: Stack) -> None:
    partner = await stack.partner(casino=WEEKLY)
    ben, carl = await partner.seat("ben"), await partner.seat("carl")
    await _lost(partner, "100.00")
    won, refunded, left_open = partner.new_bet(), partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in_out(won, "10.00", "25.05")).code == 1
    assert (await partner.pay_in(refunded, "50.00")).code == 1
    assert (await partner.refund(refunded)).code == 1
    await _lost(partner, "0.19", ben)
    assert (await partner.pay_in_out(partner.new_bet(), "10.00", "25.00", session=carl)).code == 1
    assert (await partner.pay_in(left_open, "30.00", session=carl)).code == 1
    await _aged(partner)
    # 160.00 of stakes, 50.00 returned, 25.05 won: 84.95 are lost. Of ben's 19 cents a tenth is one and nine tenths.
    rows = await _issued(partner, ["anna", "ben"])
    assert await _paid(partner) == [("anna", "8.49"), ("ben", "0.01")]

    first = (await partner.sql(RUNS, casino=partner.casino))[0]
    workflow = stack.client.get_workflow_handle(cashback_rule_workflow_id(first.run_id, 1))
    assert (await (await workflow.describe()).static_summary() or "").startswith("rule weekly of casino ")

    again = ("rule", "run", "--casino", partner.casino, "--name", "weekly", "--again")
    for _ in range(3):
        await _round(stack)
    for _ in range(2):
        assert (await _command(partner, *again))["runs"][0]["contradicted"] == 0
    assert await partner.sql(CASHBACKS_OF, casino=partner.casino) == rows
    assert await _paid(partner) == [("anna", "8.49"), ("ben", "0.01")]

    explained = await _command(partner, "explain", str(rows[0].cashback_id))
    assert (explained["adds_up"], explained["sums"]["lost"], len(explained["bets"])) == (True, "84.95", 3)
    # The bet that was open at the cut ends in a later window.
    assert (await partner.pay_out(left_open, "0.00", session=carl)).code == 1
    [row] = await partner.sql("SELECT closed_at FROM bet WHERE provider_bet_id = :b", b=left_open)
    assert row.closed_at > max(run_.period_to for run_ in await partner.sql(RUNS, casino=partner.casino))


@pytest.mark.edge_case(232)
async def test_a_bet_that_is_taken_back_is_a_gain_of_the_window_in_which_that_ends(stack: Stack) -> None:
    partner = await stack.partner(casino=WEEKLY)
    bet = partner.new_bet()
    assert (await partner.pay_in_out(bet, "40.00", "10.00")).code == 1
    await _lost(partner, "100.00")
    assert (await until(lambda: partner.refund(bet))).code == 1
    await _aged(partner)
    # Bet and reversal are in one window: 140.00 of stakes, 10.00 won and taken back, 40.00 returned.
    [row] = await _issued(partner, ["anna"])
    assert await _paid(partner) == [("anna", "10.00")]
    explained = await _command(partner, "explain", str(row.cashback_id))
    assert explained["sums"] == {
        "stakes": "140.00",
        "returns": "40.00",
        "payouts": "10.00",
        "jackpots": "0.00",
        "claw_backs": "10.00",
        "lost": "100.00",
    }
    assert explained["adds_up"]


@pytest.mark.edge_case(234)
async def test_a_run_whose_worker_is_killed_goes_on_and_pays_once(own_stack: Stack) -> None:
    partner = await own_stack.partner(casino=WEEKLY)
    await _lost(partner, "100.00")
    await _aged(partner)
    armed, pid = own_stack.failpoints / "rule_page_opened", own_stack.pid("worker-1")
    armed.touch()
    [row] = await _issued(partner, ["anna"])
    assert not armed.exists()
    assert own_stack.pid("worker-1") != pid
    assert await _paid(partner) == [("anna", "10.00")]

    async def ended() -> bool:
        return all(one.ended_at is not None for one in await partner.sql(RUNS, casino=partner.casino))

    await eventually(ended)
    assert sum(one.opened for one in await partner.sql(RUNS, casino=partner.casino)) == 1
    assert [one.cashback_id for one in await partner.sql(CASHBACKS_OF, casino=partner.casino)] == [row.cashback_id]
