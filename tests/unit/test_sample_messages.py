"""The sample messages of docs/protocol-casino.md, checked as the page asks casinos to check."""

import json
import re
from pathlib import Path
from typing import Any

import jwt
import pytest

ME, CALLED = "PartnerClient-2", "/payments/make"
PAGE = (Path(__file__).parents[2] / "docs" / "protocol-casino.md").read_text().partition("### Sample messages")[2]
KEYS = jwt.PyJWKSet.from_dict(json.loads(re.findall(r"^\| `(\{.+\})` \|$", PAGE, re.MULTILINE)[0]))
MESSAGES: dict[str, str] = {
    said: token for token, said in re.findall(r"^\| `(eyJ\S+)` \| (.+) \|$", PAGE, re.MULTILINE)
}
# The samples are of one moment, and the library asks the clock of now.
_ANY_TIME = {"verify_exp": False, "verify_nbf": False}


def _claims(token: str, **more: Any) -> dict[str, Any]:
    key = KEYS[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], options=_ANY_TIME, **more)
    return claims


def _message(start: str) -> str:
    (found,) = [token for said, token in MESSAGES.items() if said.startswith(start)]
    return found


@pytest.mark.edge_case(101)
def test_the_page_has_each_kind() -> None:
    assert [said.partition(":")[0] for said in MESSAGES] == ["take it", "take it", "401", "401", "401"]


@pytest.mark.edge_case(101)
def test_the_right_message_passes_with_the_audience_and_not_without_one() -> None:
    right = next(iter(MESSAGES.values()))
    claims = _claims(right, audience=ME)
    assert (claims["client_id"], claims["aud"], claims["path"]) == (ME, ME, CALLED)
    assert claims["exp"] - claims["nbf"] == 10
    assert json.loads(claims["data"])["TransactionId"] == "1:-1"
    # Why a profile can leave it out: a library that expects no audience refuses the message.
    with pytest.raises(jwt.InvalidAudienceError):
        _claims(right)


@pytest.mark.edge_case(101)
def test_the_message_without_an_audience_passes_if_none_is_asked_for() -> None:
    claims = _claims(_message("take it: as"))
    assert (claims["client_id"], claims["path"], "aud" in claims) == (ME, CALLED, False)


@pytest.mark.edge_case(101)
def test_what_is_for_another_casino_another_call_or_by_another_key_is_refused() -> None:
    with pytest.raises(jwt.InvalidAudienceError):
        _claims(_message("401: it is for `PartnerClient-3`"), audience=ME)
    assert _claims(_message("401: it is for `/payments/close`"), audience=ME)["path"] != CALLED
    with pytest.raises(KeyError):
        _claims(_message("401: its `kid`"), audience=ME)
