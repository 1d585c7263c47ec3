"""The player's balance in an answer. It is shown only: no ``_responseCode`` of a bet depends on it."""

import asyncio
from datetime import timedelta

import structlog

from api.provider.call import Call
from betcore.casino.client import CasinoClient
from betcore.db.partners import Partners
from betcore.db.provider_requests import ProviderRequests
from betcore.domain.casino_values import Shown
from betcore.domain.money import Money
from betcore.domain.sessions import Session

_log = structlog.get_logger()

_LONGEST_WAIT = 1.0


class Balances:
    """Reads balances from the casino, and from the player's last bet if the casino does not answer."""

    def __init__(self, requests: ProviderRequests, partners: Partners, casinos: CasinoClient) -> None:
        self._requests = requests
        self._partners = partners
        self._casinos = casinos

    async def current(self, call: Call, session: Session) -> Shown:
        """Return the balance as the casino has it now, else as it was last recorded."""
        return await self._read(call, session, ask_casino=True)

    async def for_answer(self, call: Call, session: Session, *, ask_casino: bool) -> Money | None:
        """Return the balance for an answer about a bet, None if it is not known."""
        return (await self._read(call, session, ask_casino=ask_casino)).money

    async def _read(self, call: Call, session: Session, *, ask_casino: bool) -> Shown:
        """Return the balance within the call's deadline, whatever the casino answers or the reading raises."""
        within = min(call.seconds_left, _LONGEST_WAIT)
        try:
            async with asyncio.timeout(within):
                shown = Shown(False, None)
                if ask_casino:
                    casino = await self._partners.casino(session.casino_id)
                    # Half of the time is left for the last recorded balance.
                    shown = await self._casinos.balance(
                        casino,
                        session.partner_user_id,
                        session.tag_id,
                        session.currency,
                        timedelta(seconds=within / 2),
                    )
                if not shown.read:
                    last = await self._requests.last_balance(session.player_id, session.currency)
                    shown = Shown(last is not None, last)
                return shown
        except Exception as error:
            _log.warning("no balance for an answer", error=type(error).__name__)
            return Shown(False, None)
