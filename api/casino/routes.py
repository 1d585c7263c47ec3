"""The Aggregator API for casinos: access tokens, verification of our messages, Accepts.

Every response is ``{"ErrorCode", "Message", "Value"}``. HTTP 200 is final, 503 asks for the same call again, and 400
says why a call cannot be read.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence

import structlog
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.caller_limits import CallerLimits
from api.casino import schemas
from api.casino.accepts import AcceptReceiver
from api.strict_json import MAX_BODY
from betcore.casino.tokens import LIFETIME, SCOPE, Tokens
from betcore.db.partners import Partners
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.errors import Malformed, NotAuthorised, TooLarge, TooManyCalls
from betcore.domain.partners import Casino, CasinoAccount

_log = structlog.get_logger()

PREFIX = "/mis-api/api/v2"
SUCCESS, NOT_AUTHORISED = 200, 401
MALFORMED, FAILED, CONTRADICTION, UNKNOWN_BET = 103801, 102823, 103803, 103804

_ANSWERS = {
    AcceptOutcome.STORED: (SUCCESS, "Success"),
    AcceptOutcome.REPEATED: (SUCCESS, "Success"),
    AcceptOutcome.ENDED: (SUCCESS, "Success"),
    AcceptOutcome.CONTRADICTED: (CONTRADICTION, "this contradicts what is recorded"),
    AcceptOutcome.UNKNOWN: (UNKNOWN_BET, "bet not found"),
}
_WITHIN = 5.0
_SOON = {"Retry-After": "1"}
# Compared if the casino is unknown: otherwise the time of the answer would reveal which casinos exist.
_DUMMY_SECRETS = ("nobody-has-this-secret",)


def router(tokens: Tokens, partners: Partners, accepts: AcceptReceiver, limits: CallerLimits) -> APIRouter:
    """Return the routes ``auth/token``, ``auth/verify`` and ``payments/accept``."""
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)

    async def token(request: Request) -> Response:
        client_id, secret = schemas.credentials(await _body(request))
        account = await _identify(
            partners,
            limits,
            client_id,
            lambda found: _holds(secret, found.secrets if found else _DUMMY_SECRETS),
            "PartnerClientId and Secret do not hold",
        )
        value = {
            "AccessToken": await tokens.issue(client_id, account.token_generation),
            "TokenType": "Bearer",
            "ExpiresIn": int(LIFETIME.total_seconds()),
            "Scope": SCOPE,
        }
        return _render(SUCCESS, "Success", value, headers={"Cache-Control": "no-store"})

    async def verify(request: Request) -> Response:
        claims = await tokens.message(schemas.token(await _body(request)))
        value = {"Valid": False} if claims is None else {"Valid": True, "Claims": claims}
        return _render(SUCCESS, "Success", value)

    async def accept(request: Request) -> Response:
        casino = await _authenticate(request, tokens, partners, limits)
        stored = await accepts.receive(casino, await _body(request))
        if stored.outcome is AcceptOutcome.LATER:
            return _repeat_later()
        code, message = _ANSWERS[stored.outcome]
        return _render(code, f"{stored.reason}: {message}" if stored.reason else message)

    for path, handle in (("/auth/token", token), ("/auth/verify", verify), ("/payments/accept", accept)):
        routes.post(path)(_with_refusals(handle))
    return routes


def owns(path: str) -> bool:
    """Return whether a refusal at this path has the form of this API. The JWKS has no form of its own."""
    return path.startswith(f"{PREFIX}/") and path != f"{PREFIX}/auth/jwks"


def refusal(error: Exception) -> Response:
    """Return the response to an error. After an unforeseen one the casino is to call again; its text stays inside."""
    match error:
        case NotAuthorised():
            return _render(NOT_AUTHORISED, str(error), status=401, headers={"WWW-Authenticate": "Bearer"})
        case TooManyCalls():
            return _render(FAILED, str(error), status=429, headers=_SOON)
        case TooLarge():
            return _render(MALFORMED, str(error), status=413)
        case Malformed():
            return _render(MALFORMED, str(error), status=400)
        case HTTPException():
            return _render(error.status_code, error.detail, status=error.status_code, headers=dict(error.headers or {}))
        case _:
            _log.error("a casino's call failed", exc_info=error)
            return _repeat_later()


def _repeat_later() -> Response:
    return _render(FAILED, "not done: send it again", status=503, headers=_SOON)


def _with_refusals(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        try:
            async with asyncio.timeout(_WITHIN):
                return await handle(request)
        except Exception as error:
            return refusal(error)

    return answered


def _render(
    code: int, message: str, value: object = None, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    body = json.dumps({"ErrorCode": code, "Message": message, "Value": value})
    return Response(body, status, headers, media_type="application/json")


def _holds(given: str, secrets: Sequence[str]) -> bool:
    # A list: with a generator the time of the answer would reveal which secret matched.
    return any([hmac.compare_digest(_digest(given), _digest(secret)) for secret in secrets])


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def _authenticate(request: Request, tokens: Tokens, partners: Partners, limits: CallerLimits) -> Casino:
    given = request.headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorised("an access token is needed: Authorization: Bearer")
    try:
        client_id, generation = await tokens.holder(token.strip())
    except NotAuthorised:
        await limits.count_stranger()
        raise
    account = await _identify(
        partners,
        limits,
        client_id,
        lambda found: found is not None and found.token_generation == generation,
        "the access token does not hold",
    )
    return account.casino


async def _identify(
    partners: Partners, limits: CallerLimits, client_id: int, holds: Callable[[CasinoAccount | None], bool], doubt: str
) -> CasinoAccount:
    """Return the account of a casino, with the call counted for it if that holds, else for all strangers together.

    Raises NotAuthorised with the ``doubt``, and TooManyCalls.
    """
    known = partners.knows_account(client_id)
    if not known:
        await limits.count_stranger()
    account = await partners.account(client_id)
    if not holds(account) or account is None:
        if known:
            await limits.count_stranger()
        raise NotAuthorised(doubt)
    await limits.count_casino(account.casino)
    return account


async def _body(request: Request) -> bytes:
    """Return the whole body. Raises TooLarge as soon as that is known, and Malformed if the casino hangs up."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLarge(f"a body has {MAX_BODY} bytes at most")
    except ClientDisconnect:
        raise Malformed("the body was not finished") from None
    return bytes(body)
