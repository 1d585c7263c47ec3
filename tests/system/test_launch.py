"""The launch of a game, asked for by a casino's server: from its call to bets, and what goes wrong."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from betcore.db.onboarding_limits import Limits
from tests.partner import Stack, TestPartner, eventually
from tests.system.scenarios import DONE

ASKED = {"PartnerUserId": "anna", "CurrencyCode": "EUR", "Language": "pt-BR", "ViewType": "mobile", "Mode": "real"}
GAME_UNAVAILABLE, PROVIDER_UNAVAILABLE, LIMITS_EMPTY = 103810, 103811, 103812
CURRENCY_UNSUPPORTED, CASINO_DISABLED, PLAYER_BLOCKED, MALFORMED = 103813, 103814, 103805, 103801
TOKEN_INVALID, CASINO_UNAVAILABLE = 103807, 103815
BY_TOKEN = {"PartnerUserId": None, "CurrencyCode": None}


@dataclass
class Launching:
    """A casino whose players launch the game ``dice`` of the sandbox provider, under a name of its own."""

    partner: TestPartner
    bearer: str
    game: int

    async def ask(self, *, game: object = None, api: str = "", **change: Any) -> tuple[int, int, Any]:
        """Ask for a launch; return HTTP status, ErrorCode, and Value or Message. A field that is None is left out."""
        body = {name: value for name, value in (ASKED | change).items() if value is not None}
        return await self.post(json.dumps(body).encode(), game=game, api=api)

    async def post(self, body: bytes, *, game: object = None, api: str = "") -> tuple[int, int, Any]:
        url = f"{api or self.partner.stack.addresses['api']}/mis-api/api/v2/games/{game or self.game}/launch"
        headers = {"Authorization": self.bearer, "Content-Type": "application/json"}
        async with self.partner.stack.http.post(url, data=body, headers=headers) as response:
            found = await response.json()
        return response.status, found["ErrorCode"], found["Value"] or found["Message"]

    async def launched(self, **change: Any) -> Any:
        """Return the Value of a launch that succeeds."""
        status, code, value = await self.ask(**change)
        assert (status, code) == (200, 200), value
        return value

    async def fault(self, **fault: Any) -> None:
        """Let the provider's next launches fail."""
        given = {"counterparty_id": self.partner.counterparty_id, **fault}
        async with self.partner.stack.http.post(f"{self.provider}/_launches", json=given) as response:
            assert response.status == 200

    async def sent(self) -> list[Any]:
        """Return what the provider was sent: bodies with numbers as they were written."""
        asked = {"counterparty_id": self.partner.counterparty_id}
        async with self.partner.stack.http.get(f"{self.provider}/_launches", params=asked) as response:
            return [json.loads(one["body"], parse_float=str, parse_int=str) for one in await response.json()]

    @property
    def provider(self) -> str:
        return str(self.partner.stack.addresses["sandbox_provider"])

    async def session(self, session_id: str) -> Any:
        return (await self.partner.sql("SELECT * FROM session WHERE session_id = :s", s=session_id))[0]

    async def sessions(self) -> int:
        """Return how many sessions launches of this provider have opened."""
        query = (
            "SELECT count(*) FROM session JOIN provider USING (provider_id) WHERE name = :p AND language IS NOT NULL"
        )
        return int((await self.partner.sql(query, p=self.partner.provider))[0][0])


async def launching(stack: Stack, profile: str = "", casino: str = "", **game: str) -> Launching:
    url = stack.addresses["sandbox_provider"]
    hosts = f"frame_hosts: ['{urlsplit(url).netloc}']\n"
    partner = await stack.partner(hosts + profile, casino, **game)
    await partner.onboarding.change("provider", partner.provider, address=url)
    about = {"counterparty_id": partner.counterparty_id}
    async with stack.http.post(f"{url}/_counterparty", json=about | {"secret": partner.secret}) as answer:
        assert answer.status == 200
    async with stack.http.post(f"{url}/_games", params=about, data='[{"gameId": "dice", "name": "Dice"}]') as answer:
        assert answer.status == 200
    secret = await partner.onboarding.secret("casino", partner.casino)
    account = {"PartnerClientId": partner.partner_client_id, "Secret": secret}
    async with stack.http.post(f"{stack.addresses['api']}/mis-api/api/v2/auth/token", json=account) as answer:
        bearer = f"Bearer {(await answer.json())['Value']['AccessToken']}"
    return Launching(partner, bearer, (await partner.catalogue.game(partner.provider, "dice"))["id"])


@pytest.fixture
async def casino(stack: Stack) -> Launching:
    return await launching(stack, min_bet="0.10", max_bet="500")


async def test_a_launched_game_is_played(casino: Launching) -> None:
    value = await casino.launched(TagId=7, Brand="royal.example")
    session = value["SessionId"]
    row = await casino.session(session)
    assert (row.state, row.tag_id, row.language, row.view_type, row.brand) == (
        "open", 7, "pt-BR", "mobile", "royal.example",
    )  # fmt: skip
    assert value["FrameUri"].startswith(casino.provider)
    assert value["ExpiresAt"].endswith("Z")
    query = "SELECT player_ref FROM player WHERE player_id = :p"
    [player] = await casino.partner.sql(query, p=row.player_id)
    assert await casino.sent() == [
        {
            "userId": str(player.player_ref),
            "sessionId": session,
            "currency": "EUR",
            "language": "pt-BR",
            "minBet": "0.10",
            "maxBet": "500.00",
            "gameMode": "real",
            "viewType": "mobile",
        }
    ]
    bet = casino.partner.new_bet()
    assert (await casino.partner.pay_in(bet, session=session)).outcome == DONE
    assert (await casino.partner.pay_out(bet, "25.00", session=session)).outcome == DONE
    [kept] = await casino.partner.sql("SELECT frame_uri FROM launch WHERE session_id = :s", s=session)
    assert value["FrameUri"] not in kept.frame_uri


async def test_a_players_token_is_exchanged_for_player_currency_and_the_next_token(casino: Launching) -> None:
    about = {"partner_client_id": casino.partner.partner_client_id, "partner_user_id": "bella", "balance": "50.00"}
    given = (await casino.partner.at_casino("POST", "/_players", json={**about, "currency": "EUR"}))["refresh_token"]
    first = await casino.launched(**BY_TOKEN, RefreshToken=given)
    query = "SELECT partner_user_id, currency FROM session JOIN player USING (player_id) WHERE session_id = :s"
    assert tuple((await casino.partner.sql(query, s=first["SessionId"]))[0]) == ("bella", "EUR")
    # Asked twice with one token, as by a server that got no answer: the casino has exchanged it once.
    assert await casino.launched(**BY_TOKEN, RefreshToken=given) == first
    second = await casino.launched(**BY_TOKEN, RefreshToken=first["RefreshToken"])
    assert second["SessionId"] == first["SessionId"]
    assert len({given, first["RefreshToken"], second["RefreshToken"]}) == 3

    await casino.partner.faults({"kind": "status", "path": "/users/auth", "times": 1})
    last = {**BY_TOKEN, "RefreshToken": second["RefreshToken"]}
    assert (await casino.ask(**last))[:2] == (200, CASINO_UNAVAILABLE)
    assert (await casino.launched(**last))["SessionId"] == first["SessionId"]


async def test_a_token_that_the_casino_does_not_know_launches_nothing(casino: Launching) -> None:
    assert (await casino.ask(**BY_TOKEN, RefreshToken="guessed"))[:2] == (200, TOKEN_INVALID)
    assert (await casino.sent(), await casino.sessions()) == ([], 0)


async def test_a_player_whom_the_casino_blocks_or_whose_currency_is_not_known_launches_nothing(
    casino: Launching,
) -> None:
    about = {"partner_client_id": casino.partner.partner_client_id, "balance": "50.00"}
    for player, code in (
        ({"partner_user_id": "carla", "currency": "EUR", "blocked": True}, PLAYER_BLOCKED),
        ({"partner_user_id": "dora", "currency": "QQQ"}, CURRENCY_UNSUPPORTED),
    ):
        token = (await casino.partner.at_casino("POST", "/_players", json=about | player))["refresh_token"]
        assert (await casino.ask(**BY_TOKEN, RefreshToken=token))[:2] == (200, code)
    assert (await casino.sent(), await casino.sessions()) == ([], 0)


async def test_what_a_profile_has_is_sent_and_what_is_sent_holds(stack: Stack) -> None:
    casino = await launching(
        stack,
        "launch: {max_bet: {EUR: 20}, max_win: {EUR: 5000}, button_amounts: {EUR: [0.05, 1, 2.50, 50]},"
        " game_margin: 2.5, urls: true}",
        "win_review: {max_win: {EUR: 400, USD: 1}, max_odd: 60}",
    )
    urls = {"ReturnUrl": "https://casino.example/back?a=1", "DepositUrl": "https://casino.example/pay"}
    session = (await casino.launched(MinBet="0.50", **urls))["SessionId"]
    [sent] = await casino.sent()
    assert (sent["minBet"], sent["maxBet"], sent["maxWin"], sent["gameMargin"]) == ("0.50", "20.00", "400", "2.5")
    # The session has them too.
    assert sent["maxOdd"] == "60"
    query = "SELECT max_win, max_odd FROM session WHERE session_id = :s"
    assert [tuple(row) for row in await casino.partner.sql(query, s=session)] == [(400, 60)]
    assert sent["buttonAmounts"] == ["1", "2.50"] or sent["buttonAmounts"] == ["1", "2.5"]
    assert (sent["returnUrl"], sent["depositUrl"]) == (urls["ReturnUrl"], urls["DepositUrl"])
    play = casino.partner
    assert (await play.pay_in(play.new_bet(), "0.49", session=session)).outcome == (7, "below_min_bet")
    assert (await play.pay_in(play.new_bet(), "20.01", session=session)).outcome == (7, "above_max_bet")


@pytest.mark.parametrize(
    ("currency", "least", "greatest"),
    [
        ("EUR", "0.01", "1000.00"),
        ("JPY", "1", "100000"),
        ("KWD", "0.001", "100.000"),
        ("BTC", "0.00000001", "0.00100000"),
    ],
)
async def test_without_limits_the_smallest_unit_and_the_profiles_default_are_sent(
    stack: Stack, currency: str, least: str, greatest: str
) -> None:
    casino = await launching(stack)
    await casino.launched(CurrencyCode=currency)
    [sent] = await casino.sent()
    assert (sent["minBet"], sent["maxBet"]) == (least, greatest)


async def test_of_the_limits_the_strictest_is_sent(casino: Launching) -> None:
    limits = Limits(casino.partner.stack.engine)
    await limits.set_casino(casino.partner.casino, "EUR", "0.25", "300")
    await casino.launched(MaxBet="100", MinBet="0.20")
    [sent] = await casino.sent()
    assert (sent["minBet"], sent["maxBet"]) == ("0.25", "100.00")


# Failures at the provider

BAD_FRAMES = {
    "another host": "https://evil.example/game",
    "a host that begins alike": "{here}.evil.example/game",
    "a user before the host": "http://{host}@evil.example/game",
    "a user before the right host": "http://evil.example@{host}/game",
    "another port": "http://127.0.0.1:1/game",
    "relative": "/frame/dice",
    "no scheme": "//{host}/game",
    "a script": "javascript:alert(1)",
    "data": "data:text/html,hello",
    "http elsewhere": "http://games.example/game",
    "a backslash": "http://{host}\\\\@evil.example/",
    "a line end": "http://{host}/ga\\nme",
    "too long": "{here}/" + "x" * 4096,
    "this service": "{api}/webframe/1",
    "a port that is none": "http://127.0.0.1:x/game",
    "empty": "",
}  # fmt: skip
UNREADABLE = {
    "html": "<html>", "nothing": "", "no frame": "{}", "a number": '{"frameUri": 5}', "a list": "[]",
    "refused": '{"_responseCode": 2, "frameUri": "https://x"}', "huge": '{"frameUri": "' + "x" * 70_000 + '"}',
}  # fmt: skip
FAILURES: dict[str, tuple[dict[str, Any], int, str, int]] = {
    "500": ({"times": 1, "status": 500}, PROVIDER_UNAVAILABLE, "provider_unavailable", 1),
    "401": ({"times": 1, "status": 401}, PROVIDER_UNAVAILABLE, "provider_unavailable", 1),
    "302": ({"times": 1, "status": 302}, PROVIDER_UNAVAILABLE, "provider_unavailable", 1),
    "404": ({"times": 1, "status": 404}, GAME_UNAVAILABLE, "game_unavailable", 1),
    "cut twice": ({"times": 2, "drop": True}, PROVIDER_UNAVAILABLE, "provider_unavailable", 2),
    **{
        name: ({"times": 1, "body": body}, PROVIDER_UNAVAILABLE, "provider_unavailable", 1)
        for name, body in UNREADABLE.items()
    },
    **{
        name: ({"times": 1, "body": f'{{"frameUri": "{uri}"}}'}, PROVIDER_UNAVAILABLE, "provider_unavailable", 1)
        for name, uri in BAD_FRAMES.items()
    },
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_launch_that_fails_ends_its_session_with_the_reason(casino: Launching, failure: str) -> None:
    fault, code, reason, sends = FAILURES[failure]
    here, api = casino.provider, casino.partner.stack.addresses["api"]
    for name, value in (("{here}", here), ("{host}", urlsplit(here).netloc), ("{api}", api)):
        fault = {**fault, "body": fault["body"].replace(name, value)} if "body" in fault else fault
    await casino.fault(**fault)
    status, found, message = await casino.ask()
    assert (status, found) == (200, code)
    assert message.startswith(f"{reason}: ")
    sent = await casino.sent()
    assert len(sent) == sends
    assert len({one["sessionId"] for one in sent}) == 1
    row = await casino.session(sent[0]["sessionId"])
    assert (row.state, row.end_reason) == ("ended", reason)
    refused = await casino.partner.pay_in(casino.partner.new_bet(), session=row.session_id)
    assert refused.outcome == (3, "session_ended")
    # The next one is a new launch.
    assert (await casino.launched())["SessionId"] != row.session_id


async def test_our_own_page_is_refused_though_the_profile_names_its_host(stack: Stack) -> None:
    api = stack.addresses["api"]
    casino = await launching(stack)
    hosts = [urlsplit(casino.provider).netloc, urlsplit(api).netloc]
    await casino.partner.onboarding.change("provider", casino.partner.provider, profile=f"frame_hosts: {hosts}")
    await casino.fault(times=1, body=json.dumps({"frameUri": f"{api}/webframe/1"}))
    assert (await casino.ask())[1] == PROVIDER_UNAVAILABLE
    await casino.launched()


@pytest.mark.parametrize("fault", [{"drop": True}, {"delay_ms": 6000}], ids=["cut", "late"])
async def test_a_launch_without_an_answer_is_sent_once_more_the_same(casino: Launching, fault: dict[str, Any]) -> None:
    await casino.fault(times=1, **fault)
    session = (await casino.launched())["SessionId"]
    first, second = await casino.sent()
    assert first == second
    assert first["sessionId"] == session


async def test_a_game_that_its_provider_does_not_know_makes_the_next_sync_read_all(
    casino: Launching,
) -> None:
    await casino.partner.sql(
        "INSERT INTO catalogue_sync (provider_id, tried_at, synced_at, outcome, etag) "
        "SELECT provider_id, now() - interval '1 hour', now(), 'synced', 'e' FROM provider WHERE name = :p",
        p=casino.partner.provider,
    )
    await casino.fault(times=1, status=404)
    assert (await casino.ask())[1] == GAME_UNAVAILABLE
    query = "SELECT etag FROM catalogue_sync JOIN provider USING (provider_id) WHERE name = :p"
    assert await casino.partner.sql(query, p=casino.partner.provider) == [(None,)]


async def test_a_provider_may_ask_for_the_balance_before_it_answers(casino: Launching) -> None:
    await casino.fault(times=1, delay_ms=3000, status=500)
    asked = asyncio.create_task(casino.ask())
    await eventually(casino.sent)
    [sent] = await casino.sent()
    assert (await casino.session(sent["sessionId"])).state == "launching"
    assert (await casino.partner.balance(sent["sessionId"])).code == 1
    assert (await asked)[1] == PROVIDER_UNAVAILABLE


# The same launch again


async def test_the_same_launch_within_a_minute_gets_the_same_session(casino: Launching) -> None:
    first = await casino.launched()
    assert await casino.launched() == first
    assert len(await casino.sent()) == 1
    others = [await casino.launched(**change) for change in ({"Mode": "demo"}, {"PartnerUserId": "bert"})]
    assert len({one["SessionId"] for one in (first, *others)}) == 3
    await casino.partner.sql("UPDATE launch SET launched_at = now() - interval '61 seconds'")
    second = await casino.launched()
    assert second["SessionId"] != first["SessionId"]
    await casino.partner.sessions.close(second["SessionId"])
    assert (await casino.launched())["SessionId"] != second["SessionId"]


async def test_a_launch_whose_process_is_gone_is_begun_anew(casino: Launching) -> None:
    first = (await casino.launched())["SessionId"]
    await casino.partner.sql("UPDATE session SET state = 'launching' WHERE session_id = :s", s=first)
    await casino.partner.sql(
        "UPDATE launch SET frame_uri = NULL, launched_at = now() - interval '16 seconds' WHERE session_id = :s", s=first
    )
    assert (await casino.launched())["SessionId"] != first


async def test_launches_at_once_in_two_processes_share_one(own_stack: Stack, second_api: str) -> None:
    casino = await launching(own_stack)
    await casino.fault(times=1, delay_ms=500, drop=True)
    apis = ["", second_api] * 4
    found = await asyncio.gather(*(casino.ask(api=api) for api in apis))
    assert [one[:2] for one in found] == [(200, 200)] * len(apis)
    assert len({one[2]["SessionId"] for one in found}) == 1
    assert len({one[2]["FrameUri"] for one in found}) == 1
    assert len({one["sessionId"] for one in await casino.sent()}) == 1
    assert await casino.sessions() == 1


async def test_launches_at_once_fail_together(casino: Launching) -> None:
    await casino.fault(times=1, delay_ms=1000, status=500)
    first = asyncio.create_task(casino.ask())
    await eventually(casino.sent)
    found = await asyncio.gather(first, *(casino.ask() for _ in range(3)))
    assert {one[1] for one in found} == {PROVIDER_UNAVAILABLE}
    assert len(await casino.sent()) == 1


async def test_a_demo_moves_no_money_and_names_no_player(casino: Launching) -> None:
    session = (await casino.launched(Mode="demo"))["SessionId"]
    [sent] = await casino.sent()
    assert (sent["userId"], sent["sessionId"], sent["gameMode"]) == (session, session, "demo")
    bet = casino.partner.new_bet()
    assert (await casino.partner.pay_in(bet, session=session)).outcome == (3, "session_demo")
    assert (await casino.partner.balance(session)).outcome == (3, "session_demo")
    assert await casino.partner.row(bet) is None


# Refused before anything is sent


async def _refused(casino: Launching, code: int, reason: str, **change: Any) -> None:
    before = await casino.sessions()
    status, found, message = await casino.ask(**change)
    assert (status, found, message.split(":")[0]) == (200, code, reason)
    assert (await casino.sent(), await casino.sessions()) == ([], before)


async def test_a_blocked_player_gets_no_game(casino: Launching) -> None:
    await casino.partner.sessions.block(casino.partner.casino, "anna", blocked=True)
    await _refused(casino, PLAYER_BLOCKED, "player_blocked")


async def test_a_game_that_is_switched_off_gone_or_unknown_is_not_launched(casino: Launching) -> None:
    await _refused(casino, GAME_UNAVAILABLE, "game_unavailable", game=2**53 - 1)
    await casino.partner.catalogue.disable_game(casino.partner.provider, "dice")
    await _refused(casino, GAME_UNAVAILABLE, "game_unavailable")
    await casino.partner.catalogue.enable_game(casino.partner.provider, "dice")
    await casino.partner.sql("UPDATE game SET gone_at = now() WHERE game_id = :g", g=casino.game)
    await _refused(casino, GAME_UNAVAILABLE, "game_unavailable")


@pytest.mark.parametrize("how", ["suspend", "disable"])
async def test_a_provider_that_is_switched_off_is_not_called(casino: Launching, how: str) -> None:
    if how == "suspend":
        await casino.partner.onboarding.suspend(casino.partner.provider, suspended=True)
    else:
        await casino.partner.onboarding.disable("provider", casino.partner.provider)
    await _refused(casino, PROVIDER_UNAVAILABLE, "provider_unavailable")


async def test_limits_that_leave_no_stake_and_currencies_that_are_not_played(casino: Launching) -> None:
    await _refused(casino, LIMITS_EMPTY, "limits_empty", MinBet="500.01")
    await _refused(casino, LIMITS_EMPTY, "limits_empty", MinBet="2", MaxBet="1")
    await _refused(casino, CURRENCY_UNSUPPORTED, "currency_unsupported", CurrencyCode="USD")
    await _refused(casino, CURRENCY_UNSUPPORTED, "currency_unsupported", CurrencyCode="QQQ")
    await _refused(casino, CURRENCY_UNSUPPORTED, "currency_unsupported", CurrencyCode="QQQ", MinBet="1")


MALFORMED_FIELDS: list[dict[str, Any]] = [
    {"PartnerUserId": None}, {"CurrencyCode": None}, {"PartnerUserId": None, "CurrencyCode": None},
    {"RefreshToken": "t"}, {**BY_TOKEN, "RefreshToken": ""}, {**BY_TOKEN, "RefreshToken": " t"},
    {**BY_TOKEN, "RefreshToken": "t" * 4097}, {**BY_TOKEN, "RefreshToken": 1}, {"PartnerUserId": ""},
    {"PartnerUserId": " anna"}, {"PartnerUserId": "x" * 129},
    {"PartnerUserId": 1.5}, {"PartnerUserId": True}, {"PartnerUserId": ["anna"]}, {"PartnerUserId": "a\nb"},
    {"CurrencyCode": "eur"}, {"CurrencyCode": 978}, {"CurrencyCode": ""}, {"Language": None}, {"Language": "x"},
    {"Language": "en_US"}, {"Language": 1}, {"ViewType": None}, {"ViewType": "tablet"}, {"Mode": None},
    {"Mode": "practice"}, {"Mode": 1}, {"TagId": "7"}, {"TagId": -1}, {"TagId": 1.5}, {"TagId": 2**53},
    {"TagId": True}, {"Brand": ""}, {"Brand": "x" * 129}, {"Brand": 1}, {"ReturnUrl": "javascript:alert(1)"},
    {"ReturnUrl": "http://casino.example"}, {"ReturnUrl": "https://casino.example/" + "x" * 2048},
    {"DepositUrl": "casino.example"}, {"DepositUrl": 1}, {"MinBet": "-1"}, {"MinBet": "1e3"}, {"MinBet": "0.001"},
    {"MaxBet": True}, {"MaxBet": "NaN"}, {"MaxBet": []}, {"MaxBet": "1" * 16},
]  # fmt: skip


async def test_what_cannot_be_read_is_refused_whole(casino: Launching) -> None:
    for change in MALFORMED_FIELDS:
        assert (await casino.ask(**change))[:2] == (400, MALFORMED), change
    for game in ("0", "-1", "1.5", "dice", "9" * 16, "1" * 17, "%31%00"):
        assert (await casino.ask(game=game))[:2] == (400, MALFORMED), game
    for body in (b"", b"[]", b"{", b'{"Mode": "real", "Mode": "demo"}', b"\xff", b'"x"', b"{" * 40):
        assert (await casino.post(body))[:2] == (400, MALFORMED), body
    assert (await casino.post(b'{"a": "' + b"x" * 65_536 + b'"}'))[:2] == (413, MALFORMED)
    assert (await casino.sent(), await casino.sessions()) == ([], 0)


async def test_numbers_as_amounts_and_ids_and_fields_that_are_null_or_unknown_are_read(casino: Launching) -> None:
    body = {**ASKED, "PartnerUserId": 17, "MinBet": 0.5, "MaxBet": "7.00", "TagId": None, "Brand": None, "New": {}}
    assert (await casino.post(json.dumps(body).encode()))[:2] == (200, 200)
    [sent] = await casino.sent()
    assert (sent["minBet"], sent["maxBet"]) == ("0.50", "7.00")


async def test_a_casino_needs_the_scope_and_must_not_be_disabled(casino: Launching) -> None:
    account = {
        "PartnerClientId": casino.partner.partner_client_id,
        "Secret": await casino.partner.onboarding.secret("casino", casino.partner.casino),
        "Scope": "games payments",
    }
    url = f"{casino.partner.stack.addresses['api']}/mis-api/api/v2/auth/token"
    async with casino.partner.stack.http.post(url, json=account) as answer:
        narrow = f"Bearer {(await answer.json())['Value']['AccessToken']}"
    good, casino.bearer = casino.bearer, narrow
    assert (await casino.ask())[:2] == (403, 403)
    for casino.bearer in ("Bearer nonsense", "Bearer", "", good.replace("Bearer", "Basic")):
        assert (await casino.ask())[:2] == (401, 401)
    casino.bearer = good
    await casino.launched()
    await casino.partner.onboarding.disable("casino", casino.partner.casino)

    async def refused() -> bool:
        return (await casino.ask())[1] in (CASINO_DISABLED, 401)

    await eventually(refused)
