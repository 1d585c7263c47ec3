"""Setting up partners: what the commands ``provider`` and ``casino`` do. Every change is one statement."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Executable, Table, case, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db import tables, validation
from betcore.db.engine import typed
from betcore.db.partners import secret_place
from betcore.db.row_mapping import time_text
from betcore.domain import profiles
from betcore.domain.errors import NotFound, PreconditionFailed
from betcore.domain.partners import PartnerKind
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.vault import Vault

Json = dict[str, object]
NEW_SECRET_BYTES = 32  # 43 characters of URL-safe base64


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A provider or a casino; ``in_overlap_until`` is how long the secret before holds, None once it does not."""

    name: str
    identity: str | int
    address: str
    profile: Json
    secret: str
    created_at: datetime
    disabled_at: datetime | None
    suspended_at: datetime | None
    previous_until: datetime | None
    in_overlap_until: datetime | None


@dataclass(frozen=True, slots=True)
class _PartnerTable:
    """The table of a kind of partner, and the names of its identity and of its address there."""

    kind: PartnerKind
    table: Table
    identity: str
    address: str

    @property
    def columns(self) -> Sequence[ColumnElement[object]]:
        """Return the columns of a ``PartnerRow``; a casino is never suspended."""
        c = self.table.c
        in_overlap = case((c.previous_until > func.now(), c.previous_until))
        return (
            c.name,
            c[self.identity].label("identity"),
            c[self.address].label("address"),
            c.profile,
            c.secret,
            c.created_at,
            c.disabled_at,
            c.suspended_at if self.kind == "provider" else literal_column("NULL").label("suspended_at"),
            c.previous_until,
            in_overlap.label("in_overlap_until"),
        )


_PARTNERS: dict[PartnerKind, _PartnerTable] = {
    "provider": _PartnerTable("provider", tables.provider, "counterparty_id", "base_url"),
    "casino": _PartnerTable("casino", tables.casino, "partner_client_id", "api_host"),
}

# A casino's number is known before its row is written: its secret is sealed for it.
_NEXT_CLIENT_ID = select(func.nextval(func.pg_get_serial_sequence("casino", "partner_client_id")))


class Onboarding:
    """Adds and changes providers and casinos; a partner is addressed by its kind and its name.

    Every method raises NotFound for an unknown name, PreconditionFailed(already_exists) for a name that is taken, and
    InvalidInput: ``invalid_name``, ``invalid_address``, ``invalid_profile``, ``invalid_overlap``.
    """

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def add_provider(self, name: str, base_url: str, profile: str = "") -> Json:
        """Add a provider; return its ``counterparty_id`` and ``secret``. ``profile`` is YAML."""
        read = profiles.read(ProviderProfile, profile)
        return await self._add(_PARTNERS["provider"], name, base_url, read, str(uuid4()))

    async def add_casino(self, name: str, api_host: str, profile: str = "", confirmation: str | None = None) -> Json:
        """Add a casino; return its ``partner_client_id`` and ``secret``. ``confirmation`` wins over the YAML's."""
        read = _casino_profile(profile, confirmation)
        async with self._engine.connect() as connection:
            number: int = (await connection.execute(_NEXT_CLIENT_ID)).scalar_one()
        return await self._add(_PARTNERS["casino"], name, api_host, read, number)

    async def listed(self, kind: PartnerKind) -> list[Json]:
        """Return all partners of a kind by name, without secrets."""
        partners = _PARTNERS[kind]
        query = select(*partners.columns).order_by(partners.table.c.name)
        return [_shown(partners, row) for row in await self._all(query)]

    async def shown(self, kind: PartnerKind, name: str) -> Json:
        """Return one partner as it is listed, with its profile in force."""
        partners = _PARTNERS[kind]
        row = await self._named(partners, name)
        return _shown(partners, row) | {"profile": _profile(partners, row.profile).model_dump(mode="json")}

    async def profile(self, kind: PartnerKind, name: str) -> Json:
        """Return the profile in force, every field."""
        partners = _PARTNERS[kind]
        row = await self._named(partners, name)
        return _profile(partners, row.profile).model_dump(mode="json")

    async def change(
        self, kind: PartnerKind, name: str, *, profile: str | None = None, address: str | None = None
    ) -> Json:
        """Replace the profile, the address, or both at once; what is None stays.

        A field that the new profile (YAML) lacks gets its default, not its previous value. Calls go to a new address
        from the next attempt on.
        """
        partners = _PARTNERS[kind]
        values: Json = {"name": name}
        if profile is not None:
            read = _casino_profile(profile) if kind == "casino" else profiles.read(ProviderProfile, profile)
            values["profile"] = read.model_dump(mode="json")
        if address is not None:
            values[partners.address] = validation.address(partners.address, address)
        return _shown(partners, await self._change(partners, name, **values))

    async def disable(self, kind: PartnerKind, name: str) -> Json:
        """Refuse new stakes of the partner; open bets go on. Disabling twice keeps the first time.

        The access tokens of a casino expire. It can buy others, because it still confirms open bets.
        """
        partners = _PARTNERS[kind]
        disabled = {"disabled_at": _first_time(partners.table.c.disabled_at), **_no_tokens(partners)}
        return _shown(partners, await self._change(partners, name, **disabled))

    async def enable(self, kind: PartnerKind, name: str) -> Json:
        """Accept new stakes of the partner again; an enabled one stays so."""
        partners = _PARTNERS[kind]
        return _shown(partners, await self._change(partners, name, disabled_at=None))

    async def suspend(self, name: str, *, suspended: bool) -> Json:
        """Refuse all calls of a provider, or accept them again; its open bets go on."""
        partners = _PARTNERS["provider"]
        since = _first_time(partners.table.c.suspended_at) if suspended else None
        return _shown(partners, await self._change(partners, name, suspended_at=since))

    async def rotate_secret(self, kind: PartnerKind, name: str, overlap: int) -> Json:
        """Make a new ``secret``; the previous one expires after ``overlap`` seconds, an older one at once.

        Without an overlap the access tokens that a casino has bought expire too.
        """
        partners = _PARTNERS[kind]
        secret = secrets.token_urlsafe(NEW_SECRET_BYTES)
        ended = {} if validation.overlap(overlap) else _no_tokens(partners)
        rows: list[PartnerRow] = []
        while not rows:
            stands = await self._named(partners, name)
            replaced = update(partners.table).where(
                partners.table.c.name == name, partners.table.c.secret == stands.secret
            )
            values = {
                "secret": self._vault.seal(secret, secret_place(kind, stands.identity)),
                "previous_secret": self._as_previous(kind, stands, overlap),
                "previous_until": func.now() + timedelta(seconds=overlap),
                **ended,
            }
            # None if it was rotated by another process in between.
            rows = await self._all(replaced.values(**values).returning(*partners.columns))
        [row] = rows
        return {
            "name": row.name,
            partners.identity: row.identity,
            "secret": secret,
            "previous_secret_until": time_text(row.previous_until),
        }

    async def secret(self, kind: PartnerKind, name: str) -> str:
        """Return the newest secret in clear: for the sandbox alone, whose secrets guard nothing."""
        partners = _PARTNERS[kind]
        row = await self._named(partners, name)
        return self._vault.open(row.secret, secret_place(kind, row.identity))

    def _as_previous(self, kind: PartnerKind, stands: PartnerRow, overlap: int) -> str:
        """Return a secret sealed for the place of the previous one. Raise Misconfigured(wrong_secret_key)."""
        if not overlap:
            # It holds no longer: it may be replaced because its key is lost.
            return stands.secret
        secret = self._vault.open(stands.secret, secret_place(kind, stands.identity))
        return self._vault.seal(secret, secret_place(kind, stands.identity, previous=True))

    async def _add(
        self,
        partners: _PartnerTable,
        name: str,
        address: str,
        profile: ProviderProfile | CasinoProfile,
        identity: str | int,
    ) -> Json:
        secret = secrets.token_urlsafe(NEW_SECRET_BYTES)
        values = {
            "name": validation.name("name", name),
            partners.address: validation.address(partners.address, address),
            "profile": profile.model_dump(mode="json"),
            "secret": self._vault.seal(secret, secret_place(partners.kind, identity)),
            partners.identity: identity,
        }
        statement = insert(partners.table).values(**values).on_conflict_do_nothing(index_elements=["name"])
        rows = await self._all(statement.returning(*partners.columns))
        if not rows:
            raise PreconditionFailed(f"there is a {partners.kind} {name!r} already", code="already_exists")
        return {"name": name, partners.identity: rows[0].identity, "secret": secret}

    async def _change(self, partners: _PartnerTable, name: str, /, **values: object) -> PartnerRow:
        changed = update(partners.table).where(partners.table.c.name == name).values(**values)
        return await self._row(partners, name, changed.returning(*partners.columns))

    async def _named(self, partners: _PartnerTable, name: str) -> PartnerRow:
        return await self._row(partners, name, select(*partners.columns).where(partners.table.c.name == name))

    async def _row(self, partners: _PartnerTable, name: str, statement: Executable) -> PartnerRow:
        rows = await self._all(statement) if validation.name("name", name) else []
        if not rows:
            raise NotFound(f"there is no {partners.kind} {name!r}")
        return rows[0]

    async def _all(self, statement: Executable) -> list[PartnerRow]:
        async with self._engine.connect() as connection:
            return typed(await connection.execute(statement), PartnerRow)


def _first_time(column: ColumnElement[datetime]) -> ColumnElement[datetime]:
    return func.coalesce(column, func.now())


def _no_tokens(partners: _PartnerTable) -> dict[str, ColumnElement[int]]:
    """Return what ends all access tokens of a partner that has any."""
    return {"token_generation": partners.table.c.token_generation + 1} if partners.kind == "casino" else {}


def _shown(partners: _PartnerTable, row: PartnerRow) -> Json:
    suspended = {"suspended": row.suspended_at is not None} if partners.kind == "provider" else {}
    return {
        "name": row.name,
        partners.identity: row.identity,
        partners.address: row.address,
        "created_at": time_text(row.created_at),
        "disabled": row.disabled_at is not None,
        **suspended,
        "previous_secret_until": time_text(row.in_overlap_until),
    }


def _profile(partners: _PartnerTable, stored: Json) -> ProviderProfile | CasinoProfile:
    return (ProviderProfile if partners.kind == "provider" else CasinoProfile).model_validate(stored)


def _casino_profile(text: str, confirmation: str | None = None) -> CasinoProfile:
    return profiles.read(CasinoProfile, text, confirmation=confirmation)
