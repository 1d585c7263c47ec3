"""Responses to providers: one table for every code, and a body in which a balance never is a float."""

from decimal import Decimal
from itertools import groupby
from json import loads
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.provider.responses import ALREADY_PROCESSED, DONE, RESPONSE_CODES, Reply, render
from betcore.domain.errors import Code
from betcore.domain.money import Money


def test_every_code_has_its_place_and_the_table_nothing_else() -> None:
    assert set(RESPONSE_CODES) == {*Code, ALREADY_PROCESSED}


def test_the_table_is_that_of_the_protocol() -> None:
    numbers = {
        number: [str(code) for code, _ in found]
        for number, found in groupby(RESPONSE_CODES.items(), lambda one: one[1])
    }
    assert numbers == {
        (2, 400): ["malformed", "jackpot_unknown", "live_game_unknown"],
        (2, 413): ["too_large"],
        (2, 404): ["unknown_route"],
        (2, 405): ["wrong_method"],
        (2, 415): ["wrong_content_type"],
        (3, 200): ["session_unknown", "session_ended", "session_demo"],
        (4, 200): ["no_money"],
        (5, 200): ["never_seen"],
        (6, 200): ["different_data", "already_settled", "already_refunded", "bet_refused"],
        (7, 200): [
            *("below_min_bet", "above_max_bet", "player_blocked", "limit_reached", "game_disabled"),
            *("round_closed", "win_refused", "casino_refused", "casino_unavailable"),
        ],
        (8, 401): ["not_authorised"],
        (99, 503): ["outcome_unknown", "overloaded"],
        (99, 429): ["too_many_calls"],
        (104, 200): ["already_processed"],
    }


def test_the_protocol_page_has_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs/protocol.md").read_text()
    assert [code for code in RESPONSE_CODES if f"`{code}`" not in page] == []


@pytest.mark.parametrize("code", [None, *RESPONSE_CODES])
def test_message_and_reason_come_with_every_code_but_1(code: str | None) -> None:
    found = render(Reply(code, currency="EUR", balance=Money(minor=12550, currency="EUR")))
    body = loads(found.body)
    names = ["currency", "balance", "_responseCode"]
    assert list(body) == (names if code is None else [*names, "message", "reason"])
    assert (body["_responseCode"], found.status_code) == ((1, 200) if code is None else RESPONSE_CODES[code])
    assert code is None or (body["reason"] == code and body["message"])
    assert ("retry-after" in found.headers) == (RESPONSE_CODES.get(code or "", DONE)[0] == 99)


@given(st.integers(0, 10**20), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_a_balance_of_any_size_is_printed_to_the_last_digit(minor: int, currency: str) -> None:
    money = Money(minor=minor, currency=currency)
    found = render(Reply(None, currency=currency, balance=money))
    body = loads(found.body, parse_float=Decimal, parse_int=Decimal)
    assert body["balance"] == Decimal(str(money))


def test_a_balance_is_null_if_it_is_not_known_and_absent_without_a_currency() -> None:
    assert bytes(render(Reply(None, currency="EUR")).body) == b'{"currency":"EUR","balance":null,"_responseCode":1}'
    assert bytes(render(Reply(None)).body) == b'{"_responseCode":1}'


@given(st.text())
def test_any_message_is_good_json(message: str) -> None:
    assert loads(render(Reply(Code.MALFORMED, message)).body)["message"] == (message or "malformed")
