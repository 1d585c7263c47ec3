"""The probe of an open breaker when no movement is one, so that "open" ends without traffic when the casino is back."""

import asyncio
from datetime import timedelta
from typing import NoReturn

import structlog

from activities.admission import is_definite
from betcore.casino.client import CasinoClient
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.partners import Casino, Partners

_log = structlog.get_logger()
_EVERY = timedelta(seconds=1)


class Probing:
    """The probes of one process."""

    def __init__(self, health: CircuitBreakers, partners: Partners, casinos: CasinoClient) -> None:
        self._health = health
        self._partners = partners
        self._casinos = casinos

    async def keep(self) -> NoReturn:
        """Probe each second what is due. Ends when cancelled."""
        while True:
            try:
                await self.probe_all()
            except Exception as error:  # a database that is away, or a defect, ends a round and not the task
                _log.warning("casinos could not be probed", error=type(error).__name__)
            await asyncio.sleep(_EVERY.total_seconds())

    async def probe_all(self) -> None:
        """Probe every casino whose breaker is open and whose probe is due, side by side."""
        due = await self._health.unprobed()
        async with asyncio.TaskGroup() as probes:
            for casino_id, bet_id in due:
                probes.create_task(self._probe(casino_id, bet_id))

    async def _probe(self, casino_id: int, bet_id: int) -> None:
        try:
            await self._ask(await self._partners.casino(casino_id), bet_id)
        except Exception as error:  # a casino that cannot be read or asked keeps no other one waiting
            _log.warning("a casino could not be probed", casino_id=casino_id, error=type(error).__name__)

    async def _ask(self, casino: Casino, bet_id: int) -> None:
        if not await self._health.is_probe(casino):
            return
        # Nothing moves by it. A list, "unknown bet" and any other code of the profile say that the casino is there and
        # knows us; what is unclear leaves the breaker as it is.
        answer = await self._casinos.info(casino, bet_id, timedelta(seconds=casino.profile.attempt_timeout))
        if is_definite(answer) and await self._health.is_back(casino):
            _log.info("breaker closed by a probe", casino=casino.name, kind=answer.kind)
