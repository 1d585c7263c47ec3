"""examples/vectors.json: what the service makes and takes, checked as partners are asked to check it."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from api.casino import schemas
from betcore.domain.profiles import DEFAULT_ERROR_CODES
from betcore.provider import xsign
from tests import example_clients
from tests.example_clients import FOLDER, LANGUAGES

VECTORS: dict[str, Any] = json.loads((FOLDER / "vectors.json").read_text())
X_SIGN, MESSAGES, ACCEPT = VECTORS["xSign"], VECTORS["messages"], VECTORS["accept"]
HEAD = (X_SIGN["counterpartyId"], X_SIGN["timestamp"], X_SIGN["requestId"])
PAGE = (FOLDER.parent / "docs" / "protocol.md").read_text()

ME, CALLED = MESSAGES["clientId"], MESSAGES["path"]
KEYS = jwt.PyJWKSet.from_dict({"keys": MESSAGES["keys"]})
SAMPLES: dict[str, dict[str, Any]] = {case["name"]: case for case in MESSAGES["cases"]}
# The samples are of one moment, and the library asks the clock of now.
_ANY_TIME = {"verify_exp": False, "verify_nbf": False}


@pytest.mark.parametrize("case", X_SIGN["cases"], ids=lambda case: case["body"] or "none")
def test_the_published_signatures_are_made_and_accepted(case: dict[str, str]) -> None:
    body, signature = case["body"].encode(), case["signature"]
    assert xsign.sign(X_SIGN["secret"], *HEAD, body) == signature
    assert xsign.verify(signature, [X_SIGN["secret"]], *HEAD, body)


def test_the_page_shows_the_same_signatures() -> None:
    assert all(f"`{case['signature']}`" in PAGE for case in X_SIGN["cases"])
    assert all(value in PAGE for value in (X_SIGN["secret"], ".".join(HEAD), X_SIGN["cases"][1]["body"]))


def _claims(name: str, **more: Any) -> dict[str, Any]:
    token = SAMPLES[name]["message"]
    key = KEYS[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], options=_ANY_TIME, **more)
    return claims


@pytest.mark.edge_case(101)
def test_the_right_message_passes_with_the_audience_and_not_without_one() -> None:
    claims = _claims("the audience is named", audience=ME)
    assert (claims["client_id"], claims["aud"], claims["path"]) == (ME, ME, CALLED)
    assert claims["exp"] - claims["nbf"] == 10
    assert claims["nbf"] <= MESSAGES["now"] < claims["exp"] <= MESSAGES["expired"]
    assert json.loads(claims["data"]) == MESSAGES["data"]
    # Why a profile can leave it out: a library that expects no audience refuses the message.
    with pytest.raises(jwt.InvalidAudienceError):
        _claims("the audience is named")


@pytest.mark.edge_case(101)
def test_the_message_without_an_audience_passes_if_none_is_asked_for() -> None:
    claims = _claims("without an audience, for a profile with send.aud: false")
    assert (claims["client_id"], claims["path"], "aud" in claims) == (ME, CALLED, False)


@pytest.mark.edge_case(101)
def test_what_is_for_another_casino_another_call_or_by_another_key_is_refused() -> None:
    assert [name for name, case in SAMPLES.items() if not case["holds"]] == [
        "for PartnerClient-3",
        "for /payments/close",
        "the kid is not in the set",
    ]
    with pytest.raises(jwt.InvalidAudienceError):
        _claims("for PartnerClient-3", audience=ME)
    assert _claims("for /payments/close", audience=ME)["path"] != CALLED
    with pytest.raises(KeyError):
        _claims("the kid is not in the set", audience=ME)


def test_the_accept_is_read_as_the_movement_that_it_confirms() -> None:
    made = ACCEPT["message"]
    accept = schemas.accept(json.dumps(ACCEPT["body"]).encode(), DEFAULT_ERROR_CODES)
    assert (accept.bet_id, int(accept.transaction_type)) == (made["BetId"], made["TransactionType"])
    assert (accept.amount, accept.partner_user_id) == (made["Amount"], made["PartnerUserId"])
    assert (accept.success, accept.transaction_id) == (True, made["TransactionId"])
    assert (accept.partner_transaction_id, accept.balance) == (ACCEPT["partnerTransactionId"], ACCEPT["balance"])


@pytest.mark.parametrize("name", ["provider", "casino"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_client_finds_that_the_vectors_hold(language: str, name: str) -> None:
    line = example_clients.command(language, name, "vectors")
    assert (await example_clients.run(line, example_clients.environment()))[-1].endswith("vectors hold")


def _other_signature(vectors: dict[str, Any]) -> None:
    vectors["xSign"]["cases"][1]["signature"] = "0" * 64


def _other_verdict(vectors: dict[str, Any]) -> None:
    vectors["messages"]["cases"][2]["holds"] = True


def _never_late(vectors: dict[str, Any]) -> None:
    vectors["messages"]["expired"] = vectors["messages"]["now"]


def _other_accept(vectors: dict[str, Any]) -> None:
    vectors["accept"]["body"]["Amount"] = "10.01"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("provider", _other_signature),
        ("casino", _other_verdict),
        ("casino", _never_late),
        ("casino", _other_accept),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_client_fails_if_a_vector_does_not_hold(
    language: str, name: str, change: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    wrong = copy.deepcopy(VECTORS)
    change(wrong)
    shutil.copytree(FOLDER / language, tmp_path / language)
    (tmp_path / "vectors.json").write_text(json.dumps(wrong))
    line = example_clients.command(language, name, "vectors", folder=tmp_path)
    with pytest.raises(AssertionError, match=r"signature|Accept|PartnerClient-3|late|audience"):
        await example_clients.run(line, example_clients.environment())
