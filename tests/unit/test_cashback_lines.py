"""Lines of a file of cashbacks: each orders one or has its fault, whatever stands around it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betcore.domain.cashback_lines import LONGEST, Fault, FaultyLine, Line, columns, read_line
from betcore.domain.money import Money

HEADER = ("key", "player", "currency", "amount")


def read(raw: bytes, names: tuple[str, ...] = HEADER) -> Line | Fault:
    return read_line(names, 7, raw)


def test_a_line_orders_an_amount_for_a_player_under_a_key() -> None:
    assert read(b"k-1,anna,EUR,12.50\n") == Line(7, "k-1", "anna", Money(minor=1250, currency="EUR"), None, None)


@pytest.mark.parametrize("raw", [b"k-1,anna,EUR,12.50", b"k-1,anna,EUR,12.50\r\n", b'"k-1","anna","EUR","12.50"\n'])
def test_ends_of_lines_and_quotes_change_nothing(raw: bytes) -> None:
    assert read(raw) == read(b"k-1,anna,EUR,12.50\n")


def test_columns_stand_in_any_order_behind_a_byte_order_mark() -> None:
    names = tuple(columns(b"\xef\xbb\xbfamount,promo_code,player,key,currency,reason\r\n"))
    line = read(b'0.10,BACK,anna,k-2,EUR,"sorry, for ""that"" night"\n', names)
    assert line == Line(7, "k-2", "anna", Money(minor=10, currency="EUR"), "BACK", 'sorry, for "that" night')
    empty = read(b"0.10,,anna,k-2,EUR,\n", names)
    assert isinstance(empty, Line)
    assert (empty.promo_code, empty.reason) == (None, None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\n", "empty"),
        (b"", "empty"),
        (b"k,anna,EUR\n", "wrong_columns"),
        (b"k,anna,EUR,1,2\n", "wrong_columns"),
        (b'k,anna,EUR,"1\n', "not_csv"),
        (b'k,an"na,EUR,1\n', "amount"),
        (b"k,\xff,EUR,1\n", "not_utf8"),
        (b"k,anna\x00,EUR,1\n", "player_invalid"),
        (b",anna,EUR,1\n", "key_missing"),
        (b"k,,EUR,1\n", "player_missing"),
        (b"k,anna,,1\n", "currency_missing"),
        (b"k,anna,EUR,\n", "amount_missing"),
        (b" k,anna,EUR,1\n", "key_invalid"),
        (b"%b,anna,EUR,1\n" % (b"k" * 101), "key_invalid"),
        (b"k,anna,eur,1\n", "currency_unknown"),
        (b"k,anna,DOGE,1\n", "currency_unknown"),
        (b"k,anna,EUR,1.005\n", "amount_invalid"),
        (b"k,anna,JPY,1.5\n", "amount_invalid"),
        (b'k,anna,EUR,"1,50"\n', "amount_invalid"),
        (b"k,anna,EUR,-1\n", "amount_invalid"),
        (b"k,anna,EUR,1e3\n", "amount_invalid"),
        (b"k,anna,EUR,0.00\n", "amount_zero"),
    ],
)
def test_a_faulty_line_has_its_reason(raw: bytes, reason: str) -> None:
    found = read(raw)
    if reason == "amount":
        # Inside of a field that does not begin with it, a quote is a character like any other.
        assert isinstance(found, Line)
    else:
        assert isinstance(found, Fault)
        assert found.reason == reason


def test_a_line_that_is_too_long_and_one_without_a_header_are_faults() -> None:
    for found, reason in ((read_line(HEADER, 7, None), "too_long"), (read_line(None, 7, b"k,anna,EUR,1"), "no_header")):
        assert isinstance(found, Fault)
        assert found.reason == reason
    assert str(LONGEST) in read_line(HEADER, 7, None).detail  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        None,
        b"key,player,currency\n",
        b"key,player,currency,amount,promo\n",
        b"key;player;currency;amount\n",
        b"key,player,currency,amount,key\n",
        b"k-1,anna,EUR,1\n",
        "key,player,currency,amount\n".encode("utf-16"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(raw: bytes | None) -> None:
    with pytest.raises(FaultyLine) as refused:
        columns(raw)
    assert refused.value.reason == "header"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_or_a_fault(raw: bytes) -> None:
    assert isinstance(read(raw), Line | Fault)
    with suppress(FaultyLine):
        assert set(HEADER) <= set(columns(raw))
