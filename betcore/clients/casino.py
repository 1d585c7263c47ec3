"""Calls to a casino's wallet: what we send is a signed token, what comes back is an answer or *unknown*.

Source of the format: the reference's Casino API (JWT body, ``ErrorCode``/``Message``/``Value``, decimal strings). Only
a well-formed, definite answer about the movement that was asked for counts; anything else is unknown, never failure.
"""

import asyncio
import json
import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
from prometheus_client import Counter

from betcore.db.partners import Casino
from betcore.db.signing_keys import SigningKeys
from betcore.errors import Malformed
from betcore.ids import TransactionType, transaction_id
from betcore.judgement import NOT_SENT, UNAUTHORISED
from betcore.money import Money
from betcore.reconciling import Listed, moment

ANSWERS = Counter("betcore_casino_answers", "Answers of casinos by call and kind", ["casino", "call", "kind"])

# The token is valid from a little before now, for casinos whose clock is slow.
_BACKDATED = timedelta(seconds=5)
_MAX_ANSWER = 256 * 1024
# What fits a smallint; no type of the reference is anywhere near it.
_LARGEST_TYPE = 32767


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of money at the casino, the same in every attempt."""

    bet_id: int
    transaction_type: TransactionType
    partner_user_id: str
    amount: Money
    not_after: datetime | None = None

    @property
    def transaction_id(self) -> str:
        """Its identity."""
        return transaction_id(self.bet_id, self.transaction_type)

    def facts(self) -> dict[str, str]:
        """What the casino holds with it, for its side of an incident."""
        return {"transaction_id": self.transaction_id, "amount": f"{self.amount.currency} {self.amount}"}


@dataclass(frozen=True, slots=True)
class CasinoAnswer:
    """``meaning`` is the casino profile's word for the ErrorCode, ``unauthorised``, ``not_sent``, or None for unknown.

    ``kind`` says for people and metrics what kind of answer it was: ok, refused, timeout, connection, http_500, ...
    """

    meaning: str | None
    kind: str
    error_code: str | None = None
    message: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class MakeAnswer:
    """The answer to a movement, with what the casino added to it."""

    answer: CasinoAnswer
    partner_transaction_id: str | None = None
    balance: Money | None = None


class LastMomentPassed(Exception):
    """The movement must not be sent any more: no token for it may be valid from now on."""


class CasinoClient:
    """The wallets of all casinos; one for a process."""

    def __init__(self, http: aiohttp.ClientSession, keys: SigningKeys, issuer: str) -> None:
        self._http = http
        self._keys = keys
        self._issuer = issuer

    async def make(self, casino: Casino, movement: Movement, within: timedelta) -> MakeAnswer:
        """Send a movement once. Raises LastMomentPassed without sending where its last moment has passed."""
        data = {
            "Amount": str(movement.amount),
            "BetId": movement.bet_id,
            "PartnerUserId": movement.partner_user_id,
            "TransactionType": int(movement.transaction_type),
            "TransactionId": movement.transaction_id,
        }
        answer = await self._call(casino, "/payments/make", data, within, movement.not_after)
        if answer.meaning is None:
            return MakeAnswer(answer)
        value = answer.value if isinstance(answer.value, dict) else {}
        for name in ("BetId", "TransactionType", "TransactionId"):
            if name in value and value[name] != data[name]:
                return MakeAnswer(self._counted(casino, "/payments/make", CasinoAnswer(None, "mismatch")))
        partner_transaction_id = value.get("PartnerTransactionId")
        return MakeAnswer(
            answer,
            None if partner_transaction_id is None else str(partner_transaction_id),
            _balance(value, movement.amount.currency),
        )

    async def has(self, casino: Casino, movement: Movement, within: timedelta) -> bool | None:
        """Whether payments/info lists the movement as ours; None where the answer is unclear.

        A casino that does not keep our TransactionId is believed when type, amount and player fit. Raises
        MovementDiffers where the casino has a movement of this bet and type that is not ours.
        """
        listed = await self.listed(casino, movement.bet_id, within)
        if listed is None:
            return None
        for item in listed:
            if item.transaction_type == int(movement.transaction_type):
                if item.is_of(movement.bet_id, movement.amount, movement.partner_user_id):
                    return True
                raise MovementDiffers(f"the casino has {item} for {movement.transaction_id}")
        return False

    async def listed(self, casino: Casino, bet_id: int, within: timedelta) -> list[Listed] | None:
        """All movements of a bet that payments/info lists, in its order; None where the answer is unclear."""
        answer = await self.info(casino, bet_id, within)
        if answer.meaning == "bet_unknown":
            return []
        if answer.meaning != "done" or not isinstance(answer.value, list):
            return None
        listed = [_listed(item, bet_id) for item in answer.value]
        clear = [item for item in listed if item is not None]
        return clear if len(clear) == len(listed) else None

    async def info(self, casino: Casino, bet_id: int, within: timedelta) -> CasinoAnswer:
        """Ask payments/info about a bet, and return the answer as it is."""
        return await self._call(casino, "/payments/info", {"BetId": bet_id}, within, None)

    async def balance(self, casino: Casino, partner_user_id: str, currency: str, within: timedelta) -> Money | None:
        """The player's balance; None where it cannot be read."""
        data = {"PartnerUserId": partner_user_id, "TagId": ""}
        answer = await self._call(casino, "/users/data", data, within, None)
        if answer.meaning != "done" or not isinstance(answer.value, dict):
            return None
        return _balance(answer.value, currency)

    async def close(self, casino: Casino, bet_id: int, within: timedelta, *, closed: bool) -> bool:
        """Tell the casino that a bet is over, or that it is open again; whether it has understood."""
        answer = await self._call(casino, "/payments/close", {"BetId": bet_id, "Closed": closed}, within, None)
        return answer.meaning == "done"

    async def _call(
        self, casino: Casino, path: str, data: dict[str, Any], within: timedelta, not_after: datetime | None
    ) -> CasinoAnswer:
        body = await self._token(casino, data, not_after)
        try:
            async with asyncio.timeout(within.total_seconds()):
                async with self._http.post(
                    casino.api_host.rstrip("/") + path,
                    data=json.dumps(body),
                    headers={"Content-Type": "application/json"},
                    allow_redirects=False,
                ) as response:
                    answer = _read(casino, response.status, await _bounded(response.content))
        except TimeoutError:
            answer = CasinoAnswer(None, "timeout")
        except aiohttp.ClientConnectorError as error:
            # Refused, no such name, or no TLS: no byte of the message has left. A connection of the pool that dies
            # raises another error, and a POST is never sent twice by aiohttp.
            answer = CasinoAnswer(NOT_SENT, NOT_SENT, message=type(error).__name__)
        except aiohttp.ClientError as error:
            answer = CasinoAnswer(None, "connection", message=type(error).__name__)
        return self._counted(casino, path, answer)

    async def _token(self, casino: Casino, data: dict[str, Any], not_after: datetime | None) -> str:
        now = datetime.now(UTC)
        lifetime = timedelta(seconds=casino.profile.message_lifetime)
        starts = now - min(_BACKDATED, lifetime / 2)
        # Whole seconds: up for the message's own life, down for a last moment, which nothing extends.
        ends = math.ceil((starts + lifetime).timestamp())
        if not_after is not None:
            ends = min(ends, math.floor(not_after.timestamp()))
        if ends <= now.timestamp():
            raise LastMomentPassed
        key = await self._keys.current()
        claims = {
            "nbf": int(starts.timestamp()),
            "exp": ends,
            "iss": self._issuer,
            "client_id": f"PartnerClient-{casino.partner_client_id}",
            "jti": secrets.token_hex(16),
            "data": json.dumps(data),
        }
        return jwt.encode(claims, key.private_key, algorithm="RS256", headers={"kid": key.kid, "typ": "JWT"})

    @staticmethod
    def _counted(casino: Casino, path: str, answer: CasinoAnswer) -> CasinoAnswer:
        ANSWERS.labels(casino.name, path, answer.kind).inc()
        return answer


class MovementDiffers(Exception):
    """The casino has a movement under our bet and type that is not the one we sent."""


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The body, cut where it is longer than any answer: what is cut does not parse, and so is unknown."""
    raw = bytearray()
    async for chunk in content.iter_any():
        raw += chunk
        if len(raw) > _MAX_ANSWER:
            break
    return bytes(raw[:_MAX_ANSWER])


def _read(casino: Casino, status: int, raw: bytes) -> CasinoAnswer:
    if status in (401, 403):
        return CasinoAnswer(UNAUTHORISED, "unauthorised", error_code=str(status))
    if status != 200:
        return CasinoAnswer(None, f"http_{status}")
    try:
        # Numbers stay text where they have a fraction: a balance never passes through a float.
        envelope = json.loads(raw, parse_float=str)
    except ValueError:
        return CasinoAnswer(None, "not_json")
    if not isinstance(envelope, dict) or "ErrorCode" not in envelope or isinstance(envelope["ErrorCode"], bool):
        return CasinoAnswer(None, "no_error_code")
    error_code, message = str(envelope["ErrorCode"]), str(envelope.get("Message", ""))[:200]
    meaning = casino.profile.error_codes.get(error_code)
    kind = "ok" if meaning == "done" else meaning or "unmapped_code"
    return CasinoAnswer(meaning, kind, error_code, message, envelope.get("Value"))


def _balance(value: dict[str, Any], currency: str) -> Money | None:
    """The Balance of an answer, for showing only; what is not plain digits of the currency is not shown."""
    given = value.get("Balance")
    if not isinstance(given, str | int) or isinstance(given, bool):
        return None
    try:
        return Money.parse(str(given), currency)
    except Malformed:
        return None


def _listed(item: Any, bet_id: int) -> Listed | None:
    """One movement of a list; None where it is not one of this bet's."""
    if not isinstance(item, dict) or item.get("BetId") != bet_id:
        return None
    kind = item.get("TransactionType")
    if not isinstance(kind, int) or isinstance(kind, bool) or abs(kind) > _LARGEST_TYPE:
        return None
    player, ours, theirs = (item.get(name) for name in ("PartnerUserId", "TransactionId", "PartnerTransactionId"))
    return Listed(
        transaction_type=kind,
        amount=str(item.get("Amount")),
        partner_user_id=None if player is None else str(player),
        transaction_id=None if ours is None else str(ours),
        partner_transaction_id=None if theirs is None else str(theirs),
        at=moment(item.get("Timestamp")),
    )
