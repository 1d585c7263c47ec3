"""The public keys by which casinos verify our messages: a plain RFC 7517 set, without an envelope."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from betcore.db.signing_keys import SigningKeys

# Short: a key that was just put in force signs at once, and a casino must come to know it.
_CACHE = "public, max-age=60"


def router(keys: SigningKeys) -> APIRouter:
    """``/mis-api/api/v2/auth/jwks``."""
    routes = APIRouter()

    @routes.get("/mis-api/api/v2/auth/jwks", summary="Keys of the tokens that we send to casinos.")
    async def jwks() -> JSONResponse:
        return JSONResponse(await keys.jwks(), headers={"Cache-Control": _CACHE})

    return routes
