"""Bodies of providers' calls: read exactly, or refused as malformed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.provider.schemas import BetBody, PayInBody, PayOutBody, RefundBody, read, session_id
from betcore.domain.errors import Malformed

SESSION = "sess-abc"
PAY_IN: dict[str, Any] = {"betId": "bet-1", "betAmount": "10.00", "gameRoundId": "round-1"}
PAY_OUT: dict[str, Any] = {"betId": "bet-1", "winAmount": "0", "gameRoundId": "round-1"}

ids = st.text("ABCXYZabcxyz0189._:-", min_size=1, max_size=128)
amounts = st.from_regex(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,8})?", fullmatch=True)


def raw(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


@given(bet=ids, amount=amounts, round_id=ids, as_number=st.booleans())
def test_a_stake_keeps_its_text_as_string_and_as_number(bet: str, amount: str, round_id: str, as_number: bool) -> None:
    written = amount if as_number else json.dumps(amount)
    body = f'{{"betId":"{bet}","betAmount":{written},"gameRoundId":"{round_id}"}}'.encode()
    found = read(PayInBody, body, SESSION)
    assert (found.bet_id, found.bet_amount, found.game_round_id) == (bet, amount, round_id)
    assert type(found.bet_amount) is str


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for model in (PayInBody, PayOutBody, RefundBody):
        with pytest.raises(Malformed):
            read(model, body, SESSION)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


@given(st.fixed_dictionaries({name: json_values for name in [*PAY_IN, "sessionId"]}))
def test_any_values_are_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        found = read(PayInBody, raw(fields), SESSION)
    except Malformed:
        return
    assert (found.bet_id, found.game_round_id) == (fields["betId"], fields["gameRoundId"])
    assert found.bet_amount == str(fields["betAmount"])


@given(json_values)
def test_unknown_fields_are_ignored(value: Any) -> None:
    text = json.dumps({**PAY_IN, "further": value})
    if "NaN" not in text and "Infinity" not in text:
        assert read(PayInBody, text.encode(), SESSION).bet_id == "bet-1"


@pytest.mark.parametrize("bad", ["", "a b", "ä", "a/b", "a" * 129, "a\n", "٣", 1, 1.5, None, True, [], {}, ["bet-1"]])
@pytest.mark.parametrize("name", ["betId", "gameRoundId"])
def test_ids_are_short_plain_strings(name: str, bad: object) -> None:
    with pytest.raises(Malformed, match=name):
        read(PayInBody, raw({**PAY_IN, name: bad}), SESSION)


@pytest.mark.edge_case(61)
@pytest.mark.parametrize(
    "written",
    [
        *("-1", "1e3", "1E-2", "true", "false", "null", "[]", "{}", '"NaN"', '"+1"', '"1e3"', '"-0"', "-0", '""'),
        *('" 1"', '"1,5"', "1" + "0" * 15, "9" * 5000, '"\u0663"', '["1"]'),
    ],
)
def test_what_is_no_amount_is_refused(written: str) -> None:
    cases: list[tuple[type[BetBody], dict[str, Any], str]] = [
        (PayInBody, PAY_IN, "betAmount"),
        (PayOutBody, PAY_OUT, "winAmount"),
        (PayOutBody, PAY_OUT, "winOdd"),
    ]
    for model, fields, name in cases:
        rest = json.dumps({key: value for key, value in fields.items() if key != name})[1:]
        with pytest.raises(Malformed, match=name):
            read(model, f'{{"{name}":{written},{rest}'.encode(), SESSION)


def test_win_odd_is_optional_and_may_be_either_form() -> None:
    for odd in ({}, {"winOdd": "1.96"}, {"winOdd": 1.96}, {"winOdd": 2}):
        assert read(PayOutBody, raw({**PAY_OUT, **odd}), SESSION).win_amount == "0"


@pytest.mark.parametrize("name", list(PAY_IN))
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(Malformed, match=name):
        read(PayInBody, raw({key: value for key, value in PAY_IN.items() if key != name}), SESSION)


def test_the_session_of_the_body_is_that_of_the_path_or_absent() -> None:
    assert read(RefundBody, raw({"betId": "b", "sessionId": SESSION}), SESSION).bet_id == "b"
    for other in ("sess-abd", "SESS-ABC", None, 1, True, [SESSION], ""):
        with pytest.raises(Malformed, match="sessionId"):
            read(RefundBody, raw({"betId": "b", "sessionId": other}), SESSION)
    with pytest.raises(Malformed, match="sessionId"):
        read(RefundBody, b'{"betId":"b","sessionId":7}', "7")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b'{"betId":"b"',
        b'{"betId":"b"}x',
        b"{'betId':'b'}",
        b'{"betId":"b",}',
        b'{"betId":"b"}{"betId":"b"}',
        b'\xef\xbb\xbf{"betId":"b"}',
        b'{"betId":"\xff"}',
        b'{"betId":"\xc0\xaf"}',
        b'{"betId":"\xed\xa0\x80"}',
        '{"betId":"b"}'.encode("utf-16"),
        b'{"betId":"b","betId":"b"}',
        b'{"betId":"b","further":{"x":1,"x":2}}',
        b'{"betId":"b","further":[{"x":1},{"y":[{"z":1,"z":1}]}]}',
        b'{"betId":"b","further":NaN}',
        b'{"betId":"b","further":[-Infinity]}',
        b'{"betId":"b","further":Infinity}',
        b'{"betId":"b","further":"\x00"}',
        b'{"betId":"b","further":01}',
    ],
)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(RefundBody, body, SESSION)


def nested(levels: int) -> bytes:
    """Return a Refund that is nested this deep, its own object included."""
    return b'{"betId":"b","further":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_depth_is_bounded_at_32_levels() -> None:
    assert read(RefundBody, nested(32), SESSION).bet_id == "b"
    with pytest.raises(Malformed):
        read(RefundBody, nested(33), SESSION)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_endless_depth_is_refused_without_recursion(opening: bytes) -> None:
    with pytest.raises(Malformed):
        read(RefundBody, (opening * 65536)[:65536], SESSION)


@pytest.mark.parametrize("text", ["[" * 40, "{" * 40, '\\"' + "[" * 40, "\\\\" * 3 + "{" * 40])
def test_brackets_inside_strings_do_not_count_as_depth(text: str) -> None:
    body = json.dumps({"betId": "b", "further": text.replace("\\", "")} | {"quoted": text}).encode()
    assert read(RefundBody, body, SESSION).bet_id == "b"


@pytest.mark.parametrize("build", [lambda n: b'{"betId":"b","f":[' + b"[]," * n + b"[]]}", lambda n: b'"' * n])
def test_large_bodies_are_judged_like_small_ones(build: Callable[[int], bytes]) -> None:
    small, large = build(3), build(21_000)
    outcomes = []
    for body in (small, large):
        try:
            outcomes.append(read(RefundBody, body, SESSION).bet_id)
        except Malformed:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("bad", ["", " ", "a b", "ä", "a" * 129, "a\n"])
def test_session_ids_of_paths_are_short_plain_strings(bad: str) -> None:
    with pytest.raises(Malformed):
        session_id(bad)


@given(ids)
def test_good_session_ids_pass(good: str) -> None:
    assert session_id(good) == good
