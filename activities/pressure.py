"""Stub."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any


class Lane(StrEnum):
    FAST = "fast"
    SLOW = "slow"


FAST, SLOW = Lane.FAST, Lane.SLOW


class Busy(Exception):
    wait = timedelta(seconds=1)


class Pressure:
    def __init__(self, health: Any) -> None: ...
    @contextmanager
    def place(self, casino: Any, lane: Lane) -> Iterator[None]:
        yield

    async def may_stake(self, casino: Any) -> bool:
        return True

    async def is_open(self, casino: Any) -> bool:
        return False

    async def owed_turn(self, casino: Any) -> None: ...
    async def told(self, casino: Any, answer: Any) -> None: ...
