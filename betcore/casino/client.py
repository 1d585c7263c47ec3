"""Requests to a casino's wallet: the body is a signed token, the response is a definite answer or *unknown*.

The format is the reference's Casino API (JWT body, ``ErrorCode``/``Message``/``Value``, decimal strings). Only a
well-formed, definite answer about the movement that was sent counts; anything else is unknown, never a failure.
"""

import asyncio
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import aiohttp
import jwt
import structlog

from betcore.casino.call_metrics import count_answer
from betcore.casino.movement import MadeList, MakeAnswer, Movement, answer_to_each, make_answer
from betcore.casino.response_reading import (
    CasinoAnswer,
    Check,
    check_echo,
    check_items,
    check_list,
    read,
    unchecked,
)
from betcore.db.signing_keys import SigningKeys
from betcore.domain import casino_values
from betcore.domain.casino_responses import NOT_SENT
from betcore.domain.casino_values import Doubt, Shown, field
from betcore.domain.ids import number_name
from betcore.domain.partners import Casino
from betcore.domain.payment_list import Listed
from betcore.domain.players import CasinoUser, casino_user
from betcore.runtime import spans

_log = structlog.get_logger()

# A casino whose clock is slow would refuse a token that is valid from now on.
_BACKDATED = timedelta(seconds=5)
_MAX_ANSWER = 256 * 1024
# The kinds of an answer that did not come.
_UNANSWERED = ("timeout", "connection", NOT_SENT)


@dataclass(frozen=True, slots=True)
class Listing:
    """What payments/info lists of a bet; ``movements`` is None if the list is unclear. ``kind`` is the answer's."""

    movements: list[Listed] | None
    kind: str


@dataclass(frozen=True, slots=True)
class Look:
    """Whether payments/info lists a movement; ``found`` is None if the list is unclear. ``kind`` is the answer's."""

    found: bool | None
    kind: str


@dataclass(frozen=True, slots=True)
class Authentication:
    """The answer of users/auth to a token. ``user`` is None unless the casino has clearly named whose it is."""

    answer: CasinoAnswer
    user: CasinoUser | None

    @property
    def unanswered(self) -> bool:
        """Return whether no response has come: the same token may be sent again."""
        return self.answer.kind in _UNANSWERED


class MovementDiffers(Exception):
    """The casino has a movement of our bet and type that is not the one we sent; ``doubt`` says how they differ.

    ``theirs`` is what the casino has, for an incident. Neither it nor the text names the player.
    """

    def __init__(self, doubt: Doubt, ours: Movement, theirs: Listed) -> None:
        self.doubt = doubt
        self.theirs = {"reason": str(doubt), **theirs.facts(ours.amount.currency)}
        there = self.theirs.get("amount", "")
        super().__init__(f"{doubt}: the casino has {there} for {ours.transaction_id} of {ours.facts()['amount']}")


class LastMomentPassed(Exception):
    """The movement must not be sent any more: no token for it may be valid after its last moment."""


class CasinoClient:
    """Sends requests to the wallets of all casinos; there is one for each process."""

    def __init__(self, http: aiohttp.ClientSession, keys: SigningKeys, issuer: str) -> None:
        self._http = http
        self._keys = keys
        self._issuer = issuer

    async def make(self, casino: Casino, movement: Movement, within: timedelta) -> MakeAnswer:
        """Send a movement once. Raises LastMomentPassed, and sends nothing, if its last moment has passed."""
        echo = check_echo(movement.bet_id, movement.transaction_type, cashback=movement.cashback)
        answer = await self._call(casino, movement.path, movement.message(), within, movement.not_after, echo)
        return make_answer(movement, answer)

    async def make_list(self, casino: Casino, movements: Sequence[Movement], within: timedelta) -> MadeList:
        """Send movements once, in one call; the last moment of the earliest of them is that of all.

        Raises LastMomentPassed, and sends nothing, if that has passed.
        """
        data = [movement.message() for movement in movements]
        sent = [(movement.bet_id, movement.transaction_type) for movement in movements]
        not_after = min((one.not_after for one in movements if one.not_after is not None), default=None)
        check = check_items(casino, sent)
        answer = await self._call(casino, "/payments/make-list", data, within, not_after, check)
        items = answer.items or [answer_to_each(answer)] * len(movements)
        return MadeList(answer, [make_answer(*one) for one in zip(movements, items, strict=True)])

    async def look(self, casino: Casino, movement: Movement, within: timedelta) -> Look:
        """Return whether payments/info lists the movement as ours.

        A casino that does not keep our TransactionId is believed if type, amount and player fit. Raises
        MovementDiffers if the casino has a movement of this bet or cashback and type that is not ours.
        """
        listing = await self.listing(casino, movement.bet_id, within, cashback=movement.cashback)
        if listing.movements is None:
            return Look(None, listing.kind)
        for item in listing.movements:
            if item.transaction_type == int(movement.transaction_type):
                doubt = item.differs(movement.bet_id, movement.amount, movement.partner_user_id, movement.tax)
                if doubt is None:
                    return Look(True, listing.kind)
                raise MovementDiffers(doubt, movement, item)
        return Look(False, listing.kind)

    async def listing(self, casino: Casino, bet_id: int, within: timedelta, *, cashback: bool = False) -> Listing:
        """Return all movements of a bet, or of a cashback, that payments/info lists, in the list's order."""
        asked, check = {number_name(cashback=cashback): bet_id}, check_list(bet_id, cashback=cashback)
        answer = await self._call(casino, "/payments/info", asked, within, None, check)
        if answer.meaning == "bet_unknown":
            return Listing([], answer.kind)
        return Listing(answer.movements, answer.kind)

    async def info(self, casino: Casino, bet_id: int, within: timedelta) -> CasinoAnswer:
        """Request payments/info for a bet, and return the answer unchanged."""
        return await self._call(casino, "/payments/info", {"BetId": bet_id}, within, None)

    async def authenticate(self, casino: Casino, refresh_token: str, tag_id: int, within: timedelta) -> Authentication:
        """Ask whose token it is, once. The casino gives another token in its place."""
        data: dict[str, object] = {"RefreshToken": refresh_token}
        if tag_id:
            data["TagId"] = tag_id
        answer = await self._call(casino, "/users/auth", data, within, None)
        value = answer.value if answer.meaning == "done" and isinstance(answer.value, dict) else {}
        return Authentication(answer, casino_user(value))

    async def balance(
        self, casino: Casino, partner_user_id: str, tag_id: int, currency: str, within: timedelta
    ) -> Shown:
        """Return the player's balance. It is only shown: no movement depends on it."""
        data: dict[str, object] = {"PartnerUserId": partner_user_id, "TagId": tag_id}
        if casino.profile.extra_data is not None:
            data["ExtraData"] = casino.profile.extra_data
        answer = await self._call(casino, "/users/data", data, within, None)
        if answer.meaning != "done" or not isinstance(answer.value, dict):
            return Shown(False, None)
        return casino_values.balance(field(answer.value, "Balance"), currency)

    async def close(self, casino: Casino, bet_id: int, within: timedelta, *, closed: bool) -> bool:
        """Close a bet at the casino, or open it again; return whether the casino has confirmed that."""
        answer = await self._call(casino, "/payments/close", {"BetId": bet_id, "Closed": closed}, within, None)
        return answer.meaning == "done"

    async def _call(
        self,
        casino: Casino,
        path: str,
        data: Mapping[str, object] | Sequence[Mapping[str, object]],
        within: timedelta,
        not_after: datetime | None,
        check: Check = unchecked,
    ) -> CasinoAnswer:
        body = await self._token(casino, path, data, not_after)
        began = monotonic()
        with spans.calling(f"POST {path}", {"betcore.casino": casino.name, "betcore.call": path}) as span:
            answer = await self._exchange(casino, path, body, within, check)
            span.note({"betcore.answer": answer.kind, "betcore.unknown": answer.meaning is None})
            if answer.meaning in (None, NOT_SENT):
                span.fail(answer.kind)
        count_answer(casino.name, path, answer.kind, monotonic() - began)
        return answer

    async def _exchange(self, casino: Casino, path: str, body: str, within: timedelta, check: Check) -> CasinoAnswer:
        """Send a message, and return what its answer means; whatever goes wrong after it may have left is unknown."""
        headers = {"Content-Type": "application/json"}
        if casino.profile.send.traceparent:
            headers |= spans.headers()
        try:
            async with asyncio.timeout(within.total_seconds()):
                async with self._http.post(
                    casino.api_host.rstrip("/") + path,
                    data=json.dumps(body),
                    headers=headers,
                    allow_redirects=False,
                ) as response:
                    return check(read(casino, response.status, await _bounded(response.content)))
        except TimeoutError:
            return CasinoAnswer(None, "timeout")
        except aiohttp.ClientConnectorError as error:
            # Connection refused, no such name, or no TLS: no byte of the message has left. A kept connection that dies
            # raises another error, and aiohttp never sends a POST twice.
            return CasinoAnswer(NOT_SENT, NOT_SENT, message=type(error).__name__)
        except aiohttp.ClientError as error:
            return CasinoAnswer(None, "connection", message=type(error).__name__)
        except Exception as error:
            # An answer that breaks its reader does not undo the movement, which may have been made: it is unknown.
            _log.warning("an answer could not be read", casino=casino.name, call=path, error=type(error).__name__)
            return CasinoAnswer(None, "unreadable", message=type(error).__name__)

    async def _token(self, casino: Casino, path: str, data: object, not_after: datetime | None) -> str:
        """Sign a message. It names its casino and its call: posted to another one it must not count."""
        now = datetime.now(UTC)
        lifetime = timedelta(seconds=casino.profile.message_lifetime)
        starts = now - min(_BACKDATED, lifetime / 2)
        # Whole seconds: rounded up for the message's own life, down for a last moment, which nothing extends.
        ends = math.ceil((starts + lifetime).timestamp())
        if not_after is not None:
            ends = min(ends, math.floor(not_after.timestamp()))
        if ends <= now.timestamp():
            raise LastMomentPassed
        key = await self._keys.current()
        client_id = f"PartnerClient-{casino.partner_client_id}"
        claims = {
            "nbf": int(starts.timestamp()),
            "exp": ends,
            "iss": self._issuer,
            "client_id": client_id,
            "path": path,
            "jti": secrets.token_hex(16),
            "data": json.dumps(data),
        }
        if casino.profile.send.aud:
            claims["aud"] = client_id
        return jwt.encode(claims, key.private_key, algorithm="RS256", headers={"kid": key.kid, "typ": "JWT"})


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """Return the body, cut if it is longer than any answer: what is cut does not parse, and is unknown then."""
    raw = bytearray()
    async for chunk in content.iter_any():
        raw += chunk
        if len(raw) > _MAX_ANSWER:
            break
    return bytes(raw[:_MAX_ANSWER])
