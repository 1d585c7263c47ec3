"""The page ``/docs``: off by default, nothing from other hosts, and the files of Swagger UI as they were released."""

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.documentation import page
from tests.api.wire import Api, running_api

FOLDER = Path(page.__file__).parent / "static" / "swagger-ui"
# SHA-256 of the files of swagger-ui-dist 5.35.0.
RELEASED = {
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


@pytest.fixture(scope="module")
async def documented(wire_database: str, temporal_address: str) -> AsyncIterator[Api]:
    async with running_api(wire_database, temporal_address, api_docs="true") as running:
        yield running.inner


async def test_the_page_is_off_by_default_and_the_document_is_not(api: Api) -> None:
    assert (await api.inner.get("/docs")).status == 404
    assert (await api.inner.get("/docs/static/start.js")).status == 404
    assert (await api.inner.get("/openapi.json")).status == 200


async def test_the_page_runs_files_of_this_service_alone(documented: Api) -> None:
    answer = await documented.get("/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    directives = dict(one.split(" ", 1) for one in answer.headers["content-security-policy"].split("; "))
    assert directives.pop("img-src") == "'self' data:"
    assert {name for name, value in directives.items() if value == "'self'"} == {
        "script-src",
        "style-src",
        "connect-src",
    }
    assert {name for name, value in directives.items() if value == "'none'"} == {
        "default-src",
        "frame-ancestors",
        "base-uri",
        "form-action",
    }
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.raw.decode())
    assert len(loaded) == 6
    assert [one for one in loaded if "://" in one] == []
    for path in loaded:
        if path != "data:,":
            assert (await documented.get(f"/{path}")).status == 200


async def test_the_page_asks_no_other_host(documented: Api) -> None:
    script = (await documented.get("/docs/static/start.js")).raw.decode()
    assert "validatorUrl: null" in script
    assert "supportedSubmitMethods: []" in script
    assert "://" not in script


@pytest.mark.parametrize("path", ["/docs/static/../page.py", "/docs/static/%2e%2e/page.py", "/docs/static/", "/docs/x"])
async def test_nothing_else_is_served(documented: Api, path: str) -> None:
    assert (await documented.get(path)).status == 404


def test_swagger_ui_is_as_it_was_released() -> None:
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in FOLDER.iterdir()}
    readme = found.pop("README.md")
    assert readme
    assert found == RELEASED
    assert "5.35.0" in (FOLDER / "README.md").read_text()
