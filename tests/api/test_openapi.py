"""The OpenAPI document: no shape that is never sent, every status and code that is, and examples that the API takes."""

import json
import re
from typing import Any

import openapi_spec_validator
import pytest
from fastapi.routing import iter_route_contexts

from api.casino import launch
from api.casino import schemas as casino_schemas
from api.casino.openapi_examples import LAUNCH
from api.casino.responses import PLAY_REFUSED
from api.provider import live_schemas
from api.provider.responses import RESPONSE_CODES
from api.provider.schemas import PayInBody, PayInOutBody, PayOutBody, RefundBody, read
from betcore.domain.errors import Malformed
from betcore.domain.profiles import DEFAULT_ERROR_CODES
from tests.api.casino_caller import CasinoAnswer, CasinoCaller, casino_caller
from tests.api.documents import Document, assert_documented, faults_of, operations_of, schema_of
from tests.api.wire import Api, Signer, post
from tests.in_process_casino import InProcessCasino
from tests.partner import ROOT

V1, V2 = "/v1/sessions/{sessionId}", "/mis-api/api/v2"
PROVIDERS = {
    "getBalance": ("get", f"{V1}/balance", {1, 2, 3, 8, 99}),
    "payIn": ("post", f"{V1}/bets/pay-in", {1, 2, 3, 4, 6, 7, 8, 99, 104}),
    "payOut": ("post", f"{V1}/bets/pay-out", {1, 2, 3, 5, 6, 8, 99, 104}),
    "payInOut": ("post", f"{V1}/bets/pay-in-out", {1, 2, 3, 4, 6, 7, 8, 99, 104}),
    "refund": ("post", f"{V1}/bets/refund", {1, 2, 3, 6, 7, 8, 99, 104}),
    "reportRound": ("post", "/v1/live/{gameType}/rounds/{roundId}", {1, 2, 6, 7, 8, 99}),
}
CASINOS = {
    "issueToken": ("post", f"{V2}/auth/token", {200, 400, 401, 403, 405, 413, 429, 503}),
    "verifyMessage": ("post", f"{V2}/auth/verify", {200, 400, 405, 413, 503}),
    "listKeys": ("get", f"{V2}/auth/jwks", {200}),
    "acceptPayment": ("post", f"{V2}/payments/accept", {200, 400, 401, 403, 405, 413, 429, 503}),
    "acceptCashback": ("post", f"{V2}/cashback-payments/accept", {200, 400, 401, 403, 405, 413, 429, 503}),
    "listGames": ("get", f"{V2}/games", {200, 304, 400, 401, 403, 405, 429, 503}),
    "launchGame": ("post", f"{V2}/games/{{GameId}}/launch", {200, 400, 401, 403, 405, 413, 429, 503}),
}
OPERATIONS = {"isLive": ("get", "/health/live")}
# Routes that partners do not call: what our own page of the frame loads and calls.
UNDOCUMENTED = re.compile(r"/webframe/.+")
BODIES = {"payIn": PayInBody, "payOut": PayOutBody, "payInOut": PayInOutBody, "refund": RefundBody}
READERS = {
    "reportRound": live_schemas.read_report,
    "issueToken": casino_schemas.credentials,
    "verifyMessage": casino_schemas.token,
    "acceptPayment": lambda body: casino_schemas.accept(body, DEFAULT_ERROR_CODES),
    "acceptCashback": lambda body: casino_schemas.accept(body, DEFAULT_ERROR_CODES, cashback=True),
    "launchGame": launch.read,
}


@pytest.fixture
async def document(api: Api) -> Document:
    return (await api.inner.get("/openapi.json")).body


@pytest.fixture
async def caller(api: Api, casino: InProcessCasino) -> CasinoCaller:
    return await casino_caller(api, casino, "c", casino.partner_client_id)


async def test_the_document_is_valid_openapi(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document)


async def test_every_route_is_documented_or_an_exception(api: Api, document: Document) -> None:
    assert api.app is not None
    routes = list(iter_route_contexts(api.app.routes))
    served = {(method.lower(), str(one.path)) for one in routes for method in one.methods or () if method != "HEAD"}
    documented = {(method, path) for path, item in document["paths"].items() for method in item}
    assert documented <= served
    assert [path for _, path in served - documented if not UNDOCUMENTED.fullmatch(path)] == []


async def test_operations_have_short_names_that_stay(document: Document) -> None:
    found = {
        operation["operationId"]: (method, path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    partners = {name: (method, path) for name, (method, path, _) in (PROVIDERS | CASINOS).items()}
    assert found == partners | OPERATIONS


def test_every_call_of_partners_has_a_test_of_its_happy_path() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    calls = [f"{method.upper()} {path}" for method, path, _ in (PROVIDERS | CASINOS).values()]
    missing = [call for call in calls if not re.search(rf"^\| `{re.escape(call)}` \| .*test", page, re.MULTILINE)]
    assert missing == []


async def test_nothing_of_the_framework_is_promised(document: Document) -> None:
    assert '"422"' not in json.dumps(document)
    assert "ValidationError" not in json.dumps(document)


async def test_every_body_has_a_named_schema(document: Document) -> None:
    operations = operations_of(document)
    for name in PROVIDERS.keys() | CASINOS.keys():
        answers = [one["content"] for one in operations[name]["responses"].values() if "content" in one]
        bodies = [operations[name]["requestBody"]["content"]] if "requestBody" in operations[name] else []
        for content in [*answers, *bodies]:
            schema = content["application/json"]["schema"]
            assert "$ref" in schema or "$ref" in schema["oneOf"][0], (name, schema)


async def test_what_each_call_authenticates_by(document: Document) -> None:
    schemes, operations = document["components"]["securitySchemes"], operations_of(document)
    headers = {name: one["name"] for name, one in schemes.items() if one["type"] == "apiKey"}
    assert set(headers.values()) == {"X-Counterparty-Id", "X-Timestamp", "X-Request-Id", "X-Sign"}
    assert schemes["accessToken"]["scheme"] == "bearer"
    for name in PROVIDERS:
        # One requirement with all four, not four of which one is enough.
        assert operations[name]["security"] == [{header: [] for header in headers}]
    found = {name: operations[name].get("security") for name in CASINOS}
    bearers = {"acceptPayment": "payments", "acceptCashback": "payments", "listGames": "games", "launchGame": "launch"}
    wanted = {name: [{"accessToken": [bearers[name]]}] if name in bearers else None for name in CASINOS}
    assert found == wanted


@pytest.mark.parametrize("name", list(PROVIDERS))
async def test_every_status_and_code_of_a_providers_call_is_there_and_explained(document: Document, name: str) -> None:
    method, _, codes = PROVIDERS[name]
    responses = operations_of(document)[name]["responses"]
    statuses = {"200", "400", "401", "404", "405", "413", "429", "503"} | ({"415"} if method == "post" else set())
    assert set(responses) == statuses
    found: set[int] = set()
    for status, response in responses.items():
        numbers = set(schema_of(document, response["content"])["properties"]["_responseCode"]["enum"])
        assert numbers <= {1} | {
            number for number, code_status in RESPONSE_CODES.values() if str(code_status) == status
        }
        assert all(f"`{number}`" in response["description"] for number in numbers)
        found |= numbers
    assert found == codes
    assert "Retry-After" in responses["503"]["headers"]


@pytest.mark.parametrize("name", list(CASINOS))
async def test_every_status_of_a_casinos_call_is_there(document: Document, name: str) -> None:
    responses = operations_of(document)[name]["responses"]
    assert {int(status) for status in responses} == CASINOS[name][2]
    assert all("Retry-After" in responses[status]["headers"] for status in responses.keys() & {"429", "503"})


@pytest.mark.parametrize("name", [*PROVIDERS, *CASINOS])
async def test_examples_fit_their_schemas(document: Document, name: str) -> None:
    operation = operations_of(document)[name]
    for status, response in operation["responses"].items():
        if status != "304":
            content = response["content"]["application/json"]
            assert content["examples"]
            for example in content["examples"].values():
                assert faults_of(document, content["schema"], example["value"]) == []
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        assert faults_of(document, content["schema"], content["example"]) == []
        assert faults_of(document, content["schema"], {**content["example"], "other": 1})


@pytest.mark.parametrize("name", [*BODIES, *READERS])
async def test_the_api_takes_the_example_of_a_body(document: Document, name: str) -> None:
    content = operations_of(document)[name]["requestBody"]["content"]["application/json"]
    raw = json.dumps(content["example"]).encode()
    if name in READERS:
        assert READERS[name](raw)
    else:
        read(BODIES[name], raw, "any")
    # The schema and the check agree on what is needed.
    for missing in document["components"]["schemas"][_request(content)]["required"]:
        less = {field: value for field, value in content["example"].items() if field != missing}
        with pytest.raises(Malformed):
            READERS[name](json.dumps(less).encode()) if name in READERS else read(
                BODIES[name], json.dumps(less).encode(), "any"
            )


def _request(content: dict[str, Any]) -> str:
    schema = content["schema"]
    return str((schema if "$ref" in schema else schema["oneOf"][0])["$ref"].rpartition("/")[2])


async def test_amounts_may_be_text_or_numbers_up_to_the_largest_that_is_read(document: Document) -> None:
    amount = document["components"]["schemas"]["Amount"]
    assert {one["type"] for one in amount["oneOf"]} == {"string", "number"}
    for request in ("PayInRequest", "PayOutRequest", "PayInOutRequest"):
        properties = document["components"]["schemas"][request]["properties"]
        amounts = {name for name, schema in properties.items() if schema.get("$ref", "").endswith("/Amount")}
        assert amounts == properties.keys() & {"betAmount", "winAmount", "winOdd"}
    limit = next(one["exclusiveMaximum"] for one in amount["oneOf"] if one["type"] == "number")
    body = '{"betId": "b", "gameRoundId": "r", "betAmount": %d}'
    assert read(PayInBody, (body % (limit - 1)).encode(), "any").bet_amount == str(limit - 1)
    with pytest.raises(Malformed):
        read(PayInBody, (body % limit).encode(), "any")


async def test_every_reason_why_a_player_gets_no_game_is_there(document: Document) -> None:
    content = operations_of(document)["launchGame"]["responses"]["200"]["content"]["application/json"]
    assert set(content["examples"]) == {"done", *PLAY_REFUSED}
    assert {one["value"]["ErrorCode"] for one in content["examples"].values()} == {200, *PLAY_REFUSED.values()}


async def test_what_the_api_answers_casinos_is_what_the_document_says(
    document: Document, caller: CasinoCaller, api: Api
) -> None:
    _, accept = await caller.open()
    bearer = await caller.bearer()
    answers = {
        "issueToken": [await caller.log_in(), await caller.log_in("guessed"), await caller.log_in(Scope="none")],
        "verifyMessage": [
            await caller.post(f"{V2}/auth/verify", {"Token": "x"}),
            await caller.post(f"{V2}/auth/verify", 1),
        ],
        "acceptPayment": [
            await caller.accept(accept),
            await caller.accept({**accept, "BetId": 7}),
            await caller.accept({**accept, "Amount": "1.00"}),
            await caller.accept({**accept, "Amount": None}),
            await caller.post(f"{V2}/payments/accept", accept),
            await caller.accept(b"x" * 70_000),
        ],
        "acceptCashback": [
            await caller.post(f"{V2}/cashback-payments/accept", {**accept, "CashbackId": 7}, bearer),
            await caller.post(f"{V2}/cashback-payments/accept", accept, bearer),
            await caller.post(f"{V2}/cashback-payments/accept", accept),
        ],
        "listGames": [await caller.get(f"{V2}/games", bearer), await caller.get(f"{V2}/games?limit=0", bearer)],
        "launchGame": [
            await caller.post(f"{V2}/games/7/launch", LAUNCH, bearer),
            await caller.post(f"{V2}/games/7/launch", {**LAUNCH, "CurrencyCode": 1}, bearer),
            await caller.post(f"{V2}/games/7/launch", LAUNCH),
        ],
        "listKeys": [CasinoAnswer(await api.get(f"{V2}/auth/jwks"))],
    }
    statuses = {name: {given.answer.status for given in found} for name, found in answers.items()}
    assert statuses == {
        "issueToken": {200, 401, 403},
        "verifyMessage": {200, 400},
        "acceptPayment": {200, 400, 401, 413},
        "acceptCashback": {200, 400, 401},
        "listGames": {200, 400},
        "launchGame": {200, 400, 401},
        "listKeys": {200},
    }
    for name, found in answers.items():
        for given in found:
            assert_documented(document, name, given.answer)


async def test_what_the_api_answers_providers_is_what_the_document_says(
    document: Document, casino: InProcessCasino, signer: Signer, api: Api
) -> None:
    path = f"/v1/sessions/{casino.session.session_id}"
    balance = await api.send("GET", f"{path}/balance", signer.sign().items())
    assert balance.body["_responseCode"] == 1
    assert_documented(document, "getBalance", balance)
    for body, off in ((b'{"betId":"never-seen"}', 0), (b"{", 0), (b'{"betId":"never-seen"}', 600)):
        assert_documented(document, "refund", await post(api, signer, body, f"{path}/bets/refund", off))
