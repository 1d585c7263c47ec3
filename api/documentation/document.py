"""An OpenAPI document of one process, with named schemas, so that generators work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from api.documentation.operations import Schema

OPERATIONS = {"name": "Operations", "description": "Whether the service is up."}


@dataclass(frozen=True)
class Document:
    """What stands in a document beside the routes."""

    title: str
    text: str
    tags: Sequence[dict[str, str]]
    schemas: Mapping[str, Schema]
    security_schemes: Mapping[str, Schema]

    def describe(self, app: FastAPI) -> None:
        """Let an application serve this document as its ``/openapi.json``."""

        def document() -> Schema:
            if app.openapi_schema is None:
                app.openapi_schema = self._of(app)
            return app.openapi_schema

        app.openapi = document  # type: ignore[method-assign]

    def _of(self, app: FastAPI) -> Schema:
        made = get_openapi(
            title=self.title,
            version=app.version,
            description=self.text,
            routes=app.routes,
            tags=list(self.tags),
            servers=[{"url": "/"}],
        )
        made["components"] = {"schemas": dict(self.schemas), "securitySchemes": dict(self.security_schemes)}
        _complete(made["paths"], app)
        return made


def _complete(paths: dict[str, dict[str, dict[str, Schema]]], app: FastAPI) -> None:
    """Put the responses in again as they are described: FastAPI leaves null out, in examples too."""
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = paths.get(str(route.path_format), {}).get(method.lower())
            if operation is not None:
                operation["responses"].update({str(status): text for status, text in route.responses.items()})
