"""Bets of a provider over HTTP, at the service or at the equal floor, whose route takes the same calls."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count

from bench.bets.workload import BetKind, PlayedBet, keep_in_flight
from devkit.sandbox.provider.client import REFUSED, AggregatorClient, Answer, Call, pay_in, pay_in_out, pay_out

# A call that is not answered in so many sends never will be: something is broken.
_SENDS = 30
STAKE, WIN = Decimal("10.00"), Decimal("10.00")


class CallRefused(Exception):
    """A call had an answer that no call of a benchmark should have."""


class ProviderCalls:
    """A provider whose players bet in turn, one session each."""

    def __init__(
        self,
        name: str,
        client: AggregatorClient,
        sessions: Sequence[str],
        pids: Mapping[str, int],
        own: frozenset[str] = frozenset({"api", "worker"}),
    ) -> None:
        self.name = name
        self.pids = pids
        self.own = own
        self.client = client
        self._sessions = sessions
        # Two runs on one database must not share the ids of bets.
        self._run = secrets.token_hex(3)
        self._numbers = count()

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Keep this number of bets in flight until ``stop`` is set; return all, when the last one is over."""
        return await keep_in_flight(self.bet, kind, in_flight, stop)

    async def bet(self, kind: BetKind) -> PlayedBet:
        """Play one bet. One whose stake is refused ends there."""
        took, unknown = [], 0
        for call in self.calls(kind):
            milliseconds, answers = await self.timed(call)
            took.append(milliseconds)
            unknown += len(answers) - 1
            if answers[-1].code == REFUSED:
                return PlayedBet(time.monotonic(), tuple(took), unknown, refused=True)
        return PlayedBet(time.monotonic(), tuple(took), unknown)

    async def timed(self, call: Call) -> tuple[float, list[Answer]]:
        """Send a call until its answer is definite; return the milliseconds that this took, and all answers."""
        began = time.perf_counter()
        answers = await self.until_definite(call)
        return (time.perf_counter() - began) * 1000, answers

    async def until_definite(self, call: Call) -> list[Answer]:
        """Send a call until its answer is definite, and return all answers.

        Raises CallRefused if the last one is neither "done" nor the refusal of a stake.
        """
        answers: list[Answer] = []
        last = await self.client.repeat(call, answers.append, sends=_SENDS)
        if not last.done and last.code != REFUSED:
            raise CallRefused(f"{self.name}: {call.operation} was answered {last.code}, {last.reason}")
        return answers

    def calls(self, kind: BetKind) -> tuple[Call, ...]:
        """Return the calls of the next bet."""
        number = next(self._numbers)
        session = self._sessions[number % len(self._sessions)]
        bet_id, round_id = f"bench-{self._run}-{number}", f"round-{number}"
        if kind is BetKind.ONE_STEP:
            return (pay_in_out(session, bet_id, round_id, STAKE, WIN),)
        return pay_in(session, bet_id, round_id, STAKE), pay_out(session, bet_id, round_id, WIN)
