"""The sandbox casino's ``/payments/make-list``, tax, promo code and tag: each item is a movement of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sandbox_casino_support import Casino, Reply, new_bet

LIST = "/payments/make-list"


def item(bet: int, amount: str = "5.00", **more: object) -> dict[str, object]:
    return {
        "BetId": bet,
        "TransactionType": 1,
        "Amount": amount,
        "PartnerUserId": "alice",
        "TransactionId": f"{bet}:1",
        **more,
    }


async def staked(casino: Casino, bets: int = 3) -> list[int]:
    made = [new_bet() for _ in range(bets)]
    for bet in made:
        assert (await casino.make(bet, -1, "10.00")).code == 200
    return made


def codes(reply: Reply) -> list[tuple[int, int]]:
    return [(one["BetId"], one["ErrorCode"]) for one in reply.value]


async def test_each_item_is_taken_or_refused_by_itself(casino: Casino) -> None:
    first, second, third = await staked(casino)
    asked = [item(first), item(second, "5.005"), item(third), item(new_bet())]
    reply = await casino.call(LIST, asked)
    assert (reply.status, reply.code) == (200, 200)
    assert codes(reply) == [(first, 200), (second, 103801), (third, 200), (asked[3]["BetId"], 103804)]
    assert {one["TransactionType"] for one in reply.value} == {1}
    assert [one.get("Balance") for one in reply.value] == ["75.00", None, "80.00", None]
    assert reply.value[0]["PartnerTransactionId"] != reply.value[2]["PartnerTransactionId"]
    assert await casino.balance() == "80.00"
    [call] = [call for call in await casino.calls(bet_id=third) if call["path"] == LIST]
    assert [one["bet_id"] for one in call["items"]] == [one["BetId"] for one in asked]


async def test_a_list_again_moves_nothing_again(casino: Casino) -> None:
    asked = [item(bet) for bet in await staked(casino)]
    first = await casino.call(LIST, asked)
    assert (await casino.call(LIST, asked)).value == first.value
    assert (await casino.call(LIST, asked[::-1])).value == first.value[::-1]
    assert (await casino.call("/payments/make", asked[0])).code == 200
    assert await casino.balance() == "85.00"


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: [],
        lambda asked: {"items": asked},
        lambda asked: asked * 34,
        lambda asked: [*asked, {}],
        lambda asked: [*asked, None],
        lambda asked: [*asked, {**asked[0], "BetId": "7"}],
        lambda asked: [*asked, {**asked[0], "more": "x" * 256 * 1024}],
    ],
    ids=["empty", "no list", "102 items", "an empty item", "null", "a bet as text", "too long"],
)
async def test_a_malformed_list_is_refused_whole(casino: Casino, change: Callable[[Any], Any]) -> None:
    reply = await casino.call(LIST, change([item(bet) for bet in await staked(casino)]))
    assert (reply.status, reply.code) == (400, 102823)
    assert await casino.balance() == "70.00"


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("item_missing", [1, 2]),
        ("item_doubled", [0, 1, 2, 0]),
        ("items_reversed", [2, 1, 0]),
        ("last_item_missing", [0, 1]),
        ("order_broken", [0, 1, 2]),
    ],
)
async def test_faults_of_items_change_the_answer_and_not_the_book(casino: Casino, kind: str, seen: list[int]) -> None:
    bets = await staked(casino)
    await casino.faults({"kind": kind, "path": LIST, "bet_id": bets[1]})
    reply = await casino.call(LIST, [item(bet) for bet in bets])
    assert [one["BetId"] for one in reply.value] == [bets[place] for place in seen]
    assert await casino.balance() == "85.00"


async def test_an_item_of_another_bet_takes_the_place_of_ours(casino: Casino) -> None:
    bets = await staked(casino)
    await casino.faults({"kind": "item_foreign", "path": LIST})
    reply = await casino.call(LIST, [item(bet) for bet in bets])
    assert [one["BetId"] for one in reply.value] == [1, *bets[1:]]


async def test_faults_of_items_are_for_lists_alone(casino: Casino) -> None:
    with pytest.raises(AssertionError, match="for the path /payments/make-list alone"):
        await casino.faults({"kind": "item_missing"})


def round_of(bet: int, stake: str = "10.00") -> list[dict[str, object]]:
    first = item(bet, stake) | {"TransactionType": -1, "TransactionId": f"{bet}:-1"}
    return [first, item(bet, "25.00")]


async def test_a_list_that_begins_with_a_stake_stops_at_the_first_refusal(casino: Casino) -> None:
    bet, poor = new_bet(), new_bet()
    reply = await casino.call(LIST, round_of(bet))
    assert [(one["TransactionType"], one["ErrorCode"], one["Balance"]) for one in reply.value] == [
        (-1, 200, "90.00"),
        (1, 200, "115.00"),
    ]
    reply = await casino.call(LIST, round_of(poor, "115.01"))
    assert codes(reply) == [(poor, 103802)]
    assert (await casino.call("/payments/info", {"BetId": poor})).value == []
    assert await casino.balance() == "115.00"


async def test_what_stands_behind_a_stake_that_an_accept_refuses_is_received_and_gets_none(casino: Casino) -> None:
    await casino.control("POST", "/_settings", {"confirmation": "accept"})
    bet = new_bet()
    reply = await casino.call(LIST, round_of(bet, "100.01"))
    assert [(one["TransactionType"], one["ErrorCode"]) for one in reply.value] == [(-1, 200), (1, 200)]
    made = await casino.control("GET", "/_accepts", bet_id=bet)
    assert [one["transaction_type"] for one in made] == [-1]
    assert await casino.balance() == "100.00"


async def test_a_list_that_breaks_its_order_says_what_is_not_in_the_book(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "order_broken", "path": LIST})
    reply = await casino.call(LIST, round_of(bet, "100.01"))
    assert [(one["TransactionType"], one["ErrorCode"]) for one in reply.value] == [(-1, 103802), (1, 200)]
    assert (await casino.call("/payments/info", {"BetId": bet})).value == []


async def test_tax_and_promo_code_are_part_of_a_movement(casino: Casino) -> None:
    bet, extras = new_bet(), {"TaxAmount": "0.50", "PromoCode": "SPRING", "TagId": 7}
    assert (await casino.make(bet, -1, "10.00", **extras)).code == 200
    assert (await casino.make(bet, -1, "10.00", **extras)).code == 200
    for other in ({"TaxAmount": "0.51"}, {"PromoCode": "AUTUMN"}):
        assert (await casino.make(bet, -1, "10.00", **(extras | other))).code == 103803
    assert (await casino.make(bet, -1, "10.00")).code == 103803
    [listed] = (await casino.call("/payments/info", {"BetId": bet})).value
    assert listed["TaxAmount"] == "0.50"
    [entry] = await casino.control("GET", "/_journal", bet_id=bet)
    assert (entry["tax"], entry["promo_code"], entry["tag_id"]) == ("0.50", "SPRING", 7)


@pytest.mark.parametrize("tax", ["0.505", "-1", "much", 1, True])
async def test_a_tax_that_cannot_be_read_is_a_wrong_amount(casino: Casino, tax: object) -> None:
    assert (await casino.make(new_bet(), -1, "10.00", TaxAmount=tax)).code == 103801
    assert await casino.balance() == "100.00"


@pytest.mark.parametrize("tag", ["7", "", 1.5, True, -1, 0])
async def test_a_tag_is_a_number(casino: Casino, tag: object) -> None:
    reply = await casino.make(new_bet(), -1, "10.00", TagId=tag)
    assert (reply.status, reply.code) == (400, 102823)
