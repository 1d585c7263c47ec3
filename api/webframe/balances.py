"""The balance that the frame shows: what the player's last movement brought, or what the casino says."""

import asyncio
from datetime import timedelta

from betcore.casino.client import CasinoClient
from betcore.db.frame_sessions import FramePlayer, ShownBalances
from betcore.db.provider_requests import ProviderRequests
from betcore.domain.errors import PlayRefused
from betcore.domain.money import Money
from betcore.domain.partners import Casino

_WITHIN = timedelta(seconds=1.5)
# Looks at what another call has asked for, when nothing is known yet.
_LOOKS, _LOOK_EVERY = 10, 0.2


class FrameBalances:
    """Shows balances. They decide nothing."""

    def __init__(self, shown: ShownBalances, requests: ProviderRequests, casinos: CasinoClient) -> None:
        self._shown = shown
        self._requests = requests
        self._casinos = casinos

    async def current(self, casino: Casino, player: FramePlayer, tag_id: int) -> Money:
        """Return the newest balance that is known; the casino is asked for one every five seconds at most.

        Raises PlayRefused(casino_unavailable) if none is known.
        """
        asked_at = await self._shown.ask(player)
        if asked_at is not None:
            answer = await self._casinos.balance(casino, player.partner_user_id, tag_id, player.currency, _WITHIN)
            if answer.money is not None:
                await self._shown.keep(player, answer.money, asked_at)
        for look in range(_LOOKS):
            found = await self._newest(player)
            if found is not None:
                return found
            if asked_at is not None or look == _LOOKS - 1:
                break
            await asyncio.sleep(_LOOK_EVERY)
        raise PlayRefused("no balance is known", code="casino_unavailable")

    async def _newest(self, player: FramePlayer) -> Money | None:
        moved = await self._requests.last_movement(player.player_id, player.currency)
        shown = await self._shown.last(player)
        # A movement that came while the casino was asked is newer than its answer may be.
        known = [one for one in (shown, moved) if one is not None]
        return max(known, key=lambda one: one[0])[1] if known else None
