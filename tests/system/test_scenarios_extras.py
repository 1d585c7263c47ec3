"""Edge cases 133 and 134: what a casino asks for beside the movement: tax, promo code, tag, data of its own."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    CLAW_BACK,
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    QUICK,
    RETURN,
    UNKNOWN,
    bet_with_stake_taken,
)
from tests.watch import has_status, in_state, movement, sends

MAKE = "/payments/make"
ASKS = "send: {tax: true, promo: true}"
DIFFERENT = (6, "different_data")


def _extras(call: dict[str, Any]) -> tuple[Any, Any]:
    return call["tax_amount"], call["promo_code"]


async def _pay_in(partner: TestPartner, bet: str, **extra: Any) -> Answer:
    return await partner.post("pay-in", {"betId": bet, "betAmount": "10.00", "gameRoundId": "round-1", **extra})


async def _pay_out(partner: TestPartner, bet: str, **extra: Any) -> Answer:
    return await partner.post("pay-out", {"betId": bet, "winAmount": "25.00", "gameRoundId": "round-1", **extra})


async def _pay_in_out(partner: TestPartner, bet: str, **extra: Any) -> Answer:
    body = {"betId": bet, "betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1", **extra}
    return await partner.post("pay-in-out", body)


@pytest.mark.edge_case(133)
@pytest.mark.parametrize("confirmation", ["reply", "accept"])
async def test_tax_and_promo_code_reach_a_casino_that_asks_for_them(stack: Stack, confirmation: str) -> None:
    partner = await stack.partner(
        provider="refund_after_pay_out: reverse", casino=f"{{{ASKS}}}", confirmation=confirmation
    )
    bet = await bet_with_stake_taken(partner, partial(_pay_in, partner, taxAmount="0.53", promoCode="SPRING"))
    assert (await until(partial(_pay_out, partner, bet, taxAmount=2.5))).outcome == DONE
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert {call["transaction_type"]: _extras(call) for call in await sends(partner, bet)} == {
        DEBIT: ("0.53", "SPRING"),
        CREDIT: ("2.50", "SPRING"),
        CLAW_BACK: ("2.50", "SPRING"),
        RETURN: ("0.53", "SPRING"),
    }
    # The same again is the same; what is left out is nothing.
    assert (await until(partial(_pay_out, partner, bet, taxAmount="2.50"))).outcome == (6, "already_refunded")
    one_step = await bet_with_stake_taken(partner, partial(_pay_in_out, partner, taxAmount="1"))
    assert {call["transaction_type"]: _extras(call) for call in await sends(partner, one_step)} == {
        DEBIT: (None, None),
        CREDIT: ("1.00", None),
    }
    assert (await until(partial(_pay_in_out, partner, one_step, taxAmount="1.0"))).outcome == DONE


@pytest.mark.edge_case(133)
async def test_a_repeat_with_other_tax_or_promo_code_is_another_call(stack: Stack) -> None:
    partner = await stack.partner(casino=f"{{{ASKS}}}")
    bet = await bet_with_stake_taken(partner, partial(_pay_in, partner, taxAmount="0.50", promoCode="SPRING"))
    for other in (
        {"taxAmount": "0.51", "promoCode": "SPRING"},
        {"taxAmount": "0.50", "promoCode": "AUTUMN"},
        {"taxAmount": "0.50"},
        {"promoCode": "SPRING"},
    ):
        assert (await _pay_in(partner, bet, **other)).outcome == DIFFERENT
    assert (await _pay_in(partner, bet, taxAmount=0.5, promoCode="SPRING")).outcome == DONE
    assert (await until(partial(_pay_out, partner, bet, taxAmount="2.50"))).outcome == DONE
    for other in ({"taxAmount": "2.51"}, {}):
        assert (await _pay_out(partner, bet, **other)).outcome == DIFFERENT
    assert (await _pay_out(partner, bet, taxAmount="2.5")).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
    assert set(await partner.incidents(bet)) == {"different_data"}
    one_step = await bet_with_stake_taken(partner, partial(_pay_in_out, partner, taxAmount="1"))
    assert (await _pay_in_out(partner, one_step, taxAmount="2")).outcome == DIFFERENT


@pytest.mark.edge_case(133)
async def test_a_casino_that_asks_for_none_gets_none(stack: Stack) -> None:
    partner = await stack.partner()
    bet = await bet_with_stake_taken(partner, partial(_pay_in, partner, taxAmount="0.50", promoCode="SPRING"))
    assert (await _pay_in(partner, bet)).outcome == DONE
    assert (await until(partial(_pay_out, partner, bet, taxAmount="2.50"))).outcome == DONE
    assert (await _pay_out(partner, bet)).outcome == DONE
    assert [_extras(call) for call in await sends(partner, bet)] == [(None, None)] * 2


@pytest.mark.edge_case(133)
async def test_a_bet_keeps_what_its_casino_asked_for_when_it_began(stack: Stack) -> None:
    """The profile changes between a call and its repeat: the honest repeat is the same call."""
    partner = await stack.partner(provider=HASTY, casino=f"{{{ASKS}, {QUICK[1:]}")
    before = await bet_with_stake_taken(partner, partial(_pay_in, partner, taxAmount="0.50", promoCode="SPRING"))
    await partner.onboarding.change("casino", partner.casino, profile="{confirmation: reply, attempt_timeout: 12}")

    bets: list[str] = []

    async def begins_with_tax() -> bool:
        bets.append(await bet_with_stake_taken(partner, partial(_pay_in, partner, taxAmount="0.50")))
        return (await partner.row(bets[-1])).stake_tax is not None

    async def begins_without_tax() -> bool:
        return not await begins_with_tax()

    await eventually(begins_without_tax)
    after = bets[-1]
    assert (await _pay_in(partner, before, taxAmount="0.50", promoCode="SPRING")).outcome == DONE
    await partner.onboarding.change("casino", partner.casino, profile=f"{{confirmation: reply, {ASKS}}}")
    await eventually(begins_with_tax)
    assert (await _pay_in(partner, after, taxAmount="0.50", promoCode="SPRING")).outcome == DONE


@pytest.mark.edge_case(133)
@pytest.mark.parametrize(
    "extra",
    [
        {"taxAmount": "0.505"},
        {"taxAmount": "-1"},
        {"taxAmount": "much"},
        {"taxAmount": None},
        {"taxAmount": True},
        {"promoCode": ""},
        {"promoCode": "two words"},
        {"promoCode": 7},
        {"promoCode": "x" * 129},
    ],
    ids=str,
)
async def test_tax_and_promo_code_that_cannot_be_read_move_nothing(stack: Stack, extra: dict[str, Any]) -> None:
    partner = await stack.partner(casino=f"{{{ASKS}}}")
    bet = partner.new_bet()
    for call in (_pay_in, _pay_in_out):
        answer = await call(partner, bet, **extra)
        assert (answer.code, answer.status) == (2, 400)
    assert await partner.row(bet) is None
    if "taxAmount" in extra:
        bet = await bet_with_stake_taken(partner, partner.pay_in)
        assert (await _pay_out(partner, bet, **extra)).code == 2
        # The player of a known bet may have won.
        assert await partner.incidents(bet) == ["unreadable_win"]
        assert (await until(partial(_pay_out, partner, bet))).outcome == DONE


@pytest.mark.edge_case(133)
async def test_a_promo_code_that_the_casino_refuses_is_a_refused_stake(stack: Stack) -> None:
    partner = await stack.partner(casino=f"{{{ASKS}}}")
    await partner.faults({"kind": "error_code", "error_code": 103809, "path": MAKE})
    bet = partner.new_bet()
    assert (await until(partial(_pay_in, partner, bet, promoCode="SPRING"))).outcome == (7, "casino_refused")
    assert await partner.entries() == []


@pytest.mark.edge_case(133)
@pytest.mark.parametrize("tax", ["0.51", "-0.50", "0.505", "much"])
async def test_a_list_with_another_tax_has_another_movement(stack: Stack, tax: str) -> None:
    partner = await stack.partner(provider=HASTY, casino=f"{{{ASKS}, {QUICK[1:]}")
    bet = await bet_with_stake_taken(partner, partial(_pay_in, partner))
    duplicate = {"kind": "error_code", "error_code": 103803, "commit": True, "path": MAKE, "transaction_type": CREDIT}
    await partner.faults(duplicate, {"kind": "rewrite", "path": "/payments/info", "fields": {"TaxAmount": tax}})
    assert (await _pay_out(partner, bet, taxAmount="0.50")).outcome == UNKNOWN
    await has_status(partner, bet, "parked", True)
    query = "SELECT theirs FROM incident WHERE bet_id = :b"
    [incident] = await partner.sql(query, b=(await partner.row(bet)).bet_id)
    assert incident.theirs["reason"] == "other_tax"


@pytest.mark.edge_case(133)
async def test_an_accept_names_our_tax_or_none(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=f"{{{ASKS}}}", confirmation="accept")
    await partner.faults({"kind": "drop", "path": "/payments/accept"})
    bet = partner.new_bet()
    assert (await _pay_in(partner, bet, taxAmount="0.50")).outcome == UNKNOWN
    await in_state(partner, bet, "accepting")
    row = await partner.row(bet)
    body = {
        "BetId": row.bet_id,
        "TransactionType": DEBIT,
        "PartnerUserId": "anna",
        "Amount": "10.00",
        "PartnerTransactionId": "t-1",
        "ErrorCode": 200,
    }
    for tax in ("0.51", "0.505", "-0.50", "much", {}):
        answer = await partner.accept({**body, "TaxAmount": tax})
        assert (answer["ErrorCode"], answer["Message"].split(":")[0]) == (103803, "other_tax")
    assert (await movement(partner, bet, DEBIT)).accept_code is None
    assert (await partner.accept({**body, "TaxAmount": "0.5000"}))["ErrorCode"] == 200
    assert (await partner.accept(body))["ErrorCode"] == 200
    assert (await until(partial(_pay_in, partner, bet, taxAmount="0.50"))).outcome == DONE


@pytest.mark.edge_case(134)
async def test_the_tag_of_the_session_is_a_number_in_every_message(stack: Stack) -> None:
    partner = await stack.partner(casino="{extra_data: 'site=7'}", provider="refund_after_pay_out: reverse")
    async with stack.engine.begin() as connection:
        await connection.execute(
            text("UPDATE session SET tag_id = 4711 WHERE session_id = :s"), {"s": partner.session_id}
        )
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert (await partner.balance()).code == 1
    assert [call["tag_id"] for call in await sends(partner, bet)] == [4711] * 4
    shown = [call for call in await partner.calls() if call["path"] == "/users/data"]
    assert {(call["tag_id"], call["extra_data"]) for call in shown} == {(4711, "site=7")}


@pytest.mark.edge_case(134)
async def test_a_session_without_a_tag_sends_none_with_its_money(stack: Stack) -> None:
    partner = await stack.partner()
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await partner.balance()).code == 1
    assert [call["tag_id"] for call in await sends(partner, bet)] == [None]
    shown = [call for call in await partner.calls() if call["path"] == "/users/data"]
    assert {(call["tag_id"], call["extra_data"]) for call in shown} == {(0, None)}
