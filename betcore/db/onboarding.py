"""Setting up partners: what the commands ``provider`` and ``casino`` do. Every change is one statement."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Executable, Row, Table, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db import tables, validation
from betcore.domain import profiles
from betcore.domain.errors import InvalidInput, NotFound, PreconditionFailed
from betcore.domain.partners import PartnerKind
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.vault import Vault

Json = dict[str, Any]
NEW_SECRET_BYTES = 32  # 43 characters of URL-safe base64


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where the rows of a kind of partner are, and what its identity and its address are called."""

    word: PartnerKind
    table: Table
    identity: str
    address: str


_KINDS: dict[PartnerKind, _Kind] = {
    "provider": _Kind("provider", tables.provider, "counterparty_id", "base_url"),
    "casino": _Kind("casino", tables.casino, "partner_client_id", "api_host"),
}


class Onboarding:
    """Adds and changes providers and casinos; a partner is addressed by its kind and its name.

    Every method raises NotFound for an unknown name, PreconditionFailed(already_exists) for a name that is taken, and
    InvalidInput: ``invalid_name``, ``invalid_address``, ``invalid_profile``, ``invalid_overlap``, and ``not_supported``
    for a casino's profile that wants to be sent what this service does not send yet.
    """

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def add_provider(self, name: str, base_url: str, profile: str = "") -> Json:
        """A new provider: its ``counterparty_id`` and ``secret``. ``profile`` is YAML."""
        read = profiles.read(ProviderProfile, profile)
        return await self._add(_KINDS["provider"], name, base_url, read, counterparty_id=str(uuid4()))

    async def add_casino(self, name: str, api_host: str, profile: str = "", confirmation: str | None = None) -> Json:
        """A new casino: its ``partner_client_id`` and ``secret``; ``confirmation`` overrides that of the YAML."""
        return await self._add(_KINDS["casino"], name, api_host, _casino_profile(profile, confirmation))

    async def listed(self, word: PartnerKind) -> list[Json]:
        """All partners of a kind by name, without secrets."""
        kind = _KINDS[word]
        return [_shown(kind, row) for row in await self._all(_with_overlap(kind).order_by(kind.table.c.name))]

    async def shown(self, word: PartnerKind, name: str) -> Json:
        """Return one partner as it is listed, with its profile in force."""
        kind = _KINDS[word]
        row = await self._row(kind, name, _with_overlap(kind).where(kind.table.c.name == name))
        return _shown(kind, row) | {"profile": _profile(kind, row.profile).model_dump(mode="json")}

    async def profile(self, word: PartnerKind, name: str) -> Json:
        """The profile in force, every field."""
        kind = _KINDS[word]
        row = await self._row(kind, name, _with_overlap(kind).where(kind.table.c.name == name))
        return _profile(kind, row.profile).model_dump(mode="json")

    async def change(
        self, word: PartnerKind, name: str, *, profile: str | None = None, address: str | None = None
    ) -> Json:
        """Replace the profile, the address, or both at once; what is None stays.

        A field that the new profile (YAML) does not give has its default, not its value of before. Calls go to a new
        address from the next attempt on.
        """
        kind = _KINDS[word]
        values: Json = {"name": name}
        if profile is not None:
            read = _casino_profile(profile) if word == "casino" else profiles.read(ProviderProfile, profile)
            values["profile"] = read.model_dump(mode="json")
        if address is not None:
            values[kind.address] = validation.address(kind.address, address)
        return _shown(kind, await self._change(kind, name, **values))

    async def disable(self, word: PartnerKind, name: str) -> Json:
        """Take no new stakes of the partner; open bets go on. Disabling twice keeps the first time.

        The access tokens of a casino end. It can buy others, because it still confirms what is open.
        """
        kind = _KINDS[word]
        disabled = {"disabled_at": _first_time(kind.table.c.disabled_at), **_no_tokens(kind)}
        return _shown(kind, await self._change(kind, name, **disabled))

    async def enable(self, word: PartnerKind, name: str) -> Json:
        """Take new stakes of the partner again. One that is enabled stays so."""
        kind = _KINDS[word]
        return _shown(kind, await self._change(kind, name, disabled_at=None))

    async def suspend(self, name: str, *, suspended: bool) -> Json:
        """Hear no call of a provider any more, or hear it again; its open bets go on."""
        kind = _KINDS["provider"]
        since = _first_time(kind.table.c.suspended_at) if suspended else None
        return _shown(kind, await self._change(kind, name, suspended_at=since))

    async def rotate_secret(self, word: PartnerKind, name: str, overlap: int) -> Json:
        """A new ``secret``; the one of before holds ``overlap`` seconds longer, an older one no more.

        Without an overlap the access tokens that a casino has bought end too.
        """
        kind = _KINDS[word]
        secret = secrets.token_urlsafe(NEW_SECRET_BYTES)
        ended = {} if validation.overlap(overlap) else _no_tokens(kind)
        row = await self._change(
            kind,
            name,
            secret=self._vault.seal(secret),
            previous_secret=kind.table.c.secret,
            previous_until=func.now() + timedelta(seconds=overlap),
            **ended,
        )
        return {
            "name": row.name,
            kind.identity: getattr(row, kind.identity),
            "secret": secret,
            "previous_secret_until": row.previous_until.isoformat(),
        }

    async def secret(self, word: PartnerKind, name: str) -> str:
        """The newest secret in clear: for the sandbox alone, whose secrets guard nothing."""
        kind = _KINDS[word]
        row = await self._row(kind, name, select(kind.table).where(kind.table.c.name == name))
        return self._vault.open(row.secret)

    async def _add(
        self, kind: _Kind, name: str, address: str, profile: ProviderProfile | CasinoProfile, **more: str
    ) -> Json:
        secret = secrets.token_urlsafe(NEW_SECRET_BYTES)
        values = {
            "name": validation.name("name", name),
            kind.address: validation.address(kind.address, address),
            "profile": profile.model_dump(mode="json"),
            "secret": self._vault.seal(secret),
            **more,
        }
        statement = insert(kind.table).values(**values).on_conflict_do_nothing(index_elements=["name"])
        rows = await self._all(statement.returning(kind.table))
        if not rows:
            raise PreconditionFailed(f"there is a {kind.word} {name!r} already", code="already_exists")
        return {"name": name, kind.identity: getattr(rows[0], kind.identity), "secret": secret}

    async def _change(self, kind: _Kind, partner: str, **values: Any) -> Row[Any]:
        changed = update(kind.table).where(kind.table.c.name == partner).values(**values)
        return await self._row(kind, partner, changed.returning(kind.table, _previous_until(kind)))

    async def _row(self, kind: _Kind, name: str, statement: Executable) -> Row[Any]:
        rows = await self._all(statement) if validation.name("name", name) else []
        if not rows:
            raise NotFound(f"there is no {kind.word} {name!r}")
        return rows[0]

    async def _all(self, statement: Executable) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).all()


def _previous_until(kind: _Kind) -> Any:
    until = kind.table.c.previous_until
    return case((until > func.now(), until)).label("in_overlap_until")


def _with_overlap(kind: _Kind) -> Any:
    return select(kind.table, _previous_until(kind))


def _first_time(column: Any) -> Any:
    return func.coalesce(column, func.now())


def _no_tokens(kind: _Kind) -> Json:
    """What ends all access tokens of a partner that has any."""
    return {"token_generation": kind.table.c.token_generation + 1} if kind.word == "casino" else {}


def _shown(kind: _Kind, row: Row[Any]) -> Json:
    until = row.in_overlap_until
    suspended = {"suspended": row.suspended_at is not None} if kind.word == "provider" else {}
    return {
        "name": row.name,
        kind.identity: getattr(row, kind.identity),
        kind.address: getattr(row, kind.address),
        "created_at": row.created_at.isoformat(),
        "disabled": row.disabled_at is not None,
        **suspended,
        "previous_secret_until": until.isoformat() if until else None,
    }


def _profile(kind: _Kind, stored: Json) -> ProviderProfile | CasinoProfile:
    return (ProviderProfile if kind.word == "provider" else CasinoProfile).model_validate(stored)


def _casino_profile(text: str, confirmation: str | None = None) -> CasinoProfile:
    profile = profiles.read(CasinoProfile, text, confirmation=confirmation)
    for name in ("list", "tax", "promo"):
        if getattr(profile.send, name):
            raise InvalidInput(f"send.{name}: true is not supported yet", code="not_supported")
    return profile
