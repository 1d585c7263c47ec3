"""The OpenAPI document: no shape that is never sent, and every status and code that is."""

import json
from typing import Any

import pytest

from api.provider.responses import RESPONSE_CODES
from api.provider.schemas import PayInBody, PayInOutBody, PayOutBody, RefundBody, read
from betcore.domain.errors import Malformed
from tests.api.wire import Api

OPERATIONS = {
    ("get", "/v1/sessions/{session_id}/balance"): {1, 2, 3, 8, 99},
    ("post", "/v1/sessions/{session_id}/bets/pay-in"): {1, 2, 3, 4, 6, 7, 8, 99, 104},
    ("post", "/v1/sessions/{session_id}/bets/pay-out"): {1, 2, 3, 5, 6, 8, 99, 104},
    ("post", "/v1/sessions/{session_id}/bets/pay-in-out"): {1, 2, 3, 4, 6, 7, 8, 99, 104},
    ("post", "/v1/sessions/{session_id}/bets/refund"): {1, 2, 3, 6, 7, 8, 99, 104},
}
BODIES = {"pay-in": PayInBody, "pay-out": PayOutBody, "pay-in-out": PayInOutBody, "refund": RefundBody}


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    return (await api.get("/openapi.json")).body


async def test_nothing_of_the_framework_is_promised(document: dict[str, Any]) -> None:
    assert '"422"' not in json.dumps(document)
    assert "ValidationError" not in json.dumps(document)
    assert set(document["paths"]) == {
        *(path for _, path in OPERATIONS),
        "/mis-api/api/v2/auth/jwks",
        "/health/live",
        "/health/ready",
    }


@pytest.mark.parametrize(("method", "path"), list(OPERATIONS))
async def test_every_status_and_code_is_there_and_explained(document: dict[str, Any], method: str, path: str) -> None:
    responses = document["paths"][path][method]["responses"]
    statuses = {"200", "400", "401", "404", "405", "413", "429", "503"} | ({"415"} if method == "post" else set())
    assert set(responses) == statuses
    found: set[int] = set()
    for status, response in responses.items():
        schema = response["content"]["application/json"]["schema"]
        numbers = set(schema["properties"]["_responseCode"]["enum"])
        assert numbers <= {1} | {
            number for number, code_status in RESPONSE_CODES.values() if str(code_status) == status
        }
        assert all(f"`{number}`" in response["description"] for number in numbers)
        found |= numbers
    assert found == OPERATIONS[method, path]
    assert "Retry-After" in responses["503"]["headers"]


@pytest.mark.parametrize(("method", "path"), list(OPERATIONS))
async def test_examples_are_answers_and_bodies_that_fit(document: dict[str, Any], method: str, path: str) -> None:
    operation = document["paths"][path][method]
    for response in operation["responses"].values():
        content = response["content"]["application/json"]
        for example in content["examples"].values():
            assert example["value"]["_responseCode"] in content["schema"]["properties"]["_responseCode"]["enum"]
            assert set(example["value"]) <= set(content["schema"]["properties"])
    if method == "post":
        body = operation["requestBody"]["content"]["application/json"]
        assert set(body["schema"]["required"]) <= set(body["example"]) <= set(body["schema"]["properties"])
        read(BODIES[path.rpartition("/")[2]], json.dumps(body["example"]).encode(), "any")


@pytest.mark.parametrize(("method", "path"), list(OPERATIONS))
async def test_the_headers_of_a_signature_are_required(document: dict[str, Any], method: str, path: str) -> None:
    parameters = {one["name"]: one for one in document["paths"][path][method]["parameters"]}
    assert set(parameters) == {"session_id", "X-Counterparty-Id", "X-Timestamp", "X-Request-Id", "X-Sign"}
    assert all(one["required"] for one in parameters.values())


async def test_amounts_may_be_text_or_numbers(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/sessions/{session_id}/bets/pay-in"]["post"]
    amount = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["betAmount"]
    assert {one["type"] for one in amount["oneOf"]} == {"string", "number"}


async def test_the_largest_number_of_the_document_is_the_largest_that_is_read(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/sessions/{session_id}/bets/pay-in"]["post"]
    amount = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["betAmount"]
    limit = next(one["exclusiveMaximum"] for one in amount["oneOf"] if one["type"] == "number")
    body = '{"betId": "b", "gameRoundId": "r", "betAmount": %d}'
    assert read(PayInBody, (body % (limit - 1)).encode(), "any").bet_amount == str(limit - 1)
    with pytest.raises(Malformed):
        read(PayInBody, (body % limit).encode(), "any")
