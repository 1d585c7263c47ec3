"""Continue as new: a workflow whose history is nearly full hands on to its next run what no row has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from betcore.domain.bet import BetState
from betcore.domain.cashback import CashbackState
from betcore.domain.errors import Code
from betcore.domain.ids import BETS_QUEUE, BetKey, reversal_workflow_id
from betcore.domain.messages import Action, Operate, Operated, PayIn
from betcore.temporal.visibility import NEEDS_ATTENTION
from devkit.stack import temporal as servers
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, start, working
from tests.workflows.cashbacks import carried, new_cashback
from tests.workflows.live import LiveGamePlayed
from workflows.releases.registry import WORKFLOWS
from workflows.releases.replay import replay
from workflows.reversal import Reversal

pytestmark = pytest.mark.edge_case(91)

MAKE = "/payments/make"
QUICK = "{retry: {first: 0.1, cap: 0.2}, message_lifetime: 300, approval_above: {EUR: 5}}"
# A bet of the happy path has 18 events; the server's own limit is 4096.
SUGGESTED_AT = 60


@pytest.fixture(scope="module")
async def forgetful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """Start a Temporal server that suggests continue-as-new after few events."""
    config = (f"limit.historyCount.suggestContinueAsNew={SUGGESTED_AT}",)
    async with servers.running(tmp_path_factory.mktemp("forgetful"), dynamic_config=config) as address:
        yield await Client.connect(address, data_converter=pydantic_data_converter)


async def _run(handle: Any) -> str:
    description = await handle.describe()
    return str(description.run_id)


async def _ask(handle: Any, action: Action, operator: str = "ann") -> Operated:
    order = Operate(action=action, operator=operator, reason="a test")
    operated: Operated = await handle.execute_update("operate", order, result_type=Operated)
    return operated


async def _renewed(client: Client, handle: Any, *more: Any) -> Any:
    """Retry a workflow's movement until it is in another run; return a handle of that run."""
    first, named = await _run(handle), client.get_workflow_handle(handle.id)

    async def another_run() -> bool:
        # Just before and at the beginning of its new run it refuses for a moment.
        with suppress(WorkflowUpdateFailedError):
            await _ask(named, Action.RETRY)
        await asyncio.sleep(0.1)
        return await _run(named) != first

    await eventually(another_run, 60)
    return named


async def _replays(client: Client, handle: Any) -> None:
    """Assert that every run of a workflow replays."""
    query = f"WorkflowId = '{handle.id}'"
    runs: set[str] = set()

    async def listed() -> bool:
        runs.update([one.run_id async for one in client.list_workflows(query)])
        return len(runs) >= 2

    await eventually(listed)
    for run in runs:
        history = await client.get_workflow_handle(handle.id, run_id=run).fetch_history()
        assert (await replay(history, WORKFLOWS)).complaint is None


async def _owner(casino: InProcessCasino, bet: PayIn) -> str:
    return str((await casino.row(bet)).owner)


async def test_what_is_owed_goes_on_in_a_new_run_of_the_same_life(database_url: str, forgetful: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(forgetful, casino):
        bet = await casino.pay_in()
        _, handle = await start(forgetful, bet)
        first = await _run(handle)
        await casino.faults({"kind": "error", "path": MAKE})
        waiting = asyncio.create_task(handle.execute_update("pay_out", casino.pay_out(bet, "25.00"), id="pay_out"))
        named = await _renewed(forgetful, handle)
        # A waiting call is answered "unknown", and is repeated.
        with pytest.raises(WorkflowUpdateFailedError) as told:
            await waiting
        assert isinstance(told.value.cause, ApplicationError)
        assert told.value.cause.type == Code.OUTCOME_UNKNOWN
        assert (await named.describe()).typed_search_attributes.get(NEEDS_ATTENTION) is True
        await casino.faults()
        await named.execute_update("pay_out", casino.pay_out(bet, "25.00"), id="pay_out")
        assert await named.result() == BetState.SETTLED
        assert (await casino.journal(), await _owner(casino, bet)) == ([(-1, "10.00"), (1, "25.00")], first)
        assert (await named.describe()).typed_search_attributes.get(NEEDS_ATTENTION) is False
        await _replays(forgetful, named)


async def test_a_refund_that_was_filed_is_not_forgotten(database_url: str, forgetful: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(forgetful, casino):
        await casino.faults({"kind": "error", "path": MAKE, "transaction_type": -1})
        bet = await casino.pay_in(seconds=60)
        handle = await begin(forgetful, bet)
        await eventually(lambda: _sent(casino))
        await handle.signal("refund", casino.refund(bet))
        named = await _renewed(forgetful, handle)
        await casino.faults()
        assert await named.result() == BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        # By the Refund, and not because the PayIn was not answered.
        assert await casino.sql("SELECT 1 FROM bet_event WHERE kind = 'refund'")
        await _replays(forgetful, named)


async def _sent(casino: InProcessCasino) -> bool:
    return bool(await casino.sql("SELECT 1 FROM bet_event WHERE kind = 'answer'"))


async def test_what_is_parked_stays_parked_with_its_proposal(database_url: str, forgetful: Client) -> None:
    hurried = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, approval_above: {EUR: 5}}"
    async with open_casino(database_url, casino=hurried) as casino, working(forgetful, casino):
        bet = await casino.pay_in()
        _, handle = await start(forgetful, bet)
        await casino.faults({"kind": "error_code", "error_code": 103805, "path": MAKE, "transaction_type": 1})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(lambda: _is_parked(casino))
        assert not (await _ask(handle, Action.MARK_PAID)).done
        named = await _renewed(forgetful, handle)
        await eventually(lambda: _is_parked(casino))
        assert await _agrees(named)
        assert await named.result() == BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00")]
        await _replays(forgetful, named)


async def _agrees(handle: Any) -> bool:
    """Assert that a second operator is enough: the first proposal was handed on."""
    while True:
        # The row is parked a moment before its workflow has the result.
        with suppress(WorkflowUpdateFailedError):
            return (await _ask(handle, Action.MARK_PAID, "ben")).done
        await asyncio.sleep(0.1)


async def _is_parked(casino: InProcessCasino) -> bool:
    return bool(await casino.sql("SELECT 1 FROM movement WHERE state = 'parked'"))


async def test_a_bet_that_waits_for_its_result_goes_on_waiting(database_url: str, forgetful: Client) -> None:
    async with (
        open_casino(database_url, provider="{unconfirmed_within: 0.5}", casino=QUICK) as casino,
        working(forgetful, casino),
    ):
        bet = await casino.pay_in()
        record, handle = await start(forgetful, bet)
        await casino.calls.mark_told(record.bet_id, "r")
        first = await _run(handle)
        named = forgetful.get_workflow_handle(handle.id)

        async def another_run() -> bool:
            other = casino.pay_out(bet, "25.00").model_copy(update={"round_id": "another"})
            await named.signal("pay_out", other)
            await asyncio.sleep(0.1)
            return await _run(named) != first

        await eventually(another_run, 60)
        assert (await casino.row(bet)).state == "acceptance"
        await named.execute_update("pay_out", casino.pay_out(bet, "25.00"), id="pay_out")
        assert await named.result() == BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]
        await _replays(forgetful, named)


async def test_a_reversal_goes_on_in_a_new_run(database_url: str, forgetful: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(forgetful, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(forgetful, bet)
        await casino.faults({"kind": "error", "path": MAKE, "transaction_type": -2})
        order, key = casino.reverse(bet, settled), BetKey(bet.counterparty_id, bet.provider_bet_id)
        workflow_id = reversal_workflow_id(key)
        handle: Handle = await forgetful.start_workflow(Reversal.run, order, id=workflow_id, task_queue=BETS_QUEUE)  # type: ignore[assignment]
        await eventually(lambda: _claws_back(casino))
        await _renewed(forgetful, handle)
        await casino.faults({"kind": "error", "path": MAKE, "transaction_type": 2})
        named = await _renewed(forgetful, handle)
        await casino.faults()
        assert await named.result() == "reversed"
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00"), (-2, "25.00"), (2, "10.00")]
        await _replays(forgetful, named)


async def _claws_back(casino: InProcessCasino) -> bool:
    return bool(await casino.sql("SELECT 1 FROM movement WHERE transaction_type = -2 AND attempts > 1"))


async def test_a_cashback_that_is_owed_goes_on_in_a_new_run(database_url: str, forgetful: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(forgetful, casino):
        await casino.faults({"kind": "error", "path": "/cashback-payments/make"})
        number = await new_cashback(casino)
        handle = await carried(forgetful, casino, number)
        first = await _run(handle)
        named = await _renewed(forgetful, handle)
        await casino.faults()
        assert await named.result() == CashbackState.ISSUED
        [row] = await casino.sql("SELECT owner FROM cashback")
        assert row.owner == first
        await _replays(forgetful, named)


async def test_a_live_game_answers_every_report_on_both_sides_of_a_new_run(
    database_url: str, forgetful: Client
) -> None:
    async with open_casino(database_url) as casino, working(forgetful, casino):
        game = await LiveGamePlayed.of(forgetful, casino)
        await game.report("r-0", "betting")
        first = await _run(game.handle)
        for _ in range(40):
            answers = await asyncio.gather(*(game.report("r-0", "betting") for _ in range(4)))
            assert [answer.refusal for answer in answers] == [None] * 4
            if await _run(game.handle) != first:
                break
        assert await _run(game.handle) != first
        assert (await game.report("r-0", "finished", results=(1,))).refusal is None
        await _replays(forgetful, game.handle)
