"""The frame's page and files: what the page may do, which sites may embed it, and what browsers keep."""

import re

import pytest

from api.webframe.page import content_security_policy
from tests.api.casino_caller import CasinoCaller, casino_caller
from tests.api.wire import Answer, Api
from tests.in_process_casino import InProcessCasino


@pytest.fixture
async def caller(api: Api, casino: InProcessCasino) -> CasinoCaller:
    return await casino_caller(api, casino, "c", casino.partner_client_id)


def policy(answer: Answer) -> dict[str, str]:
    """Return the directives of the page's Content-Security-Policy."""
    found = answer.headers["content-security-policy"].split("; ")
    directives = dict(one.split(" ", 1) for one in found)
    assert len(directives) == len(found)
    return directives


async def test_the_page_may_do_what_it_needs_and_no_more(caller: CasinoCaller) -> None:
    await caller.desk.change(
        "casino", "c", profile="{confirmation: reply, origins: ['https://casino.example', 'http://localhost:3000']}"
    )
    answer = await caller.api.get(f"/webframe/{caller.partner_client_id}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    found = policy(answer)
    assert found.pop("frame-src")
    assert found.pop("img-src").split()[0] == "https:"
    assert found == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": "https://casino.example http://localhost:3000",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert answer.headers["referrer-policy"] == "strict-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def test_pictures_come_by_https_and_by_http_only_from_a_provider_on_this_machine() -> None:
    assert "img-src https:; " in content_security_policy(("games.example", "games.example:8443"), ())
    found = content_security_policy(("games.example", "127.0.0.1:8082", "[::1]"), ())
    assert "img-src https: http://127.0.0.1:8082 http://[::1]; " in found


async def test_without_known_origins_no_site_may_embed_the_page(caller: CasinoCaller) -> None:
    await caller.desk.change("casino", "c", profile="confirmation: reply")
    answer = await caller.api.get(f"/webframe/{caller.partner_client_id}")
    assert (answer.status, policy(answer)["frame-ancestors"]) == (200, "'none'")


@pytest.mark.parametrize("client_id", ["999999999", "0", "-1", "x", "9" * 30, "%00", "1%0A", "1 OR 1", "%D9%A1", "01"])
async def test_a_number_that_is_no_casinos_has_a_page_that_can_do_nothing(api: Api, client_id: str) -> None:
    answer = await api.get(f"/webframe/{client_id.replace(' ', '%20')}")
    found = policy(answer)
    assert (answer.status, found["frame-ancestors"], found["frame-src"]) == (404, "'none'", "'none'")
    assert "script" not in answer.raw.decode()


async def test_the_page_of_a_disabled_casino_opens_to_say_so(caller: CasinoCaller) -> None:
    await caller.desk.disable("casino", "c")
    try:
        answer = await caller.api.get(f"/webframe/{caller.partner_client_id}")
    finally:
        await caller.desk.enable("casino", "c")
    assert answer.status == 200


async def test_every_file_that_the_page_names_is_there_and_is_kept(caller: CasinoCaller) -> None:
    page = (await caller.api.get(f"/webframe/{caller.partner_client_id}")).raw.decode()
    names = re.findall(r'"(assets/[^"]+)"', page)
    assert names
    for name in names:
        answer = await caller.api.get(f"/webframe/{name}")
        assert (answer.status, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        assert answer.headers["content-type"] in ("text/javascript; charset=utf-8", "text/css; charset=utf-8")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["frame.js", f"{'0' * 16}/frame.js"])
async def test_a_file_of_no_or_another_release_is_asked_for_again(api: Api, name: str) -> None:
    first = await api.get(f"/webframe/assets/{name}")
    assert (first.status, first.headers["cache-control"]) == (200, "no-cache")
    again = await api.get(f"/webframe/assets/{name}", [("If-None-Match", f'"x", {first.headers["etag"]}')])
    assert (again.status, again.raw) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "frame.html",
        "..%2ffiles.py",
        "../files.py",
        "%2e%2e/page.py",
        "no-such.js",
        "",
        "/etc/passwd",
        "v1.js%00",
        "x/y.js",
    ],
)
async def test_no_other_file_is_served(api: Api, name: str) -> None:
    assert (await api.get(f"/webframe/assets/{name}")).status == 404


async def test_the_texts_are_files_of_the_page(api: Api) -> None:
    for language in ("en", "pt-BR"):
        answer = await api.get(f"/webframe/assets/locales/{language}.json")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.body


async def test_the_script_of_casinos_pages_is_small_and_other_sites_may_check_its_hash(api: Api) -> None:
    answer = await api.get("/webframe/v1.js")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert 0 < len(answer.raw) <= 8 * 1024
    # A browser checks the hash of a script of another site only if that site lets every site read it.
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=300"
    again = await api.get("/webframe/v1.js", [("If-None-Match", answer.headers["etag"])])
    assert (again.status, again.headers["etag"]) == (304, answer.headers["etag"])
