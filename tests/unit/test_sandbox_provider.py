"""The sandbox provider's client, croupier and book against a real server that answers by a script."""

import json
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from rich.progress import Progress

from betcore.provider import xsign
from devkit.play.runner import Plan, Run, as_text, summarise
from devkit.sandbox.provider import client, rounds
from devkit.sandbox.provider.book import Book, Ending, Outcome, Stake
from devkit.sandbox.provider.client import AggregatorClient, Answer, Backoff, Operation, read_answer
from devkit.sandbox.provider.compare import Difference
from devkit.sandbox.provider.croupier import PATIENT_SENDS, Croupier
from tests.serving import serving

COUNTERPARTY, SECRET = "11111111-2222-4333-8444-555555555555", "example-shared-secret-not-real"
CUT, HTML = "cut", "html"
Step = int | str | tuple[int, str]  # a code, with its reason, or what else comes back


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
        code, reason = step if isinstance(step, tuple) else (step, "because")
        return web.json_response({"_responseCode": code, "currency": "EUR", "balance": 125.5, "reason": reason})

    def sent(self, operation: Operation) -> list[Seen]:
        return [one for one in self.seen if one.operation == operation]


@asynccontextmanager
async def serve(aggregator: Aggregator) -> AsyncIterator[AggregatorClient]:
    app = web.Application()
    app.router.add_post("/v1/sessions/{session}/bets/{operation}", aggregator.answer)
    async with serving(app) as aggregator.url, aiohttp.ClientSession() as http:
        yield AggregatorClient(
            http, aggregator.url, COUNTERPARTY, SECRET, backoff=Backoff(1, 2), chance=random.Random(1)
        )


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


def stake(number: int, *, one_step: bool = False) -> Stake:
    ten = Decimal("10.00")
    win = rounds.win(7, number, ten) if one_step else None
    return Stake(f"bet-{number}", number, "session-1", "player-1", f"round-{number}", "EUR", ten, win)


def first(*, fails: bool = False, wins: bool = True, call_off: bool | None = None, one_step: bool = False) -> Stake:
    """Return a round of the seed 7 that goes as asked for."""

    def fits(number: int) -> bool:
        won = bool(rounds.win(7, number, Decimal("10.00")))
        off = bool(rounds.chance(7, number, "call off") % 2)
        return rounds.fails(7, number, one_step=one_step) == fails and won == wins and call_off in (None, off)

    return stake(next(number for number in range(10_000) if fits(number)), one_step=one_step)


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


async def test_no_listener_is_unknown(unused_tcp_port_url: str) -> None:
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
    bet = await Croupier(sender, book, seed=7).play(first(wins=wins, fails=fails))
    last = server.seen[-1]
    assert bet.outcome is outcome
    assert [one.operation for one in server.seen] == ["pay-in", "refund" if fails else "pay-out"]
    assert fails or last.data["winAmount"] == ("19.60" if wins else "0.00")


@pytest.mark.parametrize(("wins", "fails", "outcome"), [
    (True, False, Outcome.SETTLED), (False, False, Outcome.SETTLED),
    (True, True, Outcome.REFUNDED), (False, True, Outcome.REFUNDED),
])  # fmt: skip
async def test_a_bet_of_one_step_to_its_end(aggregator, book: Book, wins: bool, fails: bool, outcome: Outcome) -> None:
    server, sender = aggregator
    put = first(wins=wins, fails=fails, one_step=True)
    bet = await Croupier(sender, book, seed=7).play(put)
    assert bet.outcome is outcome
    assert [one.operation for one in server.seen] == ["pay-in-out", *(["refund"] if fails else [])]
    opened = {"betId": put.bet_id, "gameRoundId": put.round_id, "betAmount": "10.00"}
    assert server.seen[0].data == opened | {"winAmount": "19.60" if wins else "0.00"}


async def test_the_ends_of_bets_that_are_played_together_are_sent_at_one_moment(aggregator, book: Book) -> None:
    server, sender = aggregator
    server.script["pay-in"] = [1, 99]
    stakes = [first(wins=True, fails=False), first(wins=False, fails=False)]
    await Croupier(sender, book, seed=7).play_together(stakes)
    assert [one.operation for one in server.seen] == [*["pay-in"] * 3, *["pay-out"] * 2]
    assert [bet.outcome for bet in book] == [Outcome.SETTLED] * 2


@pytest.mark.parametrize("one_step", [False, True])
async def test_a_refused_stake_is_never_drawn(aggregator, book: Book, one_step: bool) -> None:
    server, sender = aggregator
    put = stake(1, one_step=one_step)
    server.script[put.opening] = [4]
    bet = await Croupier(sender, book, seed=7).play(put)
    assert (bet.outcome, bet.ending, len(server.seen)) == (Outcome.REFUSED, None, 1)


@pytest.mark.parametrize("one_step", [False, True])
async def test_an_unknown_stake_is_called_off_or_asked_for_again(aggregator, book: Book, one_step: bool) -> None:
    server, sender = aggregator
    croupier = Croupier(sender, book, seed=7)
    for call_off in (True, False):
        server.seen.clear()
        put = first(call_off=call_off, one_step=one_step)
        server.script[put.opening] = [99] * (PATIENT_SENDS + 1)
        bet = await croupier.play(put)
        assert bet.outcome is (Outcome.REFUNDED if call_off else Outcome.SETTLED)
        assert len(server.sent(put.opening)) == (PATIENT_SENDS if call_off else PATIENT_SENDS + 2)
        assert len({one.body for one in server.sent(put.opening)}) == 1
        assert bool(server.sent(Operation.REFUND)) == call_off
        server.script.clear()


@pytest.mark.parametrize("told", [True, False], ids=["told done", "told nothing"])
async def test_a_bet_of_one_step_stands_if_the_casino_refuses_to_take_its_win_back(
    aggregator, book: Book, told: bool
) -> None:
    server, sender = aggregator
    put = first(fails=told, call_off=True, one_step=True)
    server.script = {put.opening: [1 if told else 99] * PATIENT_SENDS, "refund": [99, (7, "casino_refused")]}
    bet = await Croupier(sender, book, seed=7).play(put)
    assert (bet.outcome, bet.win) == (Outcome.SETTLED, put.win)
    assert len(server.sent(Operation.REFUND)) == 2


@pytest.mark.parametrize(("one_step", "answer"), [
    (True, (7, "casino_unavailable")), (True, (6, "already_settled")), (True, (6, "bet_refused")),
    (False, (7, "casino_refused")),
])  # fmt: skip
async def test_another_refusal_of_a_refund_is_contested(
    aggregator, book: Book, one_step: bool, answer: tuple[int, str]
) -> None:
    server, sender = aggregator
    server.script["refund"] = [answer]
    bet = await Croupier(sender, book, seed=7).play(first(fails=True, one_step=one_step))
    assert bet.outcome is Outcome.CONTESTED


async def test_a_refund_of_a_stake_that_was_refused_is_a_refusal(aggregator, book: Book) -> None:
    bet = book.open_bet(stake(1))
    book.decide(bet, Ending(None))
    book.record(bet, Operation.REFUND, Answer(6, 200, "bet_refused", 1))
    assert bet.outcome is Outcome.REFUSED


async def test_a_refused_pay_out_is_contested(aggregator, book: Book) -> None:
    server, sender = aggregator
    server.script["pay-out"] = [6]
    bet = await Croupier(sender, book, seed=7).play(first())
    assert bet.outcome is Outcome.CONTESTED


async def test_a_crashed_provider_goes_on_from_its_book(aggregator, tmp_path: Path) -> None:
    server, sender = aggregator
    path = tmp_path / "book.jsonl"
    before = Book(path)
    bet = before.open_bet(first())
    before.record(bet, Operation.PAY_IN, Answer(1, 200, "", 3, Decimal("90.00")))
    before.decide(bet, Ending(Decimal("19.60")))
    before.record(bet, Operation.PAY_OUT, Answer(None, None, "timeout", 6000))
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


async def test_a_provider_that_crashed_before_its_draw_failed_refunds_all_the_same(aggregator, tmp_path: Path) -> None:
    server, sender = aggregator
    path = tmp_path / "book.jsonl"
    before = Book(path)
    bet = before.open_bet(first(fails=True, one_step=True))
    before.record(bet, Operation.PAY_IN_OUT, Answer(1, 200, "", 3, Decimal("109.60")))
    before.close()

    after = Book(path)
    (found,) = after.unresolved()
    assert found == bet
    await Croupier(sender, after, seed=7).finish(found)
    after.close()
    assert [one.operation for one in server.seen] == ["refund"]
    assert found.outcome is Outcome.REFUNDED


def test_the_book_takes_a_bet_and_its_ending_once(book: Book) -> None:
    bet = book.open_bet(stake(1))
    with pytest.raises(ValueError, match="in the book"):
        book.open_bet(stake(1))
    book.decide(bet, Ending(None))
    with pytest.raises(ValueError, match="ending"):
        book.decide(bet, Ending(Decimal(5)))


def test_the_same_seed_plays_the_same_rounds() -> None:
    def play(seed: int) -> list[tuple[Decimal, Decimal, bool, bool]]:
        def one(number: int) -> tuple[Decimal, Decimal, bool, bool]:
            one_step, put = rounds.is_one_step(seed, number), rounds.stake(seed, number)
            return put, rounds.win(seed, number, put), one_step, rounds.fails(seed, number, one_step=one_step)

        return [one(number) for number in range(2000)]

    first_time = play(1)
    assert first_time == play(1) != play(2)
    assert {(bool(win), one_step, fails) for _, win, one_step, fails in first_time} == set(
        product((True, False), repeat=3)
    )


def test_the_shares_of_rounds_are_as_given() -> None:
    def share(of: Iterable[bool]) -> float:
        found = list(of)
        return sum(found) / len(found)

    numbers = range(4000)
    assert share(rounds.is_one_step(1, n) for n in numbers) == pytest.approx(1 / 4, abs=0.03)
    assert share(rounds.fails(1, n, one_step=True) for n in numbers) == pytest.approx(1 / 6, abs=0.03)
    assert share(rounds.fails(1, n, one_step=False) for n in numbers) == pytest.approx(1 / 20, abs=0.015)
    assert not any(rounds.is_one_step(1, n, Decimal(0)) for n in numbers)
    assert all(rounds.is_one_step(1, n, Decimal(1)) for n in numbers)


def stakes(count: int) -> Iterator[Stake]:
    return (stake(number, one_step=number % 2 == 1) for number in range(count))


async def run(sender: AggregatorClient, book: Book, at_once: int, patience: int) -> None:
    plan = Plan(bets=20, rate=1000, players=1, seed=7, at_once=at_once, patience=patience, book=Path())
    with Progress(disable=True) as progress:
        await Run(plan, progress).play(Croupier(sender, book, seed=7), book, stakes(plan.bets))


async def test_a_run_plays_all_bets_and_no_more_at_once_than_given(aggregator, book: Book) -> None:
    server, sender = aggregator
    await run(sender, book, at_once=3, patience=60)
    assert (len(book), book.unresolved()) == (20, [])
    assert server.most_at_once <= 3
    summary = summarise(book, [Difference("bet-1", "something")], {"bet-2": "owed"})
    assert (summary["bets"], sum(summary["outcomes"].values()), summary["repeats"]) == (20, 20, 0)
    assert (summary["answers"]["pay-in 1"], summary["answers"]["pay-in-out 1"]) == (10, 10)
    assert summary["differences"] == [{"bet_id": "bet-1", "what": "something"}]
    assert summary["not_at_rest"] == [{"bet_id": "bet-2", "what": "owed"}]
    for operation in ("pay_in_ms", "pay_out_ms", "pay_in_out_ms"):
        assert 0 <= summary[operation]["p50"] <= summary[operation]["p99"]
    shown = as_text(
        summary | {"seconds": 1, "seed": 7, "book": "here", "not_begun": 0, "books": ["provider", "service"]}
    )
    assert "1 owed" in shown
    assert "not compared" in shown
    assert "PayInOut" in shown


async def test_a_run_ends_when_patience_is_over(aggregator, book: Book) -> None:
    server, sender = aggregator
    server.script = {operation: [99] * 100_000 for operation in ("pay-in", "pay-in-out", "refund")}
    # Five at once have no end; more of them would begin if one had.
    await run(sender, book, at_once=5, patience=2)
    assert 0 < len(book) < 20
    assert len(book.unresolved()) == len(book)
    assert 0 < summarise(book, [], {})["unknown_answers"] <= len(server.seen)


async def test_a_run_finishes_what_is_open_in_its_book(aggregator, book: Book) -> None:
    _, sender = aggregator
    left = book.open_bet(stake(1000))
    await run(sender, book, at_once=5, patience=60)
    assert left.outcome is not Outcome.OPEN
    assert len(book) == 21
