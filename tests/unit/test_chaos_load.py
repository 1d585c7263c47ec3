"""The load of bets: providers in turn, pairs that win a pool together, and how operators reach the service."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from betcore.runtime.settings import Settings
from devkit.chaos.load import Load
from devkit.chaos.partners import LoadProvider
from devkit.chaos.wiring import Wiring
from devkit.play.players import Seat
from devkit.sandbox.provider import rounds
from devkit.sandbox.provider.book import Book, Stake


class Played:
    """A croupier that only notes what it is to play."""

    def __init__(self) -> None:
        self.alone: list[Stake] = []
        self.together: list[list[Stake]] = []

    async def play(self, stake: Stake) -> None:
        self.alone.append(stake)

    async def play_together(self, stakes: list[Stake]) -> None:
        self.together.append(stakes)


def _provider(name: str, pool: int | None) -> LoadProvider:
    nothing: Any = None
    seats = [Seat(player, f"session of {player}") for player in ("anna", "bert", "cleo")]
    return LoadProvider(name, "", nothing, nothing, Book(), seats, 7, Path("book"), pool)


async def _played(places: int) -> list[Played]:
    providers = [_provider("one", 1), _provider("two", None)]
    croupiers: list[Any] = [Played(), Played()]
    for provider, croupier in zip(providers, croupiers, strict=True):
        provider.croupier = croupier
    load = Load(providers, 1)
    for place in range(places):
        await load.next_piece(place)
    return croupiers


async def test_a_provider_with_a_pool_plays_pairs_that_win_it() -> None:
    one, two = await _played(72)
    assert (len(one.alone), len(one.together), len(two.alone), len(two.together)) == (33, 3, 36, 0)
    pairs = [stake for pair in one.together for stake in pair]
    assert all(len(pair) == 2 for pair in one.together)
    assert all(stake.win is None and not rounds.fails(7, stake.number, one_step=False) for stake in pairs)
    named = [stake.bet_id for stake in (*one.alone, *pairs)]
    assert len(named) == len(set(named))


async def test_the_same_seed_plays_the_same_bets() -> None:
    (one, _), (again, _) = await _played(48), await _played(48)
    assert (one.alone, one.together) == (again.alone, again.together)


async def test_operators_reach_database_and_temporal_as_the_api_does() -> None:
    env = {
        "BETCORE_DATABASE_URL": "postgresql://me:pw@127.0.0.1:5/db",
        "BETCORE_TEMPORAL_ADDRESS": "127.0.0.1:6",
        "BETCORE_API_PORT": "7",
    }
    settings = Settings(database_url=SecretStr(env["BETCORE_DATABASE_URL"]), temporal_address="127.0.0.1:6")
    async with aclosing(Wiring()) as wiring:
        wired = await wiring("api", env)
        beside = settings.model_copy(update=wiring.beside_api(settings))
    assert beside.database_url is not None
    assert beside.database_url.get_secret_value() == wired["BETCORE_DATABASE_URL"] != env["BETCORE_DATABASE_URL"]
    assert beside.temporal_address == wired["BETCORE_TEMPORAL_ADDRESS"]
