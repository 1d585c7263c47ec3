"""Bets as a benchmark plays them: two kinds, a number of them in flight, and what each has cost its provider."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class BetKind(StrEnum):
    """How a bet is played: PayIn and then PayOut, or PayInOut."""

    TWO_STEP = "two_step"
    ONE_STEP = "one_step"

    @property
    def calls(self) -> tuple[str, ...]:
        """Return the names of its calls, in order."""
        return ("pay_in", "pay_out") if self is BetKind.TWO_STEP else ("pay_in_out",)


@dataclass(frozen=True, slots=True)
class PlayedBet:
    """A bet that is over.

    ``ended_at`` is in seconds of the monotonic clock, which the processes of a machine share. ``milliseconds`` has the
    time of each call until its definite answer, ``unknown`` counts the answers before those.
    """

    ended_at: float
    milliseconds: tuple[float, ...]
    unknown: int = 0
    refused: bool = False


PlayBet = Callable[[BetKind], Awaitable[PlayedBet]]


class Target(Protocol):
    """What is measured: the service, or a floor under it.

    ``pids`` are the processes that work for it, by name; ``own`` names those whose code is its own, the rest being
    servers and callers.
    """

    @property
    def name(self) -> str: ...

    @property
    def pids(self) -> Mapping[str, int]: ...

    @property
    def own(self) -> frozenset[str]: ...

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Keep this number of bets in flight until ``stop`` is set; return all, when the last one is over."""
        ...


async def keep_in_flight(bet: PlayBet, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
    """Play one bet after the other in each of so many places until ``stop`` is set, and return them all."""
    played: list[PlayedBet] = []

    async def place() -> None:
        while not stop.is_set():
            played.append(await bet(kind))

    async with asyncio.TaskGroup() as places:
        for _ in range(in_flight):
            places.create_task(place())
    return played
