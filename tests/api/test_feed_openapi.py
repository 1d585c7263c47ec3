"""The feed's OpenAPI document, and that the feed answers as it says."""

import json
import re

import openapi_spec_validator
import pytest
from fastapi.routing import iter_route_contexts

from api.casino import schemas
from tests.api.casino_caller import CasinoCaller, casino_caller
from tests.api.documents import Document, assert_documented, faults_of, operations_of
from tests.api.wire import Api
from tests.in_process_casino import InProcessCasino
from tests.partner import ROOT

FEED = "/partnersmediator-service/api/v2"
READS = {200, 304, 400, 401, 403, 405, 429, 503}
CALLS = {
    "issueFeedToken": ("post", f"{FEED}/auth/token", {200, 400, 401, 403, 405, 413, 429, 503}),
    "listJackpots": ("get", f"{FEED}/jackpots/accumulated", READS),
    "listLiveGames": ("get", f"{FEED}/games/list", READS),
    "showRound": ("get", f"{FEED}/games/info", READS | {404}),
    "listResults": ("get", f"{FEED}/games/results", READS),
    "listGameTypes": ("get", f"{FEED}/games/types/translations", READS),
}
OPERATIONS = {"isLive": ("get", "/health/live")}
# Routes that are in no document: the hubs, which docs/feed.md describes, and our page.
UNDOCUMENTED = re.compile(r"/signalrhub-.+|/live(/.+)?")


@pytest.fixture
async def document(feed: Api) -> Document:
    return (await feed.inner.get("/openapi.json")).body


@pytest.fixture
async def caller(feed: Api, casino: InProcessCasino) -> CasinoCaller:
    return await casino_caller(feed, casino, "c", casino.partner_client_id)


async def test_the_document_is_valid_and_has_every_route(feed: Api, document: Document) -> None:
    openapi_spec_validator.validate(document)
    assert '"422"' not in json.dumps(document)
    found = {one["operationId"]: (way, path) for path, item in document["paths"].items() for way, one in item.items()}
    assert found == {name: (way, path) for name, (way, path, _) in CALLS.items()} | OPERATIONS
    assert feed.app is not None
    routes = [one for one in iter_route_contexts(feed.app.routes) if one.methods]
    served = {(way.lower(), str(one.path)) for one in routes for way in one.methods or () if way != "HEAD"}
    assert [path for _, path in served - set(found.values()) if not UNDOCUMENTED.fullmatch(path)] == []


def test_every_call_has_a_test_of_its_happy_path() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    calls = [f"{method.upper()} {path}" for method, path, _ in CALLS.values()]
    assert [call for call in calls if not re.search(rf"^\| `{re.escape(call)}` \| .*test", page, re.MULTILINE)] == []


@pytest.mark.parametrize("name", list(CALLS))
async def test_every_status_is_there_with_an_example_that_fits(document: Document, name: str) -> None:
    operation = operations_of(document)[name]
    assert {int(status) for status in operation["responses"]} == CALLS[name][2]
    for status, response in operation["responses"].items():
        if status != "304":
            content = response["content"]["application/json"]
            assert content["examples"]
            for example in content["examples"].values():
                assert faults_of(document, content["schema"], example["value"]) == []
    assert operation.get("security") == (None if name == "issueFeedToken" else [{"feedToken": ["feed"]}])


async def test_the_feed_takes_the_example_of_a_body(document: Document) -> None:
    content = operations_of(document)["issueFeedToken"]["requestBody"]["content"]["application/json"]
    assert faults_of(document, content["schema"], content["example"]) == []
    assert schemas.credentials(json.dumps(content["example"]).encode())


async def test_what_the_feed_answers_is_what_the_document_says(document: Document, caller: CasinoCaller) -> None:
    asked = {"PartnerClientId": caller.partner_client_id, "Secret": caller.secret}
    issued = await caller.post(f"{FEED}/auth/token", asked)
    bearer = f"Bearer {issued.value['AccessToken']}"
    answers = {"issueFeedToken": [issued, await caller.post(f"{FEED}/auth/token", {}, None)]}
    for name, (way, path, _) in CALLS.items():
        if way == "get":
            asked = f"{path}?gameId=round&gameType=1"
            answers[name] = [await caller.get(asked, bearer), await caller.get(asked)]
    for name, found in answers.items():
        for given in found:
            assert_documented(document, name, given.answer)
