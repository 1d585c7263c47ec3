"""The OpenAPI document: the calls of providers and of casinos, with named schemas, so that generators work."""

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from api.casino import openapi as casino
from api.documentation.operations import Schema
from api.provider import openapi as provider

_TITLE = "Game aggregator"
_TEXT = """\
Game providers send bets, and casinos confirm what their wallets did. Every bet is carried to its end, whatever fails
in between.

A **provider** signs each request: four headers, new for each request, repeats included. An answer with
`_responseCode` 99, or none, asks for the same call again. A **casino** gets an access token at `auth/token` and sends
it as a bearer token.
"""


def describe(app: FastAPI) -> None:
    """Let the application serve this document as its ``/openapi.json``."""

    def document() -> Schema:
        if app.openapi_schema is None:
            made = get_openapi(
                title=_TITLE,
                version=app.version,
                description=_TEXT,
                routes=app.routes,
                tags=[provider.TAG, casino.TAG, _OPERATIONS],
                servers=[{"url": "/"}],
            )
            made["components"] = {
                "schemas": provider.components() | casino.components(),
                "securitySchemes": provider.SECURITY_SCHEMES | casino.SECURITY_SCHEMES,
            }
            _complete(made["paths"], app)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _complete(paths: dict[str, dict[str, dict[str, Schema]]], app: FastAPI) -> None:
    """Put the responses in again as they are described: FastAPI leaves null out, in examples too."""
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = paths.get(str(route.path_format), {}).get(method.lower())
            if operation is not None:
                operation["responses"].update({str(status): text for status, text in route.responses.items()})


_OPERATIONS = {"name": "Operations", "description": "Whether the service is up."}
