"""The windows of a rule by the clocks of its casino, and what a rule gives for losses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betcore.domain.cashback_rules import Losses, RuleVersion, Window, cashback_of, next_cut, next_window
from betcore.domain.errors import Malformed
from betcore.domain.money import Money
from betcore.domain.profiles import CashbackRule


def rule(**fields: object) -> CashbackRule:
    return CashbackRule.model_validate({"name": "back", "share": "0.1"} | fields)


def lost(minor: int) -> Losses:
    return Losses(stakes=minor, returns=0, payouts=0, jackpots=0, claw_backs=0)


def version(created: str, retired: str | None = None, zone: str = "UTC", **fields: object) -> RuleVersion:
    return RuleVersion(1, rule(**fields), zone, at(created), None if retired is None else at(retired))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cuts(of: RuleVersion, after: str, count: int) -> list[str]:
    found, moment = [], at(after)
    for _ in range(count):
        moment = next_cut(of, moment)
        found.append(moment.strftime("%Y-%m-%dT%H:%M"))
    return found


# What a rule gives


@pytest.mark.parametrize(
    ("fields", "minor", "given_back"),
    [
        ({}, 1000, 100),
        ({}, 1009, 100),  # a hundred and nine tenths
        ({}, 9, None),
        ({"share": "0.333333"}, 1000, 333),
        ({"share": "1"}, 7, 7),
        ({"floor": {"EUR": "1"}}, 999, None),
        ({"floor": {"EUR": "1"}}, 1000, 100),
        ({"floor": {"EUR": "1.001"}}, 1009, None),  # no amount lies between 1.00 and 1.01
        ({"cap": {"EUR": "2.50"}}, 100_000, 250),
        ({"cap": {"EUR": "2.509"}}, 100_000, 250),
        ({"cap": {"EUR": "2.50"}, "floor": {"EUR": "2.50"}}, 100_000, 250),
        ({"floor": {"USD": "5"}, "cap": {"USD": "5"}}, 10, 1),
    ],
)
def test_a_rule_gives_whole_minor_units_between_floor_and_cap(
    fields: dict[str, object], minor: int, given_back: int | None
) -> None:
    expected = None if given_back is None else Money(minor=given_back, currency="EUR")
    assert cashback_of(rule(**fields), lost(minor), "EUR") == expected


def test_a_floor_and_a_cap_are_in_major_units_of_their_currency() -> None:
    assert cashback_of(rule(cap={"JPY": "250"}), lost(100_000), "JPY") == Money(minor=250, currency="JPY")
    assert cashback_of(rule(cap={"BHD": "0.25"}), lost(100_000), "BHD") == Money(minor=250, currency="BHD")


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (Losses(stakes=1000, returns=200, payouts=300, jackpots=0, claw_backs=0), 500),
        (Losses(stakes=1000, returns=0, payouts=300, jackpots=900, claw_backs=0), 0),
        (Losses(stakes=1000, returns=0, payouts=1000, jackpots=0, claw_backs=0), 0),
        # Won in an earlier window, and taken back in this one: the win was a gain then, and the stake goes back now.
        (Losses(stakes=0, returns=1000, payouts=0, jackpots=0, claw_backs=2500), 1500),
        (Losses(stakes=0, returns=1000, payouts=0, jackpots=0, claw_backs=0), 0),
    ],
)
def test_every_movement_counts_with_its_sign(losses: Losses, expected: int) -> None:
    assert losses.lost == expected
    assert (cashback_of(rule(share="1"), losses, "EUR") or Money(minor=0, currency="EUR")).minor == expected


@given(st.integers(0, 10**38 - 1), st.integers(1, 10**6))
def test_no_precision_is_lost_and_the_share_is_never_exceeded(minor: int, millionths: int) -> None:
    share = Decimal(millionths) / 10**6
    found = cashback_of(rule(share=share), lost(minor), "EUR")
    given_back = found.minor if found else 0
    assert given_back * 10**6 <= minor * millionths < (given_back + 1) * 10**6


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Malformed):
        cashback_of(rule(), lost(1000), "DOGE")


# Windows


def test_a_week_ends_with_its_sunday_by_the_clocks_of_the_casino() -> None:
    madrid = version("2026-10-01", zone="Europe/Madrid")
    # The clocks are put back on Sunday, 25 October: that week has 169 hours.
    expected = ["2026-10-18T22:00", "2026-10-25T23:00", "2026-11-01T23:00"]
    assert cuts(madrid, "2026-10-15", 3) == expected


@pytest.mark.edge_case(236)
def test_a_day_has_23_or_25_hours_when_the_clocks_change() -> None:
    madrid = version("2026-01-01", zone="Europe/Madrid", period="day")
    assert cuts(madrid, "2026-03-28T12:00", 3) == ["2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"]
    assert cuts(madrid, "2026-10-24T12:00", 3) == ["2026-10-24T22:00", "2026-10-25T23:00", "2026-10-26T23:00"]


@pytest.mark.edge_case(236)
def test_a_day_begins_with_the_change_if_the_clocks_leave_midnight_out() -> None:
    # In Cairo they go from Thursday, 24:00, to Friday, 1:00; in Samoa a whole Friday was left out.
    cairo = version("2026-01-01", zone="Africa/Cairo", period="day")
    assert cuts(cairo, "2026-04-23T12:00", 2) == ["2026-04-23T22:00", "2026-04-24T21:00"]
    apia = version("2011-01-01", zone="Pacific/Apia", period="day")
    assert cuts(apia, "2011-12-29T12:00", 3) == ["2011-12-30T10:00", "2011-12-31T10:00", "2012-01-01T10:00"]


def test_months_have_their_lengths() -> None:
    utc = version("2026-01-01", period="month")
    assert cuts(utc, "2026-12-15", 3) == ["2027-01-01T00:00", "2027-02-01T00:00", "2027-03-01T00:00"]


def test_windows_follow_each_other_from_the_moment_at_which_the_rule_was_added() -> None:
    daily = version("2026-11-04T10:00", period="day")
    first = next_window([daily], None)
    assert first == Window(daily, at("2026-11-04T10:00"), at("2026-11-05"))
    assert next_window([daily], first.cut) == Window(daily, at("2026-11-05"), at("2026-11-06"))


@pytest.mark.edge_case(235)
def test_the_version_that_stands_at_the_cut_decides_about_the_whole_window() -> None:
    before = version("2026-11-02", "2026-11-04T10:00")
    after = replace(version("2026-11-04T10:00", share="0.2"), version_id=2)
    assert next_window([before, after], at("2026-11-02")) == Window(after, at("2026-11-02"), at("2026-11-09"))
    late = replace(after, created_at=at("2026-11-09T00:00:01"))
    early = replace(before, retired_at=late.created_at)
    assert next_window([early, late], at("2026-11-02")) == Window(early, at("2026-11-02"), at("2026-11-09"))
    assert next_window([early, late], at("2026-11-09")) == Window(late, at("2026-11-09"), at("2026-11-16"))


@pytest.mark.edge_case(235)
def test_another_length_of_the_period_leaves_no_gap_and_no_overlap() -> None:
    weekly = version("2026-10-01", "2026-11-04T10:00")
    daily = version("2026-11-04T10:00", period="day")
    assert next_window([weekly, daily], at("2026-11-02")) == Window(daily, at("2026-11-02"), at("2026-11-05"))
    daily = version("2026-10-01", "2026-11-04T10:00", period="day")
    weekly = version("2026-11-04T10:00")
    assert next_window([daily, weekly], at("2026-11-04")) == Window(weekly, at("2026-11-04"), at("2026-11-09"))


def test_a_version_from_the_very_moment_of_the_cut_stands_at_it() -> None:
    before, after = version("2026-11-02", "2026-11-09"), replace(version("2026-11-09"), version_id=2)
    assert next_window([before, after], at("2026-11-02")) == Window(after, at("2026-11-02"), at("2026-11-09"))


def test_a_rule_that_is_taken_away_has_no_window() -> None:
    assert next_window([version("2026-11-02", "2026-11-04")], at("2026-11-02")) is None
    assert next_window([], None) is None


def test_a_rule_that_is_added_again_before_its_cut_goes_on_and_after_it_begins_anew() -> None:
    gone = version("2026-11-02", "2026-11-04")
    soon, late = version("2026-11-05"), version("2026-11-11")
    assert next_window([gone, soon], at("2026-11-02")) == Window(soon, at("2026-11-02"), at("2026-11-09"))
    assert next_window([gone, late], at("2026-11-02")) == Window(late, at("2026-11-11"), at("2026-11-16"))


@given(st.integers(0, 10**9), st.sampled_from(["day", "week", "month"]))
def test_a_cut_lies_ahead_and_the_next_one_behind_it(seconds: int, period: str) -> None:
    for zone in ("America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Atlantic/Azores", "Pacific/Apia"):
        of = version("2000-01-01", zone=zone, period=period)
        after = at("2004-01-01") + timedelta(seconds=seconds)
        first = next_cut(of, after)
        longest = {"day": 1, "week": 7, "month": 31}[period]
        assert after < first <= after + timedelta(days=longest, hours=26)
        assert first < next_cut(of, first)
