"""Admission of new stakes: those beyond the limit are answered at once, before they cost what a bet costs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from prometheus_client import Counter, Gauge

from api.provider.call import Call
from api.provider.responses import USED_BEFORE
from api.provider.stake_limit import StakeLimit
from betcore.db.provider_requests import ProviderRequests
from betcore.domain.bet import BetRecord
from betcore.domain.errors import NotAuthorised, OutcomeUnknown, Overloaded
from betcore.domain.ids import BetKey

_log = structlog.get_logger()

LIMIT = Gauge("betcore_stake_limit", "New stakes that this process lets be in flight at once; 0: any number")
IN_FLIGHT = Gauge("betcore_stakes_in_flight", "New stakes on their way to their bets")
SHED = Counter("betcore_stakes_shed", "New stakes that were answered at once because the limit was reached")


class StakeAdmission:
    """Lets new stakes through to their bets while fewer than the limit are in flight. ``most`` 0 lets all through.

    What counts for the limit is the wait from the look-up of a call to the opening of its bet, both by the database's
    clock: the time of the API, Temporal, worker and database, and not the casino's. A slow casino lowers no limit.
    """

    def __init__(self, requests: ProviderRequests, most: int) -> None:
        self._requests = requests
        self._limit = StakeLimit(most) if most else None
        self._bets: set[BetKey] = set()
        self._look_ups: set[asyncio.Task[None]] = set()
        LIMIT.set(self._limit.limit if self._limit else 0)

    async def turn_away_if_full(self, call: Call, bet: BetKey) -> None:
        """Raise Overloaded for a new stake that has no place whatever its casino is, before it is looked up.

        Its request id is used up all the same: a provider may give such a bet up without a Refund, and whoever has
        recorded the call could place the bet after that. Raises NotAuthorised if the id was used before.
        """
        if self._limit is None or bet in self._bets or not self._limit.is_full():
            return
        provider_id = call.provider.provider_id
        claimed = await self._requests.claim_unless_known(provider_id, call.request_id, bet.provider_bet_id)
        if claimed is False:
            raise NotAuthorised(USED_BEFORE)
        if claimed:
            raise _turned_away()

    async def send(
        self,
        call: Call,
        bet: BetKey,
        casino_id: int,
        seen_at: datetime,
        send: Callable[[], Awaitable[BetRecord | None]],
    ) -> BetRecord | None:
        """Send a stake that has no row yet to its bet, and return the bet's row.

        Raises Overloaded at once, with nothing sent, if the limit is reached; and what ``send`` raises. A call whose
        bet this process is just sending joins it, and takes no place.
        """
        limit = self._limit
        if limit is None or bet in self._bets:
            return await send()
        if not limit.enter(casino_id):
            raise _turned_away()
        entered = limit.round
        self._bets.add(bet)
        IN_FLIGHT.set(limit.in_flight)
        try:
            record = await send()
        except (OutcomeUnknown, asyncio.CancelledError):
            # The casino or the queue: the row says whose time it was. The provider is answered meanwhile.
            look_up = asyncio.create_task(self._look_up(limit, entered, call, bet, seen_at))
            self._look_ups.add(look_up)
            look_up.add_done_callback(self._look_ups.discard)
            raise
        finally:
            self._bets.discard(bet)
            limit.leave(casino_id)
            IN_FLIGHT.set(limit.in_flight)
        if record is not None:
            self._learn(limit, entered, call, seen_at, record)
        return record

    async def _look_up(self, limit: StakeLimit, entered: int, call: Call, bet: BetKey, seen_at: datetime) -> None:
        try:
            record = await self._requests.find(call.provider.provider_id, bet.provider_bet_id)
        except Exception as error:
            # A database that is away keeps all stakes waiting.
            _log.warning("a stake could not be looked up", error=type(error).__name__)
            record = None
        self._learn(limit, entered, call, seen_at, record)

    async def close(self) -> None:
        """Wait for the look-ups that are under way: the database's pool is closed next."""
        await asyncio.gather(*self._look_ups)

    def _learn(self, limit: StakeLimit, entered: int, call: Call, seen_at: datetime, record: BetRecord | None) -> None:
        """Take in how long a stake waited: all of its time if no worker has opened its bet."""
        share = 1.0
        if record is not None:
            if record.opened_at is None:
                # From a worker of an earlier release.
                return
            share = (record.opened_at - seen_at).total_seconds() / call.provider.profile.answer_deadline
        limit.waited(min(max(share, 0.0), 1.0), entered)
        LIMIT.set(limit.limit)


def _turned_away() -> Overloaded:
    SHED.inc()
    return Overloaded("too many new stakes at once: this call took nothing, send it again later")
