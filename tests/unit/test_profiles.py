"""Profiles: defaults, what differs, and a refusal that names the place."""

from datetime import timedelta
from decimal import Decimal

import pytest

from betcore.domain.errors import InvalidInput
from betcore.domain.profiles import CasinoProfile, ProviderProfile, read


def test_an_empty_file_is_a_provider_with_the_documented_defaults() -> None:
    assert read(ProviderProfile, "").model_dump() == {
        "version": 1,
        "answer_deadline": 4,
        "freshness_window": 60,
        "signature": "raw",
        "duplicates": "replay",
        "foreign_amounts": "refuse",
        "order_window": 30,
        "refund_after_pay_out": "refuse",
        "unconfirmed_within": 60,
        "settle_within": 86400,
        "on_overdue": "hold",
        "frame_hosts": (),
        "launch": {
            "max_bet": {},
            "max_bet_units": 100_000,
            "max_win": {},
            "button_amounts": {},
            "game_margin": None,
            "urls": False,
        },
        "live": {"result_within": 300, "refund_cancelled": False},
        "win_review": {"max_win": {}, "max_odd": None, "per_hour": {}, "as_launched": False},
        "session_idle": 7200,
        "session_lifetime": 86400,
        "rate": {"per_second": 200, "burst": 400},
    }


def test_an_empty_file_is_a_casino_with_the_documented_defaults() -> None:
    assert read(CasinoProfile, "").model_dump() == {
        "version": 1,
        "confirmation": "accept",
        "accept_within": 30,
        "message_lifetime": 10,
        "clock_leeway": 300,
        "effect_within": 30,
        "attempt_timeout": 1.5,
        "fast_attempts": 2,
        "retry": {"first": 1, "factor": 2, "cap": 300},
        "breaker": {"failures": 10, "window": 10, "probe_every": 5},
        "owed_per_second": 50,
        "scopes": ("payments", "games", "launch", "feed"),
        "origins": (),
        "time_zone": "UTC",
        "cashback_rules": (),
        "rate": {"per_second": 500, "burst": 1000},
        "send": {
            "zero_stakes": True,
            "aud": True,
            "close": False,
            "list": False,
            "tax": False,
            "promo": False,
            "traceparent": False,
        },
        "extra_data": None,
        "duplicate_is_done": False,
        "cashback_info": False,
        "win_review": {"max_win": {}, "max_odd": None},
        "error_codes": {
            "200": "done",
            "102145": "player_unknown",
            "103801": "wrong_amount",
            "102823": "failed",
            "103802": "no_money",
            "103803": "duplicate",
            "103804": "bet_unknown",
            "103805": "player_blocked",
            "103806": "limit_reached",
            "103807": "token_invalid",
            "103808": "player_mismatch",
            "103809": "promo_refused",
        },
        "approval_above": {"EUR": Decimal(1000)},
    }


def test_a_file_gives_only_what_differs() -> None:
    profile = read(CasinoProfile, "confirmation: reply\nretry: {cap: 5.5}\nattempt_timeout: 0.25")
    assert profile.attempt_timeout == 0.25
    assert (profile.retry.first, profile.retry.factor, profile.retry.cap) == (1, 2, 5.5)
    assert profile.accept_within == 30


def test_a_casinos_own_codes_come_beside_the_known_ones_even_as_numbers() -> None:
    codes = read(CasinoProfile, "error_codes: {4711: no_money, '102823': no_money}").error_codes
    assert (codes["4711"], codes["102823"], codes["200"]) == ("no_money", "no_money", "done")


def test_a_stored_profile_is_read_back_as_it_was() -> None:
    profile = read(CasinoProfile, "confirmation: reply\napproval_above: {BTC: 0.00000001}")
    assert CasinoProfile.model_validate(profile.model_dump(mode="json")) == profile


def test_absence_counts_after_the_leeway_and_the_time_of_effect() -> None:
    assert read(CasinoProfile, "clock_leeway: 0.5\neffect_within: 31").absence_after == timedelta(seconds=31.5)


def test_an_override_wins_unless_it_is_none() -> None:
    assert read(CasinoProfile, "confirmation: accept", confirmation="reply").confirmation == "reply"
    assert read(CasinoProfile, "confirmation: reply", confirmation=None).confirmation == "reply"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("rate: {per_second: 0}", "rate.per_second"),
        ("rate: {per_seccond: 1}", "rate.per_seccond"),
        ("answer_deadline: -1", "answer_deadline"),
        ("answer_deadline: .nan", "answer_deadline"),
        ("settle_within: .inf", "settle_within"),
        ("signature: none", "signature"),
        ("version: 2", "version"),
        ("deadline: 4", "deadline"),
        ("rate: fast", "rate"),
        ("rate:", "rate"),
    ],
)
def test_a_refusal_names_the_place_in_a_providers_profile(text: str, place: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{place}: ") as refused:
        read(ProviderProfile, text)
    assert refused.value.code == "invalid_profile"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("error_codes: {'1': fine}", "error_codes.1"),
        ("retry: {first: 0}", "retry.first"),
        ("send: {close: maybe}", "send.close"),
        ("fast_attempts: 0", "fast_attempts"),
        ("approval_above: {EUR: -1}", "approval_above.EUR"),
    ],
)
def test_a_refusal_names_the_place_in_a_casinos_profile(text: str, place: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{place}: "):
        read(CasinoProfile, text)


def test_a_casino_that_accepts_late_must_not_be_given_up_early() -> None:
    with pytest.raises(InvalidInput, match="effect_within"):
        read(CasinoProfile, "effect_within: 29")
    assert read(CasinoProfile, "effect_within: 29\nconfirmation: reply").effect_within == 29


@pytest.mark.parametrize("text", ["- a\n- b", "just words", "a: [", "a: b: c", "!!python/object:os.system {}"])
def test_what_is_no_mapping_in_yaml_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(ProviderProfile, text)
    assert refused.value.code == "invalid_profile"


@pytest.mark.parametrize(
    "origin",
    ["https://casino.example", "https://casino.example:8443", "http://localhost:3000", "http://127.0.0.1:9",
     "http://[::1]:8080"],
)  # fmt: skip
def test_an_origin_is_taken_as_browsers_write_it(origin: str) -> None:
    assert read(CasinoProfile, "", origins=[origin]).origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "http://casino.example", "https://Casino.example", "https://casino.example/", "https://casino.example:443",
        "https://casino.example:0", "https://casino.example:65536", "casino.example", "https://*.example", "*",
        "https://a.example; script-src *", "https://a.example https://b.example", "https://a@b.example", "null", "",
        "data:", "https://a.example\nx", "https://", "https://a..b", "ftp://localhost", "http://localhost.evil.example",
        "http://127.0.0.1.evil.example", "http://localhost:80",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(InvalidInput, match=r"origins\.0: "):
        read(CasinoProfile, "", origins=[origin])
