"""The page ``/live``: live games, results and jackpots for people, with files of this service alone."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from api.page_headers import page_headers

_FOLDER = Path(__file__).parent / "static"
_HEADERS = page_headers(pictures="data:")


def serve(app: FastAPI) -> None:
    """Let the application serve the page and its files."""
    html = (_FOLDER / "live.html").read_text("utf-8")

    @app.get("/live", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(html, headers=_HEADERS)

    app.mount("/live/static", StaticFiles(directory=_FOLDER))
