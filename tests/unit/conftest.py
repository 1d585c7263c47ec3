"""A sandbox casino for the tests of a file, and one account in it with a player."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.unit.sandbox_casino_support import Casino, Sandbox, running_sandbox


@pytest.fixture(scope="module")
async def sandbox(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Sandbox]:
    async with running_sandbox(await new_database()) as running:
        yield running


@pytest.fixture
async def casino(sandbox: Sandbox) -> Casino:
    casino = sandbox.new_casino()
    await casino.open_player()
    return casino
