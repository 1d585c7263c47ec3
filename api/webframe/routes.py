"""The WebFrame over HTTP: the script of casinos' pages, the frame's page, its files and its API."""

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.webframe.files import FrameFiles
from api.webframe.page import page, unknown_casino
from betcore.db.partners import Partners
from betcore.domain.casino_values import LARGEST_ID

PREFIX = "/webframe"
_CLIENT_ID = re.compile(r"[1-9][0-9]{0,15}")


def router(files: FrameFiles, partners: Partners) -> APIRouter:
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

    return routes
