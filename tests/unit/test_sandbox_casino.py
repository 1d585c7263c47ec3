"""The sandbox casino's wallet over HTTP, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.unit.sandbox_casino_support import Casino, Sandbox, new_bet, running_sandbox


@pytest.fixture(scope="module")
async def sandbox(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Sandbox]:
    async with running_sandbox(await new_database()) as running:
        yield running


@pytest.fixture
async def casino(sandbox: Sandbox) -> AsyncIterator[Casino]:
    """A casino with the player alice; whatever a test does, the books balance after it."""
    casino = sandbox.new_casino()
    await casino.open_player()
    yield casino
    audit = await casino.control("GET", "/_audit")
    assert audit["balanced"], audit


async def test_stake_and_win_move_the_balance(casino: Casino) -> None:
    bet = new_bet()
    stake = await casino.make(bet, -1, "10.00")
    assert stake.code == 200
    assert stake.value["Balance"] == "90.00"
    assert (stake.value["BetId"], stake.value["TransactionType"]) == (bet, -1)
    assert stake.value["TransactionId"] == f"{bet}:-1"
    win = await casino.make(bet, 1, "25.5")
    assert win.value["Balance"] == "115.50"
    assert win.value["PartnerTransactionId"] != stake.value["PartnerTransactionId"]
    assert await casino.journal(bet) == [(-1, "10.00"), (1, "25.50")]
    assert await casino.balance() == "115.50"


async def test_a_repeat_is_answered_as_the_first_time(casino: Casino) -> None:
    bet = new_bet()
    first = await casino.make(bet, -1, "10.00")
    await casino.make(bet, 1, "5.00")
    repeat = await casino.make(bet, -1, "10.0")
    assert repeat.text == first.text
    assert await casino.journal(bet) == [(-1, "10.00"), (1, "5.00")]


async def test_a_repeat_is_answered_duplicate_if_the_switch_says_so(casino: Casino) -> None:
    await casino.control("POST", "/_settings", {"repeats": "duplicate"})
    bet = new_bet()
    assert (await casino.make(bet, -1, "10.00")).code == 200
    assert (await casino.make(bet, -1, "10.00")).code == 103803
    assert await casino.balance() == "90.00"


@pytest.mark.parametrize("change", [{"Amount": "10.01"}, {"PartnerUserId": "bob"}, {"TransactionId": "other"}])
async def test_a_repeat_with_other_data_is_a_duplicate(casino: Casino, change: dict[str, Any]) -> None:
    await casino.open_player("bob")
    bet = new_bet()
    assert (await casino.make(bet, -1, "10.00")).code == 200
    assert (await casino.make(bet, -1, "10.00", **change)).code == 103803
    assert (await casino.balance(), await casino.balance("bob")) == ("90.00", "100.00")


async def test_parallel_copies_of_a_stake_are_one_movement(casino: Casino) -> None:
    bet = new_bet()
    answers = await asyncio.gather(*(casino.make(bet, -1, "10.00") for _ in range(20)))
    assert len({answer.text for answer in answers}) == 1
    assert await casino.journal(bet) == [(-1, "10.00")]


async def test_a_bet_has_one_stake_though_two_players_race_for_it(casino: Casino) -> None:
    await casino.open_player("bob")
    for bet in (new_bet() for _ in range(10)):
        answers = await asyncio.gather(*(casino.make(bet, -1, "1.00", one) for one in ("alice", "bob")))
        assert sorted(answer.code for answer in answers) == [200, 103803]


async def test_parallel_stakes_never_overdraw(casino: Casino) -> None:
    answers = await asyncio.gather(*(casino.make(new_bet(), -1, "30.00") for _ in range(10)))
    assert sorted(answer.code for answer in answers) == [200] * 3 + [103802] * 7
    assert await casino.balance() == "10.00"


async def test_without_idempotency_a_repeat_takes_the_money_twice(casino: Casino) -> None:
    await casino.control("POST", "/_settings", {"idempotency": "off"})
    bet = new_bet()
    first, second = await casino.make(bet, -1, "10.00"), await casino.make(bet, -1, "10.00")
    assert first.value["PartnerTransactionId"] != second.value["PartnerTransactionId"]
    assert await casino.journal(bet) == [(-1, "10.00"), (-1, "10.00")]
    assert await casino.balance() == "80.00"


async def test_a_debit_without_money_leaves_no_record(casino: Casino) -> None:
    bet = new_bet()
    assert (await casino.make(bet, -1, "100.01")).code == 103802
    assert await casino.journal(bet) == []
    await casino.open_player(balance="200.00")
    assert (await casino.make(bet, -1, "100.01")).code == 200


async def test_a_return_before_its_stake_refuses_the_stake(casino: Casino) -> None:
    bet = new_bet()
    assert (await casino.make(bet, 2, "10.00")).code == 103804
    assert (await casino.make(bet, -1, "10.00")).code == 102823
    assert await casino.journal(bet) == []
    assert await casino.balance() == "100.00"


async def test_a_payout_before_its_stake_moves_nothing_and_leaves_no_tombstone(casino: Casino) -> None:
    bet = new_bet()
    assert (await casino.make(bet, 1, "10.00")).code == 103804
    assert (await casino.make(bet, -1, "10.00")).code == 200


async def test_a_win_is_for_the_player_who_staked(casino: Casino) -> None:
    await casino.open_player("bob")
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    assert (await casino.make(bet, 1, "20.00", "bob")).code == 103804
    assert await casino.balance("bob") == "100.00"


async def test_a_payout_is_taken_back_only_if_there_was_one(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    assert (await casino.make(bet, -2, "5.00")).code == 103804
    await casino.make(bet, 1, "5.00")
    assert (await casino.make(bet, -2, "5.00")).code == 200
    assert (await casino.make(bet, 2, "10.00")).code == 200
    assert await casino.balance() == "100.00"


async def test_a_payout_return_beyond_the_balance_moves_nothing(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    await casino.make(bet, 1, "5.00")
    await casino.open_player(balance="4.99")
    assert (await casino.make(bet, -2, "5.00")).code == 103802
    assert await casino.balance() == "4.99"


async def test_a_refused_payout_return_may_pass_later_and_is_made_once(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    await casino.make(bet, 1, "25.00")
    await casino.open_player(balance="24.99")
    assert (await casino.make(bet, -2, "25.00")).code == 103802
    await casino.open_player(balance="25.00")
    taken = await casino.make(bet, -2, "25.00")
    assert taken.value["Balance"] == "0.00"
    repeats = [await casino.make(bet, -2, "25.00"), await casino.make(bet, -2, "25.00")]
    assert {one.text for one in repeats} == {taken.text}
    assert (await casino.make(bet, -2, "24.00")).code == 103803
    returned = await casino.make(bet, 2, "10.00")
    assert (await casino.make(bet, 2, "10.00")).text == returned.text
    assert await casino.journal(bet) == [(-1, "10.00"), (1, "25.00"), (-2, "25.00"), (2, "10.00")]


async def test_parallel_payout_returns_take_the_win_once(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    await casino.make(bet, 1, "25.00")
    answers = await asyncio.gather(*(casino.make(bet, -2, "25.00") for _ in range(10)))
    assert len({answer.text for answer in answers}) == 1
    assert await casino.balance() == "90.00"


async def test_a_closed_bet_is_reversed_only_when_it_is_opened_again(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    win = await casino.make(bet, 1, "25.00")
    await casino.call("/payments/close", {"BetId": bet, "Closed": True})
    assert (await casino.make(bet, -2, "25.00")).code == 102823
    assert (await casino.make(bet, 2, "10.00")).code == 102823
    assert (await casino.make(bet, 1, "25.00")).text == win.text
    for _ in range(2):
        assert (await casino.call("/payments/close", {"BetId": bet, "Closed": False})).code == 200
    taken = await casino.make(bet, -2, "25.00")
    assert taken.code == 200
    assert (await casino.make(bet, 2, "10.00")).code == 200
    await casino.call("/payments/close", {"BetId": bet, "Closed": True})
    assert (await casino.make(bet, -2, "25.00")).text == taken.text
    assert await casino.balance() == "100.00"


async def test_a_blocked_player_gives_a_payout_back(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    await casino.make(bet, 1, "25.00")
    await casino.open_player(blocked=True)
    assert (await casino.make(bet, -2, "25.00")).value["Balance"] == "75.00"


async def test_a_loss_is_on_record(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    assert (await casino.make(bet, 1, "0")).value["Balance"] == "90.00"
    assert await casino.journal(bet) == [(-1, "10.00"), (1, "0.00")]


async def test_a_blocked_player_wins_but_does_not_bet(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    url = f"{casino.url}/_players/{casino.client_id}/alice"
    async with casino.http.patch(url, json={"blocked": True}) as answer:
        assert (await answer.json())["blocked"] is True
    assert (await casino.make(new_bet(), -1, "10.00")).code == 103805
    assert (await casino.make(bet, 1, "20.00")).code == 200
    async with casino.http.patch(url, json={"blocked": False}) as answer:
        assert answer.status == 200
    assert (await casino.make(new_bet(), -1, "10.00")).code == 200


@pytest.mark.parametrize(
    "amount", ["10.001", "-1.00", "+1", "1e3", "NaN", "", " 1", "01.00", "1.", ".5", "1,0", "١", 10, None, True]
)
async def test_a_wrong_amount_moves_nothing(casino: Casino, amount: object) -> None:
    bet = new_bet()
    assert (await casino.make(bet, -1, amount)).code == 103801
    assert await casino.journal(bet) == []


async def test_decimals_are_those_of_the_currency(casino: Casino) -> None:
    await casino.open_player("yen", "1000", currency="JPY", decimals=0)
    await casino.open_player("coin", "1.00000000", currency="BTC", decimals=8)
    assert (await casino.make(new_bet(), -1, "10.0", "yen")).code == 103801
    assert (await casino.make(new_bet(), -1, "10", "yen")).value["Balance"] == "990"
    assert (await casino.make(new_bet(), -1, "0.00000001", "coin")).value["Balance"] == "0.99999999"


async def test_large_amounts_stay_exact(casino: Casino) -> None:
    await casino.open_player("whale", "999999999999999999.999999999999999999", currency="ETH", decimals=18)
    stake = await casino.make(new_bet(), -1, "0.000000000000000001", "whale")
    assert stake.value["Balance"] == "999999999999999999.999999999999999998"


async def test_unknown_players_and_malformed_data(casino: Casino) -> None:
    assert (await casino.make(new_bet(), -1, "1.00", "nobody")).code == 102145
    assert (await casino.call("/users/data", {"PartnerUserId": "nobody", "TagId": 0})).code == 102145
    assert (await casino.make(new_bet(), 3, "1.00")).code == 102823
    hostile = {"BetId": 7, "TransactionType": -1, "Amount": "1.00", "PartnerUserId": "a\0b"}
    malformed: list[object] = [{"BetId": "7"}, {"BetId": True}, {"BetId": 2**53}, [], "text", hostile]
    for data in malformed:
        answer = await casino.call("/payments/make", data)
        assert (answer.status, answer.code) == (400, 102823)


@pytest.mark.parametrize("tag", ["", "7", None, True, 1.5, -1], ids=repr)
async def test_a_tag_is_a_number(casino: Casino, tag: object) -> None:
    for data in ({"PartnerUserId": "alice", "TagId": tag}, {"PartnerUserId": "alice"}):
        answer = await casino.call("/users/data", data)
        assert (answer.status, answer.code, answer.value) == (400, 102823, None)
    data = {"PartnerUserId": "alice", "TagId": 7, "ExtraData": {"page": "lobby"}}
    assert (await casino.call("/users/data", data)).value == {"Balance": "100.00"}


async def test_balance_and_sign_on(casino: Casino) -> None:
    assert (await casino.call("/users/data", {"PartnerUserId": "alice", "TagId": 0})).value == {"Balance": "100.00"}
    first = (await casino.open_player("carol"))["refresh_token"]
    value = (await casino.call("/users/auth", {"RefreshToken": first})).value
    second = value["RefreshToken"]
    assert (value["PartnerUserId"], value["CurrencyCode"]) == ("carol", "EUR")
    # The answer could have been lost: the first token works until the second has been used.
    third = (await casino.call("/users/auth", {"RefreshToken": first})).value["RefreshToken"]
    assert (await casino.call("/users/auth", {"RefreshToken": second})).code == 102145
    assert (await casino.call("/users/auth", {"RefreshToken": third})).code == 200
    assert (await casino.call("/users/auth", {"RefreshToken": first})).code == 102145


async def test_a_blocked_player_does_not_sign_on_and_keeps_the_token(casino: Casino) -> None:
    token = (await casino.open_player("dora", blocked=True))["refresh_token"]
    refused = await casino.call("/users/auth", {"RefreshToken": token})
    assert (refused.status, refused.code, refused.value) == (200, 103805, None)
    async with casino.http.patch(f"{casino.url}/_players/{casino.client_id}/dora", json={"blocked": False}) as answer:
        assert answer.status == 200
    assert (await casino.call("/users/auth", {"RefreshToken": token})).code == 200


async def test_info_lists_the_movements_of_a_bet(casino: Casino) -> None:
    bet = new_bet()
    assert (await casino.call("/payments/info", {"BetId": bet})).value == []
    made = [await casino.make(bet, -1, "10"), await casino.make(bet, 1, "2.50")]
    listed = (await casino.call("/payments/info", {"BetId": bet})).value
    assert [(one["TransactionType"], one["Amount"], one["TransactionId"]) for one in listed] == [
        (-1, "10.00", f"{bet}:-1"),
        (1, "2.50", f"{bet}:1"),
    ]
    assert [one["PartnerTransactionId"] for one in listed] == [one.value["PartnerTransactionId"] for one in made]
    assert {(one["BetId"], one["PartnerUserId"]) for one in listed} == {(bet, "alice")}


async def test_a_closed_bet_answers_repeats_alone_until_it_is_opened_again(casino: Casino) -> None:
    bet = new_bet()
    assert (await casino.call("/payments/close", {"BetId": bet, "Closed": True})).code == 103804
    stake = await casino.make(bet, -1, "10.00")
    for _ in range(2):
        assert (await casino.call("/payments/close", {"BetId": bet, "Closed": True})).code == 200
    assert (await casino.make(bet, -1, "10.00")).text == stake.text
    assert (await casino.make(bet, 1, "5.00")).code == 102823
    assert (await casino.call("/payments/close", {"BetId": bet, "Closed": False})).code == 200
    assert (await casino.make(bet, 1, "5.00")).code == 200


async def test_the_balance_can_be_left_out(casino: Casino) -> None:
    await casino.control("POST", "/_settings", {"balance_in_answer": False})
    assert "Balance" not in (await casino.make(new_bet(), -1, "10.00")).value


async def test_casinos_do_not_share_players_or_bets(sandbox: Sandbox, casino: Casino) -> None:
    other, bet = sandbox.new_casino(), new_bet()
    await other.open_player(balance="5.00")
    await casino.make(bet, -1, "10.00")
    assert (await other.make(bet, 1, "10.00")).code == 103804
    assert (await other.make(bet, -1, "2.00")).code == 200
    assert (await casino.journal(bet), await other.journal(bet)) == ([(-1, "10.00")], [(-1, "2.00")])
