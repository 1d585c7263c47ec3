"""A launch by a player's token: what fails on the way, and what the call that repeats it finds.

The casino takes a token once. The token that it gives in exchange must be there for the repeat, whatever fails next.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from api.token_launcher import PlayerToken
from betcore.db.database import DatabaseError
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_sessions import Sessions
from betcore.domain.errors import Malformed, PlayRefused
from betcore.domain.launch import LaunchRequest
from betcore.runtime.vault import Vault
from tests.api.asked_casino import done, hang_up, late
from tests.api.launch_scene import Scene, launch_scene
from tests.in_process_casino import SECRET_KEY, InProcessCasino

TOKEN, NEXT = "bella:EUR:0", "bella:EUR:1"
KNOWN = {"RefreshToken": "another", "PartnerUserId": "bella", "CurrencyCode": "EUR"}


@pytest.fixture
async def scene(casino: InProcessCasino) -> AsyncIterator[Scene]:
    async with launch_scene(casino, f"by-token-{secrets.token_hex(4)}") as opened:
        yield opened


async def sql(scene: Scene, query: str, **given: object) -> list[Any]:
    async with scene.house.engine.begin() as connection:
        found = await connection.execute(text(query), given)
        return list(found) if found.returns_rows else []


async def refused(scene: Scene, **change: Any) -> str:
    """Return the code of the refusal."""
    with pytest.raises(PlayRefused) as error:
        await scene.by_token(TOKEN, **change)
    return error.value.code


async def sessions(scene: Scene) -> list[str]:
    """Return the states of the game's sessions."""
    query = "SELECT state FROM session WHERE game_id = :g ORDER BY expires_at"
    return [row.state for row in await sql(scene, query, g=scene.game)]


async def change_authentication(scene: Scene, what: str) -> None:
    """Change what the database has of the casino's calls of users/auth."""
    query = f"UPDATE player_authentication SET {what} WHERE casino_id = :c"  # noqa: S608
    await sql(scene, query, c=scene.request.casino.casino_id)


async def lose_launch(scene: Scene) -> None:
    """Let the launch of the game be so old that its process is gone."""
    await sql(scene, "UPDATE launch SET launched_at = now() - interval '16 seconds' WHERE game_id = :g", g=scene.game)


async def repeat(scene: Scene) -> None:
    """Launch with the same token in another process: the casino is not asked again, and its next token is there."""
    launched, next_token = await scene.by_token(TOKEN, scene.other)
    assert next_token == NEXT
    assert scene.provider.sent[-1]["sessionId"] == launched.session_id
    assert scene.asked.asked["auth"] == [{"RefreshToken": TOKEN}]


async def test_a_repeat_gets_the_same_launch_and_token_in_three_statements(scene: Scene) -> None:
    first = await scene.by_token(TOKEN)
    assert await scene.by_token(TOKEN, scene.other) == first
    assert (scene.other.counted.statements, len(scene.provider.sent), len(scene.asked.asked["auth"])) == (3, 1, 1)
    assert await sessions(scene) == ["open"]


async def test_a_launch_that_the_provider_refuses_leaves_the_next_token_for_the_repeat(scene: Scene) -> None:
    scene.provider.status = 500
    assert await refused(scene) == "provider_unavailable"
    scene.provider.status = 200
    await repeat(scene)
    assert await sessions(scene) == ["ended", "open"]


async def test_the_next_token_is_there_when_a_launch_has_taken_all_of_its_time(scene: Scene) -> None:
    scene.provider.status = 500
    assert await refused(scene) == "provider_unavailable"
    await change_authentication(scene, "ended_at = now() - interval '40 seconds'")
    scene.provider.status = 200
    await repeat(scene)


async def test_a_launch_whose_limits_leave_no_stake_leaves_the_next_token(scene: Scene) -> None:
    assert await refused(scene, min_bet=Decimal(2), max_bet=Decimal(1)) == "limits_empty"
    await repeat(scene)
    assert await sessions(scene) == ["open"]


async def test_an_amount_that_the_players_currency_does_not_have_leaves_the_next_token(scene: Scene) -> None:
    def request_for(partner_user_id: str, currency: str) -> LaunchRequest:
        raise Malformed(f"{partner_user_id}: {currency} has no such amount")

    token = PlayerToken(scene.request.casino, TOKEN, 0)
    with pytest.raises(Malformed, match="bella: EUR has no such amount"):
        await scene.one.by_token.launch(token, scene.request.game_id, request_for)
    await repeat(scene)


async def test_a_session_that_cannot_be_opened_leaves_the_next_token(scene: Scene) -> None:
    with pytest.raises(DatabaseError, match="view_type"):
        await scene.by_token(TOKEN, view_type="watch")
    assert (await sessions(scene), scene.provider.sent) == ([], [])
    await repeat(scene)


async def test_a_process_that_dies_before_the_provider_answers_leaves_the_next_token(scene: Scene) -> None:
    scene.provider.answers.clear()
    dying = asyncio.create_task(scene.by_token(TOKEN))
    while not scene.provider.sent:
        await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    scene.provider.answers.set()
    assert await sessions(scene) == ["launching"]
    await lose_launch(scene)
    await repeat(scene)


async def test_a_caller_who_goes_away_while_the_casino_answers_leaves_the_next_token(scene: Scene) -> None:
    scene.asked.answers["auth"] = [late]
    gone = asyncio.create_task(scene.by_token(TOKEN))
    while not scene.asked.asked["auth"]:
        await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    while await sessions(scene) != ["launching"]:
        await asyncio.sleep(0.01)
    await lose_launch(scene)
    await repeat(scene)


@pytest.mark.parametrize("off", ["game", "provider"])
async def test_a_game_that_cannot_be_launched_leaves_the_token_as_it_is(scene: Scene, off: str) -> None:
    catalogue, desk = Catalogue(scene.house.engine), Onboarding(scene.house.engine, Vault(SECRET_KEY))
    if off == "game":
        await catalogue.disable_game(scene.name, "dice")
    else:
        await desk.disable("provider", scene.name)
    assert await refused(scene) == f"{off}_unavailable"
    assert scene.asked.asked["auth"] == []
    # Nor is the token claimed: a call for another game does not wait.
    claimed = "SELECT 1 FROM player_authentication WHERE casino_id = :c"
    assert await sql(scene, claimed, c=scene.request.casino.casino_id) == []
    if off == "game":
        await catalogue.enable_game(scene.name, "dice")
    else:
        await desk.enable("provider", scene.name)
    await repeat(scene)


async def test_a_game_that_is_unknown_leaves_the_token_as_it_is(scene: Scene) -> None:
    assert await refused(scene, game_id=2**53 - 1) == "game_unavailable"
    assert scene.asked.asked["auth"] == []


async def test_calls_with_one_token_at_once_in_two_processes_share_the_exchange_and_the_launch(scene: Scene) -> None:
    scene.asked.answers["auth"] = [late]
    found = await asyncio.gather(*(scene.by_token(TOKEN, one) for one in (scene.one, scene.other) * 3))
    assert {next_token for _, next_token in found} == {NEXT}
    assert len({launched.session_id for launched, _ in found}) == 1
    assert (len(scene.asked.asked["auth"]), len(scene.provider.sent)) == (1, 1)
    assert await sessions(scene) == ["open"]


async def test_two_tokens_of_one_player_at_once_are_exchanged_each_for_one_launch(scene: Scene) -> None:
    scene.asked.answers["auth"] = [late, late]
    tokens = {scene.one: "bella:EUR:0", scene.other: "bella:EUR:5"}
    found = await asyncio.gather(*(scene.by_token(token, process) for process, token in tokens.items()))
    assert [next_token for _, next_token in found] == ["bella:EUR:1", "bella:EUR:6"]
    assert len({launched.session_id for launched, _ in found}) == 1
    assert (len(scene.asked.asked["auth"]), len(scene.provider.sent)) == (2, 1)
    assert await sessions(scene) == ["open"]


async def test_a_process_that_was_given_up_does_not_replace_the_next_token(scene: Scene) -> None:
    scene.asked.answers["auth"] = [late]
    first = asyncio.create_task(scene.by_token("bella:EUR:7"))
    while not scene.asked.asked["auth"]:
        await asyncio.sleep(0.01)
    given = {"c": scene.request.casino.casino_id}
    await sql(
        scene, "UPDATE player_authentication SET started_at = now() - interval '4 s' WHERE casino_id = :c", **given
    )
    scene.asked.answers["auth"] = [done(KNOWN)]
    assert (await scene.by_token("bella:EUR:7", scene.other))[1] == KNOWN["RefreshToken"]
    assert (await first)[1] == "bella:EUR:8"
    assert (await scene.by_token("bella:EUR:7", scene.other))[1] == KNOWN["RefreshToken"]


async def test_a_blocked_player_gets_no_session(scene: Scene) -> None:
    await scene.by_token(TOKEN)
    await Sessions(scene.house.engine).block(scene.name, "bella", blocked=True)
    with pytest.raises(PlayRefused) as error:
        await scene.by_token(NEXT, mode="demo")
    assert error.value.code == "player_blocked"
    # Nor by what the casino has said of him before.
    assert await refused(scene, mode="demo") == "player_blocked"
    assert (await sessions(scene), len(scene.provider.sent)) == (["open"], 1)


async def test_a_casino_that_hangs_up_costs_one_statement_and_one_call_more(scene: Scene) -> None:
    scene.asked.answers["auth"] = [hang_up]
    await scene.by_token(TOKEN)
    assert (scene.one.counted.statements, len(scene.asked.asked["auth"]), len(scene.provider.sent)) == (4, 2, 1)
