"""The page on which an operator gives its token once, so that the browser sends it along from the Temporal UI.

The UI can pass on the access token of its own login, and cookies; it has no field for another token.
"""

from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import parse_qs, urlsplit

import structlog
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.caller_limits import CallerLimits
from api.codec.callers import COOKIE
from betcore.domain.errors import NotAuthorised
from betcore.runtime.operator_tokens import OperatorTokens

_log = structlog.get_logger()
PATH = "/sign-in"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Codec server</title></head><body><h1>Codec server</h1>{}</body></html>
"""
_FORM = """<p>{}</p><form method="post" autocomplete="off">
<p><label>Token <input name="token" type="password" required size="60"></label> <button>Sign in</button></p></form>"""
_ASK = "The Temporal UI shows bets when you have signed in here with your token (<code>codec token</code> makes one)."
_LONGEST = timedelta(hours=12)


def router(tokens: OperatorTokens, limits: CallerLimits, *, secure: bool) -> APIRouter:
    """Return the routes; ``secure`` is whether the cookie goes over https alone."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(PATH)
    async def show(_: Request) -> Response:
        return _page(_FORM.format(_ASK))

    @routes.post(PATH)
    async def sign_in(request: Request) -> Response:
        # A page of another site must not sign a browser in under a token of its own.
        if urlsplit(request.headers.get("origin", "")).netloc != request.headers.get("host"):
            raise NotAuthorised("the call does not come from the page /sign-in")
        given = parse_qs((await request.body()).decode("utf-8", "replace")).get("token", [""])[-1].strip()
        entry = tokens.holder(given)
        if entry is None:
            await limits.count_stranger()
            return _page(_FORM.format("The token does not hold."), 401)
        left = datetime.combine(entry.last_day, datetime.max.time(), UTC) - datetime.now(UTC)
        kept = min(left, _LONGEST)
        _log.info("an operator has signed in", operator=entry.operator)
        page = _page(
            f"<p>Signed in as {escape(entry.operator)} for {round(kept / timedelta(hours=1))} hours in this browser. "
            "Reload the Temporal UI.</p>"
        )
        page.set_cookie(
            COOKIE,
            given,
            max_age=int(kept.total_seconds()),
            path=f"{request.scope.get('root_path', '')}/decode",
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return page

    return routes


def _page(body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(body), status, _HEADERS)
