"""Order a cashback, and start the workflow that carries it, as a command does."""

from typing import Any

from temporalio.client import Client, WorkflowHandle

from betcore.db.cashbacks import Cashbacks
from betcore.db.open_cashbacks import OpenCashbacks
from betcore.domain.cashback import CashbackSource, NewCashback
from betcore.domain.money import Money
from betcore.temporal.carriers import start_carrier
from tests.in_process_casino import InProcessCasino


async def new_cashback(casino: InProcessCasino) -> int:
    """Return a new cashback of 5 EUR."""
    session = casino.session
    order = NewCashback(
        source=CashbackSource.OPERATOR,
        key="operator:first",
        player_id=session.player_id,
        amount=Money.parse("5.00", "EUR"),
        reason="a test",
    )
    [opened] = await Cashbacks(casino.database).open(session.casino_id, [order])
    assert opened.cashback_id is not None
    return opened.cashback_id


async def carried(client: Client, casino: InProcessCasino, number: int) -> WorkflowHandle[Any, Any]:
    """Start the workflow that takes a cashback on, and return it."""
    open_cashbacks = OpenCashbacks(casino.database)
    row = await open_cashbacks.open_row(number)
    assert row is not None
    resumption = await open_cashbacks.resumption(row)
    assert resumption is not None
    workflow_id = await start_carrier(client, resumption)
    assert workflow_id is not None
    return client.get_workflow_handle(workflow_id)
