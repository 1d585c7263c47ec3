"""Reading what casinos send: one list of clothes, each the same movement; one list of what differs."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betcore.domain import casino_values
from betcore.domain.casino_values import UNREADABLE, Doubt, field
from betcore.domain.money import Money
from betcore.domain.payment_list import Listed, Unclear, read_list

BET = 12
TEN = Money.parse("10.00", "EUR")
# As a casino would write it that writes as we do.
PLAIN = {
    "BetId": "12",
    "TransactionType": "-1",
    "Amount": '"10.00"',
    "PartnerUserId": '"7"',
    "TransactionId": '"12:-1"',
}

# Literals of JSON, in the place of the plain ones: the same movement in other clothes.
CLOTHES: dict[str, dict[str, str]] = {
    "as we write it": {},
    "four decimals": {"Amount": '"10.0000"'},
    "no decimals": {"Amount": '"10"'},
    "an integer": {"Amount": "10"},
    "a number with a fraction": {"Amount": "10.0"},
    "a number with more digits than a float has": {"Amount": "10.00000000000000000000"},
    "an exponent": {"Amount": "1e1"},
    "an exponent as text": {"Amount": '"1.0E+1"'},
    "a sign": {"Amount": '"+10.00"'},
    "blanks": {"Amount": '" 10.00 "'},
    "a debit below zero": {"Amount": '"-10.00"'},
    "a debit as a negative number": {"Amount": "-10"},
    "ids as text": {"BetId": '"12"', "TransactionType": '"-1"'},
    "ids as floats": {"BetId": "12.0", "TransactionType": "-1.0"},
    "ids as floats in text": {"BetId": '"12.0"', "TransactionType": '"-1.0"'},
    "a player as an integer": {"PartnerUserId": "7"},
    "a player as a float": {"PartnerUserId": "7.0"},
    "a player as a float in text": {"PartnerUserId": '"7.0"'},
    "no player": {"PartnerUserId": "null"},
    "an empty player": {"PartnerUserId": '""'},
    "none of our ids": {"TransactionId": "null"},
    "an empty one of our ids": {"TransactionId": '""'},
    "the same twice": {"Amount": '"10.00", "Amount": "10.00"'},
    "an id of theirs that cannot be read": {"PartnerTransactionId": "{}"},
    "a time that cannot be read": {"Timestamp": '"yesterday"'},
}
DIFFERENT: dict[str, tuple[dict[str, str], Doubt]] = {
    "another amount": ({"Amount": '"10.01"'}, Doubt.OTHER_AMOUNT),
    "finer than the currency": ({"Amount": '"10.001"'}, Doubt.OTHER_AMOUNT),
    "finer than a float": ({"Amount": "10.00000000000000000001"}, Doubt.OTHER_AMOUNT),
    "minor units": ({"Amount": "1000"}, Doubt.OTHER_AMOUNT),
    "nothing": ({"Amount": "0"}, Doubt.OTHER_AMOUNT),
    "another player": ({"PartnerUserId": '"8"'}, Doubt.OTHER_PLAYER),
    "a player with a zero in front": ({"PartnerUserId": '"07"'}, Doubt.OTHER_PLAYER),
    "a player that begins like ours": ({"PartnerUserId": json.dumps("7" * 200_000)}, Doubt.OTHER_PLAYER),
    "another one of our ids": ({"TransactionId": '"12:1"'}, Doubt.OTHER_TRANSACTION),
}
UNBELIEVED: dict[str, tuple[dict[str, str], Doubt]] = {
    "another bet": ({"BetId": "13"}, Doubt.OTHER_BET),
    "a bet with a fraction": ({"BetId": "12.5"}, Doubt.UNREADABLE_BET),
    "a bet that is true": ({"BetId": "true"}, Doubt.UNREADABLE_BET),
    "two bets": ({"BetId": '12, "BetId": 13'}, Doubt.UNREADABLE_BET),
    "a type in words": ({"TransactionType": '"AcceptBet"'}, Doubt.UNREADABLE_TYPE),
    "a type beyond all": ({"TransactionType": "9" * 5000}, Doubt.UNREADABLE_TYPE),
    "no amount": ({"Amount": "null"}, Doubt.UNREADABLE_AMOUNT),
    "an amount with a comma": ({"Amount": '"10,00"'}, Doubt.UNREADABLE_AMOUNT),
    "an amount that is no number": ({"Amount": "NaN"}, Doubt.UNREADABLE_AMOUNT),
    "digits that are not ours": ({"Amount": '"١٠"'}, Doubt.UNREADABLE_AMOUNT),
    "a huge amount": ({"Amount": "9" * 5000}, Doubt.UNREADABLE_AMOUNT),
    "two amounts": ({"Amount": '"10.00", "Amount": "11.00"'}, Doubt.UNREADABLE_AMOUNT),
    "a player that is a list": ({"PartnerUserId": "[]"}, Doubt.UNREADABLE_PLAYER),
    "an id that is an object": ({"TransactionId": "{}"}, Doubt.UNREADABLE_TRANSACTION),
}


def listed(changed: dict[str, str]) -> list[Listed]:
    members = ", ".join(f'"{name}": {literal}' for name, literal in (PLAIN | changed).items())
    return read_list(casino_values.read(f"[{{{members}}}]".encode()), BET)


@pytest.mark.edge_case(85)
@pytest.mark.parametrize("changed", CLOTHES.values(), ids=CLOTHES)
def test_the_same_movement_in_other_clothes_is_ours(changed: dict[str, str]) -> None:
    (one,) = listed(changed)
    assert one.differs(BET, TEN, "7", None) is None


@pytest.mark.edge_case(85)
@pytest.mark.parametrize(("changed", "doubt"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_in_value_differs(changed: dict[str, str], doubt: Doubt) -> None:
    (one,) = listed(changed)
    assert (one.differs(BET, TEN, "7", None), one.is_of(BET, TEN, "7", None)) == (doubt, False)


@pytest.mark.edge_case(85)
def test_a_credit_below_zero_differs() -> None:
    credit = {"TransactionType": "1", "TransactionId": '"12:1"'}
    (ours,), (turned,) = listed(credit), listed(credit | {"Amount": '"-10.00"'})
    assert (ours.differs(BET, TEN, "7", None), turned.differs(BET, TEN, "7", None)) == (None, Doubt.OTHER_AMOUNT)


@pytest.mark.edge_case(85)
@pytest.mark.parametrize(("changed", "doubt"), UNBELIEVED.values(), ids=UNBELIEVED)
def test_a_list_that_is_not_clear_is_not_believed(changed: dict[str, str], doubt: Doubt) -> None:
    with pytest.raises(Unclear) as error:
        listed(changed)
    assert error.value.doubt is doubt


@pytest.mark.edge_case(85)
@pytest.mark.parametrize("empty", [b"[]", b"{}", b"null"])
def test_an_empty_list_may_be_written_in_three_ways(empty: bytes) -> None:
    assert read_list(casino_values.read(empty), BET) == []


@pytest.mark.parametrize("value", ["", "[]", True, {"Payments": []}, UNREADABLE])
def test_what_is_no_list_is_not_an_empty_one(value: Any) -> None:
    with pytest.raises(Unclear, match=Doubt.LIST_NOT_A_LIST):
        read_list(value, BET)


def test_a_name_is_found_in_any_case_and_its_own_is_the_first() -> None:
    assert field({"errorCode": "200"}, "ErrorCode") == "200"
    assert field({"ErrorCode": "200", "errorcode": "1"}, "ErrorCode") == "200"
    assert field({"errorCode": "200", "errorcode": "200"}, "ErrorCode") == "200"
    assert field({"errorCode": "200", "errorcode": "1"}, "ErrorCode") is UNREADABLE
    assert field({"Error_Code": "200"}, "ErrorCode") is None


BALANCES = [
    ("990.00", "EUR", "990.00"),
    ("990", "EUR", "990.00"),
    ("990.1234", "EUR", "990.12"),
    ("990.9999", "EUR", "990.99"),
    ("990.99", "JPY", "990"),
    ("1e3", "EUR", "1000.00"),
    ("0.004", "EUR", "0.00"),
    ("-0.00", "EUR", "0.00"),
    ("-0.01", "EUR", None),
    ("-5", "EUR", None),
    ("9" * 60, "EUR", None),
]


@pytest.mark.edge_case(85)
@pytest.mark.parametrize(("given", "currency", "shown"), BALANCES)
def test_a_balance_is_rounded_down_and_one_below_zero_is_not_shown(
    given: str, currency: str, shown: str | None
) -> None:
    read, money = casino_values.balance(given, currency)
    assert (read, money and str(money)) == (True, shown)


@pytest.mark.edge_case(87)
@pytest.mark.parametrize("given", [None, True, "", "much", [], {}, UNREADABLE, "9" * 5000, 1.5])
def test_a_balance_that_is_none_is_not_read(given: Any) -> None:
    assert casino_values.balance(given, "EUR") == (False, None)


@pytest.mark.edge_case(86)
def test_an_id_that_is_cut_or_cleaned_stays_another_one() -> None:
    odd = ["a" * 200_000, "a" * 199_999 + "b", "a\x00", "a\ud83d", "a\ud83e", "a\n", "a\u202e", "a"]
    kept = [casino_values.identity(one) for one in odd]
    assert len(set(kept)) == len(odd)
    assert kept[-1] == "a"
    for one in kept:
        assert one is not None
        assert len(one) <= 256
        assert one.isprintable()
        assert one.encode()
    assert casino_values.identity("x" * 256) == "x" * 256


@pytest.mark.edge_case(86)
@given(st.text(st.characters(categories=None), max_size=300))
def test_every_text_becomes_one_that_can_be_stored(text: str) -> None:
    for found in (casino_values.clean(text), casino_values.message(text), casino_values.identity(text) or ""):
        assert found.isprintable()
        assert found.encode().decode() == found
    assert len(casino_values.message(text)) <= 200


@pytest.mark.edge_case(86)
@given(st.binary(max_size=300))
def test_bytes_are_json_or_raise_what_is_foreseen(raw: bytes) -> None:
    with suppress(ValueError):
        casino_values.read(raw)


def test_an_error_code_is_text_or_a_number_without_a_fraction() -> None:
    codes = ["200", "200.0", "OK", "1.5", "", None, True, "9" * 5000]
    found = [casino_values.error_code(one) for one in codes]
    assert found[:7] == ["200", "200", "OK", "1.5", None, None, None]
    assert len(found[7] or "") == 64
