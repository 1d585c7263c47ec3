"""Schemathesis on the OpenAPI document: it holds for all requests, and money moves only for those answered 1."""

import asyncio
import copy
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from api.provider.signature import COUNTERPARTY_ID, HEADERS
from betcore.provider import xsign
from tests.partner import Stack, TestPartner

Document = dict[str, Any]
Moved = dict[tuple[str, int], Decimal]

# A PayOut of an unknown bet is answered "never seen" the second time.
ORDERED = "order_window: 0.001"
# The form of each header of the signature: the document has it in words.
FORMS = {header.name: f"^{header.form.pattern}$" for header in HEADERS}
# The document does not know the currency of a session: euros have two decimals.
EUROS = [
    {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?$"},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 10**15, "multipleOf": 0.01},
]
OPEN = "bet-open"
AMOUNTS = {"betAmount": -1, "winAmount": 1}
SIGNS = {-1: -1, 1: 1, 2: 1, -2: -1}
# Order and data of the engine do not depend on answers: every run sends the same.
STILL = {"operation-ordering": "none", "extra-data-sources": {"responses": False}}
CONFIG = {
    "seed": 1,
    "phases": {
        "examples": STILL,
        "coverage": STILL,
        "fuzzing": {**STILL, "error-feedback": {"enabled": False}},
        "stateful": {"enabled": False},
    },
}
OFF = {"enabled": False}
# 503 is documented for every call: the outcome is not known yet.
CHECKS = {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]}}
# An amount may fit the document and not the currency, a sessionId the document and not the path.
ANY_ANSWER = {**CHECKS, "positive_data_acceptance": OFF}
# The signature is looked at before the method is.
UNSIGNED = {**ANY_ANSWER, "unsupported_method": OFF}


@dataclass(frozen=True)
class Exchange:
    """One request as it was sent, and its answer."""

    method: str
    path: str
    body: bytes
    status: int
    code: int | None


@dataclass
class Wire(requests.auth.AuthBase):
    """Records the exchanges, and signs as the partner's provider; a forger signs with a wrong secret.

    A header of the signature that is generated in its form gets its right value, another one is sent as it is: a
    negative example stays one.
    """

    partner: TestPartner
    forger: bool = False
    exchanges: list[Exchange] = field(default_factory=list)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = _bytes(request.body)
        secret = "guessed" if self.forger else self.partner.secret
        for name, value in xsign.headers(secret, self.partner.counterparty_id, body).items():
            if re.fullmatch(FORMS[name], _text(request.headers.get(name, ""))):
                request.headers[name] = value

        def keep(response: requests.Response, **_: object) -> None:
            path = unquote(urlsplit(request.path_url).path)
            code = response.json().get("_responseCode") if response.content else None
            self.exchanges.append(Exchange(str(request.method), path, body, response.status_code, code))

        request.register_hook("response", keep)
        return request


def _bytes(body: object) -> bytes:
    """Return the bytes that ``requests`` will send: its JSON is bytes, other media types may be text."""
    if body is None:
        return b""
    assert isinstance(body, bytes | str)
    return body.encode() if isinstance(body, str) else body


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@pytest.fixture(scope="module")
async def document(stack: Stack) -> Document:
    """Return the providers' part of the document, with responses that have the fields it names and no others.

    A header that is a security scheme is never generated with a fault: those of the signature become parameters.
    """
    async with stack.http.get(f"{stack.addresses['api_inner']}/openapi.json") as response:
        found: Document = await response.json()
    found["paths"] = {path: item for path, item in found["paths"].items() if "{sessionId}" in path}
    components = found["components"]
    for name, schema in components["schemas"].items():
        if name.endswith("Answer"):
            schema["additionalProperties"] = False
    for operation in _calls(found).values():
        schemes = [components["securitySchemes"][name] for names in operation.pop("security") for name in names]
        operation["parameters"] += [_header(one["name"]) for one in schemes]
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            # Each call narrows its own.
            content["schema"] = copy.deepcopy(components["schemas"][content["schema"]["$ref"].rpartition("/")[2]])
    del components["securitySchemes"]
    return found


@pytest.fixture
async def partner(stack: Stack) -> TestPartner:
    return await stack.partner(ORDERED, min_bet="0.10", max_bet="500")


def _header(name: str) -> dict[str, Any]:
    form = {"format": "uuid"} if name == COUNTERPARTY_ID.name else {"pattern": FORMS[name]}
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string", **form}}


def _calls(document: Document) -> dict[str, Any]:
    """Return the calls of providers by the last part of their path."""
    items = document["paths"].items()
    return {path.rpartition("/")[2]: operation for path, item in items for operation in item.values()}


def _fields(operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    found: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    return found


async def _play(document: Document, stack: Stack, wire: Wire, examples: int = 20, **config: Any) -> list[str]:
    """Return the failures that schemathesis finds. ``examples`` for each call come on top of boundary values."""
    generation = {"deterministic": True, "max-examples": examples, "database": "none"}
    made = schemathesis.Config.from_dict(
        {**CONFIG, "base-url": stack.addresses["api"], "generation": generation, **config}
    )
    schema = schemathesis.openapi.from_dict(document, config=made)
    schema.auth.set_from_requests(wire)

    def run() -> list[str]:
        found: list[str] = []
        for event in from_schema(schema).execute():
            if isinstance(event, events.NonFatalError | events.FatalError):
                found.append(repr(event))
            elif isinstance(event, events.ScenarioFinished):
                found += _failures(event.recorder)
        return found

    return await asyncio.to_thread(run)


def _failures(recorder: ScenarioRecorder) -> Iterable[str]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                sent = recorder.interactions[case_id]
                answer = f"{sent.response.status_code} {sent.response.content!r}" if sent.response else "no answer"
                asked = f"{sent.request.method} {sent.request.uri} {sent.request.body!r}"
                yield f"{check.name}: {check.failure_info.failure}: {asked} -> {answer}"


def _seat(name: str, operation: dict[str, Any], session: str) -> None:
    """Narrow a call to what this session can do: then every request that fits the document must be taken."""
    body = operation.get("requestBody", {"content": {}})["content"].get("application/json")
    if body is None:
        return
    fields, example = body["schema"]["properties"], body["example"]
    fields["sessionId"] = {"enum": [session]}
    # A number may be written with an exponent, which no schema can refuse; the players without a session play with it.
    for free in ("winOdd", "taxAmount", "jackpotAmount", "jackpotId"):
        fields.pop(free, None)
    for amount in fields.keys() & AMOUNTS.keys():
        fields[amount] = {"oneOf": EUROS}
    # Stakes open bets of their own, PayOut settles that of PayIn, and Refund returns what is open.
    if "betAmount" in fields:
        example["betId"] = f"bet-{name}"
    else:
        example["betId"] = "bet-pay-in" if "winAmount" in fields else OPEN


def _owed(exchanges: list[Exchange], operations: dict[str, Any]) -> Moved:
    """Return the movements that the answers promise, by the provider's bet and TransactionType."""
    moved: Moved = {}
    for call in exchanges:
        operation = operations.get(call.path.rpartition("/")[2], {})
        if call.method != "POST" or call.code != 1:
            continue
        body = json.loads(call.body, parse_float=Decimal, parse_int=Decimal)
        bet, fields = body["betId"], _fields(operation).keys()
        for name in fields & AMOUNTS.keys():
            moved.setdefault((bet, AMOUNTS[name]), Decimal(body[name]))
        if not fields & AMOUNTS.keys() and (bet, -1) in moved:
            moved.setdefault((bet, 2), moved[bet, -1])
            if moved.get((bet, 1)):
                moved.setdefault((bet, -2), moved[bet, 1])
    return moved


async def _moved(partner: TestPartner) -> Moved:
    """Return the movements that the casino lists, and assert that none of them is listed twice."""
    query = "SELECT bet_id, provider_bet_id FROM bet JOIN provider USING (provider_id) WHERE counterparty_id = :c"
    names = {row.bet_id: row.provider_bet_id for row in await partner.sql(query, c=partner.counterparty_id)}
    entries = [((names[one["bet_id"]], one["transaction_type"]), one["amount"]) for one in await partner.entries()]
    assert len(entries) == len(dict(entries))
    return {movement: Decimal(amount) for movement, amount in entries}


def _below_v1(exchanges: list[Exchange]) -> list[Exchange]:
    return [call for call in exchanges if call.path.startswith("/v1/")]


async def test_without_a_good_signature_every_call_is_refused_and_nothing_moves(
    stack: Stack, partner: TestPartner, document: Document
) -> None:
    wire = Wire(partner, forger=True)
    fixed = {"path.sessionId": partner.session_id}
    assert await _play(document, stack, wire, parameters=fixed, checks=UNSIGNED) == []
    assert {(call.status, call.code) for call in _below_v1(wire.exchanges)} == {(401, 8)}
    assert await partner.calls() == []


async def test_an_unknown_session_moves_nothing(stack: Stack, partner: TestPartner, document: Document) -> None:
    wire = Wire(partner)
    assert await _play(document, stack, wire, checks=ANY_ANSWER) == []
    codes = Counter(call.code for call in _below_v1(wire.exchanges))
    assert set(codes) <= {2, 3, 8}
    assert codes[3] > 10
    assert await partner.calls() == []


async def test_calls_are_answered_as_documented_and_money_moves_for_those_answered_1(
    stack: Stack, partner: TestPartner, document: Document
) -> None:
    wire, calls = Wire(partner), _calls(document)
    seated = copy.deepcopy(document)
    for name, operation in _calls(seated).items():
        _seat(name, operation, partner.session_id)
    assert (await partner.pay_in(OPEN)).code == 1
    fixed = {"path.sessionId": partner.session_id}
    assert await _play(seated, stack, wire, 25, parameters=fixed, checks=CHECKS) == []

    opened = Exchange("POST", "/pay-in", b'{"betId":"%b","betAmount":"10.00"}' % OPEN.encode(), 200, 1)
    moved = await _moved(partner)
    assert moved == _owed([opened, *wire.exchanges], calls)
    assert {kind for _, kind in moved} >= {-1, 1, 2}
    player = await partner.at_casino("GET", f"/_players/{partner.partner_client_id}/anna")
    assert Decimal(player["balance"]) == 1000 + sum(SIGNS[kind] * amount for (_, kind), amount in moved.items())
    # Each call was taken and was refused. Only a PayOut that came before its PayIn, and a balance, may be left open.
    answered = {name: Counter(call.code for call in wire.exchanges if call.path.endswith(f"/{name}")) for name in calls}
    assert {name: codes for name, codes in answered.items() if not {1, 8} <= set(codes)} == {}
    assert {name for name, codes in answered.items() if codes[99]} <= {"pay-out", "balance"}
