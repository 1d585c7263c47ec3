"""What one sandbox keeps in memory for each of its casinos, beside the wallet."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field

import asyncpg

from devkit.sandbox.casino.accepts import Sending
from devkit.sandbox.casino.call_log import Call
from devkit.sandbox.casino.faults import Fault, Plan
from devkit.sandbox.casino.rules import Switches

_CALLS_KEPT = 10_000


class Gate:
    """A gate that holds calls until the developer releases them."""

    def __init__(self) -> None:
        self._held: list[asyncio.Event] = []
        self._changed = asyncio.Condition()

    @property
    def held(self) -> int:
        """Return how many calls wait here now."""
        return len(self._held)

    async def wait(self) -> None:
        """Wait until the next ``release``."""
        turn = asyncio.Event()
        self._held.append(turn)
        async with self._changed:
            self._changed.notify_all()
        await turn.wait()

    def release(self) -> int:
        """Release all that wait now, and return their number. Later calls wait for the next release."""
        turns, self._held = self._held, []
        for turn in turns:
            turn.set()
        return len(turns)

    async def until_held(self, count: int) -> None:
        """Wait until this number of calls wait here."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.held >= count)


@dataclass(frozen=True)
class Credentials:
    """What a casino needs to call the aggregator. Without an address the process's own one is used."""

    secret: str = field(repr=False)
    aggregator_url: str | None = None


@dataclass
class Casino:
    """One casino: its switches, its faults, the calls it received, those that it holds, and the Accepts that it
    sends."""

    client_id: int
    switches: Switches = field(default_factory=Switches)
    plan: Plan = field(default_factory=Plan)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=_CALLS_KEPT))
    gate: Gate = field(default_factory=Gate)
    accepts: deque[Sending] = field(default_factory=lambda: deque(maxlen=_CALLS_KEPT))
    credentials: Credentials | None = None
    # Its copy of the aggregator's games by GameId, and the last change of them that it has read.
    games: dict[int, dict[str, object]] = field(default_factory=dict)
    games_until: str | None = None


class Casinos:
    """All casinos; one is made when it is first named. Switches, lasting faults and secrets outlive a restart."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._casinos: dict[int, Casino] = {}

    def __getitem__(self, client_id: int) -> Casino:
        return self._casinos.setdefault(client_id, Casino(client_id))

    async def load(self) -> None:
        """Read what was kept."""
        for row in await self._pool.fetch("SELECT * FROM sandbox_casino.casino"):
            casino = self[row["client_id"]]
            casino.switches = Switches.model_validate_json(row["switches"])
            casino.plan = Plan(row["seed"], [Fault.model_validate(one) for one in json.loads(row["faults"])])
            if row["secret"] is not None:
                casino.credentials = Credentials(row["secret"], row["aggregator_url"])

    async def keep(self, casino: Casino) -> None:
        """Write down what a restart must not forget."""
        faults = [fault.model_dump(mode="json", exclude_unset=True) for fault in casino.plan.lasting()]
        await self._pool.execute(
            """INSERT INTO sandbox_casino.casino (client_id, switches, seed, faults, secret, aggregator_url)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (client_id) DO UPDATE
               SET switches = excluded.switches, seed = excluded.seed, faults = excluded.faults,
                   secret = excluded.secret, aggregator_url = excluded.aggregator_url""",
            casino.client_id,
            casino.switches.model_dump_json(),
            casino.plan.seed,
            json.dumps(faults),
            casino.credentials and casino.credentials.secret,
            casino.credentials and casino.credentials.aggregator_url,
        )
