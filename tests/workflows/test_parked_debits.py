"""Parked debits: the marks of two operators, when they are carried out, and what the casino may still overrule."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from betcore.domain.accepts import AcceptOutcome
from betcore.domain.bet import BetState
from betcore.domain.ids import BETS_QUEUE, BetKey, reversal_workflow_id
from betcore.domain.messages import Action, Operate, Operated, PayIn
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, resumed, start, working
from tests.workflows.confirming_casino import CLAW_BACK, RETURN, STAKE, ConfirmingCasino
from workflows.reversal import Reversal

pytestmark = pytest.mark.edge_case(90)

MAKE, INFO = "/payments/make", "/payments/info"
# A debit that cannot be found is given up about two seconds after its provider's deadline.
HURRIED = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, retry: {first: 0.1, cap: 0.2}}"
TAKEN, NOT_TAKEN = Action.MARK_TAKEN, Action.MARK_NOT_TAKEN
_ANOTHER = {"kind": "rewrite", "path": INFO, "fields": {"Amount": "9.00"}}


def _parking(kind: int) -> list[dict[str, Any]]:
    """Have the casino take a movement, call it a duplicate, and list another amount in its place."""
    refused = {"kind": "refuse_after_commit", "error_code": 103803, "path": MAKE, "transaction_type": kind}
    return [refused, _ANOTHER]


async def _ask(handle: Any, action: Action, operator: str) -> Operated:
    order = Operate(action=action, operator=operator, reason="a test")
    operated: Operated = await handle.execute_update("operate", order, result_type=Operated)
    return operated


async def _by_two(handle: Any, action: Action) -> None:
    assert not (await _ask(handle, action, "ann")).done
    assert (await _ask(handle, action, "ben")).done


async def _refused(handle: Any, action: Action, operator: str = "ann") -> str:
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await _ask(handle, action, operator)
    assert isinstance(refusal.value.cause, ApplicationError)
    return refusal.value.cause.message


async def _state(casino: InProcessCasino, kind: int) -> str:
    found = await casino.sql("SELECT state FROM movement WHERE transaction_type = :k", k=kind)
    return found[0].state if found else ""


async def _parked(casino: InProcessCasino, kind: int) -> None:
    async def parked() -> bool:
        return await _state(casino, kind) == "parked"

    await eventually(parked)


@asynccontextmanager
async def _stake(
    database_url: str, client: Client, confirmation: str = "reply"
) -> AsyncIterator[tuple[InProcessCasino, PayIn, Handle]]:
    """Open a bet whose stake is parked."""
    profile = HURRIED if confirmation == "reply" else HURRIED.replace("{", "{accept_within: 0.2, ", 1)
    async with open_casino(database_url, casino=profile, confirmation=confirmation) as casino, working(client, casino):
        await casino.faults(*_parking(STAKE))
        # A busy machine needs a moment before it can send.
        bet = await casino.pay_in(seconds=6)
        handle = await begin(client, bet)
        await _parked(casino, STAKE)
        yield casino, bet, handle


@asynccontextmanager
async def _claw_back(database_url: str, client: Client) -> AsyncIterator[tuple[InProcessCasino, PayIn, Any]]:
    """Start a reversal whose claw-back is parked."""
    async with open_casino(database_url, casino=HURRIED) as casino, working(client, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(client, bet)
        await casino.faults({**_parking(CLAW_BACK)[0]}, {**_ANOTHER, "fields": {"Amount": "24.00"}})
        key = BetKey(bet.counterparty_id, bet.provider_bet_id)
        order = casino.reverse(bet, settled)
        handle = await client.start_workflow(Reversal.run, order, id=reversal_workflow_id(key), task_queue=BETS_QUEUE)
        await _parked(casino, CLAW_BACK)
        yield casino, bet, handle


async def _sends(casino: InProcessCasino) -> int:
    return [call["path"] for call in await casino.casino_calls()].count(MAKE)


async def test_a_stake_that_is_marked_as_taken_goes_on(database_url: str, temporal: Client) -> None:
    async with _stake(database_url, temporal) as (casino, bet, handle):
        sends = await _sends(casino)
        # It takes two operators, whatever the amount; another spelling of one name is the same operator.
        assert not (await _ask(handle, TAKEN, "Ann")).done
        assert "another operator" in await _refused(handle, TAKEN, " ANN ")
        await casino.faults()
        assert (await _ask(handle, TAKEN, "ben")).done
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        assert await handle.result() is BetState.SETTLED
        assert (await _state(casino, STAKE), await _sends(casino)) == ("done", sends + 1)


async def test_a_stake_that_is_marked_as_not_taken_ends_its_bet_refused(database_url: str, temporal: Client) -> None:
    async with _stake(database_url, temporal) as (casino, bet, handle):
        sends = await _sends(casino)
        await _by_two(handle, NOT_TAKEN)
        # It waits until no message of ours can take the stake any more.
        assert "is being carried out" in await _refused(handle, TAKEN)
        assert "is being carried out" in await _refused(handle, Action.RETRY)
        assert "is being carried out" in await _refused(handle, Action.VOID)
        assert await handle.result() is BetState.REFUSED
        row = await casino.row(bet)
        assert (row.refusal, await _state(casino, STAKE)) == ("casino_refused", "absent")
        wait = await casino.sql(
            "SELECT closed_at >= not_after + interval '0.5s' AS waited FROM bet JOIN movement USING (bet_id)"
        )
        assert (wait[0].waited, await _sends(casino)) == (True, sends)


async def test_with_a_refund_filed_it_ends_refunded(database_url: str, temporal: Client) -> None:
    async with _stake(database_url, temporal) as (casino, bet, handle):
        await handle.signal("refund", casino.refund(bet))
        await _by_two(handle, NOT_TAKEN)
        assert await handle.result() is BetState.REFUNDED
        assert (await casino.row(bet)).accepted_at is None
        assert await casino.refund_in("refunded_without_debit") == "refund"


async def test_what_the_casino_lists_as_ours_is_taken_whatever_operators_say(
    database_url: str, temporal: Client
) -> None:
    async with _stake(database_url, temporal) as (casino, bet, handle):
        await casino.faults()
        await _by_two(handle, NOT_TAKEN)

        async def taken() -> bool:
            return (await casino.row(bet)).accepted_at is not None

        await eventually(taken)
        await handle.signal("refund", casino.refund(bet))
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]


async def test_an_accept_that_comes_while_it_is_waited_for_counts(database_url: str, temporal: Client) -> None:
    async with _stake(database_url, temporal, "accept") as (casino, bet, handle):
        await _by_two(handle, NOT_TAKEN)
        await casino.faults()
        confirming = ConfirmingCasino(casino, temporal)
        assert await confirming.accepts(bet, STAKE) is AcceptOutcome.STORED
        await handle.signal("refund", casino.refund(bet))
        await confirming.sent(RETURN)
        await confirming.accepts(bet, RETURN)
        assert await handle.result() is BetState.REFUNDED
        assert (await casino.row(bet)).accepted_at is not None


async def test_a_success_after_it_was_marked_as_not_taken_goes_back(database_url: str, temporal: Client) -> None:
    async with _stake(database_url, temporal, "accept") as (casino, bet, handle):
        confirming = ConfirmingCasino(casino, temporal)
        # A refusal that stands in the row does not keep the bet open.
        assert await confirming.accepts(bet, STAKE, 103802) is AcceptOutcome.STORED
        await _by_two(handle, NOT_TAKEN)
        assert await handle.result() is BetState.REFUSED
        await casino.faults()
        assert await confirming.accepts(bet, STAKE) is AcceptOutcome.ENDED
        await resumed(casino, temporal)
        returning = temporal.get_workflow_handle(f"resume-reversal:{(await casino.row(bet)).bet_id}:1")
        await confirming.sent(RETURN)
        await confirming.accepts(bet, RETURN)
        assert await returning.result() == "reversed"
        assert (await casino.row(bet)).state == "refused"


async def test_a_parked_stake_that_is_voided_ends_refunded_when_nothing_is_listed_twice(
    database_url: str, temporal: Client
) -> None:
    async with _stake(database_url, temporal) as (casino, _, handle):
        sends, looks = await _sends(casino), len(await _looks(casino))
        await casino.faults({"kind": "error_code", "error_code": 103804, "path": INFO})
        assert (await _ask(handle, Action.VOID, "ann")).done
        assert await handle.result() is BetState.REFUNDED
        assert (await _state(casino, STAKE), await _sends(casino)) == ("absent", sends)
        first, second = (await _looks(casino))[looks:]
        (row,) = await casino.sql("SELECT extract(epoch FROM not_after) AS not_after FROM movement")
        assert first >= float(row.not_after) + 0.5
        assert second >= first + 0.3


async def test_a_parked_stake_that_is_voided_stays_parked_while_another_one_is_listed(
    database_url: str, temporal: Client
) -> None:
    async with _stake(database_url, temporal) as (casino, _, handle):
        looks = len(await _looks(casino))
        assert (await _ask(handle, Action.VOID, "ann")).done

        async def looked() -> bool:
            return len(await _looks(casino)) > looks and await _state(casino, STAKE) == "parked"

        await eventually(looked)
        # A retry looks again; or operators end it by a mark.
        await eventually(lambda: _is_free(handle))
        assert (await _ask(handle, NOT_TAKEN, "ann")).done
        assert await handle.result() is BetState.REFUNDED


async def _is_free(handle: Any) -> bool:
    try:
        return not (await _ask(handle, NOT_TAKEN, "cleo")).done
    except WorkflowUpdateFailedError:
        return False


async def _looks(casino: InProcessCasino) -> list[float]:
    calls = [call for call in await casino.casino_calls() if call["path"] == INFO]
    return [datetime.fromisoformat(call["at"]).timestamp() for call in calls]


async def test_a_claw_back_that_is_marked_as_taken_goes_on(database_url: str, temporal: Client) -> None:
    async with _claw_back(database_url, temporal) as (casino, _, handle):
        await casino.faults()
        await _by_two(handle, TAKEN)
        assert await handle.result() == "reversed"
        assert await _state(casino, CLAW_BACK) == "done"


async def test_a_claw_back_that_is_marked_as_not_taken_ends_its_reversal(database_url: str, temporal: Client) -> None:
    async with _claw_back(database_url, temporal) as (casino, bet, handle):
        await _by_two(handle, NOT_TAKEN)
        assert await handle.result() == "refused"
        assert ((await casino.row(bet)).state, await _state(casino, CLAW_BACK)) == ("settled", "refused")
        assert [one.kind for one in await casino.incidents()] == ["parked", "reversal_refused"]


async def test_a_mark_for_what_is_not_parked_is_refused_with_the_state(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        for action in (TAKEN, NOT_TAKEN):
            assert await _refused(handle, action) == "the bet is acceptance: no debit is parked"
        await handle.signal("refund", casino.refund(bet))
        await asyncio.wait_for(handle.result(), 60)
