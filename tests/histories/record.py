"""Records a history of every path of a bet: ``make histories``. The files are replayed on every run of the tests.

Record anew only for a new path, or when ``patched`` branches were taken out and no bet of before is open any more: an
old history that no longer replays is a bet in flight that a deploy would break.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from betcore.db.engine import create_engine
from betcore.db.lives import BET, Lives, OpenRow
from betcore.db.migrate import migrate
from betcore.errors import Code
from betcore.ids import BETS_QUEUE, BetKey, reversal_workflow_id
from betcore.messages import BetState, PayIn
from betcore.settings import Settings
from betcore.stack import postgres
from tests.floor import Floor, open_floor
from tests.workflows.bets import (
    Handle,
    ReversalHandle,
    begin,
    eventually,
    reverse,
    start,
    update,
    working,
)
from tests.workflows.servers import skipping_server
from workflows.bet import Bet
from workflows.reversal import Reversal

_FOLDER = Path(__file__).parent
_MAKE = "/payments/make"
_QUICK = "{message_lifetime: 3, retry: {first: 0.1, cap: 0.2}}"

Play = Callable[[Client, Floor], Awaitable[WorkflowHandle[Any, Any]]]
PATHS: dict[str, Play] = {}


def path(play: Play) -> Play:
    """Register a path under its function's name."""
    PATHS[play.__name__] = play
    return play


@path
async def won(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    _, handle = await start(client, bet)
    await update(handle, "pay_out", floor.pay_out(bet, "25.00"))
    return handle


@path
async def refunded(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    _, handle = await start(client, bet)
    await update(handle, "refund", floor.refund(bet))
    return handle


@path
async def refused_by_the_casino(client: Client, floor: Floor) -> Handle:
    return (await start(client, await floor.pay_in("1000.01")))[1]


@path
async def refused_by_ourselves(client: Client, floor: Floor) -> Handle:
    return (await start(client, await floor.pay_in(refusal=Code.PLAYER_BLOCKED)))[1]


@path
async def debit_pursued_in_the_slow_lane(client: Client, floor: Floor) -> Handle:
    await floor.faults({"kind": "error", "path": "/payments/make", "times": 3})
    bet = await floor.pay_in()
    _, handle = await start(client, bet)
    await update(handle, "pay_out", floor.pay_out(bet, "25.00"))
    return handle


@path
async def debit_found_by_looking(client: Client, floor: Floor) -> Handle:
    await floor.faults(
        {"kind": "lost", "path": "/payments/make", "times": 1},
        {"kind": "error_code", "error_code": 103802, "path": "/payments/make", "transaction_type": -1},
    )
    return await begin(client, await floor.pay_in(seconds=0.5))


@path
async def debit_absent_after_two_looks(client: Client, floor: Floor) -> Handle:
    await floor.faults({"kind": "drop", "path": "/payments/make"})
    return await begin(client, await floor.pay_in(seconds=0.5))


@path
async def returned_because_nobody_was_told(client: Client, floor: Floor) -> Handle:
    return await begin(client, await floor.pay_in())


@path
async def overdue_and_returned(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    bet = bet.model_copy(update={"policy": bet.policy.model_copy(update={"on_overdue": "refund"})})
    await floor.faults({"kind": "hold_after", "path": "/payments/make", "times": 1})
    handle = await begin(client, bet)
    await floor.held()
    async with floor.engine.connect() as connection:
        await connection.exec_driver_sql("UPDATE bet SET told_at = now()")
    await floor.release()
    return handle


@path
async def pay_out_owed_for_a_while(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    _, handle = await start(client, bet)
    await floor.faults({"kind": "error", "path": "/payments/make", "times": 4})
    await update(handle, "pay_out", floor.pay_out(bet, "25.00"))
    return handle


@path
async def refund_filed_during_the_debit(client: Client, floor: Floor) -> Handle:
    await floor.faults({"kind": "hold", "path": "/payments/make", "times": 1})
    bet = await floor.pay_in()
    handle = await begin(client, bet)
    await floor.held()
    await handle.signal("refund", floor.refund(bet))
    await floor.release()
    return handle


@path
async def contradicted_and_cancelled(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    _, handle = await start(client, bet)
    await handle.signal("pay_out", floor.pay_out(bet, "25.00").model_copy(update={"round_id": "another"}))
    await handle.cancel()
    await update(handle, "pay_out", floor.pay_out(bet, "25.00"))
    return handle


@path
async def row_of_another_life(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    await floor.bets.open(bet, "another run", BetState.REFUSED, Code.LIMIT_REACHED)
    return (await start(client, bet))[1]


@path
async def won_in_one_step(client: Client, floor: Floor) -> Handle:
    return (await start(client, await floor.pay_in_out()))[1]


@path
async def refused_in_one_step(client: Client, floor: Floor) -> Handle:
    return (await start(client, await floor.pay_in_out("1000.01", "5000.00")))[1]


@path
async def refund_before_the_win_of_one_step(client: Client, floor: Floor) -> Handle:
    await floor.faults({"kind": "error", "path": _MAKE, "times": 2}, {"kind": "lost", "path": _MAKE, "times": 3})
    handle = await begin(client, await floor.pay_in_out())
    await _sent(floor, -1, 3)
    await handle.signal("refund", floor.refund(await _pay_in_of(handle)))
    return handle


@path
async def refund_after_the_win_of_one_step(client: Client, floor: Floor) -> Handle:
    await floor.faults({"kind": "lost", "path": _MAKE, "transaction_type": 1, "times": 5})
    handle = await begin(client, await floor.pay_in_out())
    await _sent(floor, 1, 3)
    await handle.signal("refund", floor.refund(await _pay_in_of(handle)))
    return handle


@path
async def reversed_bet(client: Client, floor: Floor) -> ReversalHandle:
    bet = await floor.pay_in_out()
    settled, _ = await start(client, bet)
    return (await reverse(client, floor.reverse(bet, settled), floor.refund(bet)))[1]


@path
async def reversal_of_a_loss(client: Client, floor: Floor) -> ReversalHandle:
    bet = await floor.pay_in_out("10.00", "0")
    settled, _ = await start(client, bet)
    return (await reverse(client, floor.reverse(bet, settled), floor.refund(bet)))[1]


@path
async def reversal_of_a_closed_bet(client: Client, floor: Floor) -> ReversalHandle:
    bet = await floor.pay_in_out()
    bet = bet.model_copy(update={"policy": bet.policy.model_copy(update={"close": True})})
    settled, _ = await start(client, bet)
    return (await reverse(client, floor.reverse(bet, settled), floor.refund(bet)))[1]


@path
async def reversal_refused(client: Client, floor: Floor) -> ReversalHandle:
    bet = await floor.pay_in_out()
    settled, _ = await start(client, bet)
    await floor.faults({"kind": "error_code", "error_code": 103802, "path": _MAKE, "transaction_type": -2})
    return (await reverse(client, floor.reverse(bet, settled), floor.refund(bet)))[1]


@path
async def reversal_in_another_window(client: Client, floor: Floor) -> ReversalHandle:
    bet = await floor.pay_in_out()
    settled, _ = await start(client, bet)
    await floor.faults({"kind": "drop", "path": _MAKE, "transaction_type": -2})
    order = floor.reverse(bet, settled)
    key = BetKey(bet.counterparty_id, bet.provider_bet_id)
    handle = await client.start_workflow(Reversal.run, order, id=reversal_workflow_id(key), task_queue=BETS_QUEUE)

    async def looked_twice() -> bool:
        return [call["path"] for call in await floor.casino_calls()].count("/payments/info") >= 2

    await eventually(looked_twice, 60)
    await floor.faults()
    return handle


@path
async def resumed_bet(client: Client, floor: Floor) -> Handle:
    bet = await floor.pay_in()
    record, first = await start(client, bet)
    await floor.calls.tell(record.bet_id, "r")
    await first.terminate()
    lost = OpenRow(BET, record.bet_id, record.owner, record.lives, first.id)
    order = await Lives(floor.engine).order(lost)
    assert order is not None
    handle = await client.start_workflow(Bet.run, order.argument, id=order.workflow_id, task_queue=BETS_QUEUE)
    await update(handle, "pay_out", floor.pay_out(bet, "25.00"))
    return handle


async def _sent(floor: Floor, kind: int, times: int) -> None:
    async def often() -> bool:
        return (await floor.attempts()).get(kind, 0) >= times

    await eventually(often, 60)


async def _pay_in_of(handle: Handle) -> PayIn:
    """The start argument of a bet."""
    events = (await handle.fetch_history()).events
    payloads = events[0].workflow_execution_started_event_attributes.input.payloads
    (pay_in,) = await pydantic_data_converter.decode(payloads, [PayIn])
    return pay_in


# Paths on which a workflow waits for the wall's clock in between, and must not be taken past it.
_SKIPPED = {
    "debit_found_by_looking",
    "debit_absent_after_two_looks",
    "returned_because_nobody_was_told",
    "overdue_and_returned",
    "reversal_in_another_window",
}


async def record(environment: WorkflowEnvironment, database_url: str, names: list[str]) -> None:
    """Play the named paths, each on an empty floor of its own, and write what Temporal kept of them."""
    for name in names:
        engine = create_engine(Settings(database_url=database_url))
        async with engine.connect() as connection:
            # The casino's books too: BetIds begin anew, and it would know them from the path before.
            await connection.exec_driver_sql("DROP SCHEMA IF EXISTS sandbox_casino CASCADE")
            await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            await connection.exec_driver_sql("CREATE SCHEMA public")
        await migrate(engine)
        await engine.dispose()
        async with open_floor(database_url, casino=_QUICK) as floor, working(environment.client, floor):
            if name in _SKIPPED:
                handle = await PATHS[name](environment.client, floor)
            else:
                with environment.with_time_skipping_disabled():
                    handle = await PATHS[name](environment.client, floor)
            await handle.result()
            (_FOLDER / f"{name}.json").write_text(_without_places((await handle.fetch_history()).to_json()))
            sys.stderr.write(f"recorded {name}\n")


def _without_places(history: str) -> str:
    """The history without stack traces, which name folders of the machine and play no part in a replay."""
    return re.sub(r'"stackTrace": "(\\.|[^"\\])*"', '"stackTrace": ""', history) + "\n"


async def main() -> None:
    """Record the paths named as arguments, or those that have no file yet."""
    names = sys.argv[1:] or [name for name in PATHS if not (_FOLDER / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as folder:
        async with postgres.running(Path(folder), options={"fsync": "off"}) as url, skipping_server() as environment:
            await record(environment, url, names)


if __name__ == "__main__":
    asyncio.run(main())
