"""The RS256 keys that sign our messages to casinos, and the JWKS by which casinos verify them (RFC 7517)."""

import asyncio
import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from betcore.db.cache import Cache
from betcore.db.database import Database, Transaction
from betcore.db.row_mapping import time_text
from betcore.db.statements import signing_keys
from betcore.db.statements.signing_keys import KeyRow
from betcore.domain.errors import Misconfigured, NotFound
from betcore.runtime.vault import Place, Vault

# Any number: processes that would make a key at the same time wait for each other under it.
_LOCK = 7_310_522
# Seconds for which HTTP caches keep the JWKS. Short: the key that replaces a revoked one signs at once, and a casino
# with an old list refuses what it signs.
JWKS_MAX_AGE = 60
_KID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as PyJWT takes it, and its id: the JWK thumbprint of its public part (RFC 7638)."""

    kid: str
    private_key: RSAPrivateKey = field(repr=False)


class SigningKeys:
    """The signing keys in the database; what is read of them is trusted for ``cache_seconds``."""

    def __init__(self, database: Database, vault: Vault, cache_seconds: float) -> None:
        self._database = database
        self._vault = vault
        self._current: Cache[str, SigningKey] = Cache(self._read_current, cache_seconds)
        self._listed: Cache[str, list[SigningKey]] = Cache(self._read_listed, cache_seconds)
        self._public: Cache[str, RSAPublicKey] = Cache(self._read_public, cache_seconds)

    async def current(self) -> SigningKey:
        """Return the key that signs now. Raise Misconfigured(no_signing_key) if there is none."""
        found = await self._current.get("")
        if found is None:
            raise Misconfigured("no signing key: run `python -m betcore migrate`", code="no_signing_key")
        return found

    async def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return ``{"keys": [...]}``, newest first: the public part of the next key, of the one that signs, and of
        those whose last token may still be valid."""
        return {"keys": [_jwk(key) for key in await self._listed.get("") or []]}

    async def public(self, kid: str) -> RSAPublicKey | None:
        """Return the public part of a listed key, or None; a key made a moment ago is found at once."""
        return await self._public.get(kid) if _KID.fullmatch(kid) else None

    async def ensure(self) -> None:
        """Make a key if none signs; of any number of processes at once, one makes it."""
        async with self._database.transaction() as transaction:
            await transaction.execute(signing_keys.LOCK, lock=_LOCK)
            if await transaction.one_row(signing_keys.IN_STATE, state="signing") is None:
                await self._make(transaction)
        self._forget()

    async def rotate(self, listed_first: timedelta) -> str:
        """Make the key that signs next, once it has been listed for this time; return its kid.

        If there is a next key already, return that one and change nothing: another would be listed for a shorter time.
        """
        async with self._database.transaction() as transaction:
            await transaction.execute(signing_keys.LOCK, lock=_LOCK)
            following = await transaction.one_row(signing_keys.IN_STATE, state="next")
            if following is None:
                await transaction.execute(signing_keys.RETIRE_AFTER, listed_first=listed_first)
            kid = following.kid if following else await self._make(transaction)
        self._forget()
        return kid

    async def revoke(self, kid: str) -> str:
        """Remove a key from the JWKS and never sign with it again; return the kid that signs then.

        If it was the one that signs, the next key takes its place at once, or else a new one. If it was the next key,
        the one that signs goes on. Raise NotFound.
        """
        async with self._database.transaction() as transaction:
            await transaction.execute(signing_keys.LOCK, lock=_LOCK)
            if await transaction.one_row(signing_keys.REVOKE, kid=kid) is None:
                raise NotFound(f"there is no key {kid!r}")
            if await transaction.one_row(signing_keys.IN_STATE, state="next") is None:
                await transaction.execute(signing_keys.KEEP_SIGNING)
            signing = await transaction.one_row(signing_keys.IN_STATE, state="signing")
            signs = signing.kid if signing else await self._make(transaction)
        self._forget()
        return signs

    async def all(self) -> list[dict[str, object]]:
        """Return every key there ever was, newest first, without its private part."""
        return [
            {
                "kid": key.kid,
                "state": key.state,
                "created_at": time_text(key.created_at),
                "signs": key.state == "signing",
                "listed": key.listed,
                "signs_from": time_text(key.signs_from),
                "retired_at": time_text(key.retired_at),
                "listed_until": time_text(key.listed_until) if key.listed else None,
                "revoked_at": time_text(key.revoked_at),
            }
            for key in await self._database.all_rows(signing_keys.ALL)
        ]

    async def _make(self, transaction: Transaction) -> str:
        private_key = await asyncio.to_thread(generate_private_key, 65537, 2048)
        pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        kid = _thumbprint(private_key.public_key())
        await transaction.execute(signing_keys.INSERT, kid=kid, private_pem=self._vault.seal(pem, key_place(kid)))
        return kid

    async def _read_current(self, _: str) -> SigningKey | None:
        key = await self._database.one_row(signing_keys.IN_STATE, state="signing")
        return self._parse(key) if key else None

    async def _read_listed(self, _: str) -> list[SigningKey]:
        return [self._parse(key) for key in await self._database.all_rows(signing_keys.LISTED)]

    async def _read_public(self, kid: str) -> RSAPublicKey | None:
        key = await self._database.one_row(signing_keys.LISTED_KEY, kid=kid)
        return self._parse(key).private_key.public_key() if key else None

    def _parse(self, key: KeyRow) -> SigningKey:
        pem = self._vault.open(key.private_pem, key_place(key.kid)).encode()
        # A test of its primes would hold up the process for 40 ms. We have made and sealed the key ourselves, and the
        # vault opens nothing that was changed since.
        private_key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        return SigningKey(key.kid, cast(RSAPrivateKey, private_key))

    def _forget(self) -> None:
        self._current.forget()
        self._listed.forget()
        self._public.forget()


def key_place(kid: str) -> Place:
    """Return the place to which the private part of a key is sealed."""
    return Place("signing_key", kid, "private_pem")


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
