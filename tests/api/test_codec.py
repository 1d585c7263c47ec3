"""The codec server over HTTP: what the Temporal UI is answered, and who is answered nothing."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload

from betcore.domain.errors import InvalidInput, Misconfigured
from betcore.runtime.operator_tokens import OperatorTokens, issue
from betcore.temporal.payload_encryption import Encryption
from tests.api.wire import Answer, Api, running_codec

KEY, OTHER_KEY = (Fernet.generate_key().decode() for _ in range(2))
UI, NAMESPACE = "https://temporal.example", "bets"
_TODAY = datetime.now(UTC).date()
# Its last day may be over before the test runs: tests are collected before midnight, too.
TOKEN, ENTRY = issue("anna@casino.example", _TODAY + timedelta(days=1))
EXPIRED, EXPIRED_ENTRY = issue("bob", _TODAY - timedelta(days=1))
BET, TWIN = "bet:8d0e36a1-0000-4000-8000-000000000001:7", "bet:8d0e36a1-0000-4000-8000-000000000001:8"
MESSAGE = {"stake": {"minor": 500, "currency": "EUR"}, "partner_user_id": "anna-of-the-casino"}
SHOWN = {"stake": {"minor": 500, "currency": "EUR"}, "partner_user_id": "sealed"}
UNREAD = "not readable: no key here has encrypted it for the workflow that it names, or an earlier release has"


@pytest.fixture(scope="module")
async def codec() -> AsyncIterator[Api]:
    async with running_codec(
        temporal_payload_key=KEY,
        temporal_namespace=NAMESPACE,
        codec_origins=f"{UI},http://127.0.0.1:8233",
        codec_tokens=f"{EXPIRED_ENTRY}, {ENTRY}",
        codec_calls_per_second="1000",
        stranger_calls_per_second="1000",
        log_level="info",
    ) as running:
        yield running


async def sealed(message: object, workflow_id: str = BET, key: str = KEY) -> Payload:
    """Return a message as a process of ours gives it to Temporal."""
    plain = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(message).encode())
    return (await Encryption(key).of_workflow(workflow_id).encode([plain]))[0]


def body_of(*payloads: Payload) -> bytes:
    """Return what the UI posts."""
    return json.dumps({"payloads": [_as_json(one) for one in payloads]}).encode()


def _as_json(payload: Payload) -> dict[str, Any]:
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    return {"metadata": metadata, "data": base64.b64encode(payload.data).decode()}


def asked(**changed: str | None) -> list[tuple[str, str]]:
    """Return the headers of the UI's call, with some changed, or left out."""
    headers = {
        "Content-Type": "application/json",
        "X-Namespace": NAMESPACE,
        "Origin": UI,
        "Authorization": f"Bearer {TOKEN}",
    }
    changes = {name.replace("_", "-").title(): value for name, value in changed.items()}
    return [(name, value) for name, value in (headers | changes).items() if value is not None]


async def decode(codec: Api, *payloads: Payload, **changed: str | None) -> Answer:
    return await codec.send("POST", "/decode?preserveStorageRefs=true", asked(**changed), body_of(*payloads))


def read(answer: Answer) -> list[Any]:
    """Return what the payloads of an answer hold."""
    assert answer.status == 200, answer.raw
    return [json.loads(base64.b64decode(one["data"])) for one in answer.body["payloads"]]


async def test_payloads_are_read_by_the_workflow_that_they_name_without_what_is_personal(codec: Api) -> None:
    answer = await decode(codec, await sealed(MESSAGE), await sealed("stake EUR 5.00 · dice · 7", TWIN))
    assert read(answer) == [SHOWN, "stake EUR 5.00 · dice · 7"]
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["cache-control"] == "no-store"


async def test_what_cannot_be_read_says_so_in_its_place(codec: Api) -> None:
    bound, other = await sealed(MESSAGE), await sealed(MESSAGE, key=OTHER_KEY)
    renamed = Payload(metadata={**bound.metadata, "workflow-id": TWIN.encode()}, data=bound.data)
    nameless = Payload(metadata={"encoding": bound.metadata["encoding"]}, data=bound.data)
    broken = Payload(metadata=bound.metadata, data=bound.data[:-1] + b"\0")
    answer = await decode(codec, renamed, nameless, broken, other, bound)
    assert read(answer) == [*[UNREAD] * 4, SHOWN]


async def test_payloads_of_the_first_releases_and_in_plaintext_are_shown(codec: Api) -> None:
    inside = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(MESSAGE).encode())
    fernet = Payload(
        metadata={"encoding": b"binary/encrypted-fernet"}, data=Fernet(KEY).encrypt(inside.SerializeToString())
    )
    # Its reader has it anyway: Temporal stores it so.
    assert read(await decode(codec, fernet, inside)) == [SHOWN, MESSAGE]


@pytest.mark.parametrize("encoding", [b"binary/plain", b"json/protobuf", b"binary/protobuf"])
async def test_what_has_no_fields_that_can_be_told_apart_stays_sealed(codec: Api, encoding: bytes) -> None:
    plain = Payload(metadata={"encoding": encoding, "messageType": b"other.Message"}, data=b'{"player": "anna"}')
    (payload,) = await Encryption(KEY).of_workflow(BET).encode([plain])
    assert read(await decode(codec, payload)) == ["sealed"]


async def test_who_read_what_is_on_record_without_contents(codec: Api) -> None:
    payloads = [
        await sealed(MESSAGE),
        await sealed(MESSAGE),
        await sealed(MESSAGE, TWIN),
        await sealed(1, key=OTHER_KEY),
    ]
    with capture_logs() as lines:
        await decode(codec, *payloads)
    assert lines == [
        {
            "event": "payloads decoded",
            "log_level": "info",
            "operator": "anna@casino.example",
            "workflows": {BET: 2, TWIN: 1},
            "decoded": 3,
            "not_readable": 1,
        }
    ]


REFUSED: dict[str, tuple[dict[str, str | None], int, str]] = {
    "no token": ({"authorization": None}, 401, "not_authorised"),
    "another token": ({"authorization": "Bearer codec_x"}, 401, "not_authorised"),
    "an expired token": ({"authorization": f"Bearer {EXPIRED}"}, 401, "not_authorised"),
    "another scheme": ({"authorization": f"Basic {TOKEN}"}, 401, "not_authorised"),
    "a JWT without an identity provider": ({"authorization": "Bearer e30.e30.x"}, 401, "not_authorised"),
    "another page": ({"origin": "https://evil.example"}, 403, "not_allowed"),
    "no page by that port": ({"origin": f"{UI}:8443"}, 403, "not_allowed"),
    "a page without an origin": ({"origin": "null"}, 403, "not_allowed"),
    "another namespace": ({"x_namespace": "default"}, 403, "not_allowed"),
    "no namespace": ({"x_namespace": None}, 403, "not_allowed"),
    "a cookie without a page": (
        {"authorization": None, "origin": None, "cookie": f"betcore_codec={TOKEN}"},
        401,
        "not_authorised",
    ),
    "another cookie": ({"authorization": None, "cookie": "betcore_codec=codec_x"}, 401, "not_authorised"),
    "no JSON by its type": ({"content_type": "text/plain"}, 415, "wrong_content_type"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_who_may_not_read_is_answered_nothing(codec: Api, case: str) -> None:
    changed, status, code = REFUSED[case]
    answer = await decode(codec, await sealed(MESSAGE), **changed)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert b"payloads" not in answer.raw


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"payloads":1}', b'{"payloads":[1]}', b"[" * 50_000])
async def test_a_body_that_is_no_list_of_payloads_is_refused(codec: Api, body: bytes) -> None:
    answer = await codec.send("POST", "/decode", asked(), body)
    assert (answer.status, answer.body["code"]) == (400, "malformed")


async def begin(codec: Api, path: str, size: int, headers: list[tuple[str, str]]) -> Answer:
    """Send the head of a call whose body does not come."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return await codec.raw(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{lines}\r\n".encode())


@pytest.mark.parametrize(("path", "most"), [("/decode", 6 * 1024 * 1024), ("/sign-in", 4096), ("/other", 4096)])
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(codec: Api, path: str, most: int) -> None:
    answer = await begin(codec, path, most + 1, asked())
    assert (answer.status, answer.body["code"]) == (413, "too_large")


async def test_nothing_is_read_of_the_body_of_a_stranger(codec: Api) -> None:
    """A flood of large bodies would fill the memory."""
    answer = await begin(codec, "/decode", 6 * 1024 * 1024, asked(authorization="Bearer codec_x"))
    assert (answer.status, answer.body["code"]) == (401, "not_authorised")
    assert answer.headers["access-control-allow-origin"] == UI


async def test_more_calls_than_it_can_hold_are_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.codec.main._MOST_IN_FLIGHT", 0)
    settings = {"temporal_payload_key": KEY, "temporal_namespace": NAMESPACE, "codec_origins": UI}
    async with running_codec(**settings, codec_tokens=str(ENTRY)) as codec:
        answer = await decode(codec, await sealed(MESSAGE))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_what_monitoring_reads_is_on_the_inner_port_alone(codec: Api) -> None:
    await decode(codec, await sealed(MESSAGE))
    paths = ("/health/live", "/health/ready", "/metrics")
    assert [(await codec.get(path)).status for path in paths] == [200, 404, 404]
    assert [(await codec.inner.get(path)).status for path in paths] == [200, 200, 200]
    counted = 'betcore_requests_total{code="200",operation="decode",partner="",surface="codec"}'
    assert counted.encode() in (await codec.inner.get("/metrics")).raw


async def test_nobody_can_have_a_message_made(codec: Api) -> None:
    assert (await codec.send("POST", "/encode", asked(), body_of())).status == 404
    assert (await codec.get("/decode")).status == 405


async def test_a_command_line_needs_no_origin(codec: Api) -> None:
    assert read(await decode(codec, await sealed(MESSAGE), origin=None)) == [SHOWN]


async def test_a_browser_asks_first_and_only_pages_of_the_ui_may_ask(codec: Api) -> None:
    asks = [
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,authorization-extras,content-type,x-namespace"),
    ]
    may = await codec.send("OPTIONS", "/decode", [("Origin", UI), *asks])
    assert may.status == 200
    assert may.headers["access-control-allow-origin"] == UI
    assert may.headers["access-control-allow-credentials"] == "true"
    other = await codec.send("OPTIONS", "/decode", [("Origin", "https://evil.example"), *asks])
    assert other.status == 400
    assert "access-control-allow-origin" not in other.headers


async def test_a_browser_that_has_signed_in_sends_a_cookie_that_no_script_reads(codec: Api) -> None:
    own = [("Origin", "http://x"), ("Content-Type", "application/x-www-form-urlencoded")]
    page = await codec.get("/sign-in")
    assert page.status == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    refused = await codec.send("POST", "/sign-in", own, b"token=codec_x")
    assert (refused.status, "set-cookie" in refused.headers) == (401, False)
    # Another site must not sign a browser in.
    foreign = await codec.send("POST", "/sign-in", [("Origin", UI), own[1]], f"token={TOKEN}".encode())
    assert (foreign.status, "set-cookie" in foreign.headers) == (401, False)
    done = await codec.send("POST", "/sign-in", own, f"token={TOKEN}".encode())
    cookie, *rules = done.headers["set-cookie"].split("; ")
    assert done.status == 200
    assert {"httponly", "path=/decode", "samesite=strict"} <= set(rules)
    answer = await decode(codec, await sealed(MESSAGE), authorization=None, cookie=f"betcore_codec={TOKEN}")
    assert read(answer) == [SHOWN]
    assert cookie == f"betcore_codec={TOKEN}".lower()  # the test's client lowers the names of headers and what follows


async def test_who_asks_too_often_is_answered_429() -> None:
    settings = {"temporal_payload_key": KEY, "temporal_namespace": NAMESPACE, "codec_origins": UI}
    async with running_codec(**settings, codec_tokens=str(ENTRY), codec_calls_per_second="1") as codec:
        answers = [await decode(codec, await sealed(MESSAGE)) for _ in range(6)]
    assert [one.status for one in answers[:4]] == [200] * 4
    assert (answers[-1].status, answers[-1].body["code"]) == (429, "too_many_calls")


async def test_without_anybody_who_may_read_it_runs_and_refuses() -> None:
    async with running_codec(temporal_payload_key=KEY, codec_origins=UI) as codec:
        assert (await codec.get("/health/live")).status == 200
        assert (await decode(codec, await sealed(MESSAGE), x_namespace="default")).status == 401


@pytest.mark.parametrize(
    "settings",
    [
        {"codec_origins": UI},
        {"temporal_payload_key": KEY},
        {"temporal_payload_key": KEY, "codec_origins": UI, "codec_jwks_url": "https://id.example/jwks"},
        {"temporal_payload_key": KEY, "codec_origins": UI, "codec_tokens": "anna:2026-01-01"},
    ],
    ids=["no key", "no origin", "no issuer", "half an entry"],
)
async def test_it_does_not_start_half_configured(settings: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="BETCORE_"):
        async with running_codec(**settings):
            pass


def test_a_token_is_stored_as_its_hash_alone() -> None:
    token, entry = issue("anna", _TODAY + timedelta(days=1))
    assert token not in str(entry)
    held = OperatorTokens(str(entry)).holder(token)
    assert (held and held.operator, OperatorTokens(str(entry)).holder(token + "x")) == ("anna", None)
    for name in ("", "a b", "a:b", "a,b", "x" * 65):
        with pytest.raises(InvalidInput):
            issue(name, _TODAY)
