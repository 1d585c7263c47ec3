"""The sandbox provider's client, croupier and book against a real server that answers by a script."""

import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from rich.progress import Progress

from betcore import xsign
from betcore.cli.playing import Plan, Run, summarise
from betcore.sandbox.provider import client, rounds
from betcore.sandbox.provider.book import Book, Ending, Outcome, Stake
from betcore.sandbox.provider.client import AggregatorClient, Answer, Backoff, Operation, read_answer
from betcore.sandbox.provider.compare import Difference
from betcore.sandbox.provider.croupier import PATIENT_SENDS, Croupier

COUNTERPARTY, SECRET = "11111111-2222-4333-8444-555555555555", "example-shared-secret-not-real"
CUT, HTML = "cut", "html"
Step = int | str


@dataclass
class Seen:
    """One request as the server saw it."""

    operation: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def data(self) -> dict[str, str]:
        return json.loads(self.body)


@dataclass
class Aggregator:
    """Answers each operation by its script, and 1 when the script has run out."""

    url: str = ""
    script: dict[str, list[Step]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body, operation = await request.read(), request.match_info["operation"]
        self.seen.append(Seen(operation, body, request.headers))
        steps = self.script.get(operation, [])
        step = steps.pop(0) if steps else 1
        if step == HTML:
            return web.Response(text="<h1>oops</h1>", content_type="text/html", status=502)
        if step == CUT:
            assert request.transport is not None
            request.transport.close()
        if step == 99:
            return web.json_response({"_responseCode": 99}, status=503)
        return web.json_response({"_responseCode": step, "currency": "EUR", "balance": 125.5, "reason": "because"})

    def sent(self, operation: Operation) -> list[Seen]:
        return [one for one in self.seen if one.operation == operation]


@asynccontextmanager
async def serve(aggregator: Aggregator) -> AsyncIterator[AggregatorClient]:
    app = web.Application()
    app.router.add_post("/v1/sessions/{session}/bets/{operation}", aggregator.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    aggregator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as http:
        yield AggregatorClient(
            http, aggregator.url, COUNTERPARTY, SECRET, backoff=Backoff(1, 2), chance=random.Random(1)
        )
    await runner.cleanup()


@pytest.fixture
async def aggregator() -> AsyncIterator[tuple[Aggregator, AggregatorClient]]:
    scripted = Aggregator()
    async with serve(scripted) as sender:
        yield scripted, sender


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    kept = Book(tmp_path / "book.jsonl")
    yield kept
    kept.close()


def stake(number: int, bet_id: str = "") -> Stake:
    bet_id = bet_id or f"bet-{number}"
    return Stake(bet_id, number, "session-1", "player-1", f"round-{number}", "EUR", Decimal("10.00"))


def first_number(seed: int, *, fails: bool = False, wins: bool = False, call_off: bool | None = None) -> int:
    """A round of the seed that goes as asked for."""

    def fits(number: int) -> bool:
        win = rounds.draw(seed, number).win(Decimal("10.00"))
        off = bool(rounds.chance(seed, number, "call off") % 2)
        return (win is None) == fails and bool(win) == wins and call_off in (None, off)

    return next(number for number in range(10_000) if fits(number))


async def test_repeats_until_definite_with_the_same_body_and_a_new_request_id(aggregator) -> None:
    server, sender = aggregator
    server.script["pay-in"] = [99, CUT, HTML, 500]
    heard: list[Answer] = []
    call = client.pay_in("session-1", "bet-1", "round-1", Decimal("10.00"))
    answer = await sender.repeat(call, heard.append)
    assert answer.done
    assert [one.definite for one in heard] == [False, False, False, False, True]
    assert {one.body for one in server.seen} == {b'{"betAmount":"10.00","betId":"bet-1","gameRoundId":"round-1"}'}
    assert len({one.headers[xsign.REQUEST_ID] for one in server.seen}) == len(server.seen) == 5


async def test_every_sending_is_signed(aggregator) -> None:
    server, sender = aggregator
    server.script["refund"] = [99]
    await sender.repeat(client.refund("session-1", "bet-1"), lambda _: None)
    for one in server.seen:
        stamp, request_id = one.headers[xsign.TIMESTAMP], one.headers[xsign.REQUEST_ID]
        assert one.headers[xsign.SIGNATURE] == xsign.sign(SECRET, COUNTERPARTY, stamp, request_id, one.body)


@pytest.mark.parametrize("code", [1, 104, 2, 3, 4, 5, 6, 7, 8])
async def test_stops_at_a_definite_answer(aggregator, code: int) -> None:
    server, sender = aggregator
    server.script["pay-out"] = [code]
    call = client.pay_out("session-1", "bet-1", "round-1", Decimal("0.00"))
    answer = await sender.repeat(call, lambda _: None)
    assert (answer.code, answer.done, len(server.seen)) == (code, code in (1, 104), 1)


async def test_stops_after_so_many_sends_without_knowing(aggregator) -> None:
    server, sender = aggregator
    server.script["pay-in"] = [99, 99, 99]
    call = client.pay_in("session-1", "bet-1", "round-1", Decimal(1))
    answer = await sender.repeat(call, lambda _: None, sends=2)
    assert not answer.definite
    assert len(server.seen) == 2


async def test_nobody_listening_is_unknown(unused_tcp_port_url: str) -> None:
    async with aiohttp.ClientSession() as http:
        sender = AggregatorClient(http, unused_tcp_port_url, COUNTERPARTY, SECRET)
        answer = await sender.send(client.refund("session-1", "bet-1"))
    assert (answer.definite, answer.code, answer.status) == (False, None, None)


@pytest.fixture
async def unused_tcp_port_url() -> str:
    scripted = Aggregator()
    async with serve(scripted):
        pass
    return scripted.url


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"null", b'{"_responseCode":"1"}', b'{"_responseCode":true}', b'{"_responseCode":1.5}',
             b'{"_responseCode":1,"balance":NaN}', b'{"_responseCode":1', b"\xff"]
)  # fmt: skip
def test_what_cannot_be_read_is_unknown(text: bytes) -> None:
    assert not read_answer(200, text, 1).definite


def test_a_done_under_a_server_error_is_unknown() -> None:
    assert not read_answer(503, b'{"_responseCode":1}', 1).definite


def test_balance_is_a_decimal() -> None:
    answer = read_answer(200, b'{"_responseCode":1,"balance":0.1,"currency":"EUR"}', 1)
    assert (answer.balance, answer.currency) == (Decimal("0.1"), "EUR")


@pytest.mark.parametrize(("wins", "fails", "outcome"), [
    (True, False, Outcome.SETTLED), (False, False, Outcome.SETTLED), (False, True, Outcome.REFUNDED),
])  # fmt: skip
async def test_a_bet_to_its_end(aggregator, book: Book, wins: bool, fails: bool, outcome: Outcome) -> None:
    server, sender = aggregator
    number = first_number(7, wins=wins, fails=fails)
    bet = await Croupier(sender, book, seed=7).play(stake(number))
    last = server.seen[-1]
    assert bet.outcome is outcome
    assert [one.operation for one in server.seen] == ["pay-in", "refund" if fails else "pay-out"]
    assert fails or last.data["winAmount"] == ("19.60" if wins else "0.00")


async def test_a_refused_stake_is_never_drawn(aggregator, book: Book) -> None:
    server, sender = aggregator
    server.script["pay-in"] = [4]
    bet = await Croupier(sender, book, seed=7).play(stake(1))
    assert (bet.outcome, bet.ending, len(server.seen)) == (Outcome.REFUSED, None, 1)


async def test_an_unknown_stake_is_called_off_or_asked_for_again(aggregator, book: Book) -> None:
    server, sender = aggregator
    croupier = Croupier(sender, book, seed=7)
    for call_off in (True, False):
        server.seen.clear()
        server.script["pay-in"] = [99] * (PATIENT_SENDS + 1)
        bet = await croupier.play(stake(first_number(7, wins=True, call_off=call_off)))
        assert bet.outcome is (Outcome.REFUNDED if call_off else Outcome.SETTLED)
        assert len(server.sent(Operation.PAY_IN)) == (PATIENT_SENDS if call_off else PATIENT_SENDS + 2)
        assert bool(server.sent(Operation.REFUND)) == call_off
        server.script.clear()


async def test_a_refund_of_a_stake_that_was_refused_is_a_refusal(aggregator, book: Book) -> None:
    bet = book.open_bet(stake(1))
    book.decide(bet, Ending(None))
    book.hear(bet, Operation.REFUND, Answer(6, 200, "bet_refused", 1))
    assert bet.outcome is Outcome.REFUSED


async def test_a_refused_pay_out_is_contested(aggregator, book: Book) -> None:
    server, sender = aggregator
    server.script["pay-out"] = [6]
    bet = await Croupier(sender, book, seed=7).play(stake(first_number(7, wins=True)))
    assert bet.outcome is Outcome.CONTESTED


async def test_a_crashed_provider_goes_on_from_its_book(aggregator, tmp_path: Path) -> None:
    server, sender = aggregator
    path, number = tmp_path / "book.jsonl", first_number(7, wins=True)
    before = Book(path)
    bet = before.open_bet(stake(number))
    before.hear(bet, Operation.PAY_IN, Answer(1, 200, "", 3, Decimal("90.00")))
    before.decide(bet, Ending(Decimal("19.60")))
    before.hear(bet, Operation.PAY_OUT, Answer(None, None, "timeout", 6000))
    before.close()
    path.write_text(path.read_text() + '{"kind": "heard", "bet_')

    after = Book(path)
    (found,) = after.unresolved()
    assert found == bet
    await Croupier(sender, after, seed=7).finish(found)
    after.close()
    assert [one.operation for one in server.seen] == ["pay-out"]
    again = Book(path)
    again.close()
    assert again.unresolved() == []


def test_the_book_takes_a_bet_and_its_ending_once(book: Book) -> None:
    bet = book.open_bet(stake(1))
    with pytest.raises(ValueError, match="in the book"):
        book.open_bet(stake(1))
    book.decide(bet, Ending(None))
    with pytest.raises(ValueError, match="ending"):
        book.decide(bet, Ending(Decimal(5)))


def test_the_same_seed_plays_the_same_rounds() -> None:
    def play(seed: int) -> list[tuple[Decimal, Decimal | None]]:
        stakes = [(number, rounds.stake(seed, number)) for number in range(200)]
        return [(put, rounds.draw(seed, number).win(put)) for number, put in stakes]

    assert play(1) == play(1) != play(2)
    wins = [win for _, win in play(1)]
    assert None in wins
    assert Decimal(0) in wins
    assert any(wins)


def stakes(count: int) -> Iterator[Stake]:
    return (stake(number) for number in range(count))


async def run(sender: AggregatorClient, book: Book, at_once: int, patience: int) -> None:
    plan = Plan(bets=20, rate=1000, players=1, seed=7, at_once=at_once, patience=patience, book=Path())
    with Progress(disable=True) as progress:
        await Run(plan, progress).play(Croupier(sender, book, seed=7), book, stakes(plan.bets))


async def test_a_run_plays_all_bets_and_no_more_at_once_than_told(aggregator, book: Book) -> None:
    server, sender = aggregator
    await run(sender, book, at_once=3, patience=60)
    assert (len(book), book.unresolved()) == (20, [])
    assert server.most_at_once <= 3
    summary = summarise(book, [Difference("bet-1", "something")])
    assert (summary["bets"], sum(summary["outcomes"].values()), summary["repeats"]) == (20, 20, 0)
    assert summary["answers"]["pay-in 1"] == 20
    assert summary["differences"] == [{"bet_id": "bet-1", "what": "something"}]
    assert 0 <= summary["pay_in_ms"]["p50"] <= summary["pay_in_ms"]["p99"]


async def test_a_run_ends_when_patience_is_over(aggregator, book: Book) -> None:
    server, sender = aggregator
    server.script["pay-in"] = [99] * 100_000
    server.script["refund"] = [99] * 100_000
    await run(sender, book, at_once=5, patience=0)
    assert 0 < len(book) < 20
    assert len(book.unresolved()) == len(book)
    assert 0 < summarise(book, [])["unknown_answers"] <= len(server.seen)


async def test_a_run_finishes_what_is_open_in_its_book(aggregator, book: Book) -> None:
    _, sender = aggregator
    left = book.open_bet(stake(1000))
    await run(sender, book, at_once=5, patience=60)
    assert left.outcome is not Outcome.OPEN
    assert len(book) == 21
