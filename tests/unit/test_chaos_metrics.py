"""What a run says of itself, from providers' books."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from devkit.chaos import metrics
from devkit.sandbox.provider.book import BookedBet, ReceivedAnswer, Stake
from devkit.sandbox.provider.client import Operation

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)


def _bet(name: str, *heard: tuple[Operation, float, int | None, int]) -> BookedBet:
    """Return a bet and its answers: operation, seconds, code, milliseconds."""
    stake = Stake(name, 1, "s", "p", "r", "EUR", Decimal(1))
    answers = [
        ReceivedAnswer(
            at=(BEGAN + timedelta(seconds=at)).isoformat(timespec="milliseconds"),
            operation=operation,
            code=code,
            status=200,
            reason="",
            took_ms=took,
            definite=code not in (None, 99),
            balance=None,
        )
        for operation, at, code, took in heard
    ]
    return BookedBet(stake, None, answers)


PAY_IN, PAY_OUT = Operation.PAY_IN, Operation.PAY_OUT
QUICK = _bet("quick", (PAY_IN, 10.1, 1, 100), (PAY_OUT, 10.5, 1, 200))
DOUBTED = _bet("doubted", (PAY_IN, 14.0, 99, 4000), (PAY_IN, 18.0, None, 1000), (PAY_IN, 21.5, 1, 500))
REFUSED = _bet("refused", (PAY_IN, 20.2, 7, 100))


def test_recovered_is_when_a_stake_that_began_after_the_end_is_confirmed() -> None:
    calls = metrics.timed_calls([QUICK, DOUBTED, REFUSED], BEGAN)
    assert metrics.recovered(calls, 9.0) == 1.1
    # Begun before this end, or refused: says nothing of it.
    assert metrics.recovered(calls, 10.05) is None
    assert metrics.recovered(calls, 30.0) is None


def test_a_doubt_lasts_from_the_first_sending_to_the_definite_answer() -> None:
    calls = metrics.timed_calls([QUICK, DOUBTED], BEGAN)
    assert metrics.longest_doubt(calls) == (11.5, "doubted")
    assert metrics.longest_doubt(metrics.timed_calls([QUICK], BEGAN)) == (0.0, None)


def test_a_call_that_was_given_up_is_in_doubt_until_the_bet_is_called_off() -> None:
    given_up = _bet("given up", (PAY_IN, 11.0, None, 1000), (PAY_IN, 15.0, 99, 4000), (Operation.REFUND, 25.0, 1, 500))
    calls = metrics.timed_calls([given_up], BEGAN)
    assert metrics.longest_doubt(calls) == (15.0, "given up")
    assert metrics.recovered(calls, 0.0) is None


def test_the_seconds_add_up_to_the_run() -> None:
    bets = [QUICK, DOUBTED, REFUSED]
    seconds = metrics.series(bets, metrics.timed_calls(bets, BEGAN), BEGAN)
    assert len(seconds) == 22
    assert sum(one["bets_begun"] for one in seconds) == 3
    assert sum(one["answers_definite"] for one in seconds) == 4
    assert sum(one["answers_unknown"] for one in seconds) == 2
    assert [one["at"] for one in seconds if one["open_doubts"]] == list(range(10, 22))


def test_a_spread_leaves_out_what_is_not_known() -> None:
    assert metrics.spread([3.0, None, 1.0, 2.0]) == {"p50": 2.0, "p90": 3.0, "max": 3.0}
    assert metrics.spread([None]) == {"p50": None, "p90": None, "max": None}
