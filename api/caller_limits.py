"""How many calls each partner may make: one that sends too many is answered before its calls cost anything.

Every process counts by itself, or all count together in a store (``BETCORE_RATE_LIMIT_STORE``).
"""

import asyncio
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from prometheus_client import Counter
from starlette.requests import HTTPConnection

from betcore.domain.errors import TooManyCalls
from betcore.domain.partners import Casino, Provider
from betcore.domain.profiles import Rate

_log = structlog.get_logger()

REFUSED = Counter("betcore_calls_over_rate", "Calls that were refused because their caller sent too many", ["caller"])

# Seconds for an answer of the store: a call has four by default.
_STORE_WITHIN = 0.1


class CallerLimits:
    """Counts the calls of partners, and those of strangers together.

    A stranger is whoever has not shown who it is: an unknown id, or a wrong signature, secret or token. A call in a
    partner's name counts for the partner only when its signature holds: otherwise anybody could use up its calls.
    """

    def __init__(self, strangers_per_second: int, pages_per_second: int, store: str | None) -> None:
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = store and SlidingWindowCounterRateLimiter(RedisStorage(f"async+{store}", wrap_exceptions=True))
        self._strangers = _window(Rate(per_second=strangers_per_second, burst=2 * strangers_per_second))
        # A page that opens makes several calls at once.
        self._pages = _window(Rate(per_second=pages_per_second, burst=4 * pages_per_second))

    async def count_provider(self, provider: Provider) -> None:
        """Count a call of a provider. Raises TooManyCalls if it is over the rate of its profile."""
        await self._count_partner("provider", provider.provider_id, provider.name, provider.profile.rate)

    async def count_casino(self, casino: Casino) -> None:
        """Count a call of a casino. Raises TooManyCalls if it is over the rate of its profile."""
        await self._count_partner("casino", casino.casino_id, casino.name, casino.profile.rate)

    async def count_stranger(self) -> None:
        """Count a call of a stranger. Raises TooManyCalls if all of them together are over their rate."""
        await self._count(self._strangers, "stranger", "strangers")

    async def count_frame(self, casino: Casino | None, address: str) -> None:
        """Count a call of a frame of a casino, None if that is not known. Raises TooManyCalls for its address.

        It never counts for the casino itself: visitors must not use up the calls of its servers.
        """
        await self._count(self._pages, f"frame:{casino.casino_id if casino else 0}:{address}", "frames")

    async def count_reader(self, address: str) -> None:
        """Count a call of the feed, or a connection to it. Raises TooManyCalls for its address.

        It never counts for a casino, as that of a frame. It is counted before its token is read: that takes the time.
        """
        await self._count(self._pages, f"reader:{address}", "readers")

    async def count_operator(self, operator: str) -> None:
        """Count a call of an operator at the codec server. Raises TooManyCalls."""
        await self._count(self._pages, f"operator:{operator}", "operators")

    async def _count_partner(self, kind: str, number: int, name: str, rate: Rate | None) -> None:
        if rate is not None:
            await self._count(_window(rate), f"{kind}:{number}", name)

    async def _count(self, window: RateLimitItem, key: str, name: str) -> None:
        if not await self._hit(window, key):
            REFUSED.labels(name).inc()
            raise TooManyCalls("too many calls: this one did nothing, send it again later")

    async def _hit(self, window: RateLimitItem, key: str) -> bool:
        if self._shared:
            try:
                async with asyncio.timeout(_STORE_WITHIN):
                    return await self._shared.hit(window, key)
            except (StorageError, OSError, TimeoutError) as error:
                # The process counts alone: a store that is away must turn no call away, and let no flood in.
                _log.warning("the store of rate limits does not answer", error=type(error).__name__)
        return await self._own.hit(window, key)


def _window(rate: Rate) -> RateLimitItem:
    """Return how many calls may come in how many whole seconds: ``burst`` in the time that the steady rate needs."""
    amount = max(rate.burst, rate.per_second)
    seconds = max(round(amount / rate.per_second), 1)
    return RateLimitItemPerSecond(rate.per_second * seconds, seconds)


def caller_address(request: HTTPConnection) -> str:
    """Return the address that calls; of IPv6 the network that one household has.

    It is the one that uvicorn believes: behind a proxy that ``FORWARDED_ALLOW_IPS`` names, the proxy's caller.
    """
    found = request.client.host if request.client else ""
    try:
        read = ip_address(found)
    except ValueError:
        return found
    return str(ip_network((read, 64), strict=False)) if isinstance(read, IPv6Address) else found
