"""Faults of an Accept on its way out, and those of make at a casino that confirms with Accept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ServerDisconnectedError

from tests.unit.sandbox_casino_aggregator import Aggregator, Late, running_aggregator
from tests.unit.sandbox_casino_support import Sandbox, new_bet, running_sandbox

STAKE = [(-1, "10.00")]


@pytest.fixture(scope="module")
async def sandbox(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Sandbox]:
    async with running_sandbox(await new_database()) as running:
        yield running


@pytest.fixture
async def aggregator() -> AsyncIterator[Aggregator]:
    async with running_aggregator() as running:
        yield running


@pytest.fixture
async def late(sandbox: Sandbox, aggregator: Aggregator) -> Late:
    return await Late.at(sandbox.new_casino(), aggregator)


async def test_delay_sends_it_later(late: Late) -> None:
    await late.befall("delay", delay=30, times=1)
    slow, quick = await late.stake(), await late.stake()
    assert [one["BetId"] for one in await late.aggregator.until(1)] == [quick]
    (sent,) = await late.sendings(bet_id=slow)
    assert (sent["fault"], sent["state"], sent["tries"]) == ("delay", "waiting", 0)
    await late.befall("delay", delay=0.01)
    await late.stake()
    assert len(await late.aggregator.until(2)) == 2


async def test_drop_never_sends_it(late: Late) -> None:
    await late.befall("drop", times=1)
    bet = await late.stake()
    (sent,) = await late.ended(bet)
    assert (sent["fault"], sent["state"], sent["tries"]) == ("drop", "dropped", 0)
    assert await late.casino.journal(bet) == STAKE
    await late.casino.make(bet, -1, "10.00")
    assert [one["BetId"] for one in await late.aggregator.until(1)] == [bet]


async def test_rewrite_sends_it_with_other_fields(late: Late) -> None:
    await late.befall("rewrite", fields={"Amount": 10}, without=["TransactionId"])
    bet = await late.stake()
    (sent,) = await late.aggregator.until(1)
    assert (sent["BetId"], sent["Amount"], "TransactionId" in sent) == (bet, 10, False)


async def test_repeat_sends_it_twice(late: Late) -> None:
    await late.befall("repeat")
    bet = await late.stake()
    first, second = await late.aggregator.until(2)
    assert first == second
    assert [one["tries"] for one in await late.ended(bet, 2)] == [1, 1]


@pytest.mark.parametrize(
    ("amount", "given", "codes"),
    [("10.00", {}, [200, 103802]), ("10.00", {"error_code": 103806}, [200, 103806]), ("500.00", {}, [103802, 200])],
)
async def test_contradict_sends_the_truth_and_then_a_lie(
    late: Late, amount: str, given: dict[str, int], codes: list[int]
) -> None:
    await late.befall("contradict", **given)
    await late.stake(amount)
    told = await late.aggregator.until(2)
    assert [one["ErrorCode"] for one in told] == codes
    assert [one["PartnerTransactionId"] is not None for one in told] == [code == 200 for code in codes]


async def test_error_code_lies(late: Late) -> None:
    await late.befall("error_code", error_code=103806)
    bet = await late.stake()
    (told,) = await late.aggregator.until(1)
    assert (told["ErrorCode"], told["PartnerTransactionId"], "Balance" in told) == (103806, None, False)
    assert await late.casino.journal(bet) == STAKE


async def test_early_is_answered_before_make_is(late: Late) -> None:
    await late.befall("early")
    late.aggregator.open.clear()
    bet = new_bet()
    make = asyncio.create_task(late.casino.make(bet, -1, "10.00"))
    await late.aggregator.until(1)
    assert await late.casino.journal(bet) == STAKE
    assert (await late.casino.calls(bet_id=bet))[0]["answer_code"] is None
    assert not make.done()
    late.aggregator.open.set()
    assert (await make).code == 200
    assert (await late.sendings(bet_id=bet))[0]["state"] == "answered"


async def test_hold_sends_it_when_it_is_released(late: Late) -> None:
    await late.befall("hold", times=1)
    bet = await late.stake()
    assert await late.casino.control("GET", "/_held", count=1) == {"held": 1}
    assert (await late.sendings(bet_id=bet))[0]["tries"] == 0
    assert await late.casino.control("POST", "/_release") == {"released": 1}
    assert (await late.ended(bet))[0]["answer_code"] == 200


async def test_a_lost_answer_does_not_lose_the_accept(late: Late) -> None:
    await late.casino.faults({"kind": "lost", "path": "/payments/make"})
    with pytest.raises(ServerDisconnectedError):
        await late.casino.make(new_bet(), -1, "10.00")
    assert (await late.aggregator.until(1))[0]["ErrorCode"] == 200


async def test_an_accept_does_not_wait_for_an_answer_that_is_held(late: Late) -> None:
    await late.casino.faults({"kind": "hold_after", "path": "/payments/make"})
    make = asyncio.create_task(late.casino.make(new_bet(), -1, "10.00"))
    assert (await late.aggregator.until(1))[0]["ErrorCode"] == 200
    assert not make.done()
    await late.casino.control("POST", "/_release")
    answer = await make
    assert (answer.code, "Balance" in answer.value) == (200, False)


async def test_a_held_make_is_neither_taken_nor_confirmed(late: Late) -> None:
    await late.casino.faults({"kind": "hold", "path": "/payments/make"})
    make = asyncio.create_task(late.casino.make(new_bet(), -1, "10.00"))
    assert await late.casino.control("GET", "/_held", count=1) == {"held": 1}
    assert await late.sendings() == []
    await late.casino.control("POST", "/_release")
    assert (await make).code == 200
    await late.aggregator.until(1)


@pytest.mark.parametrize("commit", [False, True])
async def test_an_accept_confirms_what_was_committed(late: Late, commit: bool) -> None:
    await late.casino.faults({"kind": "error", "commit": commit})
    bet = new_bet()
    assert (await late.casino.make(bet, -1, "10.00")).status == 500
    assert await late.casino.journal(bet) == (STAKE if commit else [])
    assert len(await late.sendings()) == commit


async def test_a_refusal_of_make_may_be_a_lie_that_accept_corrects(late: Late) -> None:
    await late.casino.faults({"kind": "refuse_after_commit"})
    assert (await late.casino.make(new_bet(), -1, "10.00")).code == 103802
    assert (await late.aggregator.until(1))[0]["ErrorCode"] == 200


async def test_a_fault_meets_accepts_or_calls_but_not_both(late: Late) -> None:
    await late.casino.faults(
        {"kind": "delay", "delay": 0},
        {"kind": "repeat", "path": late.path, "transaction_type": -1, "partner_user_id": "alice"},
        {"kind": "drop", "path": late.path},
    )
    bet = await late.stake()
    await late.casino.make(bet, 1, "5.00")
    await late.ended(bet, 3)
    shown = (await late.casino.control("GET", "/_faults"))["faults"]
    assert [one["fired"] for one in shown] == [2, 1, 1]
    assert [one["TransactionType"] for one in await late.aggregator.until(2)] == [-1, -1]


@pytest.mark.parametrize(
    "fault",
    [
        *({"kind": kind, "path": "/payments/accept"} for kind in ("lost", "cut", "garbage", "hold_after", "status")),
        *({"kind": kind} for kind in ("repeat", "contradict", "early")),
        {"kind": "repeat", "path": "/payments/make"},
    ],
)
async def test_a_kind_that_makes_no_sense_for_its_path_is_refused(late: Late, fault: dict[str, str]) -> None:
    given = {"partner_client_id": late.casino.client_id, "faults": [fault]}
    async with late.casino.http.post(f"{late.casino.url}/_faults", json=given) as answer:
        assert answer.status == 400
        assert "/payments/accept" in (await answer.json())["error"]
    assert (await late.casino.control("GET", "/_faults"))["faults"] == []
