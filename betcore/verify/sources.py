"""Opens what ``verify`` reads, from the settings of a stack."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import aiohttp
from temporalio.client import Client

from betcore.casino.client import CasinoClient
from betcore.casino.http_session import http_session
from betcore.db.database import Database, open_database
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.domain.errors import Misconfigured
from betcore.domain.partners import Casino
from betcore.runtime.settings import Settings
from betcore.runtime.settings_sources import STACK_FILE
from betcore.runtime.vault import Vault
from betcore.temporal.client import connect
from betcore.verify.casinos import CasinoCheck, Way
from betcore.verify.run import ProviderBook, Sources
from betcore.verify.workflows import Timing

_CACHE_SECONDS = 60
_LEFT_OUT = "not wanted"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be checked.

    With ``auto``, ``casinos`` reads the journal of the stack's sandbox and asks all other casinos by payments/info.
    ``sandbox`` is that sandbox's address if the data folder does not have it.
    """

    casinos: Literal["auto", "journal", "info", "none"] = "auto"
    temporal: bool = True
    books: Sequence[ProviderBook] = ()
    since: datetime | None = None
    sandbox: str | None = None
    timing: Timing = field(default_factory=Timing)


@asynccontextmanager
async def open_sources(settings: Settings, scope: Scope) -> AsyncIterator[Sources]:
    """Open the sources for the length of the block.

    Temporal may be unreachable: its checks are then unchecked. Raises Misconfigured without a database.
    """
    left_out, why_not = {}, {}
    client: Client | None = None
    if scope.temporal:
        try:
            client = await connect(settings)
        except (RuntimeError, Misconfigured) as error:
            why_not = {name: f"Temporal: {error}" for name in ("workflows", "owed")}
    else:
        left_out = {name: _LEFT_OUT for name in ("workflows", "owed")}
    async with (
        open_database(settings) as database,
        http_session(timeout=aiohttp.ClientTimeout(total=60)) as http,
    ):
        casinos: CasinoCheck | None = None
        if scope.casinos == "none":
            left_out["journal"] = _LEFT_OUT
        else:
            casinos = _casinos(settings, database, http, scope)
        yield Sources(database, client, casinos, scope.books, scope.since, left_out, why_not, scope.timing)


def _casinos(settings: Settings, database: Database, http: aiohttp.ClientSession, scope: Scope) -> CasinoCheck:
    vault = Vault.of(settings)
    client = CasinoClient(http, SigningKeys(database, vault, _CACHE_SECONDS), settings.issuer)
    return CasinoCheck(database, http, client, Partners(database, vault, _CACHE_SECONDS), _way(settings, scope))


def _way(settings: Settings, scope: Scope) -> Callable[[Casino], Way]:
    if scope.casinos == "journal":
        return lambda casino: "journal"
    sandbox = (scope.sandbox or _sandbox_of(settings) or "").rstrip("/")
    if scope.casinos == "info" or not sandbox:
        return lambda casino: "info"
    return lambda casino: "journal" if casino.api_host.rstrip("/") == sandbox else "info"


def _sandbox_of(settings: Settings) -> str | None:
    try:
        ready = json.loads((settings.data_dir / STACK_FILE).read_text())["ready"]
    except (OSError, ValueError, KeyError):
        return None
    found: str | None = ready.get("sandbox_casino")
    return found
