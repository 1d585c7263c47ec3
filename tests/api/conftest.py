"""One API over a real database, Temporal and casino for all tests of the wire."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.api.wire import Api, Signer, running_api
from tests.floor import Floor, open_floor

# It asserts for the tests, which then show what differs.
pytest.register_assert_rewrite("tests.api.target")


@pytest.fixture(scope="package")
async def wire_database(new_database: Callable[[], Awaitable[str]]) -> str:
    """The database of this package's tests."""
    return await new_database()


@pytest.fixture(scope="package")
async def floor(wire_database: str) -> AsyncIterator[Floor]:
    """A provider, a casino and a player with 1,000 EUR."""
    async with open_floor(wire_database) as opened:
        yield opened


@pytest.fixture(scope="package")
async def api(floor: Floor, wire_database: str, temporal_address: str) -> AsyncIterator[Api]:
    """The API in front of them."""
    async with running_api(wire_database, temporal_address) as running:
        yield running


@pytest.fixture(scope="package")
async def signer(floor: Floor) -> Signer:
    """The provider."""
    provider = await floor.partners.provider(floor.counterparty_id)
    assert provider is not None
    return Signer(provider.counterparty_id, provider.secrets[0])
