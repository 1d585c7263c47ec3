"""Workflows that are started by hand: their argument counts only as far as the rows agree with it."""

from typing import Any

import pytest
from temporalio.client import Client

from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.domain.bet import BetState, ReversalState
from betcore.domain.ids import BETS_QUEUE, BetKey, resumed_workflow_id, reversal_workflow_id
from betcore.domain.messages import PayIn, Resumed
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from betcore.verify.report import Report
from betcore.verify.rows import check_rows
from tests.in_process_casino import SECRET_KEY, InProcessCasino, open_casino
from tests.workflows.bets import begin, resumed, start, update, working
from workflows.bet import Bet
from workflows.reversal import Reversal

WON = [("anna", -1), ("anna", 1)]


async def _other_rows(casino: InProcessCasino) -> dict[str, Any]:
    """Return another player, casino, game and session, all real, by the fields of a PayIn."""
    catalogue, sessions = Catalogue(casino.engine), Sessions(casino.engine)
    await catalogue.add_game("p", "slots", "Slots")
    vault = Vault.of(Settings(secret_key=SECRET_KEY))
    await Onboarding(casino.engine, vault).add_casino("other", casino.casino_url, "", "reply")
    eve = await sessions.open(NewSession("p", "c", "slots", "eve", "EUR"))
    demo = await sessions.open(NewSession("p", "c", "dice", "anna", "EUR", "demo"))
    (row,) = await casino.sql(
        "SELECT player_id, game_id, (SELECT casino_id FROM casino WHERE name = 'other') AS casino_id"
        " FROM session WHERE session_id = :session",
        session=eve["session_id"],
    )
    player = {"partner_client_id": casino.partner_client_id, "partner_user_id": "eve", "currency": "EUR"}
    async with casino.http.post(f"{casino.casino_url}/_players", json={**player, "balance": "1000.00"}) as response:
        response.raise_for_status()
    return {
        "player_id": row.player_id,
        "game_id": row.game_id,
        "casino_id": row.casino_id,
        "session_id": eve["session_id"],
        "demo": demo["session_id"],
    }


async def _moved(casino: InProcessCasino) -> list[tuple[str, int]]:
    """Return the players whose money has moved at the casino, and by which type."""
    found = await casino._casino("GET", "/_journal", params={"partner_client_id": casino.partner_client_id})
    return [(one["partner_user_id"], one["transaction_type"]) for one in found if one["bet_id"] is not None]


@pytest.mark.edge_case(103)
async def test_a_bet_of_rows_that_do_not_belong_together_is_never_opened(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        other = await _other_rows(casino)
        demo = other.pop("demo")
        strange: list[dict[str, Any]] = [{name: value} for name, value in other.items()]
        strange += [{"session_id": demo}, {"session_id": "nobody's"}, {"stake": Money.parse("10.00", "USD")}]
        strange += [{"player_id": other["player_id"], "partner_user_id": "eve"}]
        for changed in strange:
            bet = (await casino.pay_in()).model_copy(update=changed)
            assert await (await begin(temporal, bet)).result() is None, changed
            assert await casino.row(bet) is None, changed
        assert await casino.casino_calls() == []


@pytest.mark.edge_case(103)
async def test_the_row_says_whose_money_moves(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        await _other_rows(casino)
        bet = await casino.pay_in(partner_user_id="eve")
        _, handle = await start(temporal, bet)
        await update(handle, "pay_out", casino.pay_out(bet, "25.00"))
        assert await _moved(casino) == WON
        back = await casino.pay_in(partner_user_id="eve")
        _, handle = await start(temporal, back)
        await update(handle, "refund", casino.refund(back))
        assert await _moved(casino) == [*WON, ("anna", -1), ("anna", 2)]


@pytest.mark.edge_case(103)
async def test_a_bet_that_is_resumed_by_hand_with_other_rows_moves_nothing(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        other = await _other_rows(casino)
        bet = await casino.pay_in()
        record, handle = await start(temporal, bet)
        await casino.calls.mark_told(record.bet_id, "r")
        await handle.terminate("by hand")
        life, owner = 1, record.owner
        for changed in ({"casino_id": other["casino_id"]}, {"stake": Money.parse("777.00", "EUR")}):
            seen = Resumed(bet_id=record.bet_id, owner=owner, life=life)
            forged = await temporal.start_workflow(
                Bet.run,
                PayIn(**{**dict(bet), **changed, "resumed": seen}),
                id=resumed_workflow_id(record.bet_id, life),
                task_queue=BETS_QUEUE,
            )
            await forged.result()
            life, owner = life + 1, (await casino.row(bet)).owner
        assert await _moved(casino) == [("anna", -1)]
        # The sweep starts one that names the rows as they are.
        await resumed(casino, temporal)
        right = temporal.get_workflow_handle(resumed_workflow_id(record.bet_id, life))
        settled = await right.execute_update("refund", casino.refund(bet), id="refund")
        assert settled["state"] == BetState.REFUNDED
        assert await _moved(casino) == [("anna", -1), ("anna", 2)]


@pytest.mark.edge_case(103)
async def test_a_reversal_follows_the_rows_and_not_its_argument(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        await _other_rows(casino)
        for changed in ({"stake": Money.parse("777.00", "EUR")}, {"partner_user_id": "eve"}):
            bet = await casino.pay_in_out()
            settled, _ = await start(temporal, bet)
            before = len(await _moved(casino))
            reversal = await temporal.start_workflow(
                Reversal.run,
                casino.reverse(bet, settled).model_copy(update=changed),
                id=reversal_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id)),
                task_queue=BETS_QUEUE,
            )
            if "stake" in changed:
                assert await reversal.result() is ReversalState.REVERSING
                assert len(await _moved(casino)) == before
            else:
                assert await reversal.result() is ReversalState.REVERSED
                assert (await _moved(casino))[before:] == [("anna", -2), ("anna", 2)]


@pytest.mark.edge_case(103)
async def test_verify_names_a_bet_of_rows_that_do_not_belong_together(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        other = await _other_rows(casino)
        bets = [await casino.pay_in() for _ in range(6)]
        for bet in bets:
            await start(temporal, bet)
        changes = [f"{name} = '{value}'" for name, value in other.items() if name != "demo"] + ["currency = 'USD'"]
        writing = casino.engine.execution_options(isolation_level="READ COMMITTED")
        async with writing.begin() as connection:
            await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for bet, change in zip(bets, changes, strict=False):
                statement = f"UPDATE bet SET {change} WHERE provider_bet_id = '{bet.provider_bet_id}'"  # noqa: S608  a test's own words
                await connection.exec_driver_sql(statement)
        report = Report()
        await check_rows(casino.database, 0, report, lambda progress: None)
        named = [one.provider_bet_id for one in report.violations if "belong together" in one.what]
        assert sorted(named) == sorted(bet.provider_bet_id for bet in bets[: len(changes)])
