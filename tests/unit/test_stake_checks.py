"""Our own checks of a new stake: the first that refuses it counts, and a limit is named only while it is broken."""

from dataclasses import replace
from decimal import Decimal

import pytest

from betcore.domain.errors import Code
from betcore.domain.money import Money
from betcore.domain.partners import Provider
from betcore.domain.profiles import ProviderProfile
from betcore.domain.sessions import Session
from betcore.domain.stake_checks import broken_limit, refusal

PROVIDER = Provider(1, "11111111-2222-4333-8444-555555555555", "p", "http://p", ProviderProfile(), (), disabled=False)
SESSION = Session(
    session_id="s",
    currency="EUR",
    ended=False,
    player_id=1,
    player_ref="r",
    partner_user_id="anna",
    player_blocked=False,
    casino_id=1,
    casino_name="c",
    casino_disabled=False,
    game_id=1,
    provider_game_id="dice",
    game_disabled=False,
    min_bet=Decimal("0.105"),
    max_bet=Decimal(500),
)


def euros(amount: str) -> Money:
    return Money.parse(amount, "EUR")


@pytest.mark.parametrize(
    ("stake", "expected", "limit"),
    [
        ("0.00", None, ""),
        ("0.01", Code.BELOW_MIN_BET, "below the minimum of EUR 0.105"),
        ("0.10", Code.BELOW_MIN_BET, "below the minimum of EUR 0.105"),
        ("0.11", None, ""),
        ("500.00", None, ""),
        ("500.01", Code.ABOVE_MAX_BET, "above the maximum of EUR 500"),
    ],
)
def test_a_stake_is_measured_against_the_limits_of_its_game(stake: str, expected: Code | None, limit: str) -> None:
    assert refusal(PROVIDER, SESSION, euros(stake)) is expected
    assert broken_limit(expected, SESSION, euros(stake)) == limit


def test_a_round_that_has_ended_takes_no_stake() -> None:
    assert refusal(PROVIDER, SESSION, euros("1.00"), round_closed=True) is Code.ROUND_CLOSED
    assert refusal(PROVIDER, replace(SESSION, ended=True), euros("1.00"), round_closed=True) is Code.SESSION_ENDED


def test_without_limits_every_stake_passes() -> None:
    session = replace(SESSION, min_bet=None, max_bet=None)
    assert [refusal(PROVIDER, session, euros(one)) for one in ("0.01", "999999999999999.99")] == [None, None]


def test_a_limit_that_has_changed_since_the_refusal_is_not_named() -> None:
    wider = replace(SESSION, min_bet=None, max_bet=Decimal(1000))
    assert broken_limit(Code.BELOW_MIN_BET, wider, euros("0.01")) == ""
    assert broken_limit(Code.ABOVE_MAX_BET, wider, euros("600.00")) == ""
    assert broken_limit(Code.PLAYER_BLOCKED, SESSION, euros("600.00")) == ""


def test_what_ends_or_disables_comes_before_the_limits() -> None:
    stake = euros("600.00")
    disabled = [replace(SESSION, game_disabled=True), replace(SESSION, casino_disabled=True, player_blocked=True)]
    assert [refusal(PROVIDER, one, stake) for one in disabled] == [Code.GAME_DISABLED] * 2
    assert refusal(replace(PROVIDER, disabled=True), SESSION, stake) is Code.GAME_DISABLED
    assert refusal(PROVIDER, replace(SESSION, player_blocked=True), stake) is Code.PLAYER_BLOCKED
    assert refusal(PROVIDER, replace(SESSION, ended=True, game_disabled=True), stake) is Code.SESSION_ENDED
