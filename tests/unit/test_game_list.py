"""Providers' lists of games as they may come: whole, in pieces, odd, wrong and hostile."""

import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from betcore.domain.catalogue import GameList, mostly_bad, shrinks
from betcore.provider import game_list
from betcore.provider.game_list import ListRefused, read_games

DICE = {"gameId": "dice-1", "name": "Dice", "gameCategory": "casual", "maxOdd": 1.96, "lobbyImgUrl": "https://p/d.png"}
GOOD = [{"gameId": str(number), "name": f"Game {number}"} for number in range(8)]


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes | str | Any, size: int = 64 * 1024) -> GameList:
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return await read_games(_pieces(body, size))


async def refusal(body: bytes | str | Any) -> str:
    with pytest.raises(ListRefused) as refused:
        await read(body)
    return refused.value.reason


@pytest.mark.parametrize("size", [1, 7, 64 * 1024])
async def test_a_bare_array_and_an_envelope_are_the_same_list(size: int) -> None:
    games = [DICE, {"gameId": 101, "name": "Würfel 🎲", "rtp": 0.9650, "tags": ["new", {"a": None}]}]
    bare = json.dumps(games, ensure_ascii=False)
    found = await read(bare, size)
    dice, other = found.games
    assert (dice.game_id, dice.name, dice.category) == ("dice-1", "Dice", "casual")
    assert (dice.max_odd, dice.image_url) == (Decimal("1.96"), "https://p/d.png")
    assert (other.game_id, other.name, other.category, other.max_odd) == ("101", "Würfel 🎲", None, None)
    assert json.loads(other.entry) == games[1]
    assert (found.bad, found.problems) == (0, [])
    for envelope in ('{"_responseCode": 1, "games": %s}', ' {"games":%s , "x": [{}], "_responseCode" : 1}\n'):
        assert (await read(envelope % bare, size)).games == found.games
    assert (await read(b"\xef\xbb\xbf" + bare.encode(), size)).games == found.games


async def test_a_game_id_is_kept_as_it_was_written() -> None:
    found = await read('[{"gameId": 1e3, "name": "a"}, {"gameId": 10.0, "name": "b"}, {"gameId": "1000", "name": "c"}]')
    assert [game.game_id for game in found.games] == ["1e3", "10.0", "1000"]


async def test_an_empty_list_is_a_list() -> None:
    assert [(await read(body)).games for body in ("[]", " [ ] ", '{"_responseCode":1,"games":[]}')] == [[], [], []]


@pytest.mark.parametrize(
    "entry",
    [
        *(None, 7, "dice", [], {}, {"name": "x"}, {"gameId": "x"}),
        *({"gameId": one, "name": "x"} for one in (None, True, "", " a", "a\n", "a" * 129, {}, "nul\x00", "\ud800")),
        *({"gameId": "x", "name": one} for one in (None, 1, "", "n" * 201, "a\tb", ["x"])),
        {"gameId": 3, "name": "a number and a text are one id"},
    ],
)
async def test_a_bad_entry_costs_only_itself(entry: object) -> None:
    found = await read([*GOOD, entry])
    assert [game.game_id for game in found.games] == [game["gameId"] for game in GOOD]
    assert (found.bad, len(found.problems)) == (1, 1)
    assert found.problems[0].startswith("entry 9: ")


@pytest.mark.parametrize("host", ["127.0.0.1:8082", "localhost", "[::1]:8082"])
async def test_a_picture_may_come_by_http_from_this_machine(host: str) -> None:
    found = await read([{**DICE, "lobbyImgUrl": f"http://{host}/d.svg"}])
    assert (found.games[0].image_url, found.problems) == (f"http://{host}/d.svg", [])


@pytest.mark.parametrize(
    "field",
    [
        *({"maxOdd": one} for one in ("1.5", -1, True, [], 10**12, 1e300)),
        *({"gameCategory": one} for one in (5, {}, "c" * 65, "a\nb")),
        *({"lobbyImgUrl": one} for one in (1, "http://p/d.png", "javascript:alert(1)", "https://", "https://p/ x")),
        *({"lobbyImgUrl": f"http://{host}/d.png"} for host in ("127.0.0.1.evil", "[::1", "127.0.0.1@evil", "")),
        {"lobbyImgUrl": "https://p/" + "d" * 2048},
    ],
)
async def test_a_field_that_does_not_fit_is_left_out_and_named(field: dict[str, object]) -> None:
    found = await read([{"gameId": 1, "name": "Dice", **field}])
    (game,) = found.games
    assert (game.category, game.max_odd, game.image_url, found.bad) == (None, None, None, 0)
    (name,) = field
    assert found.problems == [f"entry 1: {name} of 1 is left out"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *((body, "no_list") for body in ("", "  ", "null", '"x"', "7", '{"_responseCode":1}', "<html></html>")),
        ('{"_responseCode":1,"games":{}}', "no_list"),
        *((body, "not_json") for body in ("[", "[1,]", "[1 2]", "[{]", "[] x", '{"games":', "{1:2}", "[NaN]", "[-]")),
        *((body, "not_json") for body in (b"[\xff]", '{"a":1 "b":2}', "[" * 100_000, '["' + "x" * 70_000 + '"]')),
        *((body, "response_code") for body in ('{"games":[]}', '{"_responseCode":8,"games":[]}')),
        *((body, "response_code") for body in ('{"_responseCode":"1","games":[]}', '{"_responseCode":10,"games":[]}')),
        ([*GOOD[:7], *[{}, {}]], "too_many_bad"),
        ("[" + "1," * 50_000 + "1]", "too_many"),
    ],
)
async def test_what_is_no_list_is_refused_as_a_whole(body: object, reason: str) -> None:
    assert await refusal(body) == reason


async def test_a_list_of_more_than_32_mib_is_not_read_to_its_end() -> None:
    read_chunks = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read_chunks
        yield b"["
        while True:
            read_chunks += 1
            yield b" " * 65_536

    with pytest.raises(ListRefused) as refused:
        await read_games(endless())
    assert refused.value.reason == "too_large"
    assert read_chunks == game_list.MAX_BYTES // 65_536


async def test_no_list_takes_more_memory_than_its_entries() -> None:
    """Small pieces of JSON become large objects: of a list that is decoded whole, 4 MiB become 250."""
    hostile = b"[" + b"[[],[],[],[],[],[],[],[]]," * 160_000
    many = json.dumps([{"gameId": n, "name": f"Game {n}", "gameCategory": "slots"} for n in range(20_000)]).encode()
    for body, most in ((hostile, 24), (many, 32)):
        tracemalloc.start()
        with suppress(ListRefused):
            await read(body)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * 1024 * 1024, f"{peak // 1024} KiB"


@pytest.mark.parametrize(
    ("offered", "missing", "listed", "held"),
    [(100, 50, 50, False), (100, 51, 49, True), (20, 11, 9, True), (12, 10, 2, False), (3, 3, 0, True),
     (3, 3, 3, False), (0, 0, 0, False)],
)  # fmt: skip
def test_a_list_that_lacks_most_games_is_held(offered: int, missing: int, listed: int, held: bool) -> None:
    assert shrinks(offered, missing, listed) is held


def test_a_fifth_of_a_list_may_be_bad() -> None:
    assert [mostly_bad(8, 2), mostly_bad(79, 21), mostly_bad(0, 1), mostly_bad(0, 0)] == [False, True, True, False]
