"""The keys that casinos verify us by: made once, rotated, listed while they matter."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import jwt
import pytest
from sqlalchemy import text

from betcore.casino.tokens import CASINO_API, FEED
from betcore.db.database import DatabaseError
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.settings import Settings
from tests.unit.partner_database import PartnerDatabase, refused


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as opened:
        yield opened


async def test_processes_that_start_together_make_one_signing_key(database: PartnerDatabase) -> None:
    with refused("no_signing_key"):
        await database.keys.current()
    others = [SigningKeys(database.db, database.vault, 0) for _ in range(4)]
    await asyncio.gather(*(one.ensure() for one in others))
    assert await database.sql("SELECT count(*) FROM signing_key") == [1]
    assert len({(await one.current()).kid for one in others}) == 1


async def _after(database: PartnerDatabase, **passed: float) -> None:
    """Let time pass for the keys: the database's clock goes on, or all that is written becomes older."""
    older = """
        UPDATE signing_key
        SET created_at = created_at - CAST(:ago AS interval), retired_at = retired_at - CAST(:ago AS interval),
            revoked_at = revoked_at - CAST(:ago AS interval)
    """
    async with database.engine.connect() as connection:
        await connection.execute(text(older), {"ago": timedelta(**passed)})


async def _states(database: PartnerDatabase) -> dict[str, str]:
    """Return the states of all keys as a process finds them that has just started."""
    keys = SigningKeys(database.db, database.vault, 0)
    found = {str(key["kid"]): str(key["state"]) for key in await keys.all()}
    listed = [key["kid"] for key in (await keys.jwks())["keys"]]
    assert listed == [kid for kid, state in found.items() if state in ("next", "signing", "previous")]
    assert [(await keys.current()).kid] == [kid for kid, state in found.items() if state == "signing"]
    assert {kid for kid in found if await keys.public(kid)} == set(listed)
    return found


@pytest.mark.edge_case(108)
async def test_a_key_is_listed_before_it_signs_and_after_it_has_signed(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    old = await database.keys.current()
    token = jwt.encode({"data": "x"}, old.private_key, algorithm="RS256", headers={"kid": old.kid})
    new = await database.keys.rotate(timedelta(minutes=16))
    assert await _states(database) == {new: "next", old.kid: "signing"}
    await _after(database, minutes=15)
    assert await _states(database) == {new: "next", old.kid: "signing"}
    await _after(database, minutes=1)
    assert await _states(database) == {new: "signing", old.kid: "previous"}
    await _after(database, minutes=59)
    listed = await database.keys.jwks()
    key = jwt.PyJWKSet.from_dict(listed)[old.kid]
    assert jwt.decode(token, key, algorithms=["RS256"]) == {"data": "x"}
    assert all(set(one) == {"alg", "e", "kid", "kty", "n", "use"} for one in listed["keys"])
    await _after(database, minutes=2)
    assert await _states(database) == {new: "signing", old.kid: "gone"}


async def test_the_times_of_a_rotation(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    new = await database.keys.rotate(timedelta(minutes=16))
    following, signing = await database.keys.all()
    assert (following["kid"], following["retired_at"], following["listed_until"]) == (new, None, None)
    assert following["signs_from"] == signing["retired_at"]
    from_, until = (datetime.fromisoformat(str(signing[name])) for name in ("retired_at", "listed_until"))
    assert until - from_ == timedelta(hours=1)
    assert timedelta(minutes=15) < from_ - datetime.fromisoformat(str(following["created_at"])) <= timedelta(minutes=16)


async def test_a_key_stays_listed_for_the_longest_token(database: PartnerDatabase) -> None:
    """A casino's messages may live for longer than an hour; an access token and the oldest cache do not."""
    longest = max(CASINO_API.lifetime, FEED.lifetime)
    assert longest + timedelta(seconds=Settings(partner_cache_seconds=600).partner_cache_seconds) < timedelta(hours=1)
    await database.onboarding.add_casino("slow", "http://slow.example", "{message_lifetime: 7200}", "reply")
    await database.keys.ensure()
    old = (await database.keys.current()).kid
    new = await database.keys.rotate(timedelta(0))
    await _after(database, hours=2, minutes=59)
    assert await _states(database) == {new: "signing", old: "previous"}
    await _after(database, minutes=2)
    assert await _states(database) == {new: "signing", old: "gone"}


async def test_a_second_rotation_waits_for_the_first(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    old = (await database.keys.current()).kid
    processes = [SigningKeys(database.db, database.vault, 0) for _ in range(4)]
    new, *others = await asyncio.gather(*(one.rotate(timedelta(minutes=16)) for one in processes))
    assert set(others) == {new}
    assert await database.keys.rotate(timedelta(0)) == new
    assert await _states(database) == {new: "next", old: "signing"}
    await _after(database, minutes=17)
    third = await database.keys.rotate(timedelta(minutes=16))
    assert await _states(database) == {third: "next", new: "signing", old: "previous"}
    await _after(database, minutes=17)
    assert await _states(database) == {third: "signing", new: "previous", old: "previous"}
    await _after(database, minutes=44)
    assert await _states(database) == {third: "signing", new: "previous", old: "gone"}


async def test_a_revoked_next_key_ends_the_rotation(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    old = (await database.keys.current()).kid
    new = await database.keys.rotate(timedelta(minutes=16))
    assert await database.keys.revoke(new) == old
    await _after(database, days=1)
    assert await _states(database) == {new: "revoked", old: "signing"}
    third = await database.keys.rotate(timedelta(minutes=16))
    assert await _states(database) == {third: "next", new: "revoked", old: "signing"}


async def test_the_next_key_takes_the_place_of_a_revoked_one_at_once(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    old = (await database.keys.current()).kid
    new = await database.keys.rotate(timedelta(minutes=16))
    assert await database.keys.revoke(old) == new
    assert await _states(database) == {new: "signing", old: "revoked"}
    assert await database.keys.revoke(old) == new
    last = await database.keys.revoke(new)
    assert await _states(database) == {last: "signing", new: "revoked", old: "revoked"}


async def test_a_revoked_previous_key_leaves_the_rotation_alone(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    first = (await database.keys.current()).kid
    second = await database.keys.rotate(timedelta(0))
    third = await database.keys.rotate(timedelta(minutes=16))
    assert await database.keys.revoke(first) == second
    assert await _states(database) == {third: "next", second: "signing", first: "revoked"}
    await _after(database, minutes=17)
    assert await _states(database) == {third: "signing", second: "previous", first: "revoked"}


async def test_a_rotation_that_fails_has_not_begun(database: PartnerDatabase) -> None:
    """The command dies after the old key was given an end, and before the new one is there."""
    await database.keys.ensure()
    old = (await database.keys.current()).kid
    limit = f"ALTER TABLE signing_key ADD CONSTRAINT no_other_key CHECK (kid = '{old}')"
    await database.sql(limit)
    with pytest.raises(DatabaseError):
        await database.keys.rotate(timedelta(minutes=16))
    assert (await database.keys.all())[0]["retired_at"] is None
    assert await _states(database) == {old: "signing"}


async def test_a_retired_key_alone_is_replaced(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    old = (await database.keys.current()).kid
    await database.sql("UPDATE signing_key SET retired_at = now()")
    with refused("no_signing_key"):
        await database.keys.current()
    await database.keys.ensure()
    assert (await database.keys.current()).kid != old


def test_a_kid_is_the_thumbprint_of_the_published_key() -> None:
    """The key and the thumbprint are the example of RFC 7638, section 3.1."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    from betcore.db.signing_keys import _thumbprint

    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    number = int.from_bytes(jwt.utils.base64url_decode(modulus), "big")
    assert _thumbprint(RSAPublicNumbers(65537, number).public_key()) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
