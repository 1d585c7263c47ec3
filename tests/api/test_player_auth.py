"""users/auth: one call for each token in all processes, what answers mean, and what is left for the next time."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from api import player_auth
from api.player_auth import PlayerAuth
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_sessions import Sessions
from betcore.db.partners import Partners
from betcore.db.player_authentications import Flight, Flights
from betcore.domain.errors import PlayRefused
from betcore.domain.partners import Casino
from betcore.domain.players import AuthenticatedPlayer, CasinoUser
from betcore.runtime.vault import Vault
from tests.api.asked_casino import AskedCasino, asked_casino, done, hang_up, late, never
from tests.in_process_casino import SECRET_KEY, InProcessCasino

VAULT = Vault(SECRET_KEY)


class Door:
    """A casino whose players come, and processes that let them in."""

    def __init__(self, house: InProcessCasino, asked: AskedCasino, casino: Casino) -> None:
        self.house, self.asked, self.casino = house, asked, casino
        self.one, self.other = self.process(), self.process()
        self.player = f"p{secrets.token_hex(4)}"
        self.token = f"{self.player}:EUR:0"

    def process(self) -> PlayerAuth:
        flights = Flights(self.house.database, VAULT, player_auth.LOST_AFTER)
        return PlayerAuth(flights, self.house.casinos)

    async def let_in(self, token: str | None = None, process: PlayerAuth | None = None) -> AuthenticatedPlayer:
        return await (process or self.one).authenticate(self.casino, token or self.token, 0)

    async def refused(self, token: str | None = None, process: PlayerAuth | None = None) -> str:
        """Return the code of the refusal."""
        with pytest.raises(PlayRefused) as error:
            await self.let_in(token, process)
        return error.value.code

    async def sql(self, query: str, **given: Any) -> list[Any]:
        async with self.house.engine.connect() as connection:
            found = await connection.execute(text(query), given)
            return list(found) if found.returns_rows else []

    async def change(self, what: str) -> None:
        """Change what the database has of this casino's calls."""
        query = f"UPDATE player_authentication SET {what} WHERE casino_id = :c"  # noqa: S608
        async with self.house.engine.begin() as connection:
            await connection.execute(text(query), {"c": self.casino.casino_id})


@pytest.fixture
async def door(casino: InProcessCasino) -> AsyncIterator[Door]:
    async with asked_casino() as asked:
        desk = Onboarding(casino.engine, VAULT)
        name = f"door-{secrets.token_hex(4)}"
        made = await desk.add_casino(name, asked.url, "confirmation: reply")
        account = await Partners(casino.database, VAULT, 0).account(int(str(made["partner_client_id"])))
        assert account is not None
        yield Door(casino, asked, account.casino)


async def test_a_player_is_registered_and_the_next_token_is_kept(door: Door) -> None:
    found = await door.let_in()
    assert (found.partner_user_id, found.currency, found.refresh_token) == (door.player, "EUR", f"{door.player}:EUR:1")
    [row] = await door.sql("SELECT casino_id, partner_user_id FROM player WHERE player_id = :p", p=found.player_id)
    assert tuple(row) == (door.casino.casino_id, door.player)
    again = await door.let_in(found.refresh_token)
    assert (again.player_id, again.refresh_token) == (found.player_id, f"{door.player}:EUR:2")
    assert door.asked.asked["auth"] == [{"RefreshToken": door.token}, {"RefreshToken": found.refresh_token}]


async def test_a_tag_is_told_to_the_casino(door: Door) -> None:
    await door.one.authenticate(door.casino, door.token, 7)
    assert door.asked.asked["auth"] == [{"RefreshToken": door.token, "TagId": 7}]


async def test_a_known_player_may_come_with_another_currency(door: Door) -> None:
    first, second = await door.let_in(), await door.let_in(f"{door.player}:JPY:0")
    assert (first.player_id, second.currency) == (second.player_id, "JPY")


async def test_calls_with_one_token_share_one_call_and_its_result_in_all_processes(door: Door) -> None:
    door.asked.answers["auth"] = [late]
    found = await asyncio.gather(*(door.let_in(process=one) for one in (door.one, door.other, door.one, door.other)))
    assert len(set(found)) == 1
    assert len(door.asked.asked["auth"]) == 1
    # A little later too: the second mount of a page.
    assert await door.let_in(process=door.other) == found[0]
    assert len(door.asked.asked["auth"]) == 1


async def test_a_result_is_shared_for_45_seconds_and_no_longer(door: Door) -> None:
    await door.let_in()
    await door.change("ended_at = now() - interval '44 seconds'")
    await door.let_in(process=door.other)
    await door.change("ended_at = now() - interval '46 seconds'")
    assert await door.refused() == "token_invalid"


async def test_a_player_who_goes_away_does_not_lose_the_next_token(door: Door) -> None:
    door.asked.answers["auth"] = [late]
    task = asyncio.create_task(door.let_in())
    while not door.asked.asked["auth"]:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await door.let_in(process=door.other)).refresh_token == f"{door.player}:EUR:1"
    assert len(door.asked.asked["auth"]) == 1


async def test_a_process_that_dies_in_a_call_is_waited_for_no_longer_than_its_call_may_take(
    door: Door,
) -> None:
    dead = await Flights(door.house.database, VAULT, player_auth.LOST_AFTER).claim(door.casino, door.token, None)
    assert isinstance(dead, Flight)
    task = asyncio.create_task(door.let_in())
    await asyncio.sleep(0.3)
    assert door.asked.asked["auth"] == []
    await door.change("started_at = now() - interval '3.6 seconds'")
    async with asyncio.timeout(30):
        assert (await task).partner_user_id == door.player


async def test_a_process_that_was_given_up_does_not_ask_again(door: Door) -> None:
    flights = Flights(door.house.database, VAULT, player_auth.LOST_AFTER)
    lost = await flights.claim(door.casino, door.token, None)
    assert isinstance(lost, Flight)
    await door.change("started_at = now() - interval '4 seconds'")
    found = await door.let_in()
    assert not await flights.again(lost)
    # Nor does what it still records replace the answer that another process has got.
    await flights.refused(lost, "token_invalid")
    await flights.known(lost, CasinoUser("another", "EUR", "old"))
    assert await door.let_in(process=door.other) == found


async def test_a_call_that_gets_no_response_is_sent_once_more_with_the_same_token(door: Door) -> None:
    door.asked.answers["auth"] = [hang_up]
    assert (await door.let_in()).partner_user_id == door.player
    assert door.asked.asked["auth"] == [{"RefreshToken": door.token}] * 2


async def test_a_casino_that_never_answers_is_asked_twice_and_its_token_stays_usable(
    door: Door,
) -> None:
    door.asked.answers["auth"] = [hang_up, hang_up]
    assert await door.refused() == "casino_unavailable"
    assert len(door.asked.asked["auth"]) == 2
    assert (await door.let_in(process=door.other)).partner_user_id == door.player


async def test_who_waited_for_a_casino_that_did_not_answer_does_not_ask_it_again(door: Door) -> None:
    async def cut(_: object) -> Any:
        await asyncio.sleep(0.5)
        return ConnectionResetError

    door.asked.answers["auth"] = [cut, hang_up]
    found = await asyncio.gather(*(door.refused(process=one) for one in (door.one, door.other, door.one)))
    assert found == ["casino_unavailable"] * 3
    assert len(door.asked.asked["auth"]) == 2


async def test_an_attempt_has_three_seconds(door: Door) -> None:
    door.asked.answers["auth"] = [never]
    assert player_auth.WITHIN.total_seconds() == 3
    assert (await door.let_in()).partner_user_id == door.player
    assert len(door.asked.asked["auth"]) == 2


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (102145, "token_invalid"), (103807, "token_invalid"), (103805, "player_blocked"),
        (102823, "casino_unavailable"), (103808, "casino_unavailable"), (4711, "casino_unavailable"),
        ("", "casino_unavailable"),
    ],
)  # fmt: skip
async def test_what_an_error_code_means(door: Door, code: object, refusal: str) -> None:
    door.asked.answers["auth"] = [{"ErrorCode": code, "Message": "no", "Value": None}]
    assert await door.refused() == refusal
    assert len(door.asked.asked["auth"]) == 1


KNOWN = {"RefreshToken": "t", "PartnerUserId": "anna", "CurrencyCode": "EUR"}


@pytest.mark.parametrize(
    "answer",
    [
        401, 403, 404, 500, 302, "", "[]", "null", "{", '"x"', "[" * 5000, done(None), done([]), done("x"), done({}),
        *(done({name: value for name, value in KNOWN.items() if name != left_out}) for left_out in KNOWN),
        *(done(KNOWN | {"PartnerUserId": bad}) for bad in ("", " a", "a\x00", "x" * 129, [], True, "\ud83d")),
        *(done(KNOWN | {"RefreshToken": bad}) for bad in ("", " t", "t\x00", "t" * 4097, [], True, "\ud83d")),
        *(done(KNOWN | {"CurrencyCode": bad}) for bad in ("", "eur", "E", 978, None, ["EUR"], "EU\x00")),
        '{"ErrorCode": 200, "Value": {"PartnerUserId": "a", "PartnerUserId": "b", "CurrencyCode": "EUR", '
        '"RefreshToken": "t"}}',
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_clear_lets_no_player_in_and_leaves_the_token(door: Door, answer: object) -> None:
    door.asked.answers["auth"] = [answer]
    assert await door.refused() == "casino_unavailable"
    assert await door.sql("SELECT 1 FROM player WHERE casino_id = :c", c=door.casino.casino_id) == []
    assert (await door.let_in(process=door.other)).partner_user_id == door.player


async def test_ids_that_are_numbers_and_fields_in_another_case_are_read(door: Door) -> None:
    door.asked.answers["auth"] = [
        '{"errorCode": "200", "value": {"refreshToken": "t", "partnerUserId": 17, "currencyCode": "EUR"}}'
    ]
    assert (await door.let_in()).partner_user_id == "17"


async def test_a_currency_that_is_not_known_here(door: Door) -> None:
    door.asked.answers["auth"] = [done(KNOWN | {"CurrencyCode": "DOGE"})]
    assert await door.refused() == "currency_unsupported"


async def test_a_player_whom_an_operator_blocks_is_not_let_in(door: Door) -> None:
    found = await door.let_in()
    await Sessions(door.house.engine).block(door.casino.name, door.player, blocked=True)
    assert await door.refused(found.refresh_token) == "player_blocked"


async def test_a_disabled_casino_is_not_asked(door: Door) -> None:
    account = Casino(**{**{name: getattr(door.casino, name) for name in Casino.__slots__}, "disabled": True})
    with pytest.raises(PlayRefused) as error:
        await door.one.authenticate(account, door.token, 0)
    assert (error.value.code, door.asked.asked["auth"]) == ("casino_disabled", [])


async def test_no_token_stands_in_the_database_as_it_is(door: Door) -> None:
    await door.let_in()
    [row] = await door.sql(
        "SELECT CAST(last AS text) FROM player_authentication AS last WHERE casino_id = :c", c=door.casino.casino_id
    )
    assert door.token not in row[0]
    assert f"{door.player}:EUR:1" not in row[0]


async def test_what_is_old_is_forgotten(door: Door) -> None:
    await door.let_in()
    flights = Flights(door.house.database, VAULT, player_auth.LOST_AFTER)
    await flights.forget()
    query = "SELECT 1 FROM player_authentication WHERE casino_id = :c"
    assert len(await door.sql(query, c=door.casino.casino_id)) == 1
    await door.change("started_at = now() - interval '2 minutes'")
    await flights.forget()
    assert await door.sql(query, c=door.casino.casino_id) == []
