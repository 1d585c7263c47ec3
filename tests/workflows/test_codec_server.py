"""A real bet behind a payload key, as the codec server lets the Temporal UI show it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.common.v1 import WorkflowExecution as Named
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, QueryWorkflowRequest
from temporalio.client import Client

from api.provider.workflow_client import BetWorkflowClient
from betcore.domain.bet import BetState
from betcore.domain.ids import BetKey, bet_workflow_id
from betcore.runtime.settings import Settings
from betcore.temporal import visibility
from betcore.temporal.client import data_converter
from tests.api.test_codec import ENTRY, KEY, NAMESPACE, UI, decode, read
from tests.api.wire import running_codec
from tests.in_process_casino import open_casino
from tests.workflows.bets import update, working

_SEALED = ("partner_user_id", "session_id", "accepted_balance", "closed_balance")


def _payloads(message: Message) -> Iterator[Payload]:
    """Yield the payloads of a message of Temporal, wherever they stand; search attributes are not encrypted."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.name == "search_attributes" or field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inside = [value[key] for key in value]
        else:
            inside = list(value) if field.is_repeated else [value]
        for one in inside:
            if isinstance(one, Message):
                yield from _payloads(one)


def _values(name: str, shown: Any) -> Iterator[Any]:
    """Yield the values of all fields of a name."""
    if isinstance(shown, dict):
        yield from (value for key, value in shown.items() if key == name)
    for one in shown.values() if isinstance(shown, dict) else shown if isinstance(shown, list) else ():
        yield from _values(name, one)


async def test_a_bet_is_readable_but_for_what_is_personal(database_url: str, temporal_address: str) -> None:
    settings = Settings(temporal_payload_key=KEY)
    client = await Client.connect(temporal_address, data_converter=data_converter(settings))
    async with open_casino(database_url) as casino, working(client, casino):
        bet = await casino.pay_in()
        attributes = visibility.at_start(
            casino="royal", provider="acme", player_ref="p-1", game="dice", settle_by=datetime.now(UTC) + timedelta(1)
        )
        record = await BetWorkflowClient(client).pay_in(None, bet, attributes, 30)
        assert record is not None
        assert record.state is BetState.ACCEPTANCE
        await casino.calls.mark_told(record.bet_id, "r")
        handle = client.get_workflow_handle(bet_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id)))
        assert (await update(handle, "pay_out", casino.pay_out(bet, "25.00"))).state is BetState.SETTLED
        await handle.result()
        named = Named(workflow_id=handle.id)
        described = await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=named)
        )
        query = WorkflowQuery(query_type="__temporal_workflow_metadata")
        asked = await client.workflow_service.query_workflow(
            QueryWorkflowRequest(namespace=client.namespace, execution=named, query=query)
        )
        events = (await handle.fetch_history()).events
    payloads = [*_payloads(described), *_payloads(asked), *(one for event in events for one in _payloads(event))]
    async with running_codec(
        temporal_payload_key=KEY, temporal_namespace=NAMESPACE, codec_origins=UI, codec_tokens=str(ENTRY)
    ) as codec:
        shown = read(await decode(codec, *payloads))
    text = json.dumps(shown)
    assert "not readable" not in text
    assert bet.partner_user_id not in text
    assert bet.session_id not in text
    for name in _SEALED:
        found = [value for value in _values(name, shown) if value is not None]
        assert set(found) == {"sealed"}, name
    summary, details = shown[:2]
    assert summary == f"stake EUR 10.00 · dice · {visibility.plain(bet.round_id)}"
    assert details.splitlines()[:4] == [
        "- Provider: **acme**",
        "- Casino: **royal**",
        "- Player: **p-1**",
        "- Game: **dice**",
    ]
    (timeline,) = (one["currentDetails"] for one in shown if isinstance(one, dict) and "currentDetails" in one)
    assert "**settled**" in timeline.splitlines()[0]
    assert timeline.endswith("**Next:** nothing: it is over.")
