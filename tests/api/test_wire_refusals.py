"""Route, method, content type, body, failures inside: each has its own refusal, over real sockets.

Broken and replayed calls that could move money are in ``test_hostile``.
"""

import asyncio
import secrets
import time

import jwt
import pytest
from sqlalchemy import text

from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKeys
from betcore.provider import xsign
from betcore.runtime.vault import Vault
from tests.api.wire import (
    BALANCE,
    BET,
    JSON,
    MALFORMED,
    NOT_AUTHORISED,
    PASSED,
    REFUND,
    UNKNOWN,
    UNKNOWN_SESSION,
    Api,
    Signer,
    post,
    running_api,
)
from tests.in_process_casino import SECRET_KEY, InProcessCasino
from tests.partner import eventually

# Route, method, type


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/elsewhere"),
        ("POST", f"{UNKNOWN_SESSION}/bets"),
        ("POST", f"{UNKNOWN_SESSION}/bets/pay-in/"),
        ("GET", f"{BALANCE}/"),
        ("POST", "/v1/sessions//bets/refund"),
        ("GET", "/v1/sessions/a%2Fb/balance"),
        ("DELETE", "/v1/elsewhere"),
        ("POST", f"{REFUND}%0A"),
        ("POST", f"{BALANCE}%0A"),
    ],
)
async def test_an_unknown_route_is_answered_so_only_with_a_signature(
    api: Api, signer: Signer, method: str, path: str
) -> None:
    assert (await api.send(method, path)).outcome == NOT_AUTHORISED
    assert (await api.send(method, path, signer.sign().items())).outcome == (404, 2, "unknown_route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", BALANCE, "get"), ("GET", REFUND, "post"), ("PUT", REFUND, "post"), ("OPTIONS", REFUND, "post")],
)
async def test_a_wrong_method_is_answered_with_the_right_one(
    api: Api, signer: Signer, method: str, path: str, allowed: str
) -> None:
    found = await api.send(method, path, signer.sign().items())
    assert (found.outcome, found.headers["allow"]) == ((405, 2, "wrong_method"), allowed)


async def test_head_is_no_get(api: Api, signer: Signer) -> None:
    assert (await api.send("HEAD", BALANCE, signer.sign().items())).status == 405


@pytest.mark.parametrize("given", ["application/json; charset=utf-8", "Application/JSON ;x=y", "application/json"])
async def test_parameters_of_the_type_do_no_harm(api: Api, signer: Signer, given: str) -> None:
    headers = [("Content-Type", given), *signer.sign(BET).items()]
    assert (await api.send("POST", REFUND, headers, BET)).outcome == PASSED


async def test_without_a_body_there_is_no_type_to_be_wrong(api: Api, signer: Signer) -> None:
    assert (await api.send("POST", REFUND, signer.sign().items())).outcome == MALFORMED


# Parsing


@pytest.mark.parametrize("session", ["%20", "a%20b", "%C3%A4", "a" * 129, "%00"])
async def test_a_session_id_of_another_form_is_malformed(api: Api, signer: Signer, session: str) -> None:
    assert (await post(api, signer, BET, f"/v1/sessions/{session}/bets/refund")).outcome == MALFORMED
    assert (await api.get(f"/v1/sessions/{session}/balance", signer.sign().items())).outcome == MALFORMED


async def test_a_balance_takes_no_body(api: Api, signer: Signer) -> None:
    found = await api.send("GET", BALANCE, [JSON, *signer.sign(BET).items()], BET)
    assert found.outcome == MALFORMED


# Replays


async def test_a_request_without_a_good_signature_uses_up_no_id(api: Api, signer: Signer) -> None:
    impostor = Signer(signer.counterparty_id, "wrong")
    assert (await api.get(BALANCE, impostor.sign(request_id="b" * 32).items())).outcome == NOT_AUTHORISED
    assert (await api.get(BALANCE, signer.sign(request_id="b" * 32).items())).outcome == PASSED


# What goes wrong inside


@pytest.mark.parametrize("table", ["provider", "request_id", "session"])
async def test_a_failing_database_is_an_unknown_outcome_that_says_nothing(
    api: Api, signer: Signer, casino: InProcessCasino, table: str
) -> None:
    async with casino.engine.connect() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
        try:
            found = await post(api, signer, BET)
            refused = await post(api, signer, b"[]")
        finally:
            await connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))
    assert found.outcome == UNKNOWN
    assert found.headers["retry-after"] == "1"
    assert table not in found.body["message"]
    assert refused.outcome == (MALFORMED if table == "session" else UNKNOWN)
    assert (await post(api, signer, BET)).outcome == PASSED


async def test_a_hanging_database_does_not_hold_the_answer_beyond_the_deadline(
    api: Api, signer: Signer, casino: InProcessCasino
) -> None:
    made = await Onboarding(casino.engine, Vault(SECRET_KEY)).add_provider("quick", "http://x", "answer_deadline: 0.5")
    quick = Signer(made["counterparty_id"], made["secret"])
    async with casino.engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.execute(text("LOCK TABLE session IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(8):  # a statement is given up after 10 s, far beyond this provider's deadline
            assert (await post(api, quick, BET)).outcome == UNKNOWN
    assert (await post(api, signer, BET)).outcome == PASSED


async def test_failures_outside_of_the_calls_say_nothing_either(api: Api, casino: InProcessCasino) -> None:
    async with casino.engine.connect() as connection:
        await connection.execute(text("ALTER TABLE signing_key RENAME TO away"))
        try:
            found = await api.get("/mis-api/api/v2/auth/jwks")
        finally:
            await connection.execute(text("ALTER TABLE away RENAME TO signing_key"))
    assert found.outcome == UNKNOWN
    assert b"signing_key" not in found.raw


async def test_a_wrong_key_for_secrets_is_not_shown_to_providers(
    casino: InProcessCasino, signer: Signer, wire_database: str, temporal_address: str
) -> None:
    key = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="
    async with running_api(wire_database, temporal_address, secret_key=key) as api:
        found = await post(api, signer, BET)
    assert found.outcome == UNKNOWN
    assert "SECRET" not in found.body["message"]


# Outside of /v1


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v2/sessions/x/balance", "/redoc", "/v1x", "/health", "/health/live/"),
        *("/health/ready", "/metrics", "/openapi.json", "/docs"),
    ],
)
async def test_unknown_paths_are_answered_in_the_envelope(api: Api, path: str) -> None:
    assert (await api.get(path)).outcome == (404, 2, "unknown_route")


@pytest.mark.parametrize("path", ["/health/live", "/mis-api/api/v2/auth/jwks"])
async def test_wrong_methods_too(api: Api, path: str) -> None:
    found = await api.send("DELETE", path)
    assert (found.outcome, found.headers["allow"]) == ((405, 2, "wrong_method"), "get")


async def test_a_prefix_moves_the_calls_and_the_gate(
    signer: Signer, casino: InProcessCasino, wire_database: str, temporal_address: str
) -> None:
    async with running_api(wire_database, temporal_address, provider_api_prefix="/aggregator") as api:
        assert (await api.get(f"/aggregator{BALANCE}", signer.sign().items())).outcome == PASSED
        assert (await api.get(f"/aggregator{BALANCE}")).outcome == NOT_AUTHORISED
        assert (await api.get(BALANCE, signer.sign().items())).outcome == (404, 2, "unknown_route")


async def test_the_jwks_holds_the_keys_that_sign(api: Api, casino: InProcessCasino) -> None:
    found = await api.get("/mis-api/api/v2/auth/jwks")
    assert (found.status, list(found.body)) == (200, ["keys"])
    assert "max-age" in found.headers["cache-control"]
    key = await SigningKeys(casino.database, Vault(SECRET_KEY), 0).current()
    token = jwt.encode({"data": "x"}, key.private_key, algorithm="RS256", headers={"kid": key.kid})
    assert jwt.decode(token, jwt.PyJWKSet.from_dict(found.body)[key.kid], algorithms=["RS256"]) == {"data": "x"}


async def test_calls_are_counted_by_operation_and_code(api: Api, signer: Signer) -> None:
    wanted = 'betcore_calls_total{operation="refund",response_code="3"}'

    async def counted() -> float:
        lines = (await api.inner.get("/metrics")).raw.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted))

    before = await counted()
    await post(api, signer, BET)
    assert await counted() == before + 1


# Other spellings


@pytest.mark.parametrize("target", ["http://example.test", "HTTP://127.0.0.1:8080", "https://a.b"])
async def test_an_absolute_target_is_the_same_call(
    api: Api, signer: Signer, casino: InProcessCasino, target: str
) -> None:
    path = f"/v1/sessions/{casino.session.session_id}/balance"
    assert (await api.send("GET", target + path)).outcome == NOT_AUTHORISED

    async def answered() -> bool:
        # On a busy machine the casino may be too late for the deadline of one call.
        return (await api.send("GET", target + path, signer.sign().items())).status == 200

    await eventually(answered)
    assert (await api.send("GET", target, signer.sign().items())).status == 404


async def test_seconds_are_called_seconds(api: Api, signer: Signer) -> None:
    timestamp, request_id = str(int(time.time())), secrets.token_hex(16)
    headers = signer.sign(request_id=request_id) | {
        xsign.TIMESTAMP: timestamp,
        xsign.SIGNATURE: xsign.sign(signer.secret, signer.counterparty_id, timestamp, request_id, b""),
    }
    answer = await api.send("GET", BALANCE, headers.items())
    assert answer.outcome == NOT_AUTHORISED
    assert "X-Timestamp is in milliseconds" in answer.body["message"]
