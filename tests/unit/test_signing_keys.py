"""The keys that casinos verify us by: made once, rotated, listed while they matter."""

import asyncio
from collections.abc import AsyncIterator

import jwt
import pytest

from betcore.db.signing_keys import SigningKeys
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


async def test_what_a_key_signs_the_jwks_verifies_before_and_after_rotation(database: PartnerDatabase) -> None:
    await database.keys.ensure()
    old = await database.keys.current()
    token = jwt.encode({"data": "x"}, old.private_key, algorithm="RS256", headers={"kid": old.kid})
    new_kid = await database.keys.rotate()
    assert (await database.keys.current()).kid == new_kid != old.kid
    listed = await database.keys.jwks()
    assert [key["kid"] for key in listed["keys"]] == [new_kid, old.kid]
    key = jwt.PyJWKSet.from_dict(listed)[old.kid]
    assert jwt.decode(token, key, algorithms=["RS256"]) == {"data": "x"}
    assert all(set(one) == {"alg", "e", "kid", "kty", "n", "use"} for one in listed["keys"])
    await database.sql("UPDATE signing_key SET retired_at = now() - interval '61 minutes' WHERE retired_at IS NOT NULL")
    assert [key["kid"] for key in (await database.keys.jwks())["keys"]] == [new_kid]


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
