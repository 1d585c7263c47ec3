"""The guides for partners' engineers: their commands run as they are pasted, and print what the guide says."""

from pathlib import Path
from uuid import uuid4

import pytest

from devkit.stack import ports
from tests import guides
from tests.partner import ROOT, Stack

# The stack is there; these start it.
_FIRST_RUN = {"make setup", "make up"}
_SECONDS = 300
_FROM_THE_CHECKOUT = ("bin", "docs", "examples", ".venv")


@pytest.fixture
def checkout(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the checkout, for commands that write files beside it."""
    for name in _FROM_THE_CHECKOUT:
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("BETCORE_DATA_DIR", str(stack.folder))
    # Bytecode would lie beside the examples.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return tmp_path


@pytest.mark.parametrize("name", ["integrate-casino", "integrate-provider"])
async def test_every_command_of_a_guide_does_what_the_guide_says(
    name: str, stack: Stack, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text()
    api, casino, ui = (stack.addresses[one] for one in ("api", "sandbox_casino", "temporal_ui"))
    replaced = {"http://127.0.0.1:8080": api, "http://127.0.0.1:8081": casino, "http://127.0.0.1:8233": ui}
    port, site = ports.free(2)
    replaced |= dict.fromkeys(("127.0.0.1:9000", "127.0.0.1:9100"), f"127.0.0.1:{port}")
    replaced |= {"http.server 9200": f"http.server {site}", "127.0.0.1:9200": f"127.0.0.1:{site}"}
    monkeypatch.setenv("PORT", str(port))
    wrong = await guides.run(page, checkout, replaced, _FIRST_RUN, _SECONDS)
    assert not wrong, "\n".join(wrong)


async def test_the_first_pay_in_of_the_readme_is_answered_as_it_says(stack: Stack, checkout: Path) -> None:
    _, _, section = (ROOT / "README.md").read_text().partition("## A first PayIn by hand\n")
    replaced = {"http://127.0.0.1:8080": stack.addresses["api"], "my-first-bet": f"first-{uuid4().hex}"}
    wrong = await guides.run(section.partition("\n## ")[0], checkout, replaced, set(), _SECONDS)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("printed", "expected", "alike"),
    [
        ("a 1\nb", "a …\nb", True),
        ("a 1\nx\nb", "a …\nb", False),
        ("a\nx\ny\nb", "a\n…\nb", True),
        ("a", "b", False),
        ("ab", "a", False),
    ],
)
def test_what_is_printed_is_compared_line_by_line(printed: str, expected: str, alike: bool) -> None:
    assert guides.is_like(printed, expected) is alike


async def test_a_claim_that_does_not_hold_and_a_command_that_fails_are_found(tmp_path: Path) -> None:
    page = "```sh\nname=x\n```\n\n```sh\necho $name\n```\n\n```text\ny\n```\nwords\n```sh\nfalse\n```\n"
    first, second = await guides.run(page, tmp_path, {"echo": "printf %s"}, set(), _SECONDS)
    assert first.startswith("line 5, status 0:\nprintf %s $name\n\nprinted:\nx")
    assert second.startswith("line 13, status 1:\nfalse")
