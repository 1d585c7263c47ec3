"""The Aggregator API for casinos over HTTP: authentication, verification of our messages, and Accepts."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from temporalio.client import Client

from betcore.casino.accept_notifications import AcceptNotifications
from betcore.casino.tokens import CASINO_API
from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKey
from betcore.domain.claims import Confirmation
from betcore.domain.errors import Code
from betcore.domain.ids import BETS_QUEUE, BetKey, TransactionType, bet_workflow_id
from betcore.domain.messages import PayIn
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from tests.api.casino_caller import ACCEPT, GAMES, TOKEN, CasinoAnswer, CasinoCaller, casino_caller
from tests.api.wire import JSON, Api, running_api
from tests.in_process_casino import SECRET_KEY, InProcessCasino, open_casino
from workflows.bet import Bet

VERIFY = "/mis-api/api/v2/auth/verify"
DONE = (200, 200)
MALFORMED, CONTRADICTION, UNKNOWN_BET = (400, 103801), (200, 103803), (200, 103804)
NOT_AUTHORISED = (401, 401)
UNAVAILABLE = (503, 102823)
LAUNCH = {
    "PartnerUserId": "anna", "CurrencyCode": "EUR", "Language": "en", "ViewType": "mobile", "Mode": "real",
}  # fmt: skip
WORD = Confirmation("102145", None, None)


@pytest.fixture
async def caller(api: Api, casino: InProcessCasino) -> CasinoCaller:
    return await casino_caller(api, casino, "c", casino.partner_client_id)


@pytest.fixture
async def other(api: Api, casino: InProcessCasino) -> CasinoCaller:
    """Return another casino of ours."""
    name = f"other-{secrets.token_hex(4)}"
    made = await Onboarding(casino.engine, Vault(SECRET_KEY)).add_casino(name, "http://127.0.0.1:1", "", "reply")
    return await casino_caller(api, casino, name, made["partner_client_id"])


# auth/token


async def test_a_casino_gets_a_token_that_it_can_read_and_use(caller: CasinoCaller) -> None:
    found = await caller.log_in()
    assert found.code == DONE
    assert found.answer.headers["cache-control"] == "no-store"
    value = found.value
    assert {name: value[name] for name in ("TokenType", "ExpiresIn", "Scope")} == {
        "TokenType": "Bearer",
        "ExpiresIn": 900,
        "Scope": "payments games launch feed",
    }
    keys = jwt.PyJWKSet.from_dict((await caller.api.get("/mis-api/api/v2/auth/jwks")).body)
    key = keys[jwt.get_unverified_header(value["AccessToken"])["kid"]]
    claims = jwt.decode(value["AccessToken"], key, algorithms=["RS256"], audience=CASINO_API.audience, issuer="betcore")
    assert claims["client_id"] == f"PartnerClient-{caller.partner_client_id}"
    assert claims["exp"] - claims["iat"] == 900
    assert set(claims) == {"iss", "aud", "client_id", "scope", "gen", "iat", "nbf", "exp", "jti"}


async def test_no_secret_but_its_own_lets_a_casino_in(caller: CasinoCaller, other: CasinoCaller) -> None:
    for one in ("wrong", other.secret, f"{caller.secret} ", "\ud800"):
        found = await caller.log_in(one)
        assert found.code == NOT_AUTHORISED
        assert found.answer.headers["www-authenticate"] == "bearer"
    unknown = await caller.log_in(client_id=2**53 - 1)
    assert unknown.answer.body == (await caller.log_in("wrong")).answer.body


async def test_both_secrets_of_a_rotation_hold_until_its_end(other: CasinoCaller) -> None:
    made = await other.desk.rotate_secret("casino", other.name, 60)
    for one in (other.secret, made["secret"]):
        assert (await other.log_in(one)).code == DONE
    await other.sql("UPDATE casino SET previous_until = now() WHERE name = :n", n=other.name)
    assert (await other.log_in(other.secret)).code == NOT_AUTHORISED
    assert (await other.log_in(made["secret"])).code == DONE


async def test_a_casino_that_is_disabled_still_confirms_what_is_open(other: CasinoCaller) -> None:
    await other.desk.disable("casino", other.name)
    assert (await other.accept({**(await other.open())[1]})).code == UNKNOWN_BET


@pytest.mark.edge_case(105)
async def test_the_tokens_of_a_casino_end_when_it_is_disabled_or_loses_its_secret_at_once(other: CasinoCaller) -> None:
    body = {**(await other.open())[1]}
    bearer = await other.bearer()
    assert (await other.post(ACCEPT, body, bearer)).code == UNKNOWN_BET
    # With an overlap what was bought with the old secret goes on, like the secret itself.
    made = await other.desk.rotate_secret("casino", other.name, 60)
    assert (await other.post(ACCEPT, body, bearer)).code == UNKNOWN_BET
    made = await other.desk.rotate_secret("casino", other.name, 0)
    refused = await other.post(ACCEPT, body, bearer)
    assert (refused.code, refused.answer.status) == (NOT_AUTHORISED, 401)
    assert (await other.log_in()).code == NOT_AUTHORISED
    fresh = (await other.log_in(made["secret"])).value["AccessToken"]
    assert (await other.post(ACCEPT, body, f"Bearer {fresh}")).code == UNKNOWN_BET
    await other.desk.disable("casino", other.name)
    assert (await other.post(ACCEPT, body, f"Bearer {fresh}")).code == NOT_AUTHORISED
    # It still confirms what is open, with a token of its own.
    last = (await other.log_in(made["secret"])).value["AccessToken"]
    assert (await other.post(ACCEPT, body, f"Bearer {last}")).code == UNKNOWN_BET


@pytest.mark.edge_case(105)
async def test_a_revoked_key_is_listed_no_more_and_nothing_it_has_signed_holds(
    database_url: str, temporal_address: str
) -> None:
    async with open_casino(database_url) as casino, running_api(database_url, temporal_address) as api:
        caller = await casino_caller(api, casino, "c", casino.partner_client_id)
        bearer, old = await caller.bearer(), await caller.keys.current()
        body = (await caller.open())[1]
        assert (await caller.post(ACCEPT, {**body, "BetId": 1}, bearer)).code == UNKNOWN_BET
        in_force = await caller.keys.revoke(old.kid)
        listed = [key["kid"] for key in (await caller.api.get("/mis-api/api/v2/auth/jwks")).body["keys"]]
        assert in_force in listed
        assert old.kid not in listed
        assert (await caller.post(ACCEPT, body, bearer)).code == NOT_AUTHORISED
        fresh = (await caller.log_in()).value["AccessToken"]
        assert jwt.get_unverified_header(fresh)["kid"] == in_force
        # A second time changes nothing, and one that is not in force leaves the one that is.
        assert await caller.keys.revoke(old.kid) == in_force
        assert (await caller.accept(body)).code == DONE


LOG_INS = {
    "no object": b"[]",
    "nothing": b"",
    "not UTF-8": b'{"PartnerClientId": 1, "Secret": "\xff"}',
    "no secret": b'{"PartnerClientId": 1}',
    "a number as secret": b'{"PartnerClientId": 1, "Secret": 1}',
    "no client": b'{"Secret": "x"}',
    "text as client": b'{"PartnerClientId": "1", "Secret": "x"}',
    "a fraction as client": b'{"PartnerClientId": 1.0, "Secret": "x"}',
    "an exponent as client": b'{"PartnerClientId": 1e0, "Secret": "x"}',
    "client 0": b'{"PartnerClientId": 0, "Secret": "x"}',
    "client true": b'{"PartnerClientId": true, "Secret": "x"}',
    "client too large": b'{"PartnerClientId": 9007199254740992, "Secret": "x"}',
    "two clients": b'{"PartnerClientId": 1, "PartnerClientId": 1, "Secret": "x"}',
}


@pytest.mark.parametrize("body", LOG_INS.values(), ids=LOG_INS)
async def test_a_log_in_that_cannot_be_read(caller: CasinoCaller, body: bytes) -> None:
    assert (await caller.post(TOKEN, body)).code == MALFORMED


async def test_a_body_has_a_limit(caller: CasinoCaller) -> None:
    for path, most in ((TOKEN, 4 * 1024), (ACCEPT, 64 * 1024), (VERIFY, 64 * 1024)):
        assert (await caller.post(path, b" " * (most + 1), await caller.bearer())).code == (413, 103801)
        assert (await caller.post(path, b" " * most, await caller.bearer())).code == MALFORMED


async def test_other_methods_and_paths_are_answered_in_the_casinos_envelope(caller: CasinoCaller) -> None:
    found = CasinoAnswer(await caller.api.get(ACCEPT))
    assert (found.code, found.answer.headers["allow"]) == ((405, 405), "post")
    assert CasinoAnswer(await caller.api.get("/mis-api/api/v2/payments")).code == (404, 404)


# The bearer


def _sign(key: SigningKey, **changed: Any) -> str:
    """Return an access token for the in-process casino with some claims changed; a claim of None is left out."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "iss": "betcore",
        "aud": CASINO_API.audience,
        "client_id": "PartnerClient-1",
        "scope": "payments",
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=1),
        "jti": secrets.token_hex(16),
    }
    given = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(given, key.private_key, algorithm="RS256", headers={"kid": key.kid})


def _message(key: SigningKey, **changed: Any) -> str:
    """Return a token like those that we send to casinos."""
    return _sign(key, **{"aud": None, "scope": None, "iat": None, "data": '{"BetId": 1}', **changed})


async def test_a_token_of_the_right_shape_lets_in(caller: CasinoCaller) -> None:
    key = await caller.keys.current()
    named = f"PartnerClient-{caller.partner_client_id}"
    _, body = await caller.open()
    for scheme in ("Bearer", "bearer"):
        assert (await caller.post(ACCEPT, body, f"{scheme} {_sign(key, client_id=named)}")).code == DONE


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": datetime.now(UTC) - timedelta(minutes=1)},
    "not yet valid": {"nbf": datetime.now(UTC) + timedelta(hours=1)},
    "of another issuer": {"iss": "another"},
    "for another audience": {"aud": "another"},
    "for no audience": {"aud": None},
    "without a scope": {"scope": None},
    "without an end": {"exp": None},
    "of an unknown casino": {"client_id": "PartnerClient-999999999"},
    "of no casino": {"client_id": "7"},
    "without a casino": {"client_id": None},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_a_token_that_does_not_hold_is_refused(caller: CasinoCaller, claims: dict[str, Any]) -> None:
    named = {"client_id": f"PartnerClient-{caller.partner_client_id}", **claims}
    _, body = await caller.open()
    token = _sign(await caller.keys.current(), **named)
    assert (await caller.post(ACCEPT, body, f"Bearer {token}")).code == NOT_AUTHORISED
    assert (await caller.movement(body)).accept_code is None


async def test_neither_what_we_send_nor_a_foreign_key_lets_in(caller: CasinoCaller) -> None:
    key = await caller.keys.current()
    named = f"PartnerClient-{caller.partner_client_id}"
    _, body = await caller.open()
    good = _sign(key, client_id=named)
    head, payload, _ = good.split(".")
    foreign = SigningKey(key.kid, (await _another_key()).private_key)
    claims = jwt.decode(good, options={"verify_signature": False})
    by_hmac = jwt.encode(claims, key.kid, algorithm="HS256", headers={"kid": key.kid})
    unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": key.kid})
    unknown = _sign(SigningKey("A" * 43, key.private_key), client_id=named)
    tokens = [_message(key, client_id=named), _sign(foreign, client_id=named), f"{head}.{payload}.", by_hmac]
    bearers = [f"Bearer {one}" for one in [*tokens, unsigned, unknown, "", "x", "a.b.c", "é"]]
    for bearer in [*bearers, good, f"Basic {good}", ""]:
        assert (await caller.post(ACCEPT, body, bearer)).code == NOT_AUTHORISED, bearer
    assert (await caller.post(ACCEPT, body)).code == NOT_AUTHORISED
    twice = [JSON, *[("Authorization", f"Bearer {good}")] * 2]
    assert CasinoAnswer(await caller.api.send("POST", ACCEPT, twice, json.dumps(body).encode())).code == NOT_AUTHORISED
    assert (await caller.movement(body)).accept_code is None


async def _another_key() -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return SigningKey("", await asyncio.to_thread(generate_private_key, 65537, 2048))


async def test_a_token_survives_the_rotation_of_our_keys(caller: CasinoCaller) -> None:
    bearer = await caller.bearer()
    _, body = await caller.open()
    await caller.keys.rotate(timedelta(0))
    assert (await caller.post(ACCEPT, body, bearer)).code == DONE
    assert (await caller.accept(body)).code == DONE


# auth/verify


async def test_what_we_have_signed_is_ours(caller: CasinoCaller) -> None:
    message = _message(await caller.keys.current())
    for body in ({"Token": message}, message):
        found = await caller.post(VERIFY, body)
        assert found.code == DONE
        assert (found.value["Valid"], found.value["Claims"]["data"]) == (True, '{"BetId": 1}')
    await caller.keys.rotate(timedelta(0))
    assert (await caller.post(VERIFY, message)).value["Valid"] is True


async def test_what_we_have_not_signed_or_does_not_hold_is_not(caller: CasinoCaller) -> None:
    key = await caller.keys.current()
    foreign = SigningKey(key.kid, (await _another_key()).private_key)
    past = datetime.now(UTC) - timedelta(seconds=1)
    access = (await caller.log_in()).value["AccessToken"]
    others = [_message(foreign), _message(key, exp=past), _message(key, iss="another"), access, "", "x.y.z", "é"]
    for token in [*others, _message(key) + "x", "A" * 60_000]:
        found = await caller.post(VERIFY, {"Token": token})
        assert (found.code, found.value) == (DONE, {"Valid": False})


UNREADABLE = [
    b"",
    b"1",
    b"[]",
    b"{}",
    b'{"Token": 1}',
    b'"open',
    b'{"Token": "a", "Token": "b"}',
    '"a"'.encode("utf-16-le"),
]


@pytest.mark.parametrize("body", UNREADABLE)
async def test_a_question_that_cannot_be_read(caller: CasinoCaller, body: bytes) -> None:
    assert (await caller.post(VERIFY, body)).code == MALFORMED


# payments/accept

# field -> the doubt, and the JSON that no reading takes
WRONG = {
    "BetId": ("unreadable_bet", ["null", "true", "0", "-1", "1.5", '""', "9007199254740992", "[]", "9" * 5000]),
    "TransactionType": ("unreadable_type", ["null", "true", '"win"', "0", "3", "-1.5", "{}"]),
    "Amount": ("unreadable_amount", ["null", "true", '""', '"ten"', '"10,00"', '"1_0"', "[]", "9" * 5000]),
    "PartnerUserId": ("unreadable_player", ["null", "true", '""', "[]"]),
    "PartnerTransactionId": ("unreadable_partner_transaction", ["null", "true", '""', "{}"]),
    "ErrorCode": ("unreadable_code", ["null", "true", '""', "2e2", "[]", "999", '"done"', "103803"]),
    "TransactionId": ("unreadable_transaction", ["true", "[]"]),
}


@pytest.mark.edge_case(85)
@pytest.mark.parametrize("field", WRONG)
async def test_an_accept_that_cannot_be_read_is_refused_whole_with_the_reason(caller: CasinoCaller, field: str) -> None:
    _, body = await caller.open()
    before, bearer = await caller.movement(body), await caller.bearer()
    rest = json.dumps({name: value for name, value in body.items() if name != field})[1:]
    doubt, literals = WRONG[field]
    for literal in literals:
        found = await caller.post(ACCEPT, f'{{"{field}": {literal}, {rest}'.encode(), bearer)
        assert (found.code, found.value) == (MALFORMED, None), literal
        assert found.answer.body["Message"].startswith(f"{doubt}: {field} is ")
    if field in body:
        found = await caller.post(ACCEPT, f"{{{rest}".encode(), bearer)
        assert (found.code, found.answer.body["Message"]) == (MALFORMED, f"{doubt}: {field} is missing")
    assert await caller.movement(body) == before
    filed = [] if field == "BetId" else ["accept_unreadable"]
    assert await caller.incidents(body) == filed
    query = "SELECT data ->> 'reason' AS reason FROM bet_event WHERE kind = 'accept_unread' AND bet_id = :bet_id"
    assert [row.reason for row in await caller.sql(query, bet_id=body["BetId"])] == [doubt] * len(filed)
    metrics = (await caller.api.inner.get("/metrics")).raw.decode()
    assert f'betcore_accepts_total{{casino="c",outcome="{doubt}"}}' in metrics
    assert (await caller.accept(body)).code == DONE


async def test_a_body_that_is_no_object_is_refused_whole(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    bearer, good = await caller.bearer(), json.dumps(body)
    twice = f'{{"ErrorCode": 200, {good[1:]}'
    for raw in (b"", b"[]", b"{", f"[{good}]".encode(), twice.encode(), good.encode("utf-16"), f"{good}x".encode()):
        assert (await caller.post(ACCEPT, raw, bearer)).code == MALFORMED
    assert (await caller.movement(body)).accept_code is None


async def test_an_accept_is_stored_before_make_is_answered_and_a_repeat_moves_nothing(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    sent = {**body, "Balance": "990.00", "TaxAmount": None, "TransactionId": f"{body['BetId']}:-1"}
    found = await caller.accept(sent)
    assert (found.code, found.value) == (DONE, None)
    row = await caller.movement(body)
    assert (row.state, row.attempts) == ("sending", 1)
    assert (row.accept_code, row.accept_transaction_id, int(row.accept_balance)) == ("200", "t-1", 99_000)
    assert (await caller.accept(body)).code == DONE
    assert await caller.movement(body) == row
    assert await caller.incidents(body) == []


# Literals of JSON, each in the place of what the body has.
SPELLINGS: dict[str, dict[str, str]] = {
    "numbers as text": {"BetId": '"%d"', "TransactionType": '"-1"', "Amount": '"10"', "ErrorCode": '"200"'},
    "text as numbers": {"Amount": "10.0", "PartnerTransactionId": "1"},
    "floats": {"BetId": "%d.0", "TransactionType": "-1.0", "Amount": "10.0000", "ErrorCode": "200.0"},
    "floats in text": {"BetId": '"%d.0"', "TransactionType": '"-1.0"', "Amount": '"1.0E1"', "ErrorCode": '"200.0"'},
    "a debit below zero": {"Amount": '"-10.00"'},
    "a refusal without an id": {"ErrorCode": "103802", "PartnerTransactionId": "null", "Message": "null"},
    "fields that were not asked for": {"Whatever": '{"x": [1]}', "Balance": "{}", "TaxAmount": '"none"'},
    "an empty id of ours": {"TransactionId": '""'},
    "a message that is dirty": {"Message": json.dumps("\u0000\ud800\n" * 200)},
    "a message that is none": {"Message": "[]"},
    "an id that is dirty": {"PartnerTransactionId": json.dumps("a\u0000\ud800")},
    "an id that is long": {"PartnerTransactionId": json.dumps("x" * 50_000)},
}


@pytest.mark.edge_case(85)
@pytest.mark.edge_case(86)
@pytest.mark.parametrize("changed", SPELLINGS.values(), ids=SPELLINGS)
async def test_an_accept_may_be_spelled_in_several_ways(caller: CasinoCaller, changed: dict[str, str]) -> None:
    _, body = await caller.open()
    literals = {name: json.dumps(value) for name, value in body.items()}
    literals |= {name: literal.replace("%d", str(body["BetId"])) for name, literal in changed.items()}
    raw = "{" + ", ".join(f'"{name}": {literal}' for name, literal in literals.items()) + "}"
    bearer = await caller.bearer()
    for _ in range(2):
        assert (await caller.post(ACCEPT, raw.encode(), bearer)).code == DONE
    assert (await caller.movement(body)).accept_code == changed.get("ErrorCode", "200").strip('"').removesuffix(".0")
    assert await caller.incidents(body) == []


@pytest.mark.edge_case(85)
async def test_an_accept_may_name_its_fields_in_another_case(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    assert (await caller.accept({name[0].lower() + name[1:]: value for name, value in body.items()})).code == DONE
    assert (await caller.accept(body)).code == DONE


# What an Accept says otherwise than the first one, and the reason in the answer.
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "outcome": ({"ErrorCode": 103802}, "other_outcome"),
    "amount": ({"Amount": "10.01"}, "other_amount"),
    "player": ({"PartnerUserId": "bert"}, "other_player"),
    "transaction": ({"TransactionId": "1:1"}, "other_transaction"),
    "casino's transaction": ({"PartnerTransactionId": "t-2"}, "other_outcome"),
}


@pytest.mark.parametrize(("changed", "reason"), OTHERS.values(), ids=OTHERS)
async def test_the_first_accept_stands_and_a_contradiction_is_filed_once(
    caller: CasinoCaller, changed: dict[str, Any], reason: str
) -> None:
    _, body = await caller.open()
    await caller.accept(body)
    before = await caller.movement(body)
    for _ in range(2):
        refused = await caller.accept({**body, **changed})
        assert (refused.code, refused.answer.body["Message"].split(":")[0]) == (CONTRADICTION, reason)
    assert await caller.movement(body) == before
    assert await caller.incidents(body) == ["accept_contradicts"]


async def test_of_two_that_contradict_each_other_at_once_one_is_taken(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    bearer = await caller.bearer()
    changed = [{**body, "ErrorCode": code} for code in (200, 103802) * 8]
    codes = [found.code for found in await asyncio.gather(*(caller.post(ACCEPT, one, bearer) for one in changed))]
    stands = (await caller.movement(body)).accept_code
    # While a refusal is being processed, a success is answered 503: the casino resends it.
    other, incidents = (CONTRADICTION, {"accept_contradicts"}) if stands == "200" else (UNAVAILABLE, set())
    assert codes == [DONE if str(one["ErrorCode"]) == stands else other for one in changed]
    assert set(await caller.incidents(body)) == incidents


async def test_a_bet_that_there_is_not_and_one_of_another_casino_look_the_same(
    caller: CasinoCaller, other: CasinoCaller
) -> None:
    _, body = await caller.open()
    found = [
        await other.accept(body),
        await other.accept({**body, "Amount": "10.000"}),
        await other.accept({**body, "BetId": 2**53 - 1}),
        await caller.accept({**body, "BetId": 2**53 - 1}),
        await caller.accept({**body, "TransactionType": 1}),
        await caller.accept({**body, "TransactionType": 4}),
    ]
    assert [one.code for one in found] == [UNKNOWN_BET] * len(found)
    assert len({one.answer.raw for one in found}) == 1
    assert (await caller.movement(body)).accept_code is None
    assert await caller.incidents(body) == []


async def test_a_stake_that_was_taken_though_its_bet_was_refused_is_owed_back(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    given = {"movement": "refused", "done_codes": ["200"], "error_code": "103802"}
    await caller.casino.bets.refuse_only_send(body["BetId"], "run", Code.NO_MONEY, **given)
    for _ in range(2):
        assert (await caller.accept(body)).code == DONE
    assert (await caller.movement(body)).state == "done"
    assert len(await caller.sql("SELECT 1 FROM reversal WHERE bet_id = :b", b=body["BetId"])) == 1
    assert await caller.incidents(body) == ["debited_after_the_end"]


async def test_the_worker_that_waits_is_notified(caller: CasinoCaller, wire_database: str) -> None:
    _, body = await caller.open()
    async with (
        AcceptNotifications(Settings(database_url=wire_database)) as hints,
        hints.expect(body["BetId"], TransactionType.ACCEPT_BET) as notified,
        asyncio.timeout(15),
    ):
        await hints.listening.wait()
        assert (await caller.accept(body)).code == DONE
        await notified.wait()


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address)


async def _signals(client: Client, bet: PayIn) -> list[Any]:
    key = BetKey(bet.counterparty_id, bet.provider_bet_id)
    history = await client.get_workflow_handle(bet_workflow_id(key)).fetch_history()
    found = [e.workflow_execution_signaled_event_attributes for e in history.events]
    return [(one.signal_name, json.loads(one.input.payloads[0].data)) for one in found if one.signal_name]


async def test_the_workflow_is_signalled_if_no_worker_waits(caller: CasinoCaller, client: Client) -> None:
    bet, body = await caller.open()
    key = BetKey(bet.counterparty_id, bet.provider_bet_id)
    # No worker is here: what is sent to the workflow stays in its history.
    handle = await client.start_workflow(Bet.__name__, id=bet_workflow_id(key), task_queue=BETS_QUEUE)
    try:
        assert (await caller.accept(body)).code == DONE
        assert await _signals(client, bet) == []
        await caller.sql("UPDATE movement SET awaited_until = now() WHERE bet_id = :b", b=body["BetId"])
        assert (await caller.accept(body)).code == DONE
        assert await _signals(client, bet) == [("accept", {"transaction_type": -1, "success": True})]
    finally:
        await handle.terminate()


async def test_a_workflow_that_is_gone_changes_nothing_of_the_answer(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    await caller.sql("UPDATE movement SET awaited_until = now() WHERE bet_id = :b", b=body["BetId"])
    assert (await caller.accept(body)).code == DONE
    assert (await caller.movement(body)).accept_code == "200"


async def test_without_a_database_the_casino_is_asked_to_send_its_accept_again(caller: CasinoCaller) -> None:
    _, body = await caller.open()
    bearer = await caller.bearer()
    await caller.sql("ALTER TABLE movement RENAME TO away")
    try:
        found = await caller.post(ACCEPT, body, bearer)
    finally:
        await caller.sql("ALTER TABLE away RENAME TO movement")
    assert (found.code, found.answer.headers["retry-after"]) == (UNAVAILABLE, "1")
    assert b"movement" not in found.answer.raw
    assert (await caller.accept(body)).code == DONE


@pytest.mark.parametrize("table", ["casino", "game"])
async def test_without_a_database_each_call_is_to_be_sent_again(caller: CasinoCaller, table: str) -> None:
    bearer = await caller.bearer()
    await caller.sql(f"ALTER TABLE {table} RENAME TO away")
    try:
        found = [await caller.get(GAMES, bearer), await caller.post(f"{GAMES}/1/launch", LAUNCH, bearer)]
        if table == "casino":
            found.append(await caller.log_in())
    finally:
        await caller.sql(f"ALTER TABLE away RENAME TO {table}")
    for one in found:
        assert (one.code, one.answer.headers["retry-after"]) == (UNAVAILABLE, "1")
        assert one.answer.body["Message"] == "not done: send it again"
    assert (await caller.get(GAMES, bearer)).code == DONE


async def test_accepts_are_counted_by_casino_and_outcome(caller: CasinoCaller, other: CasinoCaller) -> None:
    _, body = await caller.open()
    for changed in ({}, {}, {"ErrorCode": 103802}, {"PartnerUserId": "bert"}, {"ErrorCode": 1}):
        await caller.accept({**body, **changed})
    await other.accept(body)
    metrics = (await caller.api.inner.get("/metrics")).raw.decode()
    for outcome in ("stored", "repeated", "other_outcome", "other_player", "unreadable_code"):
        assert f'betcore_accepts_total{{casino="c",outcome="{outcome}"}}' in metrics
    assert f'betcore_accepts_total{{casino="{other.name}",outcome="unknown"}} 1.0' in metrics
