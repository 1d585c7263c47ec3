"""One API over a real database, Temporal and casino for all tests of the wire."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.api.wire import Api, Signer, running_api, running_feed
from tests.in_process_casino import InProcessCasino, open_casino

# Without it a failed assertion in that module would not show what differs.
pytest.register_assert_rewrite("tests.api.target")


@pytest.fixture(scope="package")
async def wire_database(new_database: Callable[[], Awaitable[str]]) -> str:
    """Return the URL of a database for this package's tests."""
    return await new_database()


@pytest.fixture(scope="package")
async def casino(wire_database: str) -> AsyncIterator[InProcessCasino]:
    """Open a provider, a casino and a player with 1,000 EUR."""
    async with open_casino(wire_database) as opened:
        yield opened


@pytest.fixture(scope="package")
async def api(casino: InProcessCasino, wire_database: str, temporal_address: str) -> AsyncIterator[Api]:
    """Run the API in front of them."""
    async with running_api(wire_database, temporal_address) as running:
        yield running


@pytest.fixture(scope="package")
async def feed(casino: InProcessCasino, wire_database: str) -> AsyncIterator[Api]:
    """Run the feed beside it."""
    async with running_feed(wire_database) as running:
        yield running


@pytest.fixture(scope="package")
async def signer(casino: InProcessCasino) -> Signer:
    """Return the provider, to sign its requests."""
    provider = await casino.partners.provider(casino.counterparty_id)
    assert provider is not None
    return Signer(provider.counterparty_id, provider.secrets[0])
