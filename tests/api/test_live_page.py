"""The page ``/live``: its policy, its files, and the SignalR client as it was released."""

import hashlib
import re
from pathlib import Path

import pytest

from api.feed import live_page
from tests.api.wire import Api

FOLDER = Path(live_page.__file__).parent / "static"
# SHA-256 of dist/browser/signalr.min.js of @microsoft/signalr 10.0.11.
RELEASED = "97e9b97e642a72e5a470917147a2bf79f86cad829a5c6786adb10614d248bb95"


def test_the_client_is_as_it_was_released() -> None:
    folder = FOLDER / "signalr"
    assert hashlib.sha256((folder / "signalr.min.js").read_bytes()).hexdigest() == RELEASED
    assert {file.name for file in folder.iterdir()} == {"signalr.min.js", "LICENSE", "README.md"}
    assert "10.0.11" in (folder / "README.md").read_text()


async def test_the_page_runs_files_of_this_service_alone(feed: Api) -> None:
    answer = await feed.get("/live")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(one.split(" ", 1) for one in answer.headers["content-security-policy"].split("; "))
    assert policy.pop("img-src") == "data:"
    assert {name for name, value in policy.items() if value == "'self'"} == {"script-src", "style-src", "connect-src"}
    assert {name for name, value in policy.items() if value == "'none'"} == {
        *("default-src", "frame-ancestors", "base-uri", "form-action"),
    }
    loaded = [one for one in re.findall(r'(?:src|href)="([^"]+)"', answer.raw.decode()) if one != "data:,"]
    assert len(loaded) == 3
    for path in loaded:
        assert (await feed.get(f"/{path}")).status == 200


def test_the_pages_own_files_name_no_other_host() -> None:
    for file in FOLDER.glob("*.*"):
        assert "://" not in file.read_text(), file.name


@pytest.mark.parametrize("path", ["/live/static/../main.py", "/live/static/%2e%2e/main.py", "/live/static/", "/live/x"])
async def test_nothing_else_is_served(feed: Api, path: str) -> None:
    assert (await feed.get(path)).status == 404
