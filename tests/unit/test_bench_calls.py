"""The calls of ``make bench``: what its provider sends, and what a bet of each fate counts for."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal

import pytest

from bench.bets.measuring import Window
from bench.bets.modes.cold import LatePayOuts
from bench.bets.open_loop import Arrival, Fate, arrival_figures, arrive, play_arrival
from bench.bets.provider_calls import CallRefused, ProviderCalls
from bench.bets.workload import BetKind
from devkit.sandbox.provider.client import AggregatorClient, Answer, Backoff, Call, Operation, pay_in, pay_out

DONE, UNKNOWN, REFUSED = (
    Answer(1, 200, "", 5),
    Answer(99, 503, "outcome_unknown", 5, retry_after=1),
    Answer(7, 200, "casino_unavailable", 5),
)
SHED = Answer(99, 503, "overloaded", 5, retry_after=1)
CALLS = pay_in("s", "bet-1", "r", Decimal(10)), pay_out("s", "bet-1", "r", Decimal(10))


class Answering(AggregatorClient):
    """A client that is answered as a test has it, and keeps what it has sent."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(None, "http://nowhere", "p", "s", backoff=Backoff(1, 1))  # type: ignore[arg-type]
        self._answers = list(answers)
        self.sent: list[Operation] = []
        self.bets: list[str] = []

    async def send(self, call: Call, *, clock_off: int = 0) -> Answer:
        self.sent.append(call.operation)
        self.bets.append(json.loads(call.body)["betId"])
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize(
    ("answers", "fate", "sent"),
    [
        ([DONE], Fate.USEFUL, ["pay-in", "pay-out"]),
        ([DONE, UNKNOWN, DONE], Fate.USEFUL, ["pay-in", "pay-out", "pay-out"]),
        ([SHED], Fate.SHED, ["pay-in"]),
        ([REFUSED], Fate.REFUSED, ["pay-in"]),
        # Nothing tells the provider whether the stake was taken: it takes the bet back until that is certain.
        ([UNKNOWN, UNKNOWN, DONE], Fate.UNKNOWN, ["pay-in", "refund", "refund"]),
    ],
)
async def test_a_provider_follows_the_protocol(answers: Sequence[Answer], fate: Fate, sent: Sequence[str]) -> None:
    client = Answering(*answers)
    arrival = await play_arrival(client, CALLS)
    assert (arrival.fate, client.sent) == (fate, sent)


def test_bets_are_useful_that_end_in_the_window() -> None:
    arrivals = [
        Arrival(Fate.USEFUL, 100.0, 101.9, 900),  # before the window
        Arrival(Fate.USEFUL, 101.0, 102.0, 800),
        Arrival(Fate.USEFUL, 103.0, 104.0, 700),
        Arrival(Fate.SHED, 103.0, 103.1, 2),
        Arrival(Fate.USEFUL, 105.0, 106.0, 600),  # after it
    ]
    found = arrival_figures(arrivals, 100.0, Window(2, 4))
    assert (found["useful_per_s"], found["offered_per_s"]) == (0.5, 0.75)
    assert (found["useful"], found["shed"], found["shed_p50"]) == (2, 1, 2)


async def test_players_arrive_however_slow_the_answers_are() -> None:
    played = await arrive(Answering(DONE), lambda _: CALLS, 200, Window(0.1, 0.2), seed=1)
    assert 20 < len(played) < 120


def _service(client: Answering) -> ProviderCalls:
    return ProviderCalls("service", client, ["session"], {})


async def test_a_bet_counts_its_unknown_answers_until_each_call_is_definite() -> None:
    client = Answering(UNKNOWN, DONE, UNKNOWN, UNKNOWN, DONE)
    played = await _service(client).bet(BetKind.TWO_STEP)
    assert (played.unknown, len(played.milliseconds), played.refused) == (3, 2, False)
    assert client.sent == ["pay-in"] * 2 + ["pay-out"] * 3
    assert len(set(client.bets)) == 1


async def test_a_bet_whose_stake_is_refused_ends_there() -> None:
    client = Answering(REFUSED)
    assert (await _service(client).bet(BetKind.TWO_STEP)).refused
    assert client.sent == ["pay-in"]


async def test_an_answer_that_no_call_should_have_stops_the_run() -> None:
    with pytest.raises(CallRefused, match="bet_refused"):
        await _service(Answering(Answer(6, 200, "bet_refused", 5))).bet(BetKind.ONE_STEP)


async def test_a_cold_bet_is_paid_out_when_many_others_were_opened() -> None:
    stop = asyncio.Event()

    class UntilPaidOut(Answering):
        async def send(self, call: Call, *, clock_off: int = 0) -> Answer:
            if call.operation is Operation.PAY_OUT:
                stop.set()
            return await super().send(call, clock_off=clock_off)

    client = UntilPaidOut(DONE)
    await LatePayOuts(_service(client)).play(BetKind.TWO_STEP, 4, stop)
    first = client.sent.index(Operation.PAY_OUT)
    opened = client.bets.index(client.bets[first])
    assert client.sent[opened:first].count(Operation.PAY_IN) > 90
