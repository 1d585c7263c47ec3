"""What the tests of the sandbox casino share: a running one, and an aggregator that signs calls to it."""

import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa

from devkit.sandbox.casino.app import create_app
from devkit.sandbox.casino.database import open_pool
from tests.serving import serving

KID = "key-1"
_client_ids = itertools.count(int(time.time()))
_bet_ids = itertools.count(1)


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """Return one key for each name, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwks(*names: str) -> dict[str, Any]:
    """Return the public halves of keys as the aggregator publishes them."""
    keys = []
    for name in names:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key(name).public_key()))
        keys.append(public | {"kid": name, "alg": "RS256", "use": "sig"})
    return {"keys": keys}


@dataclass
class Reply:
    """An answer as it came over the socket."""

    status: int
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> int:
        return int(self.json["ErrorCode"])

    @property
    def value(self) -> Any:
        return self.json["Value"]


@dataclass
class Casino:
    """One casino of the sandbox, from both sides: signed calls, and the control endpoints."""

    url: str
    http: ClientSession
    client_id: int

    def claims(self, data: object, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        return {
            "nbf": now - 5,
            "exp": now + 5,
            "iss": "betcore",
            "client_id": f"PartnerClient-{self.client_id}",
            "data": json.dumps(data),
            "jti": secrets.token_hex(8),
        } | changes

    async def call(self, path: str, data: object, **changes: Any) -> Reply:
        token = jwt.encode(self.claims(data, **changes), private_key(KID), "RS256", headers={"kid": KID})
        return await self.send(path, json.dumps(token).encode())

    async def send(self, path: str, body: bytes) -> Reply:
        async with self.http.post(self.url + path, data=body) as answer:
            return Reply(answer.status, answer.content_type, await answer.text())

    async def make(
        self, bet_id: int, transaction_type: int, amount: object, player: str = "alice", **more: object
    ) -> Reply:
        data = {
            "BetId": bet_id,
            "TransactionType": transaction_type,
            "Amount": amount,
            "PartnerUserId": player,
            "TransactionId": f"{bet_id}:{transaction_type}",
        }
        return await self.call("/payments/make", data | more)

    async def control(self, method: str, path: str, body: Mapping[str, object] | None = None, **query: object) -> Any:
        scope = {"partner_client_id": self.client_id}
        if method == "GET" or method == "DELETE":
            query = scope | query
        else:
            body = scope | dict(body or {})
        found = {name: str(value) for name, value in query.items()}
        async with self.http.request(method, self.url + path, json=body, params=found) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def open_player(self, player: str = "alice", balance: str = "100.00", **more: object) -> Any:
        given = {"partner_user_id": player, "currency": "EUR", "balance": balance}
        return await self.control("POST", "/_players", given | more)

    async def faults(self, *faults: Mapping[str, object], seed: int = 0) -> None:
        await self.control("POST", "/_faults", {"seed": seed, "faults": list(faults)})

    async def balance(self, player: str = "alice") -> str:
        async with self.http.get(f"{self.url}/_players/{self.client_id}/{player}") as answer:
            return str((await answer.json())["balance"])

    async def journal(self, bet_id: int) -> list[tuple[int, str]]:
        entries = await self.control("GET", "/_journal", bet_id=bet_id)
        return [(entry["transaction_type"], entry["amount"]) for entry in entries]

    async def calls(self, **query: object) -> Any:
        return await self.control("GET", "/_calls", None, **query)


def new_bet() -> int:
    """Return a BetId that no other test uses."""
    return next(_bet_ids)


@dataclass
class Sandbox:
    """A running sandbox casino."""

    url: str
    http: ClientSession
    pool: Any
    database_url: str

    def new_casino(self) -> Casino:
        return Casino(self.url, self.http, next(_client_ids))


@asynccontextmanager
async def running_sandbox(
    database_url: str, jwks_source: Any = None, aggregator: str | None = None
) -> AsyncIterator[Sandbox]:
    """Run a sandbox casino on this database, trusting the key KID."""

    async def load() -> dict[str, Any]:
        return jwks(KID)

    async with (
        await open_pool(database_url) as pool,
        serving(create_app(pool, jwks_source or load, aggregator=aggregator)) as url,
        ClientSession() as http,
    ):
        yield Sandbox(url, http, pool, database_url)
