"""The signature of a provider's request, X-Sign: checked after the size and before the path, for all below ``/v1``."""

import hashlib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.caller_limits import CallerLimits
from api.provider.responses import refusal
from api.request_metrics import called_by
from api.strict_json import sorted_encoding
from betcore.db.partners import Partners
from betcore.domain.errors import NotAuthorised
from betcore.domain.partners import Provider
from betcore.domain.proof import Proof
from betcore.provider import xsign

_TIMESTAMP_IN_SECONDS = "X-Timestamp is in milliseconds, not in seconds"
# Bytes of a body that is sorted. To do so takes 0.6 ms for each KiB, and whoever knows a provider's id may ask for it.
_MOST_SORTED = 4 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Compared if the counterparty is unknown: otherwise the time of the answer would reveal which counterparties exist.
_DUMMY_SECRETS = ("nobody-has-this-secret",)


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the signature: it is sent once, in its form. ``scheme`` is its name in the OpenAPI document."""

    name: str
    form: re.Pattern[str]
    meaning: str
    scheme: str


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
COUNTERPARTY_ID = Header(xsign.COUNTERPARTY_ID, _UUID, "Who calls: a UUID.", "counterpartyId")
TIMESTAMP = Header(
    xsign.TIMESTAMP,
    re.compile(r"[0-9]{1,15}"),
    "Unix time in milliseconds, at most 60 seconds from our clock.",
    "timestamp",
)
REQUEST_ID = Header(
    xsign.REQUEST_ID,
    re.compile(r"[0-9a-fA-F]{32}"),
    "32 hex digits, new for every request, repeats included.",
    "requestId",
)
SIGNATURE = Header(
    xsign.SIGNATURE,
    re.compile(r"[0-9a-f]{64}"),
    "HMAC-SHA256 in lower-case hex digits, over body and headers.",
    "signature",
)
HEADERS = (COUNTERPARTY_ID, TIMESTAMP, REQUEST_ID, SIGNATURE)


@dataclass(slots=True)
class Caller:
    """A provider whose signature holds. ``claimed`` says that its request id is recorded already."""

    provider: Provider
    request_id: str
    arrived: float
    body: bytes
    sent_at: datetime
    proof: Proof
    claimed: bool = False


class SignatureMiddleware:
    """ASGI middleware: requests below ``prefix`` reach the application only with a valid signature."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a signed request on, answer any other with its refusal."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{self._prefix}/"):
            await self._app(scope, receive, send)
            return
        arrived = time.monotonic()
        try:
            body = await Request(scope, receive).body()
            provider, proof = await self._authenticate_and_count(scope, body)
        except Exception as error:
            await refusal(error)(scope, receive, send)
            return
        sent_at = _EPOCH + timedelta(milliseconds=proof.timestamp)
        scope.setdefault("state", {})["caller"] = Caller(provider, proof.request_id, arrived, body, sent_at, proof)
        await self._app(scope, receive, send)

    async def _authenticate_and_count(self, scope: Scope, body: bytes) -> tuple[Provider, Proof]:
        """Return who calls and what proves it.

        The call is counted for its provider if the signature holds, else for all strangers together.

        Raises NotAuthorised, and TooManyCalls: then no statement was sent.
        """
        limits: CallerLimits = scope["app"].state.limits
        partners: Partners = scope["app"].state.partners
        known = partners.knows_provider(_header(scope, COUNTERPARTY_ID))
        if not known:
            # Before the database is asked: it would be asked for each of a flood of made-up ids.
            await limits.count_stranger()
        try:
            found = await self._authenticate(scope, body)
        except NotAuthorised:
            if known:
                await limits.count_stranger()
            raise
        called_by(found[0].name)
        await limits.count_provider(found[0])
        return found

    async def _authenticate(self, scope: Scope, body: bytes) -> tuple[Provider, Proof]:
        counterparty_id = _header(scope, COUNTERPARTY_ID)
        timestamp = _header(scope, TIMESTAMP)
        request_id = _header(scope, REQUEST_ID)
        signature = _header(scope, SIGNATURE)
        partners: Partners = scope["app"].state.partners
        provider = await partners.provider(counterparty_id)
        secrets = provider.secrets if provider else _DUMMY_SECRETS
        place_in = partial(xsign.place_of_secret, signature, secrets, counterparty_id, timestamp, request_id)
        # The raw body first, for unknown callers too: to write the sorted one takes far longer.
        place, is_sorted = place_in(body), False
        if place is None and provider is not None and _may_be_sorted(provider, body):
            place, is_sorted = place_in(sorted_encoding(body)), True
        if provider is None or place is None:
            raise NotAuthorised("the signature does not hold")
        if provider.suspended:
            raise NotAuthorised("the provider is suspended")
        if abs(time.time() - int(timestamp) / 1000) > provider.profile.freshness_window:
            in_seconds = abs(time.time() - int(timestamp)) <= provider.profile.freshness_window
            raise NotAuthorised(_TIMESTAMP_IN_SECONDS if in_seconds else "X-Timestamp is too far from our clock")
        return provider, Proof(
            request_id=request_id,
            timestamp=int(timestamp),
            body_sha256=hashlib.sha256(body).hexdigest(),
            signature=signature,
            secret="previous" if place else "current",
            sorted=is_sorted,
        )


def _may_be_sorted(provider: Provider, body: bytes) -> bool:
    return provider.profile.signature == "raw_or_sorted" and len(body) <= _MOST_SORTED


def _header(scope: Scope, header: Header) -> str:
    found = [value for key, value in scope["headers"] if key == header.name.lower().encode()]
    text = found[0].decode("latin-1") if len(found) == 1 else ""
    if not header.form.fullmatch(text):
        raise NotAuthorised(f"{header.name} must be given once, in its form")
    return text
