"""Edge cases 85 to 87 over HTTP: Accepts in other spellings or with dirty texts, and balances that are no numbers."""

import asyncio
import json

import pytest

from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import BACK, DONE, bet_with_stake_taken

USERS, ACCEPT = "/users/data", "/payments/accept"
REVERSE = "refund_after_pay_out: reverse"


@pytest.mark.edge_case(85)
@pytest.mark.edge_case(86)
@pytest.mark.parametrize("kind", ["other_types", "dirty_texts"])
async def test_accepts_in_other_clothes_end_every_movement(stack: Stack, kind: str) -> None:
    partner = await stack.partner(provider=REVERSE, confirmation="accept")
    await partner.faults({"kind": kind}, {"kind": kind, "path": ACCEPT})
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    for call in (partner.pay_out, partner.refund):
        assert (await until(lambda call=call: call(bet), 60)).outcome == DONE  # type: ignore[misc]
    assert (await partner.journal(bet), await partner.incidents(bet)) == (BACK, [])
    assert {accept["state"] for accept in await partner.accepts(bet)} == {"answered"}
    assert {(accept["status"], accept["answer_code"]) for accept in await partner.accepts(bet)} == {(200, 200)}


# What users/data answers, and what Balance says of it: it is read (1), or not (99).
DEEP = "[" * 100_000
NONSENSE = {
    "deep": (DEEP, 99),
    "deep inside": (f'{{"ErrorCode": 200, "Message": "", "Value": {{"Balance": {DEEP}}}}}', 99),
    "a list": ('{"ErrorCode": 200, "Message": "", "Value": [1]}', 99),
    "true": ('{"ErrorCode": 200, "Message": "", "Value": {"Balance": true}}', 99),
    "NaN": ('{"ErrorCode": 200, "Message": "", "Value": {"Balance": NaN}}', 99),
    "huge": (f'{{"ErrorCode": 200, "Message": "", "Value": {{"Balance": {"9" * 10_000}}}}}', 99),
    "a huge exponent": ('{"ErrorCode": 200, "Message": "", "Value": {"Balance": 1e999999999}}', 99),
    "twice": ('{"ErrorCode": 200, "Message": "", "Value": {"Balance": "1.00", "Balance": "2.00"}}', 99),
    "no text": ('{"ErrorCode": 200, "Message": "\\ud83d", "Value": {"Balance": "\\ud83d"}}', 99),
    "empty": ("", 99),
    "below zero": ('{"ErrorCode": 200, "Message": "", "Value": {"Balance": "-5.00"}}', 1),
    "more than any wallet": (f'{{"ErrorCode": 200, "Message": "", "Value": {{"Balance": {"9" * 60}}}}}', 1),
}


@pytest.mark.edge_case(87)
async def test_no_answer_about_a_balance_changes_a_code(stack: Stack) -> None:
    await asyncio.gather(*(_nonsense(stack, name, *given) for name, given in NONSENSE.items()))


async def _nonsense(stack: Stack, name: str, body: str, code: int) -> None:
    partner = await stack.partner()
    await partner.switches(balance_in_answer=False)
    await partner.faults({"kind": "answer", "path": USERS, "status": 200, "body": body})
    paid = await bet_with_stake_taken(partner, partner.pay_in)
    returned = await bet_with_stake_taken(partner, partner.pay_in)
    one_step = await bet_with_stake_taken(partner, partner.pay_in_out)
    for call, bet in (
        (TestPartner.pay_in, paid),
        (TestPartner.pay_out, paid),
        (TestPartner.refund, returned),
        (TestPartner.pay_in_out, one_step),
    ):
        answer = await until(lambda call=call, bet=bet: call(partner, bet), 60)  # type: ignore[misc]
        assert (name, answer.outcome, answer.status, answer.body["balance"]) == (name, DONE, 200, None)
    balance = await partner.balance()
    assert (name, balance.code, balance.body["balance"]) == (name, code, None)


@pytest.mark.edge_case(85)
@pytest.mark.edge_case(87)
async def test_a_balance_finer_than_the_currency_is_rounded_down(stack: Stack) -> None:
    partner = await stack.partner()
    await partner.switches(balance_in_answer=False)
    for written, shown in (('"990.1299"', 990.12), ("990.1299", 990.12), ("9.9e2", 990), ('"+1"', 1)):
        body = f'{{"errorCode": "200", "value": {{"balance": {written}}}}}'
        await partner.faults({"kind": "answer", "path": USERS, "status": 200, "body": body})
        answer = await partner.balance()
        assert (written, answer.code, answer.body["balance"]) == (written, 1, shown)


@pytest.mark.edge_case(85)
async def test_an_accept_that_cannot_be_read_is_no_final_answer(stack: Stack) -> None:
    """HTTP 400 with the reason, an incident; the same Accept, mended, is taken."""
    partner = await stack.partner(casino="{accept_within: 3600, effect_within: 3600}", confirmation="accept")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    bet_id = (await partner.row(bet)).bet_id
    (sent,) = [accept for accept in await partner.accepts(bet) if accept["transaction_type"] == -1][:1]
    body = {
        "BetId": bet_id, "TransactionType": -1, "PartnerUserId": "anna", "Amount": "ten", "ErrorCode": 200,
        "PartnerTransactionId": sent["partner_transaction_id"], "Message": "",
    }  # fmt: skip
    refused = json.loads(await partner.accept_raw(body))
    assert (refused["ErrorCode"], refused["Message"]) == (103801, "unreadable_amount: Amount is not a number")
    assert await partner.incidents(bet) == ["accept_unreadable"]
    assert (await partner.accept(body | {"Amount": "-10.0000"}))["ErrorCode"] == 200
