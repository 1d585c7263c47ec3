"""One API over a real database, Temporal and casino for all tests of the wire."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.feed_reader import FeedReader, feed_reader
from tests.api.wire import Api, Signer, running_api, running_feed
from tests.in_process_casino import InProcessCasino, open_casino
from tests.live_rows import LiveGame, add_live_game
from tests.partner import eventually

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


@pytest.fixture
async def reader(feed: Api, casino: InProcessCasino) -> FeedReader:
    """Return the casino as a reader of the feed."""
    return await feed_reader(feed, casino, "c", casino.partner_client_id)


@pytest.fixture
async def game(reader: FeedReader) -> LiveGame:
    """Add a live game with a round in which bets are taken, and wait until the feed shows it."""
    casino = reader.caller.casino
    provider = await casino.partners.provider(casino.counterparty_id)
    assert provider is not None
    added = await add_live_game(casino.engine, provider.provider_id)
    closes = datetime.now(UTC) + timedelta(minutes=5)
    await added.put(1, "active", "betting", started_at=datetime.now(UTC), betting_closes_at=closes)

    async def is_shown() -> bool:
        games = (await reader.get("/games/list")).value
        return (added.game_type, 1) in [(one["GameType"], one["PlayStatus"]) for one in games]

    await eventually(is_shown)
    return added


@pytest.fixture(scope="package")
async def signer(casino: InProcessCasino) -> Signer:
    """Return the provider, to sign its requests."""
    provider = await casino.partners.provider(casino.counterparty_id)
    assert provider is not None
    return Signer(provider.counterparty_id, provider.secrets[0])
