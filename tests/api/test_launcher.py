"""What a launch costs, and a launch for a visitor who is no player."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from betcore.domain.errors import PlayRefused
from tests.api.launch_scene import Scene, launch_scene
from tests.in_process_casino import InProcessCasino


@pytest.fixture
async def scene(casino: InProcessCasino, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with launch_scene(casino, f"launching-{request.node.name}") as opened:
        yield opened


def cost(scene: Scene) -> tuple[int, int]:
    """Return the statements and the calls out of one process so far."""
    return scene.one.counted.statements, len(scene.provider.sent) + len(scene.asked.asked["auth"])


async def test_a_launch_takes_three_statements_and_one_call(scene: Scene) -> None:
    await scene.one.launcher.launch(scene.request)
    assert cost(scene) == (3, 1)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_launch_that_fails_takes_three_statements_and_one_call(scene: Scene, status: int) -> None:
    scene.provider.status = status
    with pytest.raises(PlayRefused):
        await scene.one.launcher.launch(scene.request)
    assert cost(scene) == (3, 1)


async def test_a_launch_by_a_players_token_takes_three_statements_and_two_calls(scene: Scene) -> None:
    await scene.by_token("bella:EUR:0")
    assert cost(scene) == (3, 2)


async def test_a_launch_by_a_token_that_fails_takes_three_statements_and_two_calls(scene: Scene) -> None:
    scene.provider.status = 500
    with pytest.raises(PlayRefused):
        await scene.by_token("bella:EUR:0")
    assert cost(scene) == (3, 2)


async def test_a_visitor_plays_a_demo_in_a_session_of_no_player(scene: Scene, casino: InProcessCasino) -> None:
    visitor = replace(scene.request, partner_user_id=None, mode="demo")
    first, second = [await scene.one.launcher.launch(visitor) for _ in range(2)]
    assert first.session_id != second.session_id
    assert [one["userId"] for one in scene.provider.sent] == [first.session_id, second.session_id]
    found = await casino.partners.provider(casino.counterparty_id)
    assert found is not None
    owner = await casino.calls.look_up(found, "f" * 32, first.session_id, None)
    # Another provider does not even learn that it is a demo.
    assert owner is not None
    assert (owner.session, owner.demo_currency) == (None, None)


async def test_a_visitor_gets_no_game_for_money(scene: Scene) -> None:
    with pytest.raises(PlayRefused) as refused:
        await scene.one.launcher.launch(replace(scene.request, partner_user_id=None))
    assert refused.value.code == "token_invalid"
    assert scene.provider.sent == []
