"""The converter of messages to Temporal."""

from datetime import UTC, datetime
from unittest.mock import patch

from pydantic import TypeAdapter

from betcore.domain.messages import PayOut
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from betcore.temporal.client import data_converter


async def test_workflows_share_the_schemas_of_messages() -> None:
    """The SDK makes a converter for each workflow: none of them may build the schemas of messages anew."""
    message = PayOut(
        player_id=1, round_id="r", win=Money(minor=5, currency="EUR"), answer_by=datetime(2026, 1, 2, tzinfo=UTC)
    )
    factory = data_converter(Settings()).payload_converter_class
    payloads = factory().to_payloads([message])
    assert factory().from_payloads(payloads, [PayOut]) == [message]
    with patch.object(TypeAdapter, "__init__", side_effect=AssertionError("a schema was built again")):
        assert factory().from_payloads(payloads, [PayOut]) == [message]
