"""Probes of open circuit breakers by payments/info, so that a breaker closes without traffic once the casino is back.

A movement that is due is the probe itself; these probes are for casinos without one.
"""

import asyncio
from datetime import timedelta
from typing import NoReturn

import structlog

from activities.admission import is_definite
from betcore.casino.client import CasinoClient
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.partners import Partners
from betcore.domain.partners import Casino

_log = structlog.get_logger()
_EVERY = timedelta(seconds=1)


class BreakerProbes:
    """Probes the casinos from one process."""

    def __init__(self, breakers: CircuitBreakers, partners: Partners, casinos: CasinoClient) -> None:
        self._breakers = breakers
        self._partners = partners
        self._casinos = casinos

    async def keep(self) -> NoReturn:
        """Probe the casinos that are due, each second, until cancelled."""
        while True:
            try:
                await self.probe_all()
            except Exception as error:  # a database that is away, or a defect, ends one round and not the task
                _log.warning("casinos could not be probed", error=type(error).__name__)
            await asyncio.sleep(_EVERY.total_seconds())

    async def probe_all(self) -> None:
        """Probe every casino whose breaker is open and whose probe is due, side by side."""
        due = await self._breakers.unprobed()
        async with asyncio.TaskGroup() as probes:
            for casino_id, bet_id in due:
                probes.create_task(self._probe(casino_id, bet_id))

    async def _probe(self, casino_id: int, bet_id: int) -> None:
        try:
            await self._ask(await self._partners.casino(casino_id), bet_id)
        except Exception as error:  # one casino that cannot be read or asked must not stop the others
            _log.warning("a casino could not be probed", casino_id=casino_id, error=type(error).__name__)

    async def _ask(self, casino: Casino, bet_id: int) -> None:
        if not await self._breakers.is_probe(casino):
            return
        # payments/info moves no money. A list, "unknown bet" and any other code of the profile show that the casino is
        # there and knows us; an unclear answer leaves the breaker as it is.
        answer = await self._casinos.info(casino, bet_id, timedelta(seconds=casino.profile.attempt_timeout))
        if is_definite(answer) and await self._breakers.is_back(casino):
            _log.info("breaker closed by a probe", casino=casino.name, kind=answer.kind)
