"""Money: what is read, what is refused, and that nothing is ever rounded."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from betcore.domain.currencies import ISO_4217
from betcore.domain.errors import Malformed
from betcore.domain.money import AMOUNT, MAX_MINOR, Money, minor_units

currencies = st.sampled_from(sorted(ISO_4217))
monies = st.builds(Money, minor=st.integers(0, 10**17), currency=currencies)


@st.composite
def amounts(draw: st.DrawFn) -> tuple[str, str]:
    """Return an amount and a currency that can have it."""
    currency = draw(currencies)
    whole = str(draw(st.integers(0, 10**15 - 1)))
    places = draw(st.integers(0, ISO_4217[currency]))
    fraction = draw(st.text("0123456789", min_size=places, max_size=places))
    return (f"{whole}.{fraction}" if fraction else whole), currency


@given(amounts())
def test_reading_keeps_the_value_exactly(given_amount: tuple[str, str]) -> None:
    text, currency = given_amount
    money = Money.parse(text, currency)
    assert Decimal(money.minor).scaleb(-ISO_4217[currency]) == Decimal(text)


@given(monies)
def test_what_is_printed_reads_back_as_the_same(money: Money) -> None:
    if money.minor < 10 ** (15 + ISO_4217[money.currency]):
        assert Money.parse(str(money), money.currency) == money
        assert Money.parse(money.as_json_number(), money.currency) == money


@given(monies)
def test_a_json_number_is_the_same_decimal_without_trailing_zeros(money: Money) -> None:
    text = money.as_json_number()
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == Decimal(str(money))
    assert "e" not in text.lower()
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("text", "currency", "shown", "number"),
    [
        ("10", "EUR", "10.00", "10"),
        ("10.00", "EUR", "10.00", "10"),
        ("125.5", "EUR", "125.50", "125.5"),
        ("0", "EUR", "0.00", "0"),
        ("0.01", "EUR", "0.01", "0.01"),
        ("100", "JPY", "100", "100"),
        ("1.234", "KWD", "1.234", "1.234"),
        ("999999999999999.99", "EUR", "999999999999999.99", "999999999999999.99"),
    ],
)
def test_examples(text: str, currency: str, shown: str, number: str) -> None:
    money = Money.parse(text, currency)
    assert (str(money), money.as_json_number()) == (shown, number)


@pytest.mark.edge_case(60)
@given(amounts(), st.text("0123456789", min_size=1, max_size=20))
def test_one_decimal_too_many_is_refused_even_when_it_is_zero(given_amount: tuple[str, str], more: str) -> None:
    text, currency = given_amount
    whole, _, fraction = text.partition(".")
    too_long = f"{whole}.{fraction.ljust(ISO_4217[currency], '0')}{more}"
    with pytest.raises(Malformed, match="decimals"):
        Money.parse(too_long, currency)


# Among them digits that only int() would take for digits.
NOT_AMOUNTS = [
    *("-1", "+1", "-0", "01", "00", ".5", "5.", "1e3", "1E3", "1e-2", "NaN", "nan", "Infinity", "-Infinity", "1,5"),
    *("1_000", "0x10", "1.2.3", "1234567890123456", "\u0661\u0662", "1.\u0662", "\u00b2", "true", "null"),
    *("", " ", " 1", "1 ", "1\n", "1 000"),
]


@pytest.mark.edge_case(61)
@pytest.mark.parametrize("text", NOT_AMOUNTS)
def test_what_is_not_plain_digits_is_refused(text: str) -> None:
    assert AMOUNT.fullmatch(text) is None
    with pytest.raises(Malformed):
        Money.parse(text, "EUR")


@given(st.text())
def test_any_text_is_read_exactly_or_refused(text: str) -> None:
    try:
        money = Money.parse(text, "EUR")
    except Malformed:
        return
    assert Decimal(money.minor) / 100 == Decimal(text)


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Malformed, match="unknown currency"):
        Money.parse("1", "XXX")


@pytest.mark.parametrize("minor", [-1, MAX_MINOR + 1, 1.0, "1", True])
def test_money_is_whole_minor_units_and_never_negative(minor: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"minor": minor, "currency": "EUR"})


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_order_is_that_of_minor_units_within_a_currency_alone(one: int, other: int) -> None:
    assert (Money(minor=one, currency="EUR") < Money(minor=other, currency="EUR")) == (one < other)
    with pytest.raises(ValueError, match="compare"):
        _ = Money(minor=one, currency="EUR") < Money(minor=other, currency="USD")


def test_a_fraction_of_a_minor_unit_is_no_amount_of_the_database() -> None:
    assert minor_units(Decimal("1050")) == 1050
    with pytest.raises(ValueError, match="whole"):
        minor_units(Decimal("10.5"))
