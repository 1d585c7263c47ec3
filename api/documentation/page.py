"""The page ``/docs``: Swagger UI on the OpenAPI document, with files of this service alone."""

from html import escape
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from api.page_headers import page_headers

_FOLDER = Path(__file__).parent
# Swagger UI draws its icons from data: addresses, and sets styles by script, which this policy allows.
_HEADERS = page_headers(pictures="'self' data:")


def serve(app: FastAPI, title: str) -> None:
    """Let the application serve the page and its files."""
    html = (_FOLDER / "page.html").read_text().replace("TITLE", escape(title))

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(html, headers=_HEADERS)

    app.mount("/docs/static", StaticFiles(directory=_FOLDER / "static"))
