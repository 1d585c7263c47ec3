"""The launch of a game for a player: by the frame, or asked for by a casino's server.

Three statements and one call at the provider. The session is committed before the call, because the provider may ask
for the balance while it answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal
from uuid import uuid4

import structlog
from prometheus_client import Counter

from betcore.db.launches import Found, Launches, Opened
from betcore.db.partners import Partners
from betcore.domain import frame_uri, launch
from betcore.domain.errors import PlayRefused
from betcore.domain.launch import Launched, LaunchedGame, LaunchingSession, LaunchRequest, StakeRange, WinRange
from betcore.domain.partners import Provider
from betcore.provider.client import LaunchFailed, LaunchUnanswered, ProviderClient

_log = structlog.get_logger()

LAUNCHES = Counter("betcore_launches", "Launches of games by provider and outcome", ["provider", "outcome"])

# Between two looks at a launch that another call has begun.
_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Order:
    """A launch that may begin; ``greatest`` is its session's own limit."""

    request: LaunchRequest
    provider: Provider
    game: LaunchedGame
    greatest: Decimal | None
    stakes: StakeRange

    @property
    def wins(self) -> WinRange:
        """Return the limits of its session's wins."""
        return WinRange.of(self.request.casino.profile, self.request.currency)

    def session(self) -> LaunchingSession:
        """Return a session to open for it, another one each time."""
        lifetime = timedelta(seconds=self.provider.profile.session_lifetime)
        return LaunchingSession(
            str(uuid4()), self.request, self.provider.provider_id, self.greatest, self.wins, lifetime
        )


class Launcher:
    """Launches games. ``sync`` starts a sync of a provider's games, by its counterparty id."""

    def __init__(
        self,
        launches: Launches,
        partners: Partners,
        providers: ProviderClient,
        sync: Callable[[str], Awaitable[None]],
    ) -> None:
        self._launches = launches
        self._partners = partners
        self._providers = providers
        self._sync = sync

    async def launch(self, request: LaunchRequest) -> Launched:
        """Launch a game, in a session that takes its bets from then on.

        The same player, game, currency and mode within a minute get the same session and page, whichever process they
        come to. Raises PlayRefused, and DatabaseError.
        """
        found = await self._launches.find(request.casino.casino_id, request.game_id)
        order = await self.order(request, found)
        return await self.finish(order, await self.open(order))

    async def order(self, request: LaunchRequest, found: Found) -> Order:
        """Return the order of a launch of the game found. Raises PlayRefused if it cannot begin."""
        provider = await self._partners.provider(found.counterparty_id)
        if provider is None:
            raise PlayRefused("there is no such provider", code="game_unavailable")
        launch.check(request, found.game)
        greatest = launch.greatest_of_session(request, found.game, provider.profile)
        return Order(request, provider, found.game, greatest, launch.stake_range(request, found.game, greatest))

    async def open(self, order: Order) -> Opened | None:
        """Open a session, as ``Launches.open`` does."""
        return await self._launches.open(order.session())

    async def finish(self, order: Order, opened: Opened | None) -> Launched:
        """Launch the game in the session that was opened; without one, return what comes of the launch by another call.

        Raises PlayRefused, and DatabaseError.
        """
        while opened is None:
            joined = await self._join(order)
            if joined is not None:
                return joined
            opened = await self.open(order)
        return await self._launch(order, opened)

    async def _launch(self, order: Order, opened: Opened) -> Launched:
        """Ask the provider for the game, and record what comes of it. Raises PlayRefused."""
        try:
            found = await self._ask(order, opened)
        except LaunchFailed as failure:
            raise await self._end(order, opened, failure) from None
        doubt = frame_uri.doubt(found, order.provider.profile.frame_hosts, order.request.own_host)
        if doubt is not None:
            raise await self._end(order, opened, LaunchFailed("frame_uri", f"frameUri: {doubt}"))
        if not await self._launches.launched(opened.session_id, found):
            raise PlayRefused("the session was ended while it was launched", code="game_unavailable")
        LAUNCHES.labels(order.provider.name, "launched").inc()
        return _launched(order, opened, found)

    async def _ask(self, order: Order, opened: Opened) -> str:
        """Return the provider's ``frameUri``. Raises LaunchFailed."""
        profile, wins = order.provider.profile, order.wins
        message = launch.message(
            order.request, opened.session_id, opened.player_ref, order.game, profile, order.stakes, wins
        )
        try:
            return await self._providers.launch(order.provider, order.game.provider_game_id, message)
        except LaunchUnanswered as failure:
            # It may have launched the game. The same session again is the same launch; after an answer it is not sent.
            _log.warning("a launch is sent again", provider=order.provider.name, reason=failure.reason)
            return await self._providers.launch(order.provider, order.game.provider_game_id, message)

    async def _end(self, order: Order, opened: Opened, failure: LaunchFailed) -> PlayRefused:
        """End the session of a launch that has failed; return what the caller is told."""
        name, reason = order.provider.name, failure.reason
        _log.warning("a game was not launched", provider=name, game=order.game.game_id, reason=reason, why=str(failure))
        LAUNCHES.labels(name, reason).inc()
        if reason != "not_found":
            await self._launches.end(opened.session_id, "provider_unavailable")
            return _refused("provider_unavailable")
        due = await self._launches.end_as_unknown(opened.session_id, "game_unavailable")
        if due is not None:
            await self._sync(due)
        return _refused("game_unavailable")

    async def _join(self, order: Order) -> Launched | None:
        """Wait for the same launch by another call, and return what came of it; None if there is nothing to wait for.

        Raises PlayRefused if it has failed.
        """
        while True:
            last = await self._launches.standing(order.request)
            if last is None or last.lost:
                return None
            match last.end_reason:
                case "provider_unavailable" | "game_unavailable":
                    raise _refused(last.end_reason)
                case str():
                    return None
            if last.frame_uri is not None:
                return _launched(order, Opened(last.session_id, last.expires_at, ""), last.frame_uri)
            await asyncio.sleep(_LOOK_EVERY)


def _refused(code: Literal["provider_unavailable", "game_unavailable"]) -> PlayRefused:
    return PlayRefused("the provider has not launched the game", code=code)


def _launched(order: Order, opened: Opened, uri: str) -> Launched:
    return Launched(
        session_id=opened.session_id,
        frame_uri=uri,
        expires_at=opened.expires_at,
        game_id=order.game.game_id,
        game_name=order.game.name,
        mode=order.request.mode,
        currency=order.request.currency,
    )
