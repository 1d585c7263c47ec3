"""The WebFrame over HTTP: the script of casinos' pages, the frame's page, its files and its API."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.body_fields import read_fields
from api.webframe.api import FrameApi, FrameCall, Value
from api.webframe.files import FrameFiles
from api.webframe.guard import check_page
from api.webframe.page import page, unknown_casino
from api.webframe.responses import refusal, render
from api.webframe.texts import Texts
from betcore.db.partners import Partners
from betcore.domain.casino_values import LARGEST_ID

PREFIX = "/webframe"
_CLIENT_ID = re.compile(r"[1-9][0-9]{0,15}")
# Longer than the two attempts at a casino or a provider take.
_WITHIN = 20.0


def router(files: FrameFiles, texts: Texts, partners: Partners, api: FrameApi) -> APIRouter:
    """Return the routes of the frame."""
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)

    @routes.get("/v1.js")
    async def script(request: Request) -> Response:
        return files.script(request)

    @routes.get("/assets/{name:path}")
    async def asset(name: str, request: Request) -> Response:
        return files.asset(name, request)

    @routes.get("/{client_id}")
    async def frame(client_id: str) -> Response:
        known = _CLIENT_ID.fullmatch(client_id) is not None and int(client_id) <= LARGEST_ID
        account = await partners.account(int(client_id)) if known else None
        if account is None:
            return unknown_casino()
        # The page of a disabled casino opens too: its API says why there are no games.
        return page(files.page, await partners.frame_hosts(), account.casino.profile.origins)

    for handle in (api.open, api.games, api.launch, api.balance, api.close):
        routes.post(f"/api/{handle.__name__}")(_with_refusals(handle, texts))
    return routes


def owns(path: str) -> bool:
    """Return whether a refusal at this path has the form of the frame's API."""
    return path.startswith(f"{PREFIX}/api/")


def refuse(request: Request, error: Exception, texts: Texts) -> Response:
    """Return the response to a call that has no route."""
    return refusal(error, texts, _language(request, texts))


def _with_refusals(
    handle: Callable[[FrameCall], Awaitable[Value]], texts: Texts
) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        call = FrameCall(request, _language(request, texts), {})
        try:
            async with asyncio.timeout(_WITHIN):
                check_page(request)
                call.fields = read_fields(await request.body())
                return render(await handle(call))
        except Exception as error:
            return refusal(error, texts, call.language)

    return answered


def _language(request: Request, texts: Texts) -> str:
    return texts.of_header(request.headers.get("accept-language", ""))
