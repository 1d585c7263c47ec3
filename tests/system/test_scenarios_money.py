"""Edge cases of section D, and the amounts and balances of section F."""

import json
import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from typing import Any

import pytest

from tests.partner import CRYPTO, Answer, Stack, TestPartner, until
from tests.system.scenarios import DONE

MALFORMED = (2, "malformed")
MAKE = "/payments/make"


async def _raw(partner: TestPartner, operation: str, bet: str, literal: str, session: str | None = None) -> Answer:
    """Send a PayIn or PayOut whose amount is this piece of JSON, byte for byte."""
    name = {"pay-in": "betAmount", "pay-out": "winAmount"}[operation]
    body = f'{{"{name}":{literal},"betId":"{bet}","gameRoundId":"round-1"}}'.encode()
    return await partner.call("POST", f"/v1/sessions/{session or partner.session_id}/bets/{operation}", body)


@pytest.mark.edge_case(40)
@pytest.mark.parametrize("nothing", ["0", "0.00", '"0"', '"0.0"'])
async def test_a_pay_out_of_nothing_closes_the_bet_at_the_casino(partner: TestPartner, nothing: str) -> None:
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    lost = await _raw(partner, "pay-out", bet, nothing)
    assert (lost.outcome, lost.status, lost.body["balance"]) == (DONE, 200, 990)
    assert await partner.journal(bet) == [(-1, "10.00"), (1, "0.00")]
    row = await partner.row(bet)
    assert (row.state, row.win) == ("settled", 0)
    assert await _raw(partner, "pay-out", bet, nothing) == lost
    assert (await partner.refund(bet)).outcome == (6, "already_settled")
    assert await partner.journal(bet) == [(-1, "10.00"), (1, "0.00")]


@pytest.mark.edge_case(40)
async def test_a_pay_out_of_nothing_is_owed_like_any_other(stack: Stack) -> None:
    partner = await stack.partner(casino="{retry: {first: 0.1}}")
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    await partner.faults({"kind": "error", "path": MAKE, "times": 3})
    assert (await until(lambda: partner.pay_out(bet, "0"))).outcome == DONE
    assert await partner.journal(bet) == [(-1, "10.00"), (1, "0.00")]


@pytest.mark.edge_case(41)
@pytest.mark.parametrize("resolved", ["won", "lost", "refunded"])
async def test_a_free_round_is_a_bet_like_any_other(stack: Stack, resolved: str) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    taken = await partner.pay_in(bet, "0")
    assert (taken.outcome, taken.body["balance"]) == (DONE, 1000)
    assert await partner.pay_in(bet, "0.00") == taken
    assert (await partner.pay_in(bet, "0.01")).outcome == (6, "different_data")
    assert await partner.journal(bet) == [(-1, "0.00")]
    if resolved == "refunded":
        assert (await partner.refund(bet)).outcome == DONE
        assert (await partner.pay_out(bet)).outcome == (6, "already_refunded")
        assert await partner.journal(bet) == [(-1, "0.00"), (2, "0.00")]
        return
    win = {"won": "5.00", "lost": "0.00"}[resolved]
    assert (await partner.pay_out(bet, win)).outcome == DONE
    assert await partner.journal(bet) == [(-1, "0.00"), (1, win)]


@pytest.mark.edge_case(41)
async def test_a_free_round_is_not_sent_if_the_profile_says_so(stack: Stack) -> None:
    partner = await stack.partner(casino="send: {zero_stakes: false}")
    free, paid = partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in(free, "0")).outcome == DONE
    assert (await partner.refund(free)).outcome == DONE
    assert (await partner.pay_in(free, "0")).outcome == DONE
    assert (await partner.row(free)).state == "refunded"
    assert MAKE not in [call["path"] for call in await partner.calls()]
    assert (await partner.pay_in(paid)).outcome == DONE
    assert await partner.journal(paid) == [(-1, "10.00")]


# currency, decimals, what fits, what does not
DECIMALS = [
    pytest.param("JPY", 0, ["1", "250"], ["1.0", "1.5", "10.00"], id="JPY"),
    pytest.param("EUR", 2, ["1.1", "1.10"], ["1.101", "1.100", "0.001"], id="EUR"),
    pytest.param("KWD", 3, ["1.101", "1.1"], ["1.1001", "1.1010"], id="KWD"),
    pytest.param("BTC", 8, ["0.00000001", "0.1"], ["0.000000001", "0.100000000"], id="BTC"),
]


@pytest.mark.edge_case(60)
@pytest.mark.parametrize(("currency", "decimals", "fitting", "unfit"), DECIMALS)
async def test_more_decimals_than_the_currency_has_are_refused(
    stack: Stack, currency: str, decimals: int, fitting: list[str], unfit: list[str]
) -> None:
    partner = await stack.partner()
    seated = _seat_by_command(partner) if currency == "BTC" else partner.seat("berta", "1000", currency, decimals)
    session = await seated
    for literal in _both(unfit):
        bet = partner.new_bet()
        refused = await _raw(partner, "pay-in", bet, literal, session)
        assert (literal, refused.outcome, refused.status) == (literal, MALFORMED, 400)
        assert await partner.row(bet) is None
    assert await partner.calls() == []
    for literal in _both(fitting):
        bet, moved = partner.new_bet(), f"{float(literal.strip(chr(34))):.{decimals}f}"
        assert (await _raw(partner, "pay-in", bet, literal, session)).outcome == DONE
        for wrong in _both(unfit):
            assert (await _raw(partner, "pay-out", bet, wrong, session)).outcome == MALFORMED
        assert await partner.journal(bet) == [(-1, moved)]
        assert (await _raw(partner, "pay-out", bet, literal, session)).outcome == DONE
        assert await partner.journal(bet) == [(-1, moved), (1, moved)]


def _both(amounts: list[str]) -> list[str]:
    """Return each as a JSON number and as a JSON string."""
    return [*amounts, *(json.dumps(amount) for amount in amounts)]


async def _seat_by_command(partner: TestPartner) -> str:
    """Open a session in a currency that the stack's processes have in their settings, and this process has not."""
    about = {"partner_user_id": "berta", "currency": "BTC", "balance": "1000", "decimals": 8}
    await partner.at_casino("POST", "/_players", json={"partner_client_id": partner.partner_client_id, **about})
    at = ("--provider", partner.provider, "--casino", partner.casino, "--game", "dice", "--player", "berta")
    process = await create_subprocess_exec(
        *(sys.executable, "-m", "betcore", "session", "open", "--json", "--currency", "BTC", *at),
        env={**os.environ, **CRYPTO, "BETCORE_DATA_DIR": str(partner.stack.folder), "BETCORE_OPERATOR": "ann"},
        stdout=PIPE,
    )
    printed, _ = await process.communicate()
    session_id: str = json.loads(printed)["session_id"]
    return session_id


# What is no amount: each as it stands in the body.
NO_AMOUNTS = [
    *("-1", "-0", "-0.01", '"-1"', '"-0"', "+1", '"+1"'),
    *("NaN", '"NaN"', "Infinity", "-Infinity", '"Infinity"', '"inf"'),
    *("1e3", "1E3", "1e0", "1e-2", "1.0e1", '"1e3"', '"1E-2"', "1e400", "1e-400"),
    *("1000000000000000", '"1000000000000000"', "9" * 400, '"' + "9" * 400 + '"', "0." + "1" * 400),
    *("true", "false", '"true"', "null", '"null"', '""', '" "', '" 1"', '"1 "', '"1\\n"', '"1\\u0000"'),
    *("01", '"01"', ".5", '".5"', "5.", '"5."', '"1,5"', '"1_000"', '"1.000,00"', '"0x10"', "0x10", '"10 EUR"'),
    *('"\\u0661"', '"\\uff11"', '"1\\u066b5"', "[]", "[1]", '["1"]', "{}", '{"amount":1}', "", "'1'"),
]


@pytest.mark.edge_case(61)
async def test_what_is_no_amount_is_refused_and_moves_nothing(partner: TestPartner) -> None:
    open_bet = partner.new_bet()
    assert (await partner.pay_in(open_bet)).outcome == DONE
    entries, calls = await partner.entries(), await partner.calls()
    told = {}
    for literal in NO_AMOUNTS:
        for operation, bet in (("pay-in", partner.new_bet()), ("pay-out", open_bet)):
            answer = await _raw(partner, operation, bet, literal)
            told[operation, literal] = (*answer.outcome, answer.status)
    assert {asked: answer for asked, answer in told.items() if answer != (*MALFORMED, 400)} == {}
    # Not even the balance was asked for.
    assert await partner.calls() == calls
    assert await partner.entries() == entries
    assert (await partner.row(open_bet)).state == "acceptance"
    assert [row.provider_bet_id for row in await _bets(partner)] == [open_bet]
    assert (await partner.pay_out(open_bet)).outcome == DONE
    assert await partner.journal(open_bet) == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.edge_case(61)
async def test_an_amount_that_is_missing_or_stands_twice_is_refused(partner: TestPartner) -> None:
    path = f"/v1/sessions/{partner.session_id}/bets/pay-in"
    for amount in (b"", b'"betAmount":1,"betAmount":2,', b'"winAmount":1,', b'"BetAmount":1,'):
        refused = await partner.call("POST", path, b"{" + amount + b'"betId":"b","gameRoundId":"r"}')
        assert (refused.outcome, refused.status) == (MALFORMED, 400)
    assert await partner.calls() == []
    assert await _bets(partner) == []


@pytest.mark.edge_case(61)
async def test_the_greatest_amount_reaches_the_casino_digit_by_digit(stack: Stack) -> None:
    partner = await stack.partner()
    await partner.seat(balance="999999999999999.99")
    bet = partner.new_bet()
    assert (await _raw(partner, "pay-in", bet, "999999999999999.99")).outcome == DONE
    assert await partner.journal(bet) == [(-1, "999999999999999.99")]


async def _bets(partner: TestPartner) -> list[Any]:
    query = "SELECT provider_bet_id FROM bet JOIN provider USING (provider_id) WHERE counterparty_id = :c"
    return await partner.sql(query, c=partner.counterparty_id)


@pytest.mark.edge_case(70)
async def test_the_balance_of_a_repeated_answer_is_a_balance_of_the_player(partner: TestPartner) -> None:
    first, second = partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in(first)).body["balance"] == 990
    assert (await partner.pay_in(second)).body["balance"] == 980
    repeated = await partner.pay_in(first)
    assert (repeated.outcome, repeated.body["balance"] in (990, 980)) == (DONE, True)
    assert (await partner.pay_out(first)).body["balance"] == 1005
    repeated = await partner.pay_in(first)
    assert (repeated.outcome, repeated.body["balance"] in (990, 1005)) == (DONE, True)


@pytest.mark.edge_case(70)
async def test_a_balance_that_cannot_be_read_changes_no_code(stack: Stack) -> None:
    partner = await stack.partner()
    await partner.switches(balance_in_answer=False)
    read, unread = partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in(read)).body["balance"] == 990
    for kind in ("error", "garbage", "drop", "missing", "hold"):
        await partner.faults({"kind": kind, "path": "/users/data"})
        answer = await partner.pay_in(unread)
        assert (kind, answer.outcome, answer.status, answer.body["balance"]) == (kind, DONE, 200, None)
        assert answer.body["currency"] == "EUR"
    assert (await partner.pay_out(unread)).outcome == DONE
    assert (await partner.pay_in(partner.new_bet(), "2000.00")).outcome == (4, "no_money")
    await partner.release()
    assert await partner.journal(unread) == [(-1, "10.00"), (1, "25.00")]


@pytest.mark.edge_case(70)
async def test_the_last_known_balance_stands_in_for_one_that_cannot_be_read(stack: Stack) -> None:
    partner = await stack.partner()
    assert (await partner.pay_in(partner.new_bet())).body["balance"] == 990
    await partner.switches(balance_in_answer=False)
    await partner.faults({"kind": "error", "path": "/users/data"})
    later = await partner.pay_in(partner.new_bet())
    assert (later.outcome, later.body["balance"]) == (DONE, 990)
