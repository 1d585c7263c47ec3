"""The RS256 keys that sign our messages to casinos, and the JWKS by which casinos verify them (RFC 7517)."""

import asyncio
import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db import tables
from betcore.db.cache import Cache
from betcore.domain.errors import Misconfigured, NotFound
from betcore.runtime.vault import Vault

# Any number: processes that would make a key at the same time wait for each other under it.
_LOCK = 7_310_522
# Tokens live for seconds, those of casinos for minutes; an hour leaves room for every clock and cache on their side.
_LISTED_AFTER_RETIREMENT = text("interval '1 hour'")
_KID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as PyJWT takes it, and its id: the JWK thumbprint of its public part (RFC 7638)."""

    kid: str
    private_key: RSAPrivateKey = field(repr=False)


class SigningKeys:
    """The signing keys in the database; the one in force is trusted for ``cache_seconds``."""

    def __init__(self, engine: AsyncEngine, vault: Vault, cache_seconds: float) -> None:
        self._engine = engine
        self._vault = vault
        self._current: Cache[str, SigningKey] = Cache(self._read_current, cache_seconds)
        self._listed: Cache[str, list[SigningKey]] = Cache(self._read_listed, cache_seconds)
        self._public: Cache[str, RSAPublicKey] = Cache(self._read_public, cache_seconds)
        self._parsed: dict[str, SigningKey] = {}

    async def current(self) -> SigningKey:
        """The newest key that is not retired. Raises Misconfigured(no_signing_key) when there is none."""
        found = await self._current.get("")
        if found is None:
            raise Misconfigured("no signing key: run `python -m betcore migrate`", code="no_signing_key")
        return found

    async def jwks(self) -> dict[str, Any]:
        """``{"keys": [...]}``: the public part of every key but those retired for more than an hour or revoked, newest
        first."""
        return {"keys": [_jwk(key) for key in await self._listed.get("") or []]}

    async def public(self, kid: str) -> RSAPublicKey | None:
        """The public part of a key that is listed; one that was made a moment ago is found at once."""
        return await self._public.get(kid) if _KID.fullmatch(kid) else None

    async def ensure(self) -> None:
        """Make a key where none is in force; any number of processes may do so at once, one key comes out."""
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            if (await connection.execute(_IN_FORCE)).first() is None:
                await self._make(connection)
        self._forget()

    async def rotate(self) -> str:
        """Put a new key in force and retire the others, which stay listed for an hour; returns the new kid."""
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            retire = update(tables.signing_key).where(tables.signing_key.c.retired_at.is_(None))
            await connection.execute(retire.values(retired_at=func.now()))
            kid = await self._make(connection)
        self._forget()
        return kid

    async def revoke(self, kid: str) -> str:
        """Take a key off the JWKS and never sign with it again; return the kid that is in force then.

        Where it was the one in force a new one is made. Raises NotFound.
        """
        key = tables.signing_key.c
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            revoked = (
                update(tables.signing_key)
                .where(key.kid == kid)
                .values(
                    revoked_at=func.coalesce(key.revoked_at, func.now()),
                    retired_at=func.coalesce(key.retired_at, func.now()),
                )
            )
            if (await connection.execute(revoked.returning(key.kid))).first() is None:
                raise NotFound(f"there is no key {kid!r}")
            newest = (await connection.execute(_IN_FORCE.limit(1))).first()
            in_force: str = newest.kid if newest else await self._make(connection)
        self._forget()
        return in_force

    async def all(self) -> list[dict[str, Any]]:
        """Return every key there ever was, newest first, without its private part."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_NEWEST_FIRST)).all()
            in_force = (await connection.execute(_IN_FORCE.limit(1))).first()
            listed = {row.kid for row in (await connection.execute(_LISTED)).all()}
        return [
            {
                "kid": row.kid,
                "created_at": row.created_at.isoformat(),
                "signs": in_force is not None and row.kid == in_force.kid,
                "listed": row.kid in listed,
                "retired_at": row.retired_at and row.retired_at.isoformat(),
                "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
            }
            for row in rows
        ]

    async def _make(self, connection: AsyncConnection) -> str:
        private_key = await asyncio.to_thread(generate_private_key, 65537, 2048)
        pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        kid = _thumbprint(private_key.public_key())
        await connection.execute(insert(tables.signing_key).values(kid=kid, private_pem=self._vault.seal(pem)))
        return kid

    async def _read_current(self, _: str) -> SigningKey | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_IN_FORCE.limit(1))).first()
        return self._parse(row.kid, row.private_pem) if row else None

    async def _read_listed(self, _: str) -> list[SigningKey]:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_LISTED)).all()
        return [self._parse(row.kid, row.private_pem) for row in rows]

    async def _read_public(self, kid: str) -> RSAPublicKey | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_LISTED.where(tables.signing_key.c.kid == kid))).one_or_none()
        return self._parse(row.kid, row.private_pem).private_key.public_key() if row else None

    def _parse(self, kid: str, sealed_pem: str) -> SigningKey:
        # Parsing checks the key's primes, which takes milliseconds; a kid names one key for ever.
        if kid not in self._parsed:
            pem = self._vault.open(sealed_pem).encode()
            self._parsed[kid] = SigningKey(kid, cast(RSAPrivateKey, load_pem_private_key(pem, password=None)))
        return self._parsed[kid]

    def _forget(self) -> None:
        self._current.forget()
        self._listed.forget()
        self._public.forget()


_NEWEST_FIRST = select(tables.signing_key).order_by(tables.signing_key.c.created_at.desc(), tables.signing_key.c.kid)
_IN_FORCE = _NEWEST_FIRST.where(tables.signing_key.c.retired_at.is_(None))
_LISTED = _NEWEST_FIRST.where(
    tables.signing_key.c.revoked_at.is_(None),
    or_(
        tables.signing_key.c.retired_at.is_(None),
        tables.signing_key.c.retired_at > func.now() - _LISTED_AFTER_RETIREMENT,
    ),
)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public(key: RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    exponent, modulus = (
        _base64(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.e, numbers.n)
    )
    return {"e": exponent, "kty": "RSA", "n": modulus}


def _thumbprint(key: RSAPublicKey) -> str:
    # RFC 7638 section 3: the required members alone, sorted, without white space.
    canonical = json.dumps(_public(key), sort_keys=True, separators=(",", ":"))
    return _base64(hashlib.sha256(canonical.encode()).digest())


def _jwk(key: SigningKey) -> dict[str, str]:
    return {**_public(key.private_key.public_key()), "alg": "RS256", "kid": key.kid, "use": "sig"}
