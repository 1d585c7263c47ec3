"""The frame's API over HTTP: who may call it, how a frame opens, its lobby, launches, balances, and every refusal."""

import asyncio
import copy
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from sqlalchemy import text

from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_limits import Limits
from betcore.db.onboarding_sessions import Sessions
from betcore.runtime.vault import Vault
from tests.api.asked_casino import AskedCasino, asked_casino, done, hang_up
from tests.api.wire import JSON, Answer, Api, running_api
from tests.in_process_casino import SECRET_KEY, InProcessCasino
from tests.serving import serving

ORIGIN = "https://casino.example"
OWN = [("Origin", "http://x"), ("Sec-Fetch-Site", "same-origin"), JSON]
NOBODY = "a" * 43
LOCALES = Path(__file__).parents[2] / "api" / "webframe" / "locales"
TEXTS = {file.stem: json.loads(file.read_text())["errors"] for file in LOCALES.glob("*.json")}
CALLS = ("open", "games", "launch", "balance", "close")


@dataclass
class Page:
    """A page of the frame, as a browser runs it."""

    api: Api
    house: InProcessCasino
    desk: Onboarding
    asked: AskedCasino
    name: str
    client_id: int
    provider: str
    bearer: str = ""

    def __post_init__(self) -> None:
        self.player = f"p{secrets.token_hex(4)}"
        self.token = f"{self.player}:EUR:0"
        self.profile = f"{{confirmation: reply, origins: ['{ORIGIN}']}}"

    async def send(self, call: str, body: Any = None, headers: Any = OWN, bearer: str | None = None) -> Answer:
        given = self.bearer if bearer is None else bearer
        more = [("Authorization", f"Bearer {given}")] if given else []
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return await self.api.send("POST", f"/webframe/api/{call}", [*headers, *more], raw)

    def opening(self, **changed: Any) -> dict[str, Any]:
        given = {"clientId": self.client_id, "token": self.token, "language": "en", "viewType": "desktop"}
        return {**given, "tagId": 0, "mode": "real", "origin": ORIGIN, **changed}

    async def open(self, **changed: Any) -> dict[str, Any]:
        """Open the frame, and keep its bearer."""
        answer = await self.send("open", self.opening(**changed))
        assert answer.status == 200, answer.body
        self.bearer = answer.body["bearer"]
        return answer.body

    async def sql(self, query: str, **given: Any) -> list[Any]:
        async with self.house.engine.begin() as connection:
            found = await connection.execute(text(query), given)
            return list(found) if found.returns_rows else []

    async def idle(self) -> None:
        """Let half an hour pass without a call of this casino's frames."""
        of_casino = "WHERE casino_id = (SELECT casino_id FROM casino WHERE name = :n)"
        for what in (
            "frame_session SET expires_at = now() - interval '1 second'",
            "player_authentication SET ended_at = ended_at - interval '30 minutes'",
        ):
            await self.sql(f"UPDATE {what} {of_casino}", n=self.name)

    def tokens(self) -> list[str]:
        """Return the refresh tokens that the casino was asked about."""
        return [one["RefreshToken"] for one in self.asked.asked["auth"]]

    async def game(self, number: str) -> int:
        found = await Catalogue(self.house.engine).game(self.provider, number)
        return int(str(found["id"]))


def refused(answer: Answer, language: str = "en") -> tuple[int, str]:
    """Return status and code of a refusal, whose text is that of the code."""
    assert set(answer.body) == {"code", "message"}
    assert answer.body["message"] == TEXTS[language][answer.body["code"]]
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, answer.body["code"]


class GameServer:
    """A provider's launches; ``answer`` is what it answers instead: a status, a body, or that it hangs up."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = None
        self.host = ""

    async def launch(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if self.answer == "hang up" and request.transport is not None:
            request.transport.abort()
        if isinstance(self.answer, int):
            return web.Response(status=self.answer)
        return web.json_response(self.answer or {"frameUri": f"http://{self.host}/play?s=1", "_responseCode": 1})


@pytest.fixture
async def server() -> AsyncIterator[GameServer]:
    made, app = GameServer(), web.Application()
    app.router.add_post("/v1/games/{game}/launch", made.launch)
    async with serving(app) as url:
        made.host = url.removeprefix("http://")
        yield made


@pytest.fixture
async def page(api: Api, casino: InProcessCasino, server: GameServer) -> AsyncIterator[Page]:
    desk = Onboarding(casino.engine, Vault(SECRET_KEY))
    name, provider = f"frame-{secrets.token_hex(4)}", f"maker-{secrets.token_hex(4)}"
    async with asked_casino() as asked:
        made = await desk.add_casino(name, asked.url, f"{{confirmation: reply, origins: ['{ORIGIN}']}}")
        await desk.add_provider(provider, f"http://{server.host}", f"frame_hosts: ['{server.host}']")
        for number in range(3):
            await Catalogue(casino.engine).add_game(provider, f"g{number}", f"{provider} {number}")
        yield Page(api, casino, desk, asked, name, int(str(made["partner_client_id"])), provider)
        await desk.disable("provider", provider)


@pytest.fixture
async def neighbour(page: Page) -> AsyncIterator[Page]:
    """A page of another casino, whose player has the same name and token."""
    async with asked_casino() as asked:
        other = copy.copy(page)
        other.asked, other.name = asked, f"{page.name}-neighbour"
        made = await page.desk.add_casino(other.name, asked.url, page.profile)
        other.client_id = int(str(made["partner_client_id"]))
        yield other


# Who may call


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([JSON], 403),
        ([JSON, ("Origin", ORIGIN)], 403),
        ([JSON, ("Origin", "null")], 403),
        ([JSON, ("Origin", "http://x.evil.example")], 403),
        ([JSON, ("Origin", "http://x"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([JSON, ("Origin", "http://x"), ("Sec-Fetch-Site", "same-site")], 403),
        ([("Origin", "http://x")], 415),
        ([("Origin", "http://x"), ("Content-Type", "text/plain")], 415),
    ],
)
async def test_only_the_frames_own_page_may_call(page: Page, call: str, headers: Any, status: int) -> None:
    await page.open()
    assert refused(await page.send(call, page.opening(), headers)) == (status, "malformed")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", [b"", b"[]", b"x", b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 100, b"NaN", b"null"])
async def test_a_body_that_is_no_json_object(page: Page, call: str, body: bytes) -> None:
    assert refused(await page.send(call, body)) == (400, "malformed")


@pytest.mark.parametrize("call", CALLS)
async def test_a_body_that_is_too_long(page: Page, call: str) -> None:
    assert refused(await page.send(call, b'{"a":"' + b"x" * 16_384 + b'"}')) == (413, "malformed")


async def test_what_has_no_route_is_refused_in_the_same_form(page: Page) -> None:
    assert refused(await page.send("no-such")) == (404, "malformed")
    assert refused(await page.api.get("/webframe/api/open")) == (405, "malformed")


@pytest.mark.parametrize("call", ["games", "launch", "balance", "close"])
@pytest.mark.parametrize("bearer", ["", NOBODY, "x", "é", f"{NOBODY}a"])
async def test_without_a_bearer_of_ours_there_is_no_session(page: Page, call: str, bearer: str) -> None:
    assert refused(await page.send(call, {}, bearer=bearer)) == (401, "session_expired")


async def test_a_bearer_comes_once_and_as_one(page: Page) -> None:
    await page.open()
    for given in ([f"Basic {page.bearer}"], [page.bearer], [f"Bearer {page.bearer}", f"Bearer {NOBODY}"]):
        headers = [*OWN, *(("Authorization", one) for one in given)]
        assert refused(await page.send("games", {}, headers, bearer="")) == (401, "session_expired")


@pytest.mark.parametrize("call", CALLS)
async def test_a_failing_database_says_nothing_and_asks_for_another_try(page: Page, call: str) -> None:
    await page.open()
    bodies = {"open": page.opening(), "launch": {"game": 1}, "close": {"sessionId": str(UUID(int=0))}}
    await page.sql("ALTER TABLE frame_session RENAME TO away")
    try:
        answer = await page.send(call, bodies.get(call))
    finally:
        await page.sql("ALTER TABLE away RENAME TO frame_session")
    assert refused(answer) == (503, "internal")
    assert answer.headers["retry-after"] == "1"
    assert b"frame_session" not in answer.raw


async def test_what_goes_wrong_inside_is_not_shown(page: Page) -> None:
    """A refresh token that no key opens, as after a key was taken away."""
    await page.open()
    await page.sql(
        "UPDATE frame_session SET refresh_token = 'no such' WHERE casino_id = "
        "(SELECT casino_id FROM casino WHERE name = :n)", n=page.name,
    )  # fmt: skip
    answer = await page.send("games")
    assert refused(answer) == (500, "internal")
    assert b"SECRET" not in answer.raw


# open


async def test_a_frame_opens_for_the_player_of_a_token(page: Page) -> None:
    found = await page.open(language="pt", tagId=7)
    assert len(found.pop("bearer")) == 43
    assert found == {"expiresIn": 1800, "language": "pt-BR", "player": {"currency": "EUR"}}
    assert page.asked.asked["auth"] == [{"RefreshToken": page.token, "TagId": 7}]


async def test_neither_bearer_nor_refresh_token_stands_in_the_database(page: Page) -> None:
    await page.open()
    [row] = await page.sql(
        "SELECT CAST(f AS text) FROM frame_session f JOIN casino USING (casino_id) WHERE name = :n", n=page.name
    )
    assert page.bearer not in row[0]
    assert f"{page.player}:EUR:1" not in row[0]


async def test_a_page_that_opens_twice_gets_two_bearers_for_one_call_at_the_casino(page: Page) -> None:
    first, second = await asyncio.gather(page.send("open", page.opening()), page.send("open", page.opening()))
    assert (first.status, second.status) == (200, 200)
    assert first.body["bearer"] != second.body["bearer"]
    assert len(page.asked.asked["auth"]) == 1


async def test_a_visitor_sees_games_and_has_no_balance(page: Page) -> None:
    found = await page.open(token=None)
    assert (found["player"], page.asked.asked["auth"]) == (None, [])
    assert (await page.send("games")).status == 200
    assert refused(await page.send("balance")) == (401, "token_invalid")


@pytest.mark.parametrize(
    "changed",
    [
        *({"clientId": bad} for bad in (None, 0, -1, 1.5, "1", True, 2**53, [])),
        *({"token": bad} for bad in (1, "", " t", "t\x00", "t" * 4097, [], True, "\ud83d")),
        *({"language": bad} for bad in ("x" * 9, "e", "en_", 1, [], "<b>", "en-")),
        *({"viewType": bad} for bad in ("tv", 1, [], "")),
        *({"tagId": bad} for bad in (-1, "1", 1.5, True, 2**53)),
        *({"mode": bad} for bad in ("fun", 1, [])),
        *({"origin": bad} for bad in (1, [], "x" * 301)),
    ],
)
async def test_an_opening_that_cannot_be_read(page: Page, changed: dict[str, Any]) -> None:
    assert refused(await page.send("open", page.opening(**changed))) == (400, "malformed")
    assert page.asked.asked["auth"] == []


@pytest.mark.parametrize(
    "changed", [{"origin": "https://evil.example"}, {"origin": None}, {"origin": f"{ORIGIN}/"}, {"clientId": 10**9}]
)
async def test_a_page_that_is_not_the_casinos_opens_no_frame(page: Page, changed: dict[str, Any]) -> None:
    assert refused(await page.send("open", page.opening(**changed))) == (403, "malformed")
    assert page.asked.asked["auth"] == []


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ({"ErrorCode": 102145}, (401, "token_invalid")),
        ({"ErrorCode": 103807}, (401, "token_invalid")),
        ({"ErrorCode": 103805}, (403, "player_blocked")),
        ({"ErrorCode": 102823}, (503, "casino_unavailable")),
        (done({"RefreshToken": "t", "PartnerUserId": "a", "CurrencyCode": "DOGE"}), (409, "currency_unsupported")),
        (500, (503, "casino_unavailable")),
    ],
)
@pytest.mark.parametrize("language", ["en", "pt-BR"])
async def test_a_casino_that_lets_no_player_in(page: Page, answer: Any, refusal: Any, language: str) -> None:
    page.asked.answers["auth"] = [answer]
    assert refused(await page.send("open", page.opening(language=language)), language) == refusal


async def test_a_casino_that_does_not_answer(page: Page) -> None:
    page.asked.answers["auth"] = [hang_up, hang_up]
    assert refused(await page.send("open", page.opening())) == (503, "casino_unavailable")
    await page.open()


async def test_a_disabled_casino(page: Page) -> None:
    await page.open()
    await page.desk.disable("casino", page.name)
    for call in CALLS:
        assert refused(await page.send(call, page.opening())) == (403, "casino_disabled")


async def test_a_player_whom_an_operator_blocks(page: Page) -> None:
    await page.open()
    await Sessions(page.house.engine).block(page.name, page.player, blocked=True)
    assert refused(await page.send("games")) == (403, "player_blocked")


# Sessions


async def test_a_session_that_was_idle_is_renewed_by_the_casino_with_the_rotated_token(page: Page) -> None:
    await page.open()
    await page.idle()
    assert (await page.send("games")).status == 200
    assert page.tokens() == [page.token, f"{page.player}:EUR:1"]
    assert (await page.send("games")).status == 200
    assert len(page.asked.asked["auth"]) == 2
    await page.idle()
    assert (await page.send("games")).status == 200
    assert page.tokens()[-1] == f"{page.player}:EUR:2"


async def test_two_frames_that_were_opened_with_one_token_both_go_on(page: Page) -> None:
    """A page that mounts the frame twice, or a tab that was copied: the casino takes the token of both only once."""
    second = copy.copy(page)
    await asyncio.gather(page.open(), second.open())
    for number, user in enumerate((page, second, second, page), 1):
        await page.idle()
        assert (await user.send("games")).status == 200
        assert page.tokens() == [page.token, *(f"{page.player}:EUR:{one}" for one in range(1, number + 1))]
    # The casino was asked for both.
    assert (await second.send("games")).status == 200
    assert len(page.tokens()) == 5


async def test_two_frames_of_one_token_that_wake_at_once_are_renewed_by_one_call(page: Page) -> None:
    second = copy.copy(page)
    await asyncio.gather(page.open(), second.open())
    await page.idle()
    found = await asyncio.gather(*(user.send("games") for user in (page, second, page, second)))
    assert [one.status for one in found] == [200] * 4
    assert len(page.tokens()) == 2


async def test_a_renewal_is_for_frames_of_its_player_and_token_alone(page: Page, neighbour: Page) -> None:
    """A second log-in has a token of its own, and two casinos may give the same text as a token."""
    later = copy.copy(page)
    later.token = f"{page.player}:EUR:50"
    for one in (page, later, neighbour):
        await one.open()
    await page.idle()
    await neighbour.idle()
    for one in (page, later, neighbour):
        assert (await one.send("games")).status == 200
    assert page.tokens()[-2:] == [f"{page.player}:EUR:1", f"{page.player}:EUR:51"]
    assert neighbour.tokens() == [page.token, f"{page.player}:EUR:1"]


async def test_a_session_that_the_casino_does_not_renew_is_over(page: Page) -> None:
    await page.open(language="pt-BR")
    await page.idle()
    page.asked.answers["auth"] = [{"ErrorCode": 103807}]
    assert refused(await page.send("games"), "pt-BR") == (401, "session_expired")


async def test_a_casino_that_does_not_answer_a_renewal_may_be_asked_again(page: Page) -> None:
    await page.open()
    await page.idle()
    page.asked.answers["auth"] = [500]
    assert refused(await page.send("games")) == (503, "casino_unavailable")
    assert (await page.send("games")).status == 200


async def test_a_renewal_that_names_another_player_ends_the_session(page: Page) -> None:
    await page.open()
    await page.idle()
    page.asked.answers["auth"] = [done({"RefreshToken": "t", "PartnerUserId": "other", "CurrencyCode": "EUR"})]
    assert refused(await page.send("games")) == (401, "session_expired")


async def test_a_visit_that_was_idle_is_over(page: Page) -> None:
    await page.open(token=None)
    await page.idle()
    assert refused(await page.send("games")) == (401, "session_expired")


async def test_each_call_lets_the_time_begin_anew_until_the_casino_must_speak_again(page: Page) -> None:
    left = (
        "SELECT extract(epoch FROM expires_at - now()) FROM frame_session JOIN casino USING (casino_id) WHERE name = :n"
    )
    soon = (
        "UPDATE frame_session SET expires_at = now() + interval '1 minute', "
        "authenticated_at = now() - CAST(CAST(:ago AS text) AS interval) "
        "WHERE casino_id = (SELECT casino_id FROM casino WHERE name = :n)"
    )
    await page.open()
    await page.sql(soon, n=page.name, ago="1 minute")
    assert (await page.send("games")).status == 200
    assert (await page.sql(left, n=page.name))[0][0] > 1700
    await page.sql(soon, n=page.name, ago="11 hours 50 minutes")
    assert (await page.send("games")).status == 200
    assert (await page.sql(left, n=page.name))[0][0] < 601


# games


async def test_the_lobby_has_the_games_that_can_be_played_by_pages(page: Page) -> None:
    catalogue, limits = Catalogue(page.house.engine), Limits(page.house.engine)
    await catalogue.add_game(page.provider, "gone", f"{page.provider} gone")
    await catalogue.disable_game(page.provider, "gone")
    await limits.set_game(page.provider, "g2", "JPY", "10", None)
    await limits.set_game(page.provider, "g1", "EUR", "1", None)
    await page.sql(
        "UPDATE game SET category = :c, image_url = 'https://p.example/d.png' WHERE provider_game_id = 'g1' "
        "AND provider_id = (SELECT provider_id FROM provider WHERE name = :p)", c=page.provider, p=page.provider,
    )  # fmt: skip
    await page.open()
    first = (await page.send("games", {"search": page.provider.upper(), "limit": 1})).body
    assert first["games"] == [
        {"gameId": await page.game("g0"), "name": f"{page.provider} 0", "provider": page.provider, "category": None,
         "imageUrl": None, "demo": True, "currencies": None},
    ]  # fmt: skip
    assert page.provider in first["categories"]
    second = (await page.send("games", {"search": page.provider, "cursor": first["nextCursor"]})).body
    # The game that is played in JPY alone is none for this player.
    assert [(one["name"], one["currencies"]) for one in second["games"]] == [(f"{page.provider} 1", ["EUR"])]
    assert second["nextCursor"] is None
    found = (await page.send("games", {"category": page.provider})).body
    assert [one["imageUrl"] for one in found["games"]] == ["https://p.example/d.png"]
    await page.open(token=None)
    assert len((await page.send("games", {"search": page.provider})).body["games"]) == 3
    await page.desk.disable("provider", page.provider)
    nothing = (await page.send("games", {"search": page.provider})).body
    assert (nothing["games"], page.provider in nothing["categories"]) == ([], False)


@pytest.mark.parametrize(
    "body",
    [
        *({"limit": bad} for bad in (0, -1, 101, "1", 1.5, True, [])),
        *({"cursor": bad} for bad in (1, "x", "!", "bnVsbA==", "WzEsIDJd", "WyJhIl0=", "WyJhIiwgLTFd", "x" * 2049, [])),
        *({"search": bad} for bad in (1, [], "x" * 129, "a\x00", "\ud83d")),
        *({"category": bad} for bad in (1, {}, "a\nb")),
    ],
)
async def test_a_question_for_games_that_cannot_be_read(page: Page, body: Any) -> None:
    await page.open(token=None)
    assert refused(await page.send("games", body)) == (400, "malformed")


@pytest.mark.parametrize("search", ["%", "_", "\\", "'", "%' OR 1=1"])
async def test_signs_of_a_pattern_are_letters_in_a_search(page: Page, search: str) -> None:
    await page.open(token=None)
    assert (await page.send("games", {"search": search})).body["games"] == []


# launch, close


async def test_a_game_is_launched_and_closed(page: Page, server: GameServer) -> None:
    await page.open(language="pt-BR", viewType="mobile", tagId=5)
    number = await page.game("g0")
    found = (await page.send("launch", {"game": number, "mode": "real"})).body
    assert found.pop("expiresAt").endswith("Z")
    session = found.pop("sessionId")
    assert found == {
        "frameUri": f"http://{server.host}/play?s=1",
        "game": {"gameId": number, "name": f"{page.provider} 0"},
        "mode": "real",
        "currency": "EUR",
    }
    [asked] = server.asked
    assert (asked["language"], asked["viewType"], asked["sessionId"]) == ("pt-BR", "mobile", session)
    query = "SELECT state, tag_id, end_reason FROM session WHERE session_id = :s"
    assert tuple((await page.sql(query, s=session))[0]) == ("open", 5, None)
    other = Page(page.api, page.house, page.desk, page.asked, page.name, page.client_id, page.provider)
    await other.open()
    assert (await other.send("close", {"sessionId": session})).body == {}
    assert (await page.sql(query, s=session))[0].state == "open"
    for _ in range(2):
        assert (await page.send("close", {"sessionId": session})).body == {}
    assert tuple((await page.sql(query, s=session))[0]) == ("ended", 5, "closed")


async def test_a_bearer_acts_for_its_own_player_alone(page: Page) -> None:
    other = Page(page.api, page.house, page.desk, page.asked, page.name, page.client_id, page.provider)
    await page.open()
    await other.open()
    for one in (other, page):
        assert (await one.send("balance")).status == 200
        assert page.asked.asked["data"][-1]["PartnerUserId"] == one.player
        session = (await one.send("launch", {"game": await page.game("g0")})).body["sessionId"]
        query = "SELECT partner_user_id FROM session JOIN player USING (player_id) WHERE session_id = :s"
        assert (await page.sql(query, s=session))[0].partner_user_id == one.player


async def test_a_frame_ends_no_game_of_another_casino(page: Page, neighbour: Page) -> None:
    game = {"game": await page.game("g1"), "mode": "demo"}
    sessions = []
    for token in (None, page.token):
        await page.open(token=token)
        sessions.append((await page.send("launch", game)).body["sessionId"])
    for token in (None, neighbour.token):
        await neighbour.open(token=token)
        for session in sessions:
            assert (await neighbour.send("close", {"sessionId": session})).status == 200
    states = await page.sql("SELECT state FROM session WHERE session_id = ANY (:s)", s=sessions)
    assert [row.state for row in states] == ["open", "open"]


async def test_a_visitor_plays_for_fun_alone(page: Page, server: GameServer) -> None:
    await page.open(token=None)
    number = await page.game("g1")
    await Limits(page.house.engine).set_game(page.provider, "g1", "JPY", "10", None)
    assert refused(await page.send("launch", {"game": number, "mode": "real"})) == (401, "token_invalid")
    found = (await page.send("launch", {"game": str(number), "mode": "demo"})).body
    assert (found["mode"], found["currency"], len(server.asked)) == ("demo", "JPY", 1)
    await page.send("close", {"sessionId": found["sessionId"]})
    [row] = await page.sql("SELECT state FROM session WHERE session_id = :s", s=found["sessionId"])
    assert row.state == "ended"


async def test_a_launch_that_is_refused(page: Page, server: GameServer) -> None:
    await page.open()
    number = await page.game("g0")
    limits = Limits(page.house.engine)
    assert refused(await page.send("launch", {"game": 2**52})) == (404, "game_unavailable")
    await limits.set_game(page.provider, "g2", "JPY", "10", None)
    assert refused(await page.send("launch", {"game": await page.game("g2")})) == (409, "currency_unsupported")
    await limits.set_game(page.provider, "g1", "EUR", "10", None)
    await limits.set_casino(page.name, "EUR", None, "5")
    assert refused(await page.send("launch", {"game": await page.game("g1")})) == (409, "limits_empty")
    for status, refusal in ((404, (404, "game_unavailable")), (500, (503, "provider_unavailable"))):
        server.answer = status
        assert refused(await page.send("launch", {"game": number})) == refusal
    server.answer = "hang up"
    unanswered = await page.send("launch", {"game": number})
    assert refused(unanswered) == (503, "provider_unavailable")
    assert unanswered.headers["retry-after"] == "1"
    server.answer = {"frameUri": "https://evil.example/", "_responseCode": 1}
    assert refused(await page.send("launch", {"game": number})) == (503, "provider_unavailable")
    await Catalogue(page.house.engine).disable_game(page.provider, "g0")
    assert refused(await page.send("launch", {"game": number})) == (404, "game_unavailable")


@pytest.mark.parametrize(
    "body",
    [
        {}, *({"game": bad} for bad in (0, -1, 1.5, "x", "", [], True, 2**53)),
        {"game": 1, "mode": "fun"}, {"game": 1, "mode": 1},
    ],
)  # fmt: skip
async def test_a_launch_that_cannot_be_read(page: Page, body: Any) -> None:
    await page.open(token=None)
    assert refused(await page.send("launch", body)) == (400, "malformed")


@pytest.mark.parametrize("session", [None, "", "x", 1, [], "A" * 36, "\x00"])
async def test_a_close_that_cannot_be_read(page: Page, session: Any) -> None:
    await page.open(token=None)
    assert refused(await page.send("close", {"sessionId": session})) == (400, "malformed")


# balance


async def test_the_balance_is_read_every_five_seconds_at_most(page: Page) -> None:
    await page.open(tagId=3)
    answers = await asyncio.gather(*(page.send("balance") for _ in range(4)))
    assert [one.body for one in answers] == [{"balance": "1000.00", "currency": "EUR"}] * 4
    assert page.asked.asked["data"] == [{"PartnerUserId": page.player, "TagId": 3}]
    page.asked.balance = "7.5"
    assert (await page.send("balance")).body["balance"] == "1000.00"
    await page.sql("UPDATE shown_balance SET asked_at = asked_at - interval '5 seconds'")
    assert (await page.send("balance")).body["balance"] == "7.50"
    assert len(page.asked.asked["data"]) == 2


async def test_a_balance_that_cannot_be_read_leaves_the_one_that_is_known(page: Page) -> None:
    await page.open()
    page.asked.answers["data"] = [500]
    assert refused(await page.send("balance")) == (503, "casino_unavailable")
    await page.sql("UPDATE shown_balance SET asked_at = asked_at - interval '5 seconds'")
    assert (await page.send("balance")).body["balance"] == "1000.00"
    page.asked.answers["data"] = [hang_up]
    await page.sql("UPDATE shown_balance SET asked_at = asked_at - interval '5 seconds'")
    assert (await page.send("balance")).body["balance"] == "1000.00"


async def test_the_balance_follows_the_players_movements(page: Page) -> None:
    await page.open()
    assert (await page.send("balance")).body["balance"] == "1000.00"
    number = await page.game("g0")
    session = (await page.send("launch", {"game": number})).body["sessionId"]
    await page.sql(
        "INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id, "
        "currency, stake, state, accepted_at, accepted_balance) SELECT 77, provider_id, 'b', casino_id, "
        "player_id, game_id, session_id, 'r', 'EUR', 1000, 'acceptance', now(), 99000 FROM session "
        "JOIN player USING (player_id) WHERE session_id = :s", s=session,
    )  # fmt: skip
    assert (await page.send("balance")).body["balance"] == "990.00"


# Limits on callers, texts


async def test_an_address_that_calls_too_often_is_slowed_down_for_its_casino_alone(
    casino: InProcessCasino, page: Page, wire_database: str, temporal_address: str
) -> None:
    async with running_api(wire_database, temporal_address, frame_calls_per_second="1") as api:
        page.api = api
        await page.open(token=None)
        answers = [await page.send("games") for _ in range(5)]
        assert refused(answers[-1]) == (429, "rate_limited")
        assert answers[-1].headers["retry-after"] == "1"
        found = [await page.send("games", bearer=NOBODY) for _ in range(5)]
        assert refused(found[0]) == (401, "session_expired")
        assert refused(found[-1]) == (429, "rate_limited")


def test_all_languages_have_the_same_texts() -> None:
    def keys(value: Any, name: str = "") -> set[str]:
        return (
            {one for key, inside in value.items() for one in keys(inside, f"{name}.{key}")}
            if isinstance(value, dict)
            else {name}
        )

    files = {file.stem: json.loads(file.read_text()) for file in LOCALES.glob("*.json")}
    assert set(files) == {"en", "pt-BR"}
    assert keys(files["en"]) == keys(files["pt-BR"])
