"""Money that a hostile call could move, calls that aim at it, and the proof that it did not move."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from betcore.provider import xsign
from tests.api.wire import JSON, Answer, Api, Signer
from tests.partner import TestPartner

Outcome = tuple[int, int, str | None]
Attempts = Mapping[str, Awaitable[Answer]]

OPEN, SETTLED, FRESH = "bet-open", "bet-settled", "bet-fresh"
# Bodies that would move money if they were taken: the stake of a new bet, or the end of the open one.
GOOD: dict[str, dict[str, str]] = {
    "pay-in": {"betId": FRESH, "betAmount": "10.00", "gameRoundId": "round-1"},
    "pay-out": {"betId": OPEN, "winAmount": "25.00", "gameRoundId": "round-1"},
    "pay-in-out": {"betId": FRESH, "betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"},
    "refund": {"betId": OPEN},
}
SERVED = list(GOOD)

AT_ONCE = 24

BETS = """SELECT bet.* FROM bet JOIN provider USING (provider_id)
          WHERE counterparty_id IN (:a, :b) ORDER BY bet_id"""
MOVEMENTS = """SELECT movement.* FROM movement JOIN bet USING (bet_id) JOIN provider USING (provider_id)
               WHERE counterparty_id IN (:a, :b) ORDER BY bet_id, transaction_type"""


@dataclass(frozen=True)
class Target:
    """An operation of a partner with one open and one settled bet, and another partner beside it."""

    api: Api
    partner: TestPartner
    other: TestPartner
    operation: str = ""

    @property
    def path(self) -> str:
        return self.at(self.partner.session_id)

    def at(self, session: str) -> str:
        return f"/v1/sessions/{session}/bets/{self.operation}"

    @property
    def good(self) -> dict[str, str]:
        return GOOD[self.operation]

    @property
    def body(self) -> bytes:
        return xsign.compact(self.good)

    @property
    def signer(self) -> Signer:
        return Signer(self.partner.counterparty_id, self.partner.secret)

    def written(self, field: str, literal: str) -> bytes:
        """Return the good body with this JSON in a field."""
        rest = {name: value for name, value in self.good.items() if name != field}
        return f'{{"{field}":{literal},{json.dumps(rest)[1:]}'.replace(",}", "}").encode()

    async def send(
        self, body: bytes | None = None, path: str | None = None, signer: Signer | None = None, off: float = 0
    ) -> Answer:
        """Send a well-formed request that ``signer`` has signed, by default the partner."""
        body = self.body if body is None else body
        return await self.with_headers((signer or self.signer).sign(body, off=off).items(), body, path)

    def each(self, bodies: Iterable[bytes]) -> Attempts:
        """Send these bodies, each well signed."""
        return {f"{number}: {body[:90]!r}": self.send(body) for number, body in enumerate(bodies)}

    async def with_headers(
        self,
        signature: Iterable[tuple[str, str]],
        body: bytes | None = None,
        path: str | None = None,
        method: str = "POST",
        types: Iterable[str] = (JSON[1],),
    ) -> Answer:
        """Send a request with these headers and no others."""
        headers = [*((JSON[0], one) for one in types), *signature]
        return await self.api.send(method, path or self.path, headers, self.body if body is None else body)

    async def state(self) -> dict[str, Any]:
        """Return all traces of money: at the casino, and in our rows."""
        given = {"a": self.partner.counterparty_id, "b": self.other.counterparty_id}
        player = f"/_players/{self.partner.partner_client_id}/anna"
        return {
            "journal": [await one.entries() for one in (self.partner, self.other)],
            "balance": await self.partner.at_casino("GET", player),
            "bets": [tuple(row) for row in await self.partner.sql(BETS, **given)],
            "movements": [tuple(row) for row in await self.partner.sql(MOVEMENTS, **given)],
            "calls": [call for one in (self.partner, self.other) for call in await one.calls() if not _reads(call)],
        }


def _reads(call: dict[str, Any]) -> bool:
    return bool(call["path"] == "/users/data")


@asynccontextmanager
async def nothing_moves(target: Target) -> AsyncIterator[None]:
    """Assert that the block changes no journal, row or balance, and makes the casino no call but reads of a balance."""
    before = await target.state()
    assert before["journal"][0]
    assert before["movements"]
    yield
    assert await target.state() == before


async def all_answered(outcome: Outcome, attempts: Attempts) -> None:
    """Send all of them, some at a time, and assert that each gets the same answer."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def send(attempt: Awaitable[Answer]) -> Outcome:
        async with turns:
            return (await attempt).outcome

    answers = dict(zip(attempts, await asyncio.gather(*map(send, attempts.values())), strict=True))
    assert {name: answer for name, answer in answers.items() if answer != outcome} == {}
