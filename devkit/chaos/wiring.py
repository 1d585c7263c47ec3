"""A proxy between each pair of the stack's processes, and the addresses by which they find it.

The links run in the process that breaks things. Workers share theirs: what happens to a link happens to all of them.
"""

from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import SecretStr

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings
from devkit.chaos.proxy import Link
from devkit.chaos.schedule import LINKS
from devkit.stack.ports import HOST
from devkit.stack.up import Env

_DATABASE, _TEMPORAL = "BETCORE_DATABASE_URL", "BETCORE_TEMPORAL_ADDRESS"
_AGGREGATOR, _CASINO_PORT = "BETCORE_SANDBOX_AGGREGATOR_URL", "BETCORE_SANDBOX_CASINO_PORT"
# A key of its own for each process that talks to the database or to Temporal.
_SERVICES = {"api": "api", "worker-1": "worker", "worker-2": "worker"}


class Wiring:
    """The links of one stack, by their names in the schedule.

    The casino may have a database elsewhere, as every casino has: a fault of our database then takes nothing from its
    journal.
    """

    def __init__(self, casinos_database: str | None = None) -> None:
        self._casinos_database = casinos_database
        self.links: dict[str, Link] = {}
        self._ports: dict[str, int] = {}

    async def __call__(self, name: str, env: Env) -> Env:
        """Return the variables of a process that is about to start, with its servers behind links."""
        if name == "sandbox-casino":
            port = await self._link("casino-api", int(env["BETCORE_API_PORT"]))
            return env | {_AGGREGATOR: f"http://{HOST}:{port}", _DATABASE: self._casinos_database or env[_DATABASE]}
        who = _SERVICES.get(name)
        if who is None:
            return env
        database = urlsplit(env[_DATABASE])
        await self._link(f"{who}-postgres", database.port or 0)
        to_temporal = await self._link(f"{who}-temporal", int(env[_TEMPORAL].rpartition(":")[2]))
        return env | {
            _DATABASE: urlunsplit(self._behind(f"{who}-postgres", database)),
            _TEMPORAL: f"{HOST}:{to_temporal}",
            # The providers of the load have no API that lists games.
            "BETCORE_CATALOGUE_SECONDS": "0",
            # A run is over when all stakes are booked.
            "BETCORE_JACKPOT_SECONDS": "2",
        }

    def beside_api(self, settings: Settings) -> dict[str, object]:
        """Return the settings that differ for a command that reaches the database and Temporal as the API does."""
        if settings.database_url is None:
            raise Misconfigured("no database", code="no_database")
        database = urlsplit(settings.database_url.get_secret_value())
        return {
            "database_url": SecretStr(urlunsplit(self._behind("api-postgres", database))),
            "temporal_address": f"{HOST}:{self.port('api-temporal')}",
        }

    async def to_api(self, port: int) -> str:
        """Return the address of the API for providers."""
        return f"http://{HOST}:{await self._link('provider-api', port)}"

    async def to_casino(self, port: int) -> str:
        """Return the address of the casino for the service."""
        return f"http://{HOST}:{await self._link('service-casino', port)}"

    def _behind(self, link: str, database: SplitResult) -> SplitResult:
        credentials = database.netloc.rpartition("@")[0]
        address = f"{HOST}:{self.port(link)}"
        return database._replace(netloc=f"{credentials}@{address}" if credentials else address)

    async def _link(self, name: str, port: int) -> int:
        if name not in LINKS:
            raise ValueError(f"no schedule knows the link {name}")
        if name not in self.links:
            self.links[name] = Link(name, HOST, port)
            self._ports[name] = await self.links[name].open()
        return self._ports[name]

    def port(self, name: str) -> int:
        """Return the port on which a link listens."""
        return self._ports[name]

    async def aclose(self) -> None:
        """Reset all connections."""
        for link in self.links.values():
            await link.close()
