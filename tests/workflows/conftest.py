"""Temporal for the tests of workflows; the workers run them in the SDK's sandbox, with the real activities."""

from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.workflows.checked_once import CHECKED_ONCE
from tests.workflows.time_skipping import skipping_server

_numbers = count(1)


@pytest.fixture
async def database_url(database_url: str) -> str:
    """Return a new migrated database whose BetIds no other test has: workflow ids in one Temporal are made of them."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"SELECT setval('bet_number', {next(_numbers) * 1_000})")
    await connection.close()
    return database_url


@pytest.fixture(scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """Start a time-skipping Temporal server."""
    async with skipping_server() as environment:
        yield environment


@pytest.fixture(scope="session")
async def temporal(temporal_address: str) -> Client:
    """Return a client of the Temporal server that runs on real time."""
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter, plugins=[CHECKED_ONCE])
