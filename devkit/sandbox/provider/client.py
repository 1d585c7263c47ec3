"""The Aggregator API for providers, called as a provider should call it.

Three habits keep a provider's money right: amounts are decimals, a repeat keeps its body and takes a new request id and
time, and only a definite answer ends a call. Everything else (99, 503, a time-out, a cut connection, an answer
that cannot be read) leaves the outcome unknown, and the same call is sent again.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

import aiohttp

from betcore.provider import xsign

DONE, ALREADY_DONE = 1, 104
DEFINITE = frozenset({DONE, ALREADY_DONE, 2, 3, 4, 5, 6, 7, 8})
NOT_ENOUGH_MONEY, CONTRADICTION, REFUSED = 4, 6, 7
BET_REFUSED, CASINO_REFUSED = "bet_refused", "casino_refused"  # reasons, of the codes 6 and 7


class Operation(StrEnum):
    """The calls about a bet; the value is the end of the path."""

    PAY_IN = "pay-in"
    PAY_OUT = "pay-out"
    PAY_IN_OUT = "pay-in-out"
    REFUND = "refund"


class Sendable(Protocol):
    """What is sent, as often as needed, by the same bytes."""

    @property
    def path(self) -> str: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call about a bet. Its bytes stay the same however often it is sent."""

    operation: Operation
    session_id: str
    body: bytes

    @property
    def path(self) -> str:
        return f"/v1/sessions/{self.session_id}/bets/{self.operation}"


def pay_in(session_id: str, bet_id: str, round_id: str, stake: Decimal) -> Call:
    """Return the call that takes the stake, in major units of the session's currency."""
    return _call(Operation.PAY_IN, session_id, betId=bet_id, betAmount=f"{stake:f}", gameRoundId=round_id)


@dataclass(frozen=True, slots=True)
class Jackpot:
    """What is won beside the win: an amount of the provider's own in major units, or a pool of the aggregator's."""

    amount: Decimal | None = None
    pool: int | None = None

    @property
    def fields(self) -> dict[str, str]:
        """Return it as the calls have it."""
        return {"jackpotId": str(self.pool)} if self.amount is None else {"jackpotAmount": f"{self.amount:f}"}


def pay_out(session_id: str, bet_id: str, round_id: str, win: Decimal, jackpot: Jackpot | None = None) -> Call:
    """Return the call that ends the bet with its win in major units, 0 for a loss, and with a jackpot."""
    won = {"winAmount": f"{win:f}", **(jackpot.fields if jackpot else {})}
    return _call(Operation.PAY_OUT, session_id, betId=bet_id, gameRoundId=round_id, **won)


def pay_in_out(
    session_id: str, bet_id: str, round_id: str, stake: Decimal, win: Decimal, jackpot: Jackpot | None = None
) -> Call:
    """Return the call that takes the stake and pays the win, both in major units, 0 for a loss, and a jackpot."""
    amounts = {"betAmount": f"{stake:f}", "winAmount": f"{win:f}", **(jackpot.fields if jackpot else {})}
    return _call(Operation.PAY_IN_OUT, session_id, betId=bet_id, gameRoundId=round_id, **amounts)


def refund(session_id: str, bet_id: str) -> Call:
    """Return the call that gives the stake back: the draw failed, or it is not known whether the stake was taken."""
    return _call(Operation.REFUND, session_id, betId=bet_id)


def _call(operation: Operation, session_id: str, **body: object) -> Call:
    return Call(operation, session_id, xsign.compact(body))


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of sending a call once."""

    code: int | None  # _responseCode; None if the answer was not one of the protocol
    status: int | None  # HTTP; None if the connection gave no answer
    reason: str
    took_ms: int
    balance: Decimal | None = None
    currency: str | None = None
    retry_after: int = 0  # seconds
    jackpot: Decimal | None = None

    @property
    def definite(self) -> bool:
        """Return whether the call is over: done or refused, and not merely unknown."""
        return self.code in DEFINITE and (self.status or HTTPStatus.INTERNAL_SERVER_ERROR) < 500

    @property
    def done(self) -> bool:
        """Return whether what was asked for has happened, now or before."""
        return self.definite and self.code in (DONE, ALREADY_DONE)


def read_answer(status: int, text: bytes, took_ms: int, retry_after: str = "") -> Answer:
    """Read an answer; what is not one of the protocol becomes an unknown outcome and raises nothing."""
    wait = int(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0
    try:
        fields = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
        code = fields["_responseCode"]
    except (ValueError, KeyError, TypeError):
        return Answer(None, status, "unreadable", took_ms, retry_after=wait)
    if not isinstance(code, Decimal) or code != code.to_integral_value():
        return Answer(None, status, "unreadable", took_ms, retry_after=wait)
    balance, currency, jackpot = fields.get("balance"), fields.get("currency"), fields.get("jackpotAmount")
    return Answer(
        code=int(code),
        status=status,
        reason=str(fields.get("reason") or fields.get("message") or ""),
        took_ms=took_ms,
        balance=balance if isinstance(balance, Decimal) else None,
        currency=currency if isinstance(currency, str) else None,
        retry_after=wait,
        jackpot=jackpot if isinstance(jackpot, Decimal) else None,
    )


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no amount")


@dataclass(frozen=True, slots=True)
class Backoff:
    """The gaps between repeats, in milliseconds: doubled each time up to the cap, and half of each is chance."""

    first_ms: int = 200
    cap_ms: int = 5000

    def seconds(self, repeat: int, chance: random.Random, at_least: int = 0) -> float:
        """Return the gap before repeat 0, 1, 2, ...; ``at_least`` are the seconds that the server asked for."""
        full = min(self.cap_ms, self.first_ms << min(repeat, 20)) / 1000
        return max(full * (0.5 + chance.random() / 2), min(at_least, self.cap_ms / 1000))


class AggregatorClient:
    """Signs, sends and repeats calls for one counterparty. The HTTP session stays the caller's to close."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        base_url: str,
        counterparty_id: str,
        secret: str,
        *,
        timeout_seconds: int = 6,
        backoff: Backoff | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._counterparty_id = counterparty_id
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._backoff = backoff or Backoff()
        self._chance = chance or random.Random()

    async def balance(self, session_id: str) -> Answer:
        """Ask for the player's balance, once."""
        return await self._request("GET", f"/v1/sessions/{session_id}/balance", b"")

    def use_secret(self, secret: str) -> None:
        """Sign by another secret from now on."""
        self._secret = secret

    async def send(self, call: Sendable, *, clock_off: int = 0) -> Answer:
        """Send the call once, signed by a clock that is this number of seconds off.

        Never raises for what the network or the server does: that is an unknown outcome.
        """
        return await self._request("POST", call.path, call.body, clock_off)

    async def repeat(self, call: Sendable, on_answer: Callable[[Answer], None], *, sends: int | None = None) -> Answer:
        """Send until the answer is definite, at most ``sends`` times (None: for as long as it takes).

        ``on_answer`` is given every answer before the next step, so that a book can keep it. Returns the last answer,
        which is not definite if ``sends`` ran out.
        """
        done = 0
        while True:
            answer = await self.send(call)
            on_answer(answer)
            done += 1
            if answer.definite or done == sends:
                return answer
            await asyncio.sleep(self._backoff.seconds(done - 1, self._chance, answer.retry_after))

    async def _request(self, method: str, path: str, body: bytes, clock_off: int = 0) -> Answer:
        head = xsign.headers(self._secret, self._counterparty_id, body, clock_off=clock_off)
        if body:
            head["Content-Type"] = "application/json"
        began = time.monotonic_ns()
        try:
            async with self._http.request(
                method, self._base_url + path, data=body or None, headers=head, timeout=self._timeout
            ) as response:
                text = await response.read()
        except TimeoutError:
            return Answer(None, None, "timeout", _since(began))
        except (aiohttp.ClientError, OSError) as failure:
            return Answer(None, None, type(failure).__name__, _since(began))
        return read_answer(response.status, text, _since(began), response.headers.get("Retry-After", ""))


def _since(began: int) -> int:
    return (time.monotonic_ns() - began) // 1_000_000
