"""A sandbox casino that confirms with Accept: its answer to make, and the Accepts that it sends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from devkit.sandbox.casino.accepts import State
from devkit.sandbox.casino.aggregator import Aggregator as AggregatorClient
from devkit.sandbox.casino.casinos import Casino as PlainCasino
from devkit.sandbox.casino.casinos import Credentials
from devkit.sandbox.casino.outbox import MOST_TRIES, Outbox, gap_after
from devkit.sandbox.casino.wire import Accept
from tests.unit.sandbox_casino_aggregator import HANG_UP, Aggregator, Late, running_aggregator
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
async def late(sandbox: Sandbox, aggregator: Aggregator) -> AsyncIterator[Late]:
    """Whatever a test does, the casino's books balance after it."""
    late = await Late.at(sandbox.new_casino(), aggregator)
    yield late
    audit = await late.casino.control("GET", "/_audit")
    assert audit["balanced"], audit


async def test_a_casino_that_replies_sends_no_accept(sandbox: Sandbox, aggregator: Aggregator) -> None:
    late = Late(sandbox.new_casino(), aggregator)
    await late.casino.open_player()
    await late.introduce()
    answer = await late.casino.make(new_bet(), -1, "10.00")
    assert answer.value["Balance"] == "90.00"
    assert await late.sendings() == []
    assert (await late.casino.control("GET", "/_settings"))["confirmation"] == "reply"


async def test_make_says_taken_and_accept_says_the_rest(late: Late) -> None:
    late.aggregator.open.clear()  # the answer to make does not wait for that to Accept
    bet = new_bet()
    answer = (await late.casino.make(bet, -1, "10.00")).json
    echo = {"BetId": bet, "TransactionType": -1, "TransactionId": f"{bet}:-1"}
    assert answer == {"ErrorCode": 200, "Message": "Success", "Value": echo}
    assert await late.casino.journal(bet) == STAKE
    (told,) = await late.aggregator.until(1)
    (entry,) = await late.casino.control("GET", "/_journal", bet_id=bet)
    assert told == echo | {
        "PartnerUserId": "alice",
        "Amount": "10.00",
        "PartnerTransactionId": f"SC-{entry['id']}",
        "Balance": "90.00",
        "ErrorCode": 200,
        "Message": "Success",
    }
    late.aggregator.open.set()
    (sent,) = await late.ended(bet)
    assert (sent["state"], sent["tries"], sent["status"], sent["answer_code"]) == ("answered", 1, 200, 200)
    assert sent["made_at"] <= sent["tried_at"] <= sent["ended_at"]
    assert (sent["partner_transaction_id"], sent["error_code"]) == (told["PartnerTransactionId"], 200)


async def test_an_accept_waits_until_make_has_been_answered(aggregator: Aggregator) -> None:
    outbox, casino, answered = Outbox(AggregatorClient(aggregator.url)), PlainCasino(7), asyncio.Event()
    casino.credentials = Credentials("secret")
    aggregator.secrets[7] = "secret"
    async with outbox.working():
        await outbox.send(casino, Accept(1, -1, "alice", "10.00", None, 200), answered)
        for _ in range(100):
            await asyncio.sleep(0)
        assert casino.accepts[0].tries == 0
        answered.set()
        await aggregator.until(1)


async def test_a_refusal_of_the_wallet_comes_by_accept(late: Late) -> None:
    bet = await late.stake("100.01")
    (told,) = await late.aggregator.until(1)
    assert (told["ErrorCode"], told["Message"], told["PartnerTransactionId"]) == (103802, "Not enough money", None)
    assert (told["Amount"], "Balance" in told) == ("100.01", False)
    assert await late.casino.journal(bet) == []
    (call,) = await late.casino.calls(bet_id=bet)
    assert (call["wallet_code"], call["answer_code"]) == (103802, 200)


async def test_the_balance_may_be_left_out(late: Late) -> None:
    await late.casino.control("POST", "/_settings", {"balance_in_answer": False})
    await late.stake()
    assert "Balance" not in (await late.aggregator.until(1))[0]


async def test_what_is_malformed_is_refused_at_once(late: Late) -> None:
    casino, bet = late.casino, new_bet()
    assert (await casino.make(bet, -1, 10)).code == 103801
    assert (await casino.make(bet, 9, "10.00")).code == 102823
    assert (await casino.call("/payments/make", {"BetId": bet})).status == 400
    assert (await casino.send("/payments/make", b'"no token"')).status == 401
    assert await late.sendings() == []


@pytest.mark.parametrize("repeats", ["replay", "duplicate"])
async def test_a_repeat_is_taken_again_and_its_accept_comes_from_the_record(late: Late, repeats: str) -> None:
    await late.casino.control("POST", "/_settings", {"repeats": repeats})
    bet = await late.stake()
    (first,) = await late.aggregator.until(1)
    await late.stake("5.00")
    await late.aggregator.until(2)
    again = await late.casino.make(bet, -1, "10.00")
    assert (again.code, "Balance" in again.value) == (200, False)
    assert (await late.aggregator.until(3))[2] == first
    assert await late.casino.journal(bet) == STAKE


async def test_an_accept_is_sent_again_after_errors(late: Late) -> None:
    late.aggregator.script.extend([(500, None), (200, 102823), HANG_UP, (503, 200)])
    bet = await late.stake()
    told = await late.aggregator.until(5)
    assert all(one == told[0] for one in told)
    (sent,) = await late.ended(bet)
    assert (sent["state"], sent["tries"], sent["status"], sent["answer_code"]) == ("answered", 5, 200, 200)


@pytest.mark.parametrize("answer", [(200, 103803), (200, 103804), (400, 103801)])
async def test_an_answer_that_would_stay_the_same_ends_it(late: Late, answer: tuple[int, int]) -> None:
    late.aggregator.script.append(answer)
    bet = await late.stake()
    (sent,) = await late.ended(bet)
    assert (sent["state"], sent["tries"], sent["status"], sent["answer_code"]) == ("answered", 1, *answer)


async def test_an_aggregator_out_of_reach_is_tried_until_it_is_there(late: Late) -> None:
    await late.introduce(aggregator_url="http://127.0.0.1:1")
    bet = await late.stake()
    async with asyncio.timeout(10):
        while not (shown := await late.sendings(bet_id=bet))[0]["failure"]:
            pass
    assert "127.0.0.1:1" in shown[0]["failure"]
    assert shown[0]["state"] == "waiting"
    await late.introduce()
    (sent,) = await late.ended(bet)
    assert (sent["state"], sent["failure"]) == ("answered", None)
    assert sent["tries"] > 1


async def test_one_token_serves_many_accepts_until_it_is_not_taken(late: Late) -> None:
    await late.befall("hold", times=10)
    await asyncio.gather(*(late.stake("1.00") for _ in range(10)))
    assert await late.casino.control("POST", "/_release") == {"released": 10}
    await late.aggregator.until(10)
    assert late.aggregator.bought == 1
    late.aggregator.tokens.clear()
    bet = await late.stake("1.00")
    (sent,) = await late.ended(bet)
    assert (sent["tries"], late.aggregator.bought) == (2, 2)


async def test_a_token_at_its_end_is_used_no_more(late: Late) -> None:
    late.aggregator.lasting = 0
    for count in (1, 2):
        await late.ended(await late.stake("1.00"))
        assert late.aggregator.bought == count


async def test_a_secret_that_is_not_taken_can_be_replaced(late: Late) -> None:
    await late.introduce(secret="stolen")
    bet = await late.stake()
    async with asyncio.timeout(10):
        while not (shown := await late.sendings(bet_id=bet))[0]["failure"]:
            pass
    assert "401" in shown[0]["failure"]
    assert "stolen" not in str(shown)
    await late.introduce()
    assert (await late.ended(bet))[0]["answer_code"] == 200


async def test_secret_and_switch_outlive_a_restart(late: Late, sandbox: Sandbox) -> None:
    async with running_sandbox(sandbox.database_url) as again:
        late.casino.url = again.url
        await late.stake()
        assert len(await late.aggregator.until(1)) == 1
        late.casino.url = sandbox.url


async def test_the_address_that_the_process_knows_is_enough(late: Late, sandbox: Sandbox) -> None:
    await late.introduce(aggregator_url=None)
    async with running_sandbox(sandbox.database_url, aggregator=late.aggregator.url + "/") as again:
        late.casino.url = again.url
        await late.stake()
        assert len(await late.aggregator.until(1)) == 1
        late.casino.url = sandbox.url


async def test_what_is_on_its_way_ends_with_the_server(late: Late, sandbox: Sandbox) -> None:
    before = asyncio.all_tasks()
    async with running_sandbox(sandbox.database_url) as again:
        home, late.casino.url = late.casino.url, again.url
        late.aggregator.script.extend([(500, None)] * 60)
        await late.stake()
        await late.aggregator.until(1)
        sending = [one for one in asyncio.all_tasks() - before if "Outbox" in repr(one)]
    assert [one.cancelled() for one in sending] == [True]
    late.casino.url = home


def test_gaps_grow_to_ten_seconds_and_end() -> None:
    gaps = [gap_after(tries) for tries in range(1, MOST_TRIES)]
    assert gaps[:7] == [timedelta(milliseconds=200 * 2**n) for n in range(6)] + [timedelta(seconds=10)]
    assert set(gaps[6:]) == {timedelta(seconds=10)}
    assert gap_after(MOST_TRIES) is None


async def test_an_accept_that_is_never_accepted_is_given_up() -> None:
    outbox = Outbox(AggregatorClient(None), pace=lambda tries: timedelta(0) if tries < 3 else None)
    casino, answered = PlainCasino(7), asyncio.Event()
    answered.set()
    async with outbox.working():
        await outbox.send(casino, Accept(1, -1, "alice", "10.00", None, 200), answered)
        (sending,) = casino.accepts
        async with asyncio.timeout(10):
            while sending.state is State.WAITING:
                await asyncio.sleep(0)
    assert (sending.state, sending.tries) == (State.GIVEN_UP, 3)
    assert sending.failure is not None
    assert "_credentials" in sending.failure


@pytest.mark.parametrize("body", [{"secret": ""}, {"secret": 7}, {}, {"secret": "s", "aggregator_url": "ftp://x"}])
async def test_malformed_credentials_are_refused(late: Late, body: dict[str, object]) -> None:
    given = {"partner_client_id": late.casino.client_id} | body
    async with late.casino.http.post(f"{late.casino.url}/_credentials", json=given) as answer:
        assert answer.status == 400
    await late.stake()
    await late.aggregator.until(1)
