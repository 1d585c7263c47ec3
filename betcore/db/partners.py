"""Partners for the hot path: cached for seconds, secrets opened."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Executable, Table, case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db import tables
from betcore.db.cache import Cache
from betcore.db.engine import R, typed
from betcore.domain.errors import NotFound
from betcore.domain.partners import Casino, CasinoAccount, Provider
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.vault import Vault

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider; ``previous`` is the secret before, as long as it holds."""

    provider_id: int
    counterparty_id: str
    name: str
    base_url: str
    profile: dict[str, object]
    secret: str
    previous: str | None
    disabled_at: datetime | None
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasinoRow:
    """A casino."""

    casino_id: int
    partner_client_id: int
    name: str
    api_host: str
    profile: dict[str, object]
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A casino as it calls us; ``previous`` is the secret before, as long as it holds."""

    casino: CasinoRow
    secret: str
    previous: str | None
    token_generation: int


class Partners:
    """Providers and casinos as the database has them now, or had them ``cache_seconds`` ago at most."""

    def __init__(self, engine: AsyncEngine, vault: Vault, cache_seconds: float) -> None:
        self._engine = engine
        self._vault = vault
        self._providers: Cache[str, Provider] = Cache(self._read_provider, cache_seconds)
        self._casinos: Cache[int, Casino] = Cache(self._read_casino, cache_seconds)
        self._accounts: Cache[int, CasinoAccount] = Cache(self._read_account, cache_seconds)

    async def provider(self, counterparty_id: str) -> Provider | None:
        """Return the provider of an ``X-Counterparty-Id``, disabled or not; None if it is unknown or no UUID."""
        known_as = counterparty_id.lower()
        return await self._providers.get(known_as) if _UUID.fullmatch(known_as) else None

    def knows_provider(self, counterparty_id: str) -> bool:
        """Return whether the provider was found before, so that its row is kept here."""
        return self._providers.knows(counterparty_id.lower())

    def knows_account(self, partner_client_id: int) -> bool:
        """Return whether the casino was found before, so that its account is kept here."""
        return self._accounts.knows(partner_client_id)

    async def casino(self, casino_id: int) -> Casino:
        """Return a casino by its row's number, disabled or not. Raise NotFound."""
        found = await self._casinos.get(casino_id)
        if found is None:
            raise NotFound(f"no casino {casino_id}")
        return found

    async def account(self, partner_client_id: int) -> CasinoAccount | None:
        """Return a casino by its ``partner_client_id``, or None. A disabled one still confirms open bets."""
        return await self._accounts.get(partner_client_id)

    async def _read_provider(self, counterparty_id: str) -> Provider | None:
        table = tables.provider
        query = select(table, _previous(table)).where(table.c.counterparty_id == counterparty_id)
        row = await self._one(query, ProviderRow)
        if row is None:
            return None
        return Provider(
            provider_id=row.provider_id,
            counterparty_id=row.counterparty_id,
            name=row.name,
            base_url=row.base_url,
            profile=ProviderProfile.model_validate(row.profile),
            secrets=self._secrets(row.secret, row.previous),
            disabled=row.disabled_at is not None,
            suspended=row.suspended_at is not None,
        )

    async def _read_casino(self, casino_id: int) -> Casino | None:
        query = select(tables.casino).where(tables.casino.c.casino_id == casino_id)
        row = await self._one(query, CasinoRow)
        return _casino_of(row) if row else None

    async def _read_account(self, partner_client_id: int) -> CasinoAccount | None:
        table = tables.casino
        query = select(table, _previous(table)).where(table.c.partner_client_id == partner_client_id)
        row = await self._one(query, AccountRow)
        if row is None:
            return None
        return CasinoAccount(_casino_of(row.casino), self._secrets(row.secret, row.previous), row.token_generation)

    def _secrets(self, secret: str, previous: str | None) -> tuple[str, ...]:
        sealed = (secret, previous) if previous else (secret,)
        return tuple(self._vault.open(one) for one in sealed)

    async def _one(self, query: Executable, row: type[R]) -> R | None:
        async with self._engine.connect() as connection:
            found = typed(await connection.execute(query), row)
        return found[0] if found else None


def _casino_of(row: CasinoRow) -> Casino:
    return Casino(
        casino_id=row.casino_id,
        partner_client_id=row.partner_client_id,
        name=row.name,
        api_host=row.api_host,
        profile=CasinoProfile.model_validate(row.profile),
        disabled=row.disabled_at is not None,
    )


def _previous(table: Table) -> ColumnElement[str | None]:
    # The database's clock decides whether the previous secret still holds: every process sees the same end of the
    # overlap.
    return case((table.c.previous_until > func.now(), table.c.previous_secret)).label("previous")
