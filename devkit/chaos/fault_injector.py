"""How each kind of fault in the schedule is injected, and removed again."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from betcore.db.signing_keys import SigningKeys
from devkit.chaos.outages import once_available
from devkit.chaos.partners import LoadCasino, LoadProvider, Onboarder
from devkit.chaos.proxy import Trouble
from devkit.chaos.restoring import Restoring
from devkit.chaos.schedule import Fault
from devkit.chaos.wiring import Wiring
from devkit.stack import orphans

_SERVICES = {"casino": ("sandbox-casino",), "worker": ("worker-1", "worker-2")}
_NOT_AUTHORISED = 8
# A statement that moves a bet on is a transaction of its own and ends with this tag: it is committed when its answer is
# lost. Without it a login or a ping would lose its answer, which does no harm.
_COMMITTED = b"SELECT 1\0"
# Seconds after which a crashed process should long have been started again.
_BACK_WITHIN = 60.0
# For how long a new signing key is listed first: longer than the API lists what it has in its cache.
_LISTED_FIRST = timedelta(seconds=5)


class NotBack(Exception):
    """A process that is to be broken has not been running for a while."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What was hit; ``hits`` counts the connections, chunks (``delay``) or calls that it met, if they can be
    counted."""

    target: str
    hits: int | None = None


@dataclass
class FaultInjector:
    """Injects faults into one stack.

    ``wrong_clocks`` are the wrong clocks that the API accepted, ``not_back`` the processes that did not start again.
    """

    folder: Path
    wiring: Wiring
    onboarder: Onboarder
    keys: SigningKeys
    casinos: list[LoadCasino]
    providers: list[LoadProvider]
    restoring: Restoring
    wrong_clocks: list[str] = field(default_factory=list)
    not_back: list[str] = field(default_factory=list)
    _turn: int = 0
    # Faults in force, by link and by casino: when one of two that overlap ends, the other must stay.
    _troubles: defaultdict[str, list[Trouble]] = field(default_factory=lambda: defaultdict(list))
    _faults: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    async def inject(self, fault: Fault) -> Broken | None:
        """Break, wait, mend; return what was broken, None if there was nothing to break. Raises what mending raises."""
        self._turn += 1
        try:
            return await self._inject(fault, self._turn)
        except NotBack as gone:
            self.not_back.append(f"{fault.kind}: {gone} was not there for {_BACK_WITHIN:g} s")
            return None

    async def _inject(self, fault: Fault, turn: int) -> Broken:
        head, _, tail = fault.kind.partition(" ")
        match head:
            case "kill":
                return await self._kill([_one(who, turn) for who in tail.split(" and ")], signal.SIGKILL)
            case "redeploy":
                return await self._kill([_one("worker", turn)], signal.SIGTERM)
            case "freeze":
                return await self._freeze(fault, _one(tail, turn))
            case "restore":
                return await self._restore()
            case "rotate":
                return await self._rotate(fault, tail, turn)
            case "casino":
                return await self._casino(fault, turn)
            case "wrong":
                return await self._wrong_clock(fault, turn)
            case _:
                return await self._link(fault, head, tail)

    # Processes

    async def _pid(self, name: str) -> int:
        """Return the pid of the process as it is now; wait for it between a crash and the restart. Raises NotBack."""
        give_up = time.monotonic() + _BACK_WITHIN
        while (pid := orphans.living(self.folder / "run" / f"{name}.pid")) is None:
            if time.monotonic() > give_up:
                raise NotBack(name)
            await asyncio.sleep(0.05)
        return pid

    async def _kill(self, names: list[str], how: signal.Signals) -> Broken:
        pids = [await self._pid(name) for name in names]
        _signal_all(pids, how)
        return Broken(", ".join(names))

    async def _freeze(self, fault: Fault, name: str) -> Broken:
        family = [await self._pid(name)]
        try:
            # The parent first: a stopped process makes no more children.
            _signal_all(family, signal.SIGSTOP)
            family += _children(family[0])
            _signal_all(family, signal.SIGSTOP)
            await asyncio.sleep(fault.seconds)
        finally:
            _signal_all(family, signal.SIGCONT)
        return Broken(name)

    async def _restore(self) -> Broken:
        """Restore the database while API and workers stand still; then they start as after a stop."""
        await self.restoring.backed_up()
        server = await self._pid("postgres")
        # From here to the new cluster nothing is awaited: the supervisor, which is of this process, cannot have started
        # a server on the old one meanwhile.
        living = (orphans.living(self.folder / "run" / f"{name}.pid") for name in ("api", *_SERVICES["worker"]))
        held = [pid for pid in living if pid is not None]
        try:
            _signal_all(held, signal.SIGSTOP)
            _signal_all([server], signal.SIGKILL)
            restored_at = self.restoring.put_back()
            ended = await self.restoring.end_lost_workflows(restored_at)
            await self.onboarder.hand_out_secrets(self.providers, self.casinos)
        finally:
            _signal_all(held, signal.SIGKILL)
        return Broken(f"postgres, api, workers; {ended} workflows of lost bets ended")

    # Networks, casinos, keys and clocks

    async def _link(self, fault: Fault, name: str, kind: str) -> Broken:
        link, wrong = self.wiring.links[name], self._troubles[name]
        marker = _COMMITTED if kind == "lose_answers" and name.endswith("-postgres") else b""
        trouble = Trouble(kind, marker=marker, **fault.details)  # type: ignore[arg-type]
        before = link.figures[kind]
        wrong.append(trouble)
        link.trouble(trouble)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            wrong.remove(trouble)
            link.trouble(wrong[-1] if wrong else None)
        return Broken(name, link.figures[kind] - before)

    async def _casino(self, fault: Fault, turn: int) -> Broken:
        casino = self.casinos[1 if "accept" in fault.kind else turn % len(self.casinos)]
        wrong = self._faults[casino.name]
        wrong.append(fault.details)
        try:
            await once_available(lambda: casino.handles.set_faults(*wrong, seed=turn))
            await asyncio.sleep(fault.seconds)
            shown = await once_available(casino.handles.faults)
        finally:
            wrong.remove(fault.details)
            await once_available(lambda: casino.handles.set_faults(*wrong, seed=turn))
        mine = (one["fired"] for one in shown if {**one, "fired": 0} == {**fault.details, "fired": 0})
        return Broken(casino.name, next(mine, 0))

    async def _rotate(self, fault: Fault, what: str, turn: int) -> Broken:
        provider, casino = self.providers[turn % len(self.providers)], self.casinos[turn % len(self.casinos)]
        match what:
            case "provider secret":
                await self.onboarder.new_provider_secret(provider, fault.details["taken_into_use_after"])
                return Broken(provider.name)
            case "casino secret":
                await self.onboarder.new_casino_secret(casino, fault.details["taken_into_use_after"])
                return Broken(casino.name)
            case _:
                await once_available(lambda: self.keys.rotate(_LISTED_FIRST))
                return Broken("signing key")

    async def _wrong_clock(self, fault: Fault, turn: int) -> Broken:
        provider, minutes = self.providers[turn % len(self.providers)], fault.details["minutes"]
        answers = await provider.send_by_wrong_clock(minutes)
        self.wrong_clocks += [
            f"{provider.name} was {minutes} minutes off and was answered {one.code}"
            for one in answers
            if one.definite and one.code != _NOT_AUTHORISED
        ]
        return Broken(provider.name, sum(one.code == _NOT_AUTHORISED for one in answers))


def _one(who: str, turn: int) -> str:
    """Return the process to hit: of several workers, one after the other."""
    names = _SERVICES.get(who, (who,))
    return names[turn % len(names)]


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(pid: int) -> list[int]:
    """Return the processes that a process has started: PostgreSQL has one for each connection."""
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
