"""The demonstration notices a bet that does not come out as it must."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from rich.console import Console

from devkit.play.books import SandboxCasino
from devkit.play.players import Seat
from devkit.play.scenes import SCENES, Played, Stage, show
from devkit.sandbox.provider.book import Book
from devkit.sandbox.provider.client import AggregatorClient, Backoff
from tests.serving import serving

COUNTERPARTY = "11111111-2222-4333-8444-555555555555"


@dataclass
class FakeService:
    """An aggregator and a casino in one. It takes stakes and pays wins, but for what ``crooked`` names."""

    crooked: str = ""
    balances: dict[str, Decimal] = field(default_factory=lambda: {"rich": Decimal(1000), "poor": Decimal(3)})
    stakes: dict[str, Decimal] = field(default_factory=dict)
    wins: dict[str, Decimal] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)

    def move(self, player: str, bet: str, kind: int, amount: Decimal) -> None:
        self.balances[player] += amount if kind > 0 else -amount
        entry = {"bet_id": len(self.stakes), "transaction_type": kind, "amount": str(amount), "cashback": False}
        self.moved.append(entry | {"player": player})

    async def call(self, request: web.Request) -> web.Response:
        player, operation, said = request.match_info["session"], request.match_info["operation"], await request.json()
        code = getattr(self, operation.replace("-", "_"))(player, said)
        return web.json_response({"_responseCode": code}, status=503 if code == 99 else 200)

    def pay_in(self, player: str, said: dict[str, str]) -> int:
        for fault in self.faults:
            if fault["fired"] < fault["times"] and self.crooked != "never fails":
                fault["fired"] += 1
                return 99
        stake = Decimal(said["betAmount"])
        if self.balances[player] < stake and self.crooked != "lends money":
            return 4
        self.stakes[said["betId"]] = stake
        self.move(player, said["betId"], -1, stake)
        return 1

    def pay_in_out(self, player: str, said: dict[str, str]) -> int:
        code = self.pay_in(player, said)
        if code == 1:
            self.wins[said["betId"]] = Decimal(said["winAmount"])
            self.move(player, said["betId"], 1, self.wins[said["betId"]])
        return code

    def pay_out(self, player: str, said: dict[str, str]) -> int:
        if self.crooked != "keeps wins":
            self.move(player, said["betId"], 1, Decimal(said["winAmount"]))
        return 6 if self.crooked == "refuses wins" else 1

    def refund(self, player: str, said: dict[str, str]) -> int:
        bet = said["betId"]
        if bet in self.wins and self.crooked != "leaves the win":
            self.move(player, bet, -2, self.wins[bet])
        self.move(player, bet, 2, self.stakes[bet] * (2 if self.crooked == "refunds twice" else 1))
        return 1

    async def show_player(self, request: web.Request) -> web.Response:
        return web.json_response({"balance": str(self.balances[request.match_info["user"]])})

    async def show_journal(self, request: web.Request) -> web.Response:
        return web.json_response([one for one in self.moved if one["player"] == request.query["partner_user_id"]])

    async def set_faults(self, request: web.Request) -> web.Response:
        self.faults = [fault | {"fired": 0} for fault in (await request.json())["faults"]]
        return web.json_response({"faults": self.faults})

    async def show_faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": self.faults})


@asynccontextmanager
async def staged(service: FakeService) -> AsyncIterator[Stage]:
    app = web.Application()
    app.router.add_post("/v1/sessions/{session}/bets/{operation}", service.call)
    app.router.add_get("/_players/7/{user}", service.show_player)
    app.router.add_get("/_journal", service.show_journal)
    app.router.add_post("/_faults", service.set_faults)
    app.router.add_get("/_faults", service.show_faults)
    async with serving(app) as url, aiohttp.ClientSession() as http:
        aggregator = AggregatorClient(http, url, COUNTERPARTY, "secret", backoff=Backoff(1, 2))
        casino = SandboxCasino(http, url, "7")
        yield Stage(aggregator, casino, Book(), "demo", Seat("rich", "rich"), Seat("poor", "poor"))


async def perform(service: FakeService) -> list[Played]:
    async with staged(service) as stage:
        return [await stage.play(number, scene) for number, scene in enumerate(SCENES)]


async def test_an_honest_house_passes_and_is_shown_whole() -> None:
    played = await perform(FakeService())
    assert [one.wrong for one in played] == [[]] * len(SCENES)
    assert played[-1].codes() == "PayIn 99 99 1, PayOut 1 (casino failed 2×)"
    reversal = next(one for one in played if one.scene.name == "reversal")
    assert reversal.codes() == "PayInOut 1, Refund 1"
    printed = io.StringIO()
    show(Console(file=printed, width=60), played, {one.bet.stake.bet_id: f"http://ui/{'x' * 80}" for one in played})
    assert f"  casino-fails  http://ui/{'x' * 80}\n" in printed.getvalue()
    assert "reversal      stake 10.00, win 19.60, win back 19.60, return 10.00\n" in printed.getvalue()


@pytest.mark.parametrize(
    ("crooked", "scenes"),
    [
        ("keeps wins", {"win", "casino-fails"}),
        ("refuses wins", {"win", "loss", "casino-fails"}),
        ("refunds twice", {"refund", "reversal"}),
        ("leaves the win", {"reversal"}),
        ("lends money", {"no-money"}),
        ("never fails", {"casino-fails"}),
    ],
)
async def test_a_crooked_house_is_noticed(crooked: str, scenes: set[str]) -> None:
    assert {one.scene.name for one in await perform(FakeService(crooked)) if one.wrong} == scenes
