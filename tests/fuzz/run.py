"""Sends cases, some at a time, and keeps those that were answered wrongly."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from tests.fuzz import sizes
from tests.fuzz.cases import Case, Told
from tests.fuzz.casinos import Casinos
from tests.fuzz.feeds import Feeds
from tests.fuzz.providers import Providers
from tests.fuzz.scene import CASINOS, FEED, Scene
from tests.fuzz.strict import NotJson, Number, read_object
from tests.fuzz.wire import Answer, Line, Request, shown

AT_ONCE = 8
_ENOUGH = 10
_PROVIDERS_FIELDS = {"currency", "balance", "_responseCode", "message", "reason", "jackpotAmount"}


class NotAsDocumented(Exception):
    """An answer in no form that the protocol has."""


@dataclass
class Fuzzer:
    """Cases of one seed against one scene, and their answers. A case is made from the seed and its number alone: the
    first ones are the same for every seed. ``feed_port`` is that of the process which serves the feed."""

    seed: int
    scene: Scene
    port: int
    feed_port: int
    sent: int = 0
    heard: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    _next: int = 0
    _sweep: list[Case] = field(default_factory=list)

    async def send(self, requests: int) -> None:
        """Send this many more requests, or stop when enough of them were answered wrongly."""
        numbers = self._numbers(self.sent + requests)
        lanes = [asyncio.create_task(self._lane(numbers)) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def send_only(self, number: int) -> None:
        """This case alone."""
        await self._lane(iter([number]))

    def case(self, number: int) -> Case:
        """Return the case of a number, from 1: of the sweep, then a provider's, a casino's or the feed's."""
        makers = Providers(self.scene), Casinos(self.scene), Feeds(self.scene)
        if not self._sweep:
            self._sweep = [case for maker in makers for case in maker.sweep()]
        if number <= len(self._sweep):
            return self._sweep[number - 1]
        random = Random(f"{self.seed}:{number}")
        return random.choices(makers, (55, 37, 8))[0].case(random, number)

    def _numbers(self, until: int) -> Iterator[int]:
        while self.sent < until and len(self.failures) < _ENOUGH:
            self._next += 1
            yield self._next

    async def _lane(self, numbers: Iterator[int]) -> None:
        lines = {"": Line(self.port), FEED: Line(self.feed_port)}
        try:
            for number in numbers:
                case = self.case(number)
                self.sent += case.requests
                line = lines[FEED if case.request.path.startswith(FEED) else ""]
                await self._hear(number, line, case.request, case.told)
                if case.again:
                    await self._hear(number, line, case.again, case.again_told)
                if case.refused:
                    self.refused.add(case.refused)
        finally:
            for line in lines.values():
                line.close()

    async def _hear(self, number: int, line: Line, request: Request, right: Told | None) -> None:
        answer: Answer | None = None
        if right is not None and len(request.body) > sizes.most(request.path):
            right = sizes.too_large(request.path)
        try:
            answer = await line.send(request)
            found = told(request.path, answer) if answer else None
        except (NotAsDocumented, OSError, EOFError, TimeoutError, ValueError) as error:
            found = (0, 0, repr(error))
        self.heard["no answer" if found is None else f"{found[0]} {found[1]} {found[2] or ''}".strip()] += 1
        if found != right:
            self.failures.append(
                shown(
                    {
                        "seed": self.seed,
                        "case": number,
                        "right": right,
                        "told": found,
                        "answer": answer.line() if answer else None,
                        "request": request.line(),
                    }
                )
            )


def told(path: str, answer: Answer) -> Told:
    """Return the meaning of an answer. Raises NotAsDocumented if it is not in the form of its surface."""
    if answer.headers.get("content-type") != "application/json":
        raise NotAsDocumented("the answer is not application/json")
    try:
        body = read_object(answer.raw)
    except NotJson:
        raise NotAsDocumented("the answer is no JSON object") from None
    if answer.status == 503 and not answer.headers.get("retry-after", "").isdigit():
        raise NotAsDocumented("503 without Retry-After")
    return _to_a_casino(answer, body) if path.startswith((CASINOS, FEED)) else _to_a_provider(answer.status, body)


def _to_a_provider(status: int, body: dict[str, Any]) -> Told:
    code, reason, message = body.get("_responseCode"), body.get("reason"), body.get("message")
    if not isinstance(code, Number) or not set(body) <= _PROVIDERS_FIELDS:
        raise NotAsDocumented("fields that an answer to a provider does not have")
    if ("currency" in body) != ("balance" in body) or not isinstance(body.get("balance"), Number | None):
        raise NotAsDocumented("currency and balance come together, the balance a number or null")
    if code.text == "1" and (reason, message) != (None, None):
        raise NotAsDocumented("done needs no reason")
    if "jackpotAmount" in body:
        jackpot = body["jackpotAmount"]
        if code.text != "1" or not isinstance(jackpot, Number):
            raise NotAsDocumented("a jackpot is a number in an answer of done")
        return status, 1, Decimal(jackpot.text)
    if code.text != "1" and not (isinstance(reason, str) and isinstance(message, str)):
        raise NotAsDocumented("a refusal has a reason and a message")
    return status, int(code.text), reason


def _to_a_casino(answer: Answer, body: dict[str, Any]) -> Told:
    code, value = body.get("ErrorCode"), body.get("Value")
    if set(body) != {"ErrorCode", "Message", "Value"} or not isinstance(code, Number):
        raise NotAsDocumented("an answer to a casino has ErrorCode, Message and Value")
    if not isinstance(body["Message"], str) or (code.text != "200" and value is not None):
        raise NotAsDocumented("Message is text, and a refusal has no Value")
    if answer.status == 401 and answer.headers.get("www-authenticate") != "Bearer":
        raise NotAsDocumented("401 without WWW-Authenticate")
    if isinstance(value, list):
        return answer.status, int(code.text), tuple((pool["JackpotId"].text, pool["Amount"]) for pool in value)
    return answer.status, int(code.text), value.get("Valid") if isinstance(value, dict) else None
