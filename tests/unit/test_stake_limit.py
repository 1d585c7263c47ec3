"""The limit of new stakes in flight: it follows how long they wait, round by round."""

import pytest

from api.provider.stake_limit import FIRST, LEAST, OF_ONE_CASINO, TARGET, WAITS, StakeLimit


def _round(limit: StakeLimit, wait: float, at_once: int | None = None) -> int:
    """Let ``at_once`` stakes in, by default as many as may be, let all wait alike, and return the limit then.

    Each stake is for a casino of its own.
    """
    entered, let_in = limit.round, 0
    while (at_once is None or let_in < at_once) and limit.enter(let_in):
        let_in += 1
    while limit.round == entered:
        limit.waited(wait, entered)
    for casino_id in range(let_in):
        limit.leave(casino_id)
    return limit.limit


def _rounds(limit: StakeLimit, number: int, wait: float) -> int:
    return [_round(limit, wait) for _ in range(number)][-1]


def test_no_more_than_the_limit_are_in_flight_and_one_that_leaves_makes_room() -> None:
    limit = StakeLimit(3)
    assert [limit.enter(casino_id) for casino_id in range(5)] == [True, True, True, False, False]
    limit.leave(0)
    assert [limit.enter(5), limit.enter(6)] == [True, False]
    assert limit.in_flight == 3


@pytest.mark.parametrize("capacity", [12.0, 40.0, 300.0])
def test_it_settles_where_stakes_wait_the_target(capacity: float) -> None:
    """A service whose wait is the number in flight divided by what it does in the time to a deadline."""
    limit = StakeLimit(10_000)
    for _ in range(30):
        _round(limit, min(limit.limit / capacity, 1.0))
    assert limit.limit / capacity == pytest.approx(TARGET, abs=0.05) or limit.limit == LEAST


def test_stakes_that_never_reach_a_worker_bring_it_to_its_floor_and_no_lower() -> None:
    limit = StakeLimit(1000)
    assert _round(limit, 1.0) == FIRST // 2
    assert _rounds(limit, 10, 1.0) == LEAST


def test_it_is_back_within_a_few_rounds_when_workers_are() -> None:
    limit = StakeLimit(1000)
    _rounds(limit, 10, 1.0)
    assert _rounds(limit, 5, 0.02) > FIRST


def test_it_never_passes_its_ceiling_even_if_that_is_below_the_floor() -> None:
    assert _rounds(StakeLimit(90), 10, 0.001) == 90
    few = StakeLimit(2)
    assert (few.limit, _round(few, 1.0), _round(few, 0.001)) == (2, 2, 2)


def test_a_limit_that_was_not_reached_does_not_rise() -> None:
    limit = StakeLimit(1000)
    assert [_round(limit, 0.001, at_once=FIRST - 1) for _ in range(5)] == [FIRST] * 5


def test_a_limit_that_was_not_reached_falls_from_what_was_in_flight() -> None:
    limit = StakeLimit(1000)
    _rounds(limit, 8, 0.001)
    assert limit.limit > 500
    assert _round(limit, 1.0, at_once=100) == 50


def test_a_limit_that_one_casino_could_not_fill_falls_from_itself() -> None:
    """Its stakes may take three quarters of the places: the limit would lose the fourth with every fall."""
    limit = StakeLimit(1000)
    while limit.enter(1):
        continue
    for _ in range(WAITS):
        limit.waited(TARGET * 1.1, limit.round)
    assert FIRST * 0.9 < limit.limit < FIRST


def test_what_was_let_in_before_a_change_is_no_sample_of_the_limit_after_it() -> None:
    """Without it the stakes in flight at a cut would cut the limit once more, for the queue that is gone already."""
    limit = StakeLimit(1000)
    assert _round(limit, 1.0) == FIRST // 2
    for _ in range(5 * WAITS):
        limit.waited(1.0, limit.round - 1)
    assert limit.limit == FIRST // 2


def test_a_slow_casino_leaves_places_to_the_others_and_the_limit_rises_by_their_waits() -> None:
    limit, slow, quick = StakeLimit(1000), 1, 2
    held = 0
    while limit.enter(slow):
        held += 1
    assert held == FIRST * OF_ONE_CASINO
    for _ in range(WAITS):
        assert limit.enter(quick)
        limit.waited(0.01, limit.round)
        limit.leave(quick)
    assert limit.enter(slow)


def test_less_than_a_round_of_waits_changes_nothing() -> None:
    limit = StakeLimit(1000)
    for _ in range(WAITS - 1):
        limit.waited(1.0, limit.round)
    assert limit.limit == FIRST
