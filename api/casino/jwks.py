"""JWKS: the public keys by which casinos verify our messages, as a plain RFC 7517 set without an envelope."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from api.casino import openapi
from api.casino.routes import PREFIX
from betcore.db.signing_keys import JWKS_MAX_AGE, SigningKeys


def router(keys: SigningKeys) -> APIRouter:
    """Return the route ``auth/jwks``."""
    routes = APIRouter()

    @routes.get(f"{PREFIX}/auth/jwks", **openapi.list_keys())
    async def jwks() -> JSONResponse:
        return JSONResponse(await keys.jwks(), headers={"Cache-Control": f"public, max-age={JWKS_MAX_AGE}"})

    return routes
