"""Reading partners for the hot path: cached for seconds, secrets opened."""

import re
from typing import Any

from sqlalchemy import Row, Select, Table, case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db import tables
from betcore.db.cache import Cache
from betcore.domain.errors import NotFound
from betcore.domain.partners import Casino, CasinoAccount, Provider
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.vault import Vault

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Partners:
    """Providers and casinos as the database has them now, or had them ``cache_seconds`` ago at most."""

    def __init__(self, engine: AsyncEngine, vault: Vault, cache_seconds: float) -> None:
        self._engine = engine
        self._vault = vault
        self._providers: Cache[str, Provider] = Cache(self._read_provider, cache_seconds)
        self._casinos: Cache[int, Casino] = Cache(self._read_casino, cache_seconds)
        self._accounts: Cache[int, CasinoAccount] = Cache(self._read_account, cache_seconds)

    async def provider(self, counterparty_id: str) -> Provider | None:
        """The provider of an ``X-Counterparty-Id``, disabled or not; None for an unknown one, or what is no UUID."""
        known_as = counterparty_id.lower()
        return await self._providers.get(known_as) if _UUID.fullmatch(known_as) else None

    async def casino(self, casino_id: int) -> Casino:
        """The casino of a row that names it, disabled or not. Raises NotFound."""
        found = await self._casinos.get(casino_id)
        if found is None:
            raise NotFound(f"no casino {casino_id}")
        return found

    async def account(self, partner_client_id: int) -> CasinoAccount | None:
        """The casino that calls itself so, disabled or not: its open bets go on. None for an unknown one."""
        return await self._accounts.get(partner_client_id)

    async def _read_provider(self, counterparty_id: str) -> Provider | None:
        table = tables.provider.c
        row = await self._one(_PROVIDER.where(table.counterparty_id == counterparty_id))
        if row is None:
            return None
        return Provider(
            provider_id=row.provider_id,
            counterparty_id=row.counterparty_id,
            name=row.name,
            base_url=row.base_url,
            profile=ProviderProfile.model_validate(row.profile),
            secrets=self._secrets(row),
            disabled=row.disabled_at is not None,
            suspended=row.suspended_at is not None,
        )

    async def _read_casino(self, casino_id: int) -> Casino | None:
        row = await self._one(select(tables.casino).where(tables.casino.c.casino_id == casino_id))
        return _casino_of(row) if row else None

    async def _read_account(self, partner_client_id: int) -> CasinoAccount | None:
        row = await self._one(_CASINO.where(tables.casino.c.partner_client_id == partner_client_id))
        return CasinoAccount(_casino_of(row), self._secrets(row), row.token_generation) if row else None

    def _secrets(self, row: Row[Any]) -> tuple[str, ...]:
        sealed = (row.secret, row.previous) if row.previous else (row.secret,)
        return tuple(self._vault.open(secret) for secret in sealed)

    async def _one(self, query: Select[Any]) -> Row[Any] | None:
        async with self._engine.connect() as connection:
            row: Row[Any] | None = (await connection.execute(query)).one_or_none()
        return row


def _casino_of(row: Row[Any]) -> Casino:
    return Casino(
        casino_id=row.casino_id,
        partner_client_id=row.partner_client_id,
        name=row.name,
        api_host=row.api_host,
        profile=CasinoProfile.model_validate(row.profile),
        disabled=row.disabled_at is not None,
    )


def _with_previous(table: Table) -> Select[Any]:
    # The database's clock decides whether the previous secret still holds: every process sees the same end of the
    # overlap.
    previous = case((table.c.previous_until > func.now(), table.c.previous_secret))
    return select(table, previous.label("previous"))


_PROVIDER = _with_previous(tables.provider)
_CASINO = _with_previous(tables.casino)
