"""How the sandbox casino checks who is calling, with the keys read over real HTTP."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from tests.serving import serving
from tests.unit.sandbox_casino_support import (
    KID,
    Casino,
    Sandbox,
    jwks,
    new_bet,
    private_key,
    running_sandbox,
)


@dataclass
class Aggregator:
    """Publishes keys, and counts how often they are read."""

    published: Any = field(default_factory=lambda: jwks(KID))
    read_at: list[float] = field(default_factory=list)

    async def show(self, _request: web.Request) -> web.Response:
        self.read_at.append(time.monotonic())
        if self.published is None:
            raise web.HTTPServiceUnavailable
        return web.json_response(self.published)


@pytest.fixture
async def aggregator() -> Aggregator:
    return Aggregator()


@pytest.fixture
async def sandbox(database_url: str, aggregator: Aggregator) -> AsyncIterator[Sandbox]:
    app = web.Application()
    app.router.add_get("/mis-api/api/v2/auth/jwks", aggregator.show)
    async with (
        serving(app) as url,
        running_sandbox(database_url, f"{url}/mis-api/api/v2/auth/jwks") as running,
    ):
        yield running


@pytest.fixture
async def casino(sandbox: Sandbox) -> Casino:
    casino = sandbox.new_casino()
    await casino.open_player()
    return casino


ALICE = {"PartnerUserId": "alice", "TagId": 0}


async def _send(casino: Casino, token: str) -> int:
    return (await casino.send("/users/data", json.dumps(token).encode())).status


async def _call_with(casino: Casino, name: str) -> int:
    token = jwt.encode(casino.claims(ALICE), private_key(name), "RS256", headers={"kid": name})
    return await _send(casino, token)


async def test_keys_are_read_once_and_kept(casino: Casino, aggregator: Aggregator) -> None:
    answers = await asyncio.gather(*(casino.call("/users/data", ALICE) for _ in range(5)))
    assert [answer.code for answer in answers] == [200] * 5
    assert len(aggregator.read_at) == 1


async def test_a_new_key_is_found_and_reads_are_a_second_apart(casino: Casino, aggregator: Aggregator) -> None:
    assert await _call_with(casino, KID) == 200
    aggregator.published = jwks(KID, "key-2")
    statuses = await asyncio.gather(*(_call_with(casino, name) for name in ("key-2", "key-3", "key-3", "key-2")))
    assert statuses == [200, 401, 401, 200]
    first, second = aggregator.read_at  # one read was enough for all four
    assert second - first >= 0.95


async def test_a_key_that_is_withdrawn_is_forgotten_at_the_next_read(casino: Casino, aggregator: Aggregator) -> None:
    assert await _call_with(casino, KID) == 200
    aggregator.published = jwks("key-2")
    assert await _call_with(casino, "key-2") == 200
    assert await _call_with(casino, KID) == 401


@pytest.mark.parametrize(
    "published", [None, [], {}, {"keys": [{"kty": "RSA"}]}, {"keys": [{"kty": "RSA", "kid": "x"}]}]
)
async def test_without_keys_nothing_is_refused(casino: Casino, aggregator: Aggregator, published: object) -> None:
    aggregator.published = published
    assert (await casino.call("/users/data", ALICE)).status == 503
    aggregator.published = jwks(KID)
    assert (await casino.call("/users/data", ALICE)).code == 200


@pytest.mark.parametrize(
    "changes",
    [{name: None} for name in ("nbf", "exp", "iss", "client_id", "data", "jti")]
    + [{"client_id": "7"}, {"client_id": "PartnerClient-"}, {"client_id": "PartnerClient-x"}, {"data": {"a": 1}}],
    ids=json.dumps,
)
async def test_claims_that_lack_or_mislead(casino: Casino, changes: dict[str, Any]) -> None:
    claims = {name: value for name, value in (casino.claims(ALICE) | changes).items() if value is not None}
    token = jwt.encode(claims, private_key(KID), "RS256", headers={"kid": KID})
    answer = await casino.send("/users/data", json.dumps(token).encode())
    assert (answer.status, answer.code, answer.value) == (401, 401, None)


async def test_times_are_checked_with_the_casinos_leeway(casino: Casino) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 30}, {"nbf": now + 30, "exp": now + 60}):
        bet = new_bet()
        data = {"BetId": bet, "TransactionType": -1, "Amount": "1.00", "PartnerUserId": "alice"}
        assert (await casino.call("/payments/make", data, **claims)).status == 401
        assert await casino.journal(bet) == []
    assert [call["answer_code"] for call in await casino.calls()] == [401, 401]
    await casino.control("POST", "/_settings", {"leeway": 120})
    assert (await casino.call("/users/data", ALICE, exp=now - 30)).code == 200
    assert (await casino.call("/users/data", ALICE, nbf=now + 30)).code == 200


async def test_only_the_published_key_and_rs256_count(casino: Casino) -> None:
    claims, headers = casino.claims(ALICE), {"kid": KID}
    pem = (
        private_key(KID)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    stranger = jwt.encode(claims, private_key("stranger"), "RS256", headers=headers)
    other_algorithm = jwt.encode(claims, private_key(KID), "RS512", headers=headers)
    unsigned = jwt.encode(claims, "", "none", headers=headers)
    confused = _hmac_signed(claims, pem, headers)
    for token in (stranger, other_algorithm, unsigned, confused, "", "a.b.c"):
        assert await _send(casino, token) == 401
    assert await _send(casino, jwt.encode(claims, private_key(KID), "RS256", headers=headers)) == 200


def _hmac_signed(claims: dict[str, Any], secret: bytes, headers: dict[str, str]) -> str:
    """HS256 with the public key as its secret, which PyJWT refuses to make."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    head = {"alg": "HS256", "typ": "JWT"} | headers
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    signature = base64.urlsafe_b64encode(algorithm.sign(b".".join(parts), secret)).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


async def test_the_body_is_a_json_string_literal(casino: Casino) -> None:
    token = jwt.encode(casino.claims(ALICE), private_key(KID), "RS256", headers={"kid": KID})
    for body in (token.encode(), b"", b"\xff", json.dumps({"token": token}).encode(), json.dumps([token]).encode()):
        answer = await casino.send("/users/data", body)
        assert (answer.status, answer.code) == (401, 401)


async def test_a_token_moves_money_in_its_own_casino_alone(sandbox: Sandbox, casino: Casino) -> None:
    other, bet = sandbox.new_casino(), new_bet()
    await other.open_player()
    assert (await casino.make(bet, -1, "10.00")).code == 200
    assert (await casino.balance(), await other.balance()) == ("90.00", "100.00")
