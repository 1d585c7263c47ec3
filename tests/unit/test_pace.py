"""How often Temporal is asked: the clock moves when a turn is waited for."""

import pytest

from betcore.temporal import pace
from betcore.temporal.pace import Pace


async def test_after_a_burst_turns_come_at_their_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(pace, "monotonic", lambda: now)
    # In this module alone: servers of other tests run in the same loop, and would never yield.
    monkeypatch.setattr(pace, "sleep", sleep)
    turns = Pace(4, burst=8)
    for _ in range(8):
        await turns.turn()
    assert now == 1000
    for _ in range(12):
        await turns.turn()
    assert now == 1003
    # A rest gives a burst back, however long it was.
    now = 2000
    for _ in range(10):
        await turns.turn()
    assert now == 2000.5
