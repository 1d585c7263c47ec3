"""One running stack for the tests that only use it; a test that breaks processes starts its own."""

from collections.abc import AsyncIterator

import pytest

from tests.table import Stack, Table, start_stack


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole stack, two workers."""
    async with start_stack(tmp_path_factory.mktemp("stack"), "--processes", "2") as running:
        yield running


@pytest.fixture
async def table(stack: Stack) -> Table:
    """A table with default profiles; limits of 0.10 and 500."""
    return await stack.table(min_bet="0.10", max_bet="500")
