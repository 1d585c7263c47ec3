"""The example clients on a real stack: a provider of each language plays at a casino of the same language."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from betcore.db.onboarding_sessions import NewSession
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.vault import Vault
from devkit.stack import ports
from tests import example_clients
from tests.example_clients import LANGUAGES
from tests.partner import PATIENCE, Stack, TestPartner, eventually

PLAYED = ["balance", "pay-in", "pay-in", "pay-out", "pay-in-out", "pay-in", "refund", "balance"]
BALANCES = ["1000.00", "990.00", "990.00", "1015.00", "1014.00", "1009.00", "1014.00", "1014.00"]
# A bet that wins, one of one step that loses, one that is refunded: TransactionType and amount.
MOVED = [(-1, "10.00"), (-1, "1.00"), (-1, "5.00"), (1, "25.00"), (1, "0.00"), (2, "5.00")]
PROFILE = "{confirmation: accept, attempt_timeout: 12, send: {close: true}}"


@dataclass(frozen=True)
class ExampleCasino:
    """An example's wallet that runs, and the test as the aggregator in front of it."""

    stack: Stack
    partner: TestPartner
    session_id: str
    url: str
    client_id: int
    log: Path

    async def post(self, path: str, data: dict[str, Any], /, **claims: object) -> tuple[int, Any]:
        """Send a message that the service has signed; return ErrorCode and Value."""
        key = await SigningKeys(self.stack.database, Vault.of(self.stack.settings), 0).current()
        now, me = int(time.time()), f"PartnerClient-{self.client_id}"
        said = {"client_id": me, "aud": me, "path": path, "data": json.dumps(data), "jti": secrets.token_hex(16)}
        times = {"iss": "betcore", "nbf": now - 5, "exp": now + 30}
        token = jwt.encode({**times, **said, **claims}, key.private_key, algorithm="RS256", headers={"kid": key.kid})
        async with self.stack.http.post(self.url + path, json=token) as response:
            answer = await response.json()
        return answer["ErrorCode"], answer["Value"]


@pytest.fixture(scope="module", params=LANGUAGES)
async def casino(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ExampleCasino]:
    """Run the wallet of a language as a casino of its own, with a session of its player."""
    language, folder = request.param, tmp_path_factory.mktemp("example")
    port, lines = _casino(language)
    url, log = f"http://127.0.0.1:{port}", folder / "casino.log"
    partner = await stack.partner(min_bet="0.10", max_bet="500")
    name = f"example-{partner.number}"
    added = await partner.onboarding.add_casino(name, url, PROFILE)
    opened = await partner.sessions.open(NewSession(partner.provider, name, "dice", "anna", "EUR", "real"))
    settings = example_clients.environment(
        AGGREGATOR_URL=stack.addresses["api"],
        PARTNER_CLIENT_ID=added["partner_client_id"],
        SECRET=added["secret"],
        PORT=port,
        DATABASE=folder / "wallet",
    )
    async with AsyncExitStack() as processes:
        for line in lines:
            await processes.enter_async_context(example_clients.running(line, settings, log))
        await eventually(lambda: _answers(stack.http, url))
        yield ExampleCasino(stack, partner, opened["session_id"], url, added["partner_client_id"], log)


def _casino(language: str) -> tuple[int, list[list[str]]]:
    """Return a free port, and the commands that serve the wallet of a language there."""
    (port,) = ports.free(1)
    line = example_clients.command(language, "casino")
    if language == "php":
        return port, [["php", "-S", f"127.0.0.1:{port}", line[-1]], [*line, "accepts"]]
    return port, [line]


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.post(url + "/users/data", data="no message") as response:
            return response.status == 401
    except aiohttp.ClientConnectionError:
        return False


async def test_a_provider_plays_and_every_movement_is_made_once_and_accepted(
    casino: ExampleCasino, request: pytest.FixtureRequest
) -> None:
    partner, language = casino.partner, request.node.callspec.params["casino"]
    settings = example_clients.environment(
        AGGREGATOR_URL=casino.stack.addresses["api"],
        COUNTERPARTY_ID=partner.counterparty_id,
        SECRET=partner.secret,
        SESSION_ID=casino.session_id,
    )
    printed = await example_clients.run(example_clients.command(language, "provider"), settings, PATIENCE)
    answers = [(name, json.loads(answer)) for name, _, answer in (line.partition(" ") for line in printed)]
    # Each call was answered at once: nothing was repeated that did not have to be.
    assert [name for name, _ in answers] == PLAYED
    assert {answer["_responseCode"] for _, answer in answers} == {1}
    assert [f"{answer['balance']:.2f}" for _, answer in answers] == BALANCES

    assert await _movements(partner) == sorted(MOVED)
    accepts = [line for line in casino.log.read_text().splitlines() if line.startswith("accept ")]
    assert len(accepts) == len(MOVED)
    assert all('"ErrorCode": 200' in line or '"ErrorCode":200' in line for line in accepts)


async def _movements(partner: TestPartner) -> list[tuple[int, str]]:
    query = """
        SELECT transaction_type, movement.amount, movement.state FROM movement JOIN bet USING (bet_id)
        JOIN provider USING (provider_id) WHERE counterparty_id = :c
    """
    rows = await partner.sql(query, c=partner.counterparty_id)
    return sorted((row.transaction_type, f"{row.amount / 100:.2f}") for row in rows)


async def test_a_movement_that_is_sent_again_moves_nothing_and_gets_the_same_answer(casino: ExampleCasino) -> None:
    async def balance() -> str:
        return str((await casino.post("/users/data", {"PartnerUserId": "anna", "TagId": 0}))[1]["Balance"])

    before, bet = float(await balance()), 2**52
    stake = {"Amount": "10.00", "BetId": bet, "PartnerUserId": "anna", "TransactionType": -1}
    stake["TransactionId"] = f"{bet}:-1"
    win = {**stake, "Amount": "25.00", "TransactionType": 1, "TransactionId": f"{bet}:1"}
    assert (await casino.post("/payments/make", win))[0] == 103804
    first = await casino.post("/payments/make", stake)
    assert first[0] == 200
    assert first[1]["PartnerTransactionId"]
    assert await asyncio.gather(*(casino.post("/payments/make", stake) for _ in range(4))) == [first] * 4
    assert float(await balance()) == before - 10
    assert (await casino.post("/payments/make", {**stake, "Amount": "11.00"}))[0] == 103803
    assert (await casino.post("/payments/make", {**stake, "BetId": 7, "Amount": "99999.00"}))[0] == 103802
    code, listed = await casino.post("/payments/info", {"BetId": bet})
    assert (code, [(one["TransactionId"], one["Amount"]) for one in listed]) == (200, [(f"{bet}:-1", "10.00")])

    for _ in range(2):
        assert await casino.post("/payments/close", {"BetId": bet, "Closed": True}) == (200, None)
    assert (await casino.post("/payments/make", win))[0] == 102823
    assert await casino.post("/payments/close", {"BetId": bet, "Closed": False}) == (200, None)
    assert (await casino.post("/payments/make", win))[0] == 200
    assert float(await balance()) == before + 15


async def test_a_token_is_exchanged_and_again_for_the_same_one(casino: ExampleCasino) -> None:
    first = await casino.post("/users/auth", {"RefreshToken": "token-of-anna", "TagId": 0})
    assert await casino.post("/users/auth", {"RefreshToken": "token-of-anna"}) == first
    assert first[1] == {"RefreshToken": first[1]["RefreshToken"], "PartnerUserId": "anna", "CurrencyCode": "EUR"}
    assert (await casino.post("/users/auth", {"RefreshToken": first[1]["RefreshToken"]}))[0] == 200
    assert (await casino.post("/users/auth", {"RefreshToken": "guessed"}))[0] == 103807


async def test_a_message_for_another_casino_or_call_or_time_is_refused(casino: ExampleCasino) -> None:
    data = {"PartnerUserId": "anna", "TagId": 0}
    assert (await casino.post("/users/data", data))[0] == 200
    past = int(time.time()) - 60
    for wrong in (
        {"client_id": "PartnerClient-999999"},
        {"aud": "PartnerClient-999999"},
        {"path": "/payments/make"},
        {"nbf": past, "exp": past + 10},
    ):
        assert await casino.post("/users/data", data, **wrong) == (401, None), wrong
