"""The codec server takes the access tokens of the identity provider by which operators log in to the Temporal UI."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.api.test_codec import KEY, MESSAGE, NAMESPACE, SHOWN, UI, decode, read, sealed
from tests.api.wire import Api, running_codec
from tests.serving import serving

_RSA, _EC, _STRANGE = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()), "k" * 64


@dataclass
class IdentityProvider:
    """A JWKS over HTTP, and the tokens that its keys sign."""

    url: str = ""
    fetched: int = 0
    is_down: bool = False
    keys: dict[str, Any] = field(default_factory=lambda: {"rsa": _RSA})

    async def show(self, _: web.Request) -> web.Response:
        self.fetched += 1
        if self.is_down:
            return web.Response(status=503)
        listed = [{**self._public(key), "kid": kid} for kid, key in self.keys.items()]
        return web.json_response({"keys": [*listed, {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}]})

    @staticmethod
    def _public(key: Any) -> dict[str, Any]:
        algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return dict(algorithm.to_jwk(key.public_key(), as_dict=True))


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    made, app = IdentityProvider(), web.Application()
    app.router.add_get("/jwks", made.show)
    async with serving(app) as url:
        made.url = f"{url}/jwks"
        yield made


@pytest.fixture
async def codec(provider: IdentityProvider) -> AsyncIterator[Api]:
    async with running_codec(
        temporal_payload_key=KEY,
        temporal_namespace=NAMESPACE,
        codec_origins=UI,
        codec_jwks_url=provider.url,
        codec_jwt_issuer="https://id.example",
        codec_jwt_audience="temporal",
    ) as running:
        yield running


def token(key: Any = _RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changed: object) -> str:
    claims = {
        "iss": "https://id.example",
        "aud": ["temporal", "other"],
        "sub": "anna",
        "exp": time.time() + 60,
        "permissions": [f"{NAMESPACE}:read"],
    } | changed
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm, headers={"kid": kid} if kid else {})


async def status(codec: Api, given: str) -> int:
    return (await decode(codec, await sealed(MESSAGE), authorization=f"Bearer {given}")).status


async def test_who_may_read_the_namespace_in_temporal_may_decode(codec: Api, provider: IdentityProvider) -> None:
    provider.keys["ec"] = _EC
    for granted in (
        [f"{NAMESPACE}:read"],
        ["other:read", f"{NAMESPACE}:admin"],
        ["temporal-system:admin"],
        f"openid {NAMESPACE}:write",
    ):
        given = token(permissions=granted)
        answer = await decode(codec, await sealed(MESSAGE), authorization=f"Bearer {given}")
        assert read(answer) == [SHOWN]
    assert await status(codec, token(_EC, "ES256", "ec")) == 200
    assert provider.fetched == 1


async def test_who_may_not_is_refused(codec: Api) -> None:
    for granted in (None, [], [f"{NAMESPACE}:worker"], ["other:admin"], f"{NAMESPACE}-2:read", {"bets": "read"}, 7):
        assert await status(codec, token(permissions=granted)) == 403, granted


async def test_a_token_that_does_not_hold_is_refused(codec: Api, provider: IdentityProvider) -> None:
    public = _RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # PyJWT refuses to sign with a public key as if it was a shared secret: an attacker does not.
    confused = token(_STRANGE, "HS256").split(".")
    for given in (
        token(exp=time.time() - 60),
        token(exp=None),
        token(nbf=time.time() + 60),
        token(iss="https://other.example"),
        token(aud="other"),
        token(aud=None),
        token(sub=None),
        token(kid=None),
        token(kid="unknown"),
        token(rsa.generate_private_key(65537, 2048)),
        token(b"secret" + b"\0" * 26, "HS256", "shared"),
        token(None, "none"),
        ".".join(confused),
        token()[:-4] + "AAAA",
        "a.b.c",
        "x" * 20_000,
        public.decode().replace("\n", ""),
    ):
        assert await status(codec, given) == 401, given
    assert provider.fetched == 1  # an unknown key has the JWKS fetched again, but not at each call


async def test_while_the_keys_cannot_be_fetched_the_ui_is_to_ask_again(codec: Api, provider: IdentityProvider) -> None:
    provider.is_down = True
    assert await status(codec, token()) == 503
