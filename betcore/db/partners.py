"""Partners for the hot path: cached for seconds, secrets opened."""

import re
from collections.abc import Collection

from betcore.db.cache import Cache
from betcore.db.database import Database
from betcore.db.existence import Existence
from betcore.db.statements import partners
from betcore.db.statements.partners import CasinoRow
from betcore.domain.errors import NotFound
from betcore.domain.partners import Casino, CasinoAccount, PartnerKind, Provider
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.vault import Place, Vault

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Partners:
    """Providers and casinos as the database has them now, or had them ``cache_seconds`` ago at most."""

    def __init__(self, database: Database, vault: Vault, cache_seconds: float) -> None:
        self._database = database
        self._vault = vault
        self._providers: Cache[str, Provider] = Cache(self._read_provider, cache_seconds)
        self._casinos: Cache[int, Casino] = Cache(self._read_casino, cache_seconds)
        self._accounts: Cache[int, CasinoAccount] = Cache(self._read_account, cache_seconds)
        self._provider_ids = Existence(self._existing_providers, cache_seconds)
        self._account_ids = Existence(self._existing_accounts, cache_seconds)
        self._frame_hosts: Cache[str, tuple[str, ...]] = Cache(self._read_frame_hosts, cache_seconds)
        self._origins: Cache[str, tuple[str, ...]] = Cache(self._read_origins, cache_seconds)

    async def provider(self, counterparty_id: str) -> Provider | None:
        """Return the provider of an ``X-Counterparty-Id``, disabled or not; None if it is unknown or no UUID."""
        known_as = counterparty_id.lower()
        if not _UUID.fullmatch(known_as):
            return None
        if not self._providers.knows(known_as) and not await self._provider_ids.has(known_as):
            return None
        return await self._providers.get(known_as)

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
        if not self._accounts.knows(partner_client_id) and not await self._account_ids.has(partner_client_id):
            return None
        return await self._accounts.get(partner_client_id)

    async def _existing_providers(self, counterparty_ids: Collection[str]) -> Collection[str]:
        rows = await self._database.all_rows(partners.EXISTING_PROVIDERS, counterparty_ids=list(counterparty_ids))
        return {row.counterparty_id for row in rows}

    async def _existing_accounts(self, client_ids: Collection[int]) -> Collection[int]:
        rows = await self._database.all_rows(partners.EXISTING_ACCOUNTS, client_ids=list(client_ids))
        return {row.partner_client_id for row in rows}

    async def _read_provider(self, counterparty_id: str) -> Provider | None:
        row = await self._database.one_row(partners.PROVIDER, counterparty_id=counterparty_id)
        if row is None:
            return None
        return Provider(
            provider_id=row.provider_id,
            counterparty_id=row.counterparty_id,
            name=row.name,
            base_url=row.base_url,
            profile=ProviderProfile.model_validate(row.profile),
            secrets=self._secrets("provider", row.counterparty_id, row.secret, row.previous),
            disabled=row.disabled_at is not None,
            suspended=row.suspended_at is not None,
        )

    async def _read_casino(self, casino_id: int) -> Casino | None:
        row = await self._database.one_row(partners.CASINO, casino_id=casino_id)
        return _casino_of(row) if row else None

    async def _read_account(self, partner_client_id: int) -> CasinoAccount | None:
        row = await self._database.one_row(partners.ACCOUNT, partner_client_id=partner_client_id)
        if row is None:
            return None
        secrets = self._secrets("casino", row.casino.partner_client_id, row.secret, row.previous)
        return CasinoAccount(_casino_of(row.casino), secrets, row.token_generation)

    async def frame_hosts(self) -> tuple[str, ...]:
        """Return the hosts on which the providers that are not disabled show their games."""
        return await self._frame_hosts.get("") or ()

    async def _read_frame_hosts(self, _: str) -> tuple[str, ...]:
        return tuple(row.host for row in await self._database.all_rows(partners.FRAME_HOSTS))

    async def origins(self) -> tuple[str, ...]:
        """Return the origins of the pages of all casinos that are not disabled."""
        return await self._origins.get("") or ()

    async def _read_origins(self, _: str) -> tuple[str, ...]:
        return tuple(row.origin for row in await self._database.all_rows(partners.ORIGINS))

    def _secrets(self, kind: PartnerKind, identity: str | int, secret: str, previous: str | None) -> tuple[str, ...]:
        opened = self._vault.open(secret, secret_place(kind, identity))
        if previous is None:
            return (opened,)
        return opened, self._vault.open(previous, secret_place(kind, identity, previous=True))


def secret_place(kind: PartnerKind, identity: str | int, *, previous: bool = False) -> Place:
    """Return the place to which a partner's secret is sealed: the identity is what the partner signs in with."""
    return Place(kind, identity, "previous_secret" if previous else "secret")


def _casino_of(row: CasinoRow) -> Casino:
    return Casino(
        casino_id=row.casino_id,
        partner_client_id=row.partner_client_id,
        name=row.name,
        api_host=row.api_host,
        profile=CasinoProfile.model_validate(row.profile),
        disabled=row.disabled_at is not None,
    )
