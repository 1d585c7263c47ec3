"""The sandbox casino's faults, seen from the socket: what the caller gets, and what the journal says."""

import asyncio
import json

import pytest
from aiohttp import ClientPayloadError, ServerDisconnectedError

from devkit.sandbox.casino.call_log import Call, read_call
from devkit.sandbox.casino.fault_kinds import KINDS
from devkit.sandbox.casino.faults import OF_ACCEPT_ALONE, Fault, FaultKind, Plan
from tests.unit.sandbox_casino_support import Casino, Sandbox, new_bet, running_sandbox

STAKE = [(-1, "10.00")]


def test_every_kind_is_in_the_table() -> None:
    assert set(KINDS) | OF_ACCEPT_ALONE == set(FaultKind)
    assert not set(KINDS) & OF_ACCEPT_ALONE


async def test_lost_takes_the_money_and_says_nothing(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "lost", "times": 1})
    with pytest.raises(ServerDisconnectedError):
        await casino.make(bet, -1, "10.00")
    assert await casino.journal(bet) == STAKE
    assert (await casino.make(bet, -1, "10.00")).value["Balance"] == "90.00"
    first, second = await casino.calls(bet_id=bet)
    assert (first["fault"], first["wallet_code"], first["answer_code"], first["status"]) == ("lost", 200, None, None)
    assert (second["fault"], second["wallet_code"], second["answer_code"], second["status"]) == (None, 200, 200, 200)


async def test_cut_takes_the_money_and_sends_half_an_answer(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "cut"})
    with pytest.raises(ClientPayloadError):
        await casino.make(bet, -1, "10.00")
    assert await casino.journal(bet) == STAKE


async def test_drop_takes_nothing_and_says_nothing(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "drop"})
    with pytest.raises(ServerDisconnectedError):
        await casino.make(bet, -1, "10.00")
    assert await casino.journal(bet) == []
    assert (await casino.calls(bet_id=bet))[0]["wallet_code"] is None


@pytest.mark.parametrize("commit", [False, True])
async def test_error_is_a_page_and_takes_the_money_on_demand(casino: Casino, commit: bool) -> None:
    bet = new_bet()
    await casino.faults({"kind": "error", "commit": commit})
    answer = await casino.make(bet, -1, "10.00")
    assert (answer.status, answer.content_type) == (500, "text/html")
    assert await casino.journal(bet) == (STAKE if commit else [])


async def test_garbage_takes_the_money_and_answers_no_json(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "garbage"})
    answer = await casino.make(bet, -1, "10.00")
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert await casino.journal(bet) == STAKE


async def test_status_is_answered_without_touching_the_wallet(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "status", "status": 401})
    assert (await casino.make(bet, -1, "10.00")).status == 401
    assert await casino.journal(bet) == []


@pytest.mark.parametrize(("kind", "journal"), [("error_code", []), ("refuse_after_commit", STAKE)])
async def test_a_refusal_may_be_true_or_a_lie(casino: Casino, kind: str, journal: list[tuple[int, str]]) -> None:
    bet = new_bet()
    await casino.faults({"kind": kind, "error_code": 103806})
    answer = await casino.make(bet, -1, "10.00")
    assert (answer.status, answer.code) == (200, 103806)
    assert await casino.journal(bet) == journal


async def test_wrong_echoes_and_missing_code_take_the_money(casino: Casino) -> None:
    for kind in ("wrong_bet", "wrong_type", "missing"):
        bet = new_bet()
        await casino.faults({"kind": kind})
        answer = (await casino.make(bet, -1, "10.00")).json
        assert await casino.journal(bet) == STAKE
        assert (answer["Value"]["BetId"] == bet) is (kind != "wrong_bet")
        assert (answer["Value"]["TransactionType"] == -1) is (kind != "wrong_type")
        assert ("ErrorCode" in answer) is (kind != "missing")


@pytest.mark.parametrize("commit", [False, True])
async def test_an_answer_with_any_text_takes_the_money_on_demand(casino: Casino, commit: bool) -> None:
    bet, body = new_bet(), '{"errorCode": "200", "text": "\\u0000"}'
    await casino.faults({"kind": "answer", "status": 409, "body": body, "commit": commit})
    answer = await casino.make(bet, -1, "10.00")
    assert (answer.status, answer.text) == (409, body)
    assert await casino.journal(bet) == (STAKE if commit else [])


async def test_fields_of_an_answer_are_rewritten(casino: Casino) -> None:
    bet = new_bet()
    rewrite = {"kind": "rewrite", "fields": {"Amount": 10, "BetId": f"{bet}"}, "without": ["TransactionId"]}
    await casino.faults(rewrite)
    value = (await casino.make(bet, -1, "10.00")).value
    assert (value["BetId"], "TransactionId" in value, value["TransactionType"]) == (f"{bet}", False, -1)
    (item,) = (await casino.call("/payments/info", {"BetId": bet})).value
    assert (item["Amount"], item["BetId"], "TransactionId" in item) == (10, f"{bet}", False)
    assert await casino.journal(bet) == STAKE


async def test_other_types_are_the_same_values(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "other_types"})
    value = (await casino.make(bet, -1, "10.00")).value
    assert (value["BetId"], value["TransactionType"], value["Balance"]) == (f"{bet}", "-1", "90.0000")
    (item,) = (await casino.call("/payments/info", {"BetId": bet})).value
    assert (item["BetId"], item["TransactionType"], item["Amount"]) == (f"{bet}", "-1", "-10.0000")
    assert (await casino.call("/payments/info", {"BetId": new_bet()})).value == {}


async def test_dirty_texts_cannot_be_stored_as_they_are(casino: Casino) -> None:
    await casino.faults({"kind": "dirty_texts"})
    value = (await casino.make(new_bet(), -1, "10.00")).value
    assert value["PartnerTransactionId"].startswith("SC-")
    assert {"\x00", "\ud83d"} <= set(value["PartnerTransactionId"])


async def test_wrong_bet_in_a_list_of_payments(casino: Casino) -> None:
    bet = new_bet()
    await casino.make(bet, -1, "10.00")
    await casino.faults({"kind": "wrong_bet", "path": "/payments/info"})
    assert (await casino.call("/payments/info", {"BetId": bet})).value[0]["BetId"] == bet + 1
    assert (await casino.call("/users/data", {"PartnerUserId": "alice", "TagId": 0})).code == 200


async def test_duplicate_is_harmless_with_idempotency_and_takes_twice_without(casino: Casino) -> None:
    await casino.faults({"kind": "duplicate"})
    bet = new_bet()
    assert (await casino.make(bet, -1, "10.00")).value["Balance"] == "90.00"
    assert await casino.journal(bet) == STAKE
    await casino.control("POST", "/_settings", {"idempotency": False})
    bet = new_bet()
    assert (await casino.make(bet, -1, "10.00")).value["Balance"] == "70.00"
    assert await casino.journal(bet) == STAKE * 2


async def test_delay_answers_after_the_money_has_moved(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "delay", "delay": 30})
    call = asyncio.create_task(casino.make(bet, -1, "10.00"))
    while await casino.journal(bet) != STAKE:
        assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await casino.faults({"kind": "delay", "delay": 0.01})
    assert (await casino.make(bet, -1, "10.00")).code == 200


@pytest.mark.parametrize(("kind", "journal"), [("hold", []), ("hold_after", STAKE)])
async def test_a_held_call_waits_for_its_release(casino: Casino, kind: str, journal: list[tuple[int, str]]) -> None:
    bet = new_bet()
    await casino.faults({"kind": kind, "times": 1})
    call = asyncio.create_task(casino.make(bet, -1, "10.00"))
    assert await casino.control("GET", "/_held", count=1) == {"held": 1}
    assert await casino.journal(bet) == journal
    assert not call.done()
    assert await casino.control("POST", "/_release") == {"released": 1}
    assert (await call).code == 200
    assert await casino.journal(bet) == STAKE
    assert await casino.control("POST", "/_release") == {"released": 0}
    assert await casino.control("GET", "/_held", count=1, timeout=0) == {"held": 0}


async def test_a_call_whose_caller_has_gone_is_still_taken_when_it_is_released(casino: Casino) -> None:
    bet = new_bet()
    await casino.faults({"kind": "hold", "times": 1})
    call = asyncio.create_task(casino.make(bet, -1, "10.00"))
    assert await casino.control("GET", "/_held", count=1) == {"held": 1}
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await casino.control("POST", "/_release")
    async with asyncio.timeout(10):
        while await casino.journal(bet) != STAKE:
            pass


async def test_faults_choose_their_calls(casino: Casino) -> None:
    await casino.open_player("bob")
    bet, other = new_bet(), new_bet()
    await casino.faults(
        {"kind": "error_code", "error_code": 1, "path": "/users/data"},
        {"kind": "error_code", "error_code": 2, "transaction_type": 1},
        {"kind": "error_code", "error_code": 3, "bet_id": bet, "times": 2},
        {"kind": "error_code", "error_code": 4, "partner_user_id": "bob"},
    )
    assert (await casino.call("/users/data", {"PartnerUserId": "bob", "TagId": 0})).code == 1
    assert (await casino.make(bet, 1, "1.00")).code == 2
    answers = [(await casino.make(bet, -1, "1.00")).code for _ in range(3)]
    assert answers == [3, 3, 200]
    assert (await casino.make(other, -1, "1.00", "bob")).code == 4
    shown = (await casino.control("GET", "/_faults"))["faults"]
    assert [one["fired"] for one in shown] == [1, 1, 2, 1]
    assert (await casino.control("DELETE", "/_faults"))["faults"] == []
    assert (await casino.make(other, -1, "1.00", "bob")).code == 200


async def test_faults_stay_in_their_casino(sandbox: Sandbox, casino: Casino) -> None:
    await casino.faults({"kind": "drop"})
    other = sandbox.new_casino()
    await other.open_player()
    assert (await other.make(new_bet(), -1, "1.00")).code == 200


def _fires(seed: int) -> list[bool]:
    plan = Plan(seed, [Fault(kind=FaultKind.LOST, probability=0.2)])
    return [plan.pick(Call("/payments/make")) is not None for _ in range(200)]


def test_a_seed_gives_the_same_faults_again() -> None:
    assert _fires(7) == _fires(7)
    assert _fires(7) != _fires(8)
    assert 20 <= sum(_fires(7)) <= 60


def test_every_fault_has_dice_of_its_own() -> None:
    plan = Plan(7, [Fault(kind=FaultKind.LOST, probability=0.5, path=path) for path in ("/a", "/b")])
    fired = {path: [plan.pick(Call(path)) is not None for _ in range(50)] for path in ("/a", "/b")}
    assert fired["/a"] != fired["/b"]


def test_a_call_shows_only_what_is_of_the_right_type() -> None:
    seen = read_call("/payments/make", '{"BetId": true, "Amount": 1, "TransactionType": -1}', "x")
    assert (seen.bet_id, seen.amount, seen.transaction_type) == (None, None, -1)
    assert read_call("/payments/make-list", "[]", "x").bet_id is None


def test_one_faults_dice_do_not_move_when_another_is_added() -> None:
    lost = Fault(kind=FaultKind.LOST, probability=0.5, path="/payments/make")
    alone, together = Plan(1, [lost]), Plan(1, [lost, Fault(kind=FaultKind.DELAY, probability=0.5)])
    make = Call("/payments/make")
    for _ in range(50):
        together.pick(Call("/users/data"))
        assert (alone.pick(make) is lost) == (together.pick(make) is lost)


async def test_switches_and_lasting_faults_outlive_a_restart(sandbox: Sandbox) -> None:
    casino = sandbox.new_casino()
    await casino.control("POST", "/_settings", {"repeats": "duplicate", "leeway": 9})
    await casino.faults({"kind": "drop", "times": 1}, {"kind": "lost", "probability": 0.2}, seed=5)
    async with running_sandbox(sandbox.database_url) as again:
        casino.url = again.url
        settings = await casino.control("GET", "/_settings")
        assert (settings["repeats"], settings["leeway"], settings["idempotency"]) == ("duplicate", 9, "on")
        plan = await casino.control("GET", "/_faults")
        assert (plan["seed"], plan["faults"]) == (5, [{"kind": "lost", "probability": 0.2, "fired": 0}])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_faults", {"faults": [{"kind": "unheard_of"}]}),
        ("/_faults", {"faults": [{"kind": "lost", "tims": 1}]}),
        ("/_faults", {"faults": [{"kind": "lost", "probability": 2}]}),
        ("/_settings", {"repeats": "sometimes"}),
        ("/_settings", {"unheard_of": True}),
        ("/_players", {"partner_user_id": "x", "currency": "EUR", "balance": 10}),
        ("/_players", {"partner_user_id": "x", "currency": "EUR", "balance": "0.001"}),
    ],
)
async def test_a_malformed_control_call_is_refused_with_a_reason(casino: Casino, path: str, body: object) -> None:
    assert isinstance(body, dict)
    given = {"partner_client_id": casino.client_id} | body
    async with casino.http.post(casino.url + path, json=given) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
