"""The refunds of a cancelled round, if its provider's profile leaves them to the service."""

import asyncio
from functools import partial

import pytest

from betcore.domain.ids import round_refunds_workflow_id
from tests.live import LiveTable, live_table
from tests.partner import Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    BACK,
    DEBIT,
    DONE,
    QUICK,
    REFUNDED,
    REFUNDED_ALREADY,
    SETTLED,
    STAKED,
    bet_with_stake_taken,
    fault,
    journal_becomes,
)
from tests.watch import in_state, sends

REFUNDS = "{live: {refund_cancelled: true}}"
WITHIN = 120


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """It has one worker, which dies, and soon resumes what has no workflow."""
    return sweeping


async def new_table(stack: Stack, provider: str = REFUNDS, casino: str = QUICK) -> tuple[LiveTable, TestPartner]:
    partner = await stack.partner(provider=provider, casino=casino)
    table = await live_table(partner)
    await table.reported("r-1", "betting")
    return table, partner


async def staked(partner: TestPartner, bets: int = 1) -> list[str]:
    stake = partial(partner.pay_in, round_id="r-1")
    return list(await asyncio.gather(*(bet_with_stake_taken(partner, stake) for _ in range(bets))))


async def closed(partner: TestPartner) -> None:
    async def none_is_open() -> bool:
        query = """
            SELECT bet_id FROM bet JOIN provider USING (provider_id)
            WHERE counterparty_id = :c AND closed_at IS NULL
        """
        return not await partner.sql(query, c=partner.counterparty_id)

    await eventually(none_is_open, WITHIN)


@pytest.mark.edge_case(254)
async def test_open_bets_go_back_and_what_has_ended_stays(stack: Stack) -> None:
    table, partner = await new_table(stack)
    open_bets, [won, refunded] = await staked(partner, 5), await staked(partner, 2)
    other = await bet_with_stake_taken(partner, partial(partner.pay_in, round_id="r-0"))
    assert (await until(partial(partner.pay_out, won, round_id="r-1"))).outcome == DONE
    assert (await until(partial(partner.refund, refunded))).outcome == DONE
    await table.reported("r-1", "cancelled")
    for bet in [*open_bets, refunded]:
        await journal_becomes(partner, bet, REFUNDED)
        await in_state(partner, bet, "refunded")
        # The provider's own messages are answered as after a Refund of its own.
        assert (await until(partial(partner.refund, bet))).outcome == DONE
        assert (await until(partial(partner.pay_out, bet, round_id="r-1"))).outcome == REFUNDED_ALREADY
    assert await partner.journal(won) == SETTLED
    assert await partner.journal(other) == STAKED
    await table.reported("r-1", "cancelled")
    assert await partner.journal(open_bets[0]) == REFUNDED


@pytest.mark.edge_case(254)
async def test_without_the_profile_bets_wait_for_their_provider(stack: Stack) -> None:
    table, partner = await new_table(stack, provider="")
    [bet] = await staked(partner)
    await table.reported("r-1", "cancelled")
    assert (await table.live.refunds(table.game_type, "r-1")).refunds is None
    assert await partner.journal(bet) == STAKED
    assert (await until(partial(partner.refund, bet))).outcome == DONE


@pytest.mark.edge_case(254)
async def test_a_stake_whose_outcome_is_not_known_goes_back_when_it_is(stack: Stack) -> None:
    table, partner = await new_table(stack, provider="{answer_deadline: 1, live: {refund_cancelled: true}}")
    await partner.faults(
        fault("hold_after", DEBIT, 1), fault("error", DEBIT), {"kind": "error", "path": "/payments/info"}
    )
    bet = partner.new_bet()
    call = asyncio.create_task(partner.pay_in(bet, round_id="r-1"))
    await partner.held()
    await call
    await table.reported("r-1", "cancelled")
    await partner.faults()
    await partner.release()
    await closed(partner)
    assert await partner.journal(bet) == REFUNDED
    assert DEBIT in [one["transaction_type"] for one in await sends(partner, bet)]


@pytest.mark.edge_case(254)
async def test_a_bet_of_one_step_that_is_on_its_way_is_taken_back(stack: Stack) -> None:
    table, partner = await new_table(stack)
    await partner.faults(fault("error", 1))
    bet = partner.new_bet()
    call = asyncio.create_task(partner.pay_in_out(bet, round_id="r-1"))
    await in_state(partner, bet, "settling")
    await table.reported("r-1", "cancelled")

    async def is_filed() -> bool:
        history = await partner.workflow(bet).fetch_history()
        return any(
            event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name == "refund"
            for event in history.events
        )

    await eventually(is_filed, WITHIN)
    await partner.faults()
    await journal_becomes(partner, bet, BACK)
    await call


@pytest.mark.edge_case(254)
async def test_a_casino_that_is_down_gets_the_refunds_later(stack: Stack) -> None:
    table, partner = await new_table(stack)
    bets = await staked(partner, 3)
    await partner.faults({"kind": "error", "path": "/payments/make"})
    await table.reported("r-1", "cancelled")
    for bet in bets:
        await in_state(partner, bet, "refunding")
    await partner.faults()
    for bet in bets:
        await journal_becomes(partner, bet, REFUNDED)


@pytest.mark.edge_case(254)
async def test_a_worker_dies_in_the_middle_and_all_go_back_once(stack: Stack) -> None:
    table, partner = await new_table(stack)
    bets = await staked(partner, 25)
    (stack.failpoints / "round_refunds_filed").touch()
    await table.reported("r-1", "cancelled")
    await closed(partner)
    assert not (stack.failpoints / "round_refunds_filed").exists()
    for bet in bets:
        assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(254)
async def test_refunds_that_are_lost_are_begun_again_by_the_sweep(stack: Stack) -> None:
    table, partner = await new_table(stack)
    await partner.faults({"kind": "error", "path": "/payments/make"})
    handle = stack.client.get_workflow_handle(round_refunds_workflow_id(table.game_type, "r-1"))
    await table.reported("r-1", "cancelled")
    first = await handle.describe()
    await handle.terminate("a test")

    async def runs_again() -> bool:
        return (await handle.describe()).run_id != first.run_id

    await eventually(runs_again, WITHIN)


@pytest.mark.edge_case(254)
async def test_a_bet_without_a_workflow_goes_back_too(stack: Stack) -> None:
    table, partner = await new_table(stack)
    [bet] = await staked(partner)
    await partner.workflow(bet).terminate("a test")
    await table.reported("r-1", "cancelled")
    await journal_becomes(partner, bet, REFUNDED)
