"""Cashbacks at the sandbox casino: a credit without a stake, and its return."""

import itertools
from typing import Any

from tests.unit.sandbox_casino_support import Casino

MAKE = "/cashback-payments/make"
_numbers = itertools.count(10**6)


def _movement(number: int, transaction_type: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "CashbackId": number,
        "TransactionType": transaction_type,
        "PartnerUserId": "alice",
        "Amount": "5.00",
        "TransactionId": f"{number}:{transaction_type}",
    } | changed


async def test_a_credit_needs_no_stake_and_a_repeat_moves_nothing(casino: Casino) -> None:
    number = next(_numbers)
    first, again = [await casino.call(MAKE, _movement(number)) for _ in range(2)]
    assert first.text == again.text
    assert (first.code, first.value["CashbackId"], first.value["TransactionType"]) == (200, number, 1)
    assert (await casino.call(MAKE, _movement(number, Amount="6.00"))).code == 103803


async def test_a_return_needs_the_credit_and_the_money(casino: Casino) -> None:
    number = next(_numbers)
    assert (await casino.call(MAKE, _movement(number, -2))).code == 103804
    assert (await casino.call(MAKE, _movement(number, Amount="999999.00"))).code == 200
    await casino.open_player()
    assert (await casino.call(MAKE, _movement(number, -2, Amount="999999.00"))).code == 103802


async def test_no_other_type_is_taken(casino: Casino) -> None:
    for transaction_type in (-1, 2, 4):
        assert (await casino.call(MAKE, _movement(next(_numbers), transaction_type))).code == 102823
    answer = await casino.call(MAKE, {**_movement(1), "CashbackId": None, "BetId": 1})
    assert (answer.status, answer.code) == (400, 102823)


async def test_a_list_of_cashbacks_is_a_switch(casino: Casino) -> None:
    number = next(_numbers)
    await casino.call(MAKE, _movement(number))
    asked = {"CashbackId": number}
    assert (await casino.call("/payments/info", asked)).status == 400
    await casino.control("POST", "/_settings", {"cashback_info": True})
    listed = (await casino.call("/payments/info", asked)).value
    assert [(one["CashbackId"], one["TransactionType"], one["Amount"]) for one in listed] == [(number, 1, "5.00")]
    assert (await casino.call("/payments/info", {})).status == 400
