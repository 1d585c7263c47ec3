"""The sandbox provider's draw game: its steps, its book, and its draw, which the service must agree with."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from betcore.domain import live_draw
from devkit.sandbox.provider import draw as game
from devkit.sandbox.provider.client import AggregatorClient, Backoff
from devkit.sandbox.provider.draw import Account, DrawBook, DrawGame, Round, draw
from tests.serving import serving

ACCOUNT = Account("11111111-2222-4333-8444-555555555555", "secret", 1)
SEED = "ab" * 32


class Service:
    """Keeps the reports that it gets, and answers each by the next of ``codes``, 1 if there is none."""

    def __init__(self, codes: Sequence[int] = ()) -> None:
        self.reports: list[tuple[str, dict[str, object]]] = []
        self.codes = list(codes)
        self.enough = asyncio.Event()
        self.wanted = 4

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.reports.append((request.match_info["round"], body))
        if len(self.reports) >= self.wanted:
            self.enough.set()
        code = self.codes.pop(0) if self.codes else 1
        return web.json_response({"_responseCode": code, "reason": "x"}, status=503 if code == 99 else 200)

    @property
    def states(self) -> list[object]:
        return [body["state"] for _, body in self.reports]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    return Service()


async def play(service: Service, book: DrawBook, reports: int = 4) -> None:
    """Play until the service has so many reports, and stop in the middle of what comes next."""
    service.wanted = reports
    app = web.Application()
    app.router.add_post("/v1/live/1/rounds/{round}", service.answer)
    async with serving(app) as url, ClientSession() as http:
        client = AggregatorClient(
            http, url, ACCOUNT.counterparty_id, ACCOUNT.secret, backoff=Backoff(first_ms=1, cap_ms=2)
        )
        playing = asyncio.create_task(DrawGame(client, ACCOUNT, book, timedelta(milliseconds=50)).run())
        async with asyncio.timeout(60):
            await service.enough.wait()
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing


def test_the_service_draws_the_same() -> None:
    for number in range(50):
        assert tuple(draw(SEED, f"r-{number}")) == live_draw.draw(SEED, f"r-{number}", game.COUNT, game.HIGHEST)
    assert live_draw.algorithm(game.COUNT, game.HIGHEST) == game.ALGORITHM


async def test_a_round_is_reported_step_by_step_with_a_proof(service: Service) -> None:
    await play(service, DrawBook(None))
    assert service.states[:4] == ["awaiting", "betting", "action", "finished"]
    (round_id, first), *_, (_, last) = service.reports[:4]
    assert {name for name, _ in service.reports[:4]} == {round_id}
    results = last["results"]
    assert isinstance(results, list)
    named = str(first["algorithm"])
    assert live_draw.fault(round_id, str(first["commitment"]), str(last["seed"]), named, results) is None


async def test_what_is_not_answered_is_sent_again_and_a_refused_announcement_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(game, "_REFUSED_FOR", timedelta(milliseconds=10))
    service.codes = [99, 6, 2, 1, 99, 1]
    await play(service, DrawBook(None), 8)
    assert service.states[:8] == [*["awaiting"] * 4, "betting", "betting", "action", "finished"]
    assert len({name for name, _ in service.reports[:8]}) == 1


async def test_a_round_that_was_cancelled_is_left_for_a_new_one(service: Service) -> None:
    service.codes = [1, 6]
    await play(service, DrawBook(None), 3)
    assert service.states[:3] == ["awaiting", "betting", "awaiting"]
    assert service.reports[0][0] != service.reports[2][0]


@pytest.mark.parametrize("reports", [1, 2, 3, 4])
async def test_a_provider_that_dies_goes_on_with_its_round_and_seed(
    service: Service, tmp_path: Path, reports: int
) -> None:
    path = tmp_path / "draw.json"
    await play(service, DrawBook(path), reports)
    kept = json.loads(path.read_text())
    assert kept["account"] == {"counterparty_id": ACCOUNT.counterparty_id, "secret": "secret", "game_type": 1}
    service.enough.clear()
    await play(service, DrawBook(path), len(service.reports) + 4)
    for one in {name for name, _ in service.reports}:
        said = [body for name, body in service.reports if name == one]
        order = [("awaiting", "betting", "action", "finished").index(str(body["state"])) for body in said]
        assert order == sorted(order)
        # However often a step is said, it is the same.
        assert len({json.dumps(body, sort_keys=True) for body in said}) == len(set(order))


def test_the_book_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "draw.json"
    book = DrawBook(path)
    book.write(ACCOUNT, Round.new(timedelta(seconds=1)))
    assert path.stat().st_mode & 0o077 == 0
    assert (DrawBook(path).account, DrawBook(path).round) == (ACCOUNT, book.round)
