"""X-Sign: what it covers, and what no signature may let through. Its vectors are in test_vectors.py."""

import hashlib
import hmac
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from betcore.provider import xsign

SECRET = "example-shared-secret-not-real"
COUNTERPARTY = "11111111-2222-4333-8444-555555555555"
TIMESTAMP = "1750000000000"
REQUEST_ID = "0123456789abcdef0123456789abcdef"
HEAD = (COUNTERPARTY, TIMESTAMP, REQUEST_ID)

hexes = st.text("0123456789abcdef", min_size=32, max_size=32)
keys = st.text(min_size=1).filter(lambda text: text.isprintable())


@given(body=st.binary(), secret=keys, request_id=hexes)
def test_the_message_is_body_then_headers_joined_by_dots(body: bytes, secret: str, request_id: str) -> None:
    head = f"{COUNTERPARTY}.{TIMESTAMP}.{request_id}".encode()
    message = body + b"." + head if body else head
    expected = hmac.digest(secret.encode(), message, hashlib.sha256).hex()
    assert xsign.sign(secret, COUNTERPARTY, TIMESTAMP, request_id, body) == expected


@given(body=st.binary(min_size=1), at=st.integers(0), bit=st.integers(0, 7))
def test_one_changed_bit_of_the_body_breaks_the_signature(body: bytes, at: int, bit: int) -> None:
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    signature = xsign.sign(SECRET, *HEAD, body)
    assert not xsign.verify(signature, [SECRET], *HEAD, bytes(changed))


@given(one=st.tuples(hexes, hexes, hexes), other=st.tuples(hexes, hexes, hexes), body=st.binary())
def test_a_signature_holds_for_its_own_headers_alone(
    one: tuple[str, str, str], other: tuple[str, str, str], body: bytes
) -> None:
    assume(one != other)
    assert not xsign.verify(xsign.sign(SECRET, *one, body), [SECRET], *other, body)


@given(in_force=st.lists(keys, min_size=1, max_size=2, unique=True), stranger=keys, body=st.binary())
def test_each_secret_in_force_signs_and_no_other_does(in_force: list[str], stranger: str, body: bytes) -> None:
    # HMAC fills a short key up with zero bytes, so that only those could make two keys equal.
    assume(stranger not in in_force)
    for secret in in_force:
        assert xsign.verify(xsign.sign(secret, *HEAD, body), in_force, *HEAD, body)
    assert not xsign.verify(xsign.sign(stranger, *HEAD, body), in_force, *HEAD, body)
    assert not xsign.verify(xsign.sign(stranger, *HEAD, body), [], *HEAD, body)


@pytest.mark.parametrize(
    "change", [str.upper, lambda one: one[:-1], lambda one: one + "0", lambda one: "", lambda one: "é"]
)
def test_a_signature_in_another_form_is_refused_and_raises_nothing(change: object) -> None:
    assert callable(change)
    given_signature = change(xsign.sign(SECRET, *HEAD, b"{}"))
    assert not xsign.verify(given_signature, [SECRET], *HEAD, b"{}")


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.text(), st.integers(), st.booleans(), st.none())))
def test_what_we_send_is_sorted_compact_and_reads_back(body: dict[str, object]) -> None:
    sent = xsign.compact(body)
    assert json.loads(sent) == body
    assert list(json.loads(sent)) == sorted(body)
    assert sent == xsign.compact(dict(reversed(body.items())))


def test_headers_of_two_requests_differ_and_each_verifies() -> None:
    first, second = xsign.headers(SECRET, COUNTERPARTY, b"{}"), xsign.headers(SECRET, COUNTERPARTY, b"{}")
    assert first[xsign.REQUEST_ID] != second[xsign.REQUEST_ID]
    for one in (first, second):
        head = (one[xsign.COUNTERPARTY_ID], one[xsign.TIMESTAMP], one[xsign.REQUEST_ID])
        assert xsign.verify(one[xsign.SIGNATURE], [SECRET], *head, b"{}")
