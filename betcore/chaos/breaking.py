"""How each kind of the schedule is broken, and mended again."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from betcore.chaos.parties import Desk, House, Player, patiently
from betcore.chaos.proxy import Trouble
from betcore.chaos.schedule import Fault
from betcore.chaos.wiring import Wiring
from betcore.db.signing_keys import SigningKeys

_SERVICES = {"casino": ("sandbox-casino",), "worker": ("worker-1", "worker-2")}
_NOT_AUTHORISED = 8
# A statement that moves a bet on is a transaction of its own and ends with this tag: it is committed when its answer is
# lost. Without it a login or a ping would lose its answer, which harms nobody.
_COMMITTED = b"SELECT 1\0"


class Breaker:
    """Breaks one stack. ``wrong_clocks`` are those that were believed."""

    def __init__(
        self,
        folder: Path,
        wiring: Wiring,
        desk: Desk,
        keys: SigningKeys,
        houses: list[House],
        players: list[Player],
    ) -> None:
        self._folder = folder
        self._wiring = wiring
        self._desk = desk
        self._keys = keys
        self._houses = houses
        self._players = players
        self._turn = 0
        self.wrong_clocks: list[str] = []

    async def carry_out(self, fault: Fault) -> str:
        """Break, wait, mend; what was broken. Raises what breaking or mending raises."""
        self._turn += 1
        head, _, tail = fault.kind.partition(" ")
        match head:
            case "kill":
                return await self._kill(fault, tail.split(" and "))
            case "freeze":
                return await self._freeze(fault, self._one(tail))
            case "redeploy":
                return await self._redeploy(fault)
            case "rotate":
                return await self._rotate(fault, tail)
            case "casino":
                return await self._casino(fault)
            case "wrong":
                return await self._wrong_clock(fault)
            case _:
                return await self._link(fault, head, tail)

    # Processes

    def _one(self, who: str) -> str:
        """The process that is hit: of several workers, one after the other."""
        names = _SERVICES.get(who, (who,))
        return names[self._turn % len(names)]

    def _pid(self, name: str) -> int | None:
        """As it is now; None between a crash and the restart."""
        with suppress(OSError, ValueError, IndexError):
            return int((self._folder / "run" / f"{name}.pid").read_text().split()[0])
        return None

    async def _kill(self, fault: Fault, who: list[str]) -> str:
        names = [self._one(one) for one in who]
        for name in names:
            _signal(self._pid(name), signal.SIGKILL)
        await asyncio.sleep(fault.seconds)
        return ", ".join(names)

    async def _freeze(self, fault: Fault, name: str) -> str:
        pid = self._pid(name)
        family = [] if pid is None else [pid, *_children(pid)]
        _signal_all(family, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            _signal_all(family, signal.SIGCONT)
        return name

    async def _redeploy(self, fault: Fault) -> str:
        name = self._one("worker")
        _signal(self._pid(name), signal.SIGTERM)
        await asyncio.sleep(fault.seconds)
        return name

    # Networks, casinos, keys and clocks

    async def _link(self, fault: Fault, name: str, trouble: str) -> str:
        link = self._wiring.links[name]
        marker = _COMMITTED if trouble == "lose_answers" and name.endswith("-postgres") else b""
        link.trouble(Trouble(trouble, marker=marker, **fault.details))  # type: ignore[arg-type]
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            link.trouble(None)
        return name

    async def _casino(self, fault: Fault) -> str:
        house = self._houses[1 if "accept" in fault.kind else self._turn % len(self._houses)]
        try:
            await patiently(lambda: house.handles.set_faults(fault.details, seed=self._turn))
            await asyncio.sleep(fault.seconds)
        finally:
            await patiently(lambda: house.handles.set_faults())
        return house.name

    async def _rotate(self, fault: Fault, what: str) -> str:
        player, house = self._players[self._turn % len(self._players)], self._houses[self._turn % len(self._houses)]
        match what:
            case "provider secret":
                await self._desk.new_provider_secret(player, fault.seconds)
                return player.name
            case "casino secret":
                await self._desk.new_casino_secret(house, fault.seconds)
                return house.name
            case _:
                await patiently(self._keys.rotate)
                await asyncio.sleep(fault.seconds)
                return "signing key"

    async def _wrong_clock(self, fault: Fault) -> str:
        player = self._players[self._turn % len(self._players)]
        answer = await player.with_wrong_clock(fault.details["minutes"])
        if answer.definite and answer.code != _NOT_AUTHORISED:
            self.wrong_clocks.append(
                f"{player.name} was {fault.details['minutes']} minutes off and heard {answer.code}"
            )
        await asyncio.sleep(fault.seconds)
        return player.name


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        _signal(pid, number)


def _children(pid: int) -> list[int]:
    """The processes that a process has started: PostgreSQL has one for each connection."""
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
