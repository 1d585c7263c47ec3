"""The feed as casinos' servers and pages read it: tokens that open nothing else, jackpots, filters, ETags."""

import secrets
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jwt
import pytest

from betcore.casino.tokens import CASINO_API, FEED
from betcore.db.jackpot_pools import JackpotPools
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from tests.api.casino_caller import GAMES, CasinoAnswer, CasinoCaller, casino_caller
from tests.api.wire import Api
from tests.in_process_casino import InProcessCasino

FEED_API = "/partnersmediator-service/api/v2"
TOKEN, JACKPOTS = f"{FEED_API}/auth/token", f"{FEED_API}/jackpots/accumulated"
DONE, MALFORMED, NOT_AUTHORISED, FORBIDDEN = (200, 200), (400, 103801), (401, 401), (403, 403)


@pytest.fixture
async def caller(feed: Api, casino: InProcessCasino) -> CasinoCaller:
    return await casino_caller(feed, casino, "c", casino.partner_client_id)


async def _log_in(caller: CasinoCaller, **changed: Any) -> CasinoAnswer:
    asked = {"PartnerClientId": caller.partner_client_id, "Secret": caller.secret}
    return await caller.post(TOKEN, asked | changed)


async def _bearer(caller: CasinoCaller) -> str:
    value = (await _log_in(caller)).value
    return f"{value['TokenType']} {value['AccessToken']}"


async def _add(casino: InProcessCasino, name: str, seed: Money, category: str | None = None) -> int:
    game = None if category else "dice"
    pool = NewPool("c", name, "p", game, category, Decimal("0.01"), seed)
    return (await JackpotPools(casino.database).add(pool)).jackpot_id


async def test_a_casino_reads_what_its_jackpots_have_come_to(casino: InProcessCasino, caller: CasinoCaller) -> None:
    euros = await _add(casino, "Grand", Money.parse("100.00", "EUR"))
    yen = await _add(casino, "Mini", Money.parse("5000", "JPY"), "slots")
    bearer = await _bearer(caller)
    found = await caller.get(JACKPOTS, bearer)
    assert found.code == DONE
    shown = {one["JackpotId"]: one for one in found.value}
    assert shown[euros] | {"UpdatedAt": ""} == {
        "JackpotId": euros,
        "Name": "Grand",
        "GameType": None,
        "CurrencyCode": "EUR",
        "Amount": "100.00",
        "Seed": "100.00",
        "UpdatedAt": "",
    }
    assert (shown[yen]["Amount"], shown[yen]["GameType"]) == ("5000", "slots")
    for query, wanted in (
        ("currency=JPY", {yen}),
        ("gameType=slots", {yen}),
        ("gameType=slots&currency=EUR", set()),
        ("currency=", {euros, yen}),
    ):
        listed = (await caller.get(f"{JACKPOTS}?{query}", bearer)).value
        assert {one["JackpotId"] for one in listed} & {euros, yen} == wanted
    for wrong in ("currency=EUR&currency=JPY", f"gameType={'x' * 129}", "gameType=%00"):
        assert (await caller.get(f"{JACKPOTS}?{wrong}", bearer)).code == MALFORMED


async def test_an_answer_that_has_not_changed_is_not_sent_again(casino: InProcessCasino, caller: CasinoCaller) -> None:
    number = await _add(casino, "Tagged", Money.parse("1.00", "EUR"))
    bearer = await _bearer(caller)
    first = (await caller.get(JACKPOTS, bearer)).answer
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, max-age=1"
    same = await caller.api.get(JACKPOTS, [("Authorization", bearer), ("If-None-Match", tag)])
    assert (same.status, same.headers["etag"]) == (304, tag)
    await JackpotPools(casino.database).disable(number)
    other = await caller.get(JACKPOTS, bearer, **{"If-None-Match": tag})
    assert other.code == DONE
    assert number not in [one["JackpotId"] for one in other.value]


async def test_the_tokens_of_both_apis_open_nothing_of_the_other(caller: CasinoCaller, api: Api) -> None:
    at_api = replace(caller, api=api)
    answer = await _log_in(caller, Scope="payments games")
    assert answer.code == DONE
    assert (answer.value["Scope"], answer.value["ExpiresIn"]) == ("feed", 1800)
    claims = jwt.decode(answer.value["AccessToken"], options={"verify_signature": False})
    assert claims["aud"] == FEED.audience != CASINO_API.audience
    assert (await at_api.get(GAMES, f"Bearer {answer.value['AccessToken']}")).code == NOT_AUTHORISED
    assert (await caller.get(JACKPOTS, await at_api.bearer())).code == NOT_AUTHORISED
    for bearer in (None, "Bearer", "Bearer nonsense", "Basic x"):
        assert (await caller.get(JACKPOTS, bearer)).code == NOT_AUTHORISED
    assert (await _log_in(caller, Secret="another")).code == NOT_AUTHORISED
    assert (await caller.post(TOKEN, {})).code == MALFORMED


async def test_a_casino_without_the_scope_reads_nothing(
    feed: Api, casino: InProcessCasino, caller: CasinoCaller
) -> None:
    name = f"other-{secrets.token_hex(4)}"
    made = await caller.desk.add_casino(name, "http://127.0.0.1:1", "confirmation: reply")
    other = await casino_caller(feed, casino, name, int(str(made["partner_client_id"])))
    bearer = await _bearer(other)
    assert (await other.get(JACKPOTS, bearer)).value == []
    await caller.desk.change("casino", name, profile="{confirmation: reply, scopes: [payments, games]}")
    assert (await other.get(JACKPOTS, bearer)).code == FORBIDDEN
    assert (await _log_in(other)).code == FORBIDDEN
