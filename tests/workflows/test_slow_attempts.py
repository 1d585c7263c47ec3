"""What an attempt writes that was slow, or whose worker was frozen, when others have gone on with its movement.

Each test executes the statements in the order that does harm if they believe what the attempt has read before.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.confirmations import outcome_of
from activities.pending_movement import ClaimedMovement
from activities.stakes import debit_of
from betcore.db.reversals import Reversals
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.activity_inputs import ClawBack, FindCredit, Pay, Progress, Unpark
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.claims import Confirmation, ReadAccept
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn
from tests.in_process_casino import InProcessCasino, open_casino
from tests.workflows.confirming_casino import CLAW_BACK, PAY_OUT, STAKE, ConfirmingCasino

OWNER, WIN = "run", TransactionType.PAY_OUT
FAILED, BLOCKED, NO_MONEY = 102823, 103805, 103802
SAID = Confirmation("200", "t", None)
HELD = {"kind": "hold_after", "times": 1}
SHORT, LONG = timedelta(milliseconds=1), timedelta(hours=1)


async def _owed(casino: InProcessCasino) -> tuple[PayIn, Pay]:
    """Return a bet whose stake is taken, by our rows alone, and the credit of its win, which was sent once."""
    bet = await casino.pay_in()
    claim = await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)
    assert claim is not None
    record = await casino.bets.accept(claim.record.bet_id, OWNER, SAID)
    pay = casino.credit(bet, record, "25.00")
    assert (await casino.bets.begin_credit(pay)).counted
    return bet, pay


async def _movement(casino: InProcessCasino, kind: int) -> Any:
    (row,) = await casino.sql("SELECT * FROM movement WHERE transaction_type = :k", k=kind)
    return row


async def _read(casino: InProcessCasino, pay: Pay) -> ReadAccept:
    accept = await casino.bets.await_accept(pay.bet_id, WIN, timedelta(), "EUR")
    assert accept is not None
    return accept


@pytest.mark.edge_case(91)
async def test_a_slow_attempt_does_not_forget_the_refusal_of_a_later_send(database_url: str, temporal: Client) -> None:
    """Without it the later refusal gets the shorter gap of the earlier one, and the casino the next send too soon."""
    async with open_casino(database_url, confirmation="accept") as casino:
        (bet, pay), confirming = await _owed(casino), ConfirmingCasino(casino, temporal)
        assert await confirming.accepts(bet, PAY_OUT, FAILED) is AcceptOutcome.STORED
        slow = await _read(casino, pay)
        # Another attempt reads the same refusal, and the next send is refused in the same words.
        await casino.bets.forget_refusal(pay.bet_id, WIN, await _read(casino, pay))
        assert (await casino.bets.begin_credit(pay)).counted
        assert await confirming.accepts(bet, PAY_OUT, FAILED) is AcceptOutcome.STORED
        later = await _read(casino, pay)
        assert (slow.sends, later.sends) == (1, 2)
        await casino.bets.forget_refusal(pay.bet_id, WIN, slow, SHORT)
        assert (await _movement(casino, PAY_OUT)).accept_code == str(FAILED)
        await casino.bets.forget_refusal(pay.bet_id, WIN, later, LONG)
        paced = await _movement(casino, PAY_OUT)
        await casino.bets.forget_refusal(pay.bet_id, WIN, slow, SHORT)
        assert await _movement(casino, PAY_OUT) == paced
        claim = await casino.bets.begin_credit(pay)
        assert (claim.counted, claim.waits > LONG / 2) == (False, True)


@pytest.mark.edge_case(79)
async def test_an_accept_is_judged_by_the_sends_that_were_counted_when_it_came(
    database_url: str, temporal: Client
) -> None:
    """The attempt has claimed the only send of a stake; another one has sent it again before the Accept refuses."""
    async with open_casino(database_url, confirmation="accept") as casino:
        bet = await casino.pay_in()
        claim = await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)
        assert claim is not None
        await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)
        assert await ConfirmingCasino(casino, temporal).accepts(bet, STAKE, NO_MONEY) is AcceptOutcome.STORED
        accept = await casino.bets.await_accept(claim.record.bet_id, TransactionType.ACCEPT_BET, timedelta(), "EUR")
        assert accept is not None
        claimed = ClaimedMovement.of(debit_of(bet, claim.record.bet_id), claim, None)
        partner = await casino.partners.casino(bet.casino_id)
        assert (claimed.sends, outcome_of(partner, claimed, accept).progress) == (1, Progress.UNKNOWN)


async def _reversing(casino: InProcessCasino) -> tuple[PayIn, BetRecord, Reversals, datetime]:
    """Return a settled bet whose reversal has sent its claw-back in a first window; and when that window ends."""
    bet = await casino.pay_in_out()
    claim = await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)
    assert claim is not None
    bet_id, reversals = claim.record.bet_id, Reversals(casino.database)
    await casino.bets.accept(bet_id, OWNER, SAID)
    pay = casino.credit(bet, claim.record, "25.00")
    await casino.bets.begin_credit(pay)
    settled = await casino.bets.credit_done(bet_id, OWNER, WIN, SAID)
    await reversals.open(bet_id, OWNER, None)
    first = datetime.now(UTC)
    assert (await reversals.begin_debit(bet_id, OWNER, first)).counted
    return bet, settled, reversals, first


async def _in_a_second_window(reversals: Reversals, bet_id: int, first: datetime) -> datetime:
    """Let another attempt find the first window's claw-back absent, and send it in a second one."""
    assert (await reversals.absent(bet_id, OWNER, first))[1]
    second = first + timedelta(seconds=10)
    claim = await reversals.begin_debit(bet_id, OWNER, second)
    assert (claim.counted, claim.attempts, claim.not_after) == (True, 1, second)
    return second


@pytest.mark.edge_case(46, 80)
@pytest.mark.parametrize("sends", [None, 1])
async def test_what_was_absent_in_one_window_is_not_absent_in_the_next(database_url: str, sends: int | None) -> None:
    """Without it the send on its way counts as absent, the refusal of the next one is believed, and the player has
    neither the win nor the stake."""
    async with open_casino(database_url) as casino:
        _, settled, reversals, first = await _reversing(casino)
        second = await _in_a_second_window(reversals, settled.bet_id, first)
        assert not (await reversals.absent(settled.bet_id, OWNER, first, sends=sends))[1]
        assert (await _movement(casino, CLAW_BACK)).absent_attempts == 1
        assert (await reversals.absent(settled.bet_id, OWNER, second, sends=sends))[1]


@pytest.mark.edge_case(46, 80)
async def test_a_look_for_the_first_window_that_ends_in_the_second_finds_nothing_out(
    database_url: str, temporal: Client
) -> None:
    async with open_casino(database_url) as casino:
        bet, settled, reversals, first = await _reversing(casino)
        await casino.faults({"path": "/payments/info", **HELD})
        order = ClawBack(reverse=casino.reverse(bet, settled), owner=OWNER, not_after=first, second_look=True)
        find = casino.activities(temporal).claw_backs.find_claw_back
        frozen = asyncio.create_task(ActivityEnvironment().run(find, order))
        await casino.held()
        await _in_a_second_window(reversals, settled.bet_id, first)
        await casino.release()
        assert (await frozen).progress is Progress.UNKNOWN
        assert (await _movement(casino, CLAW_BACK)).absent_attempts == 1


@pytest.mark.edge_case(46, 80)
async def test_the_refusal_of_one_window_does_not_end_a_reversal_in_the_next(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        _, settled, reversals, first = await _reversing(casino)
        second = await _in_a_second_window(reversals, settled.bet_id, first)
        for not_after, state in ((first, "reversing"), (second, "refused")):
            record = await reversals.refuse_only_send(settled.bet_id, OWNER, "103802", not_after)
            assert record.reversal is not None
            assert record.reversal.state == state


@pytest.mark.edge_case(73)
async def test_a_slow_attempt_does_not_park_what_was_sent_again_since(database_url: str) -> None:
    """An operator has let it be sent again. Without it the movement is parked once more, while it is at the casino."""
    async with open_casino(database_url) as casino:
        _, pay = await _owed(casino)
        assert (await casino.bets.begin_credit(pay)).attempts == 2
        assert (await casino.bets.park(pay.bet_id, OWNER, WIN, str(BLOCKED), sends=1))[1] is False
        assert ((await _movement(casino, PAY_OUT)).state, await casino.incidents()) == ("sending", [])
        assert (await casino.bets.park(pay.bet_id, OWNER, WIN, str(BLOCKED), sends=2))[1] is True


@pytest.mark.edge_case(73)
async def test_a_slow_attempt_does_not_let_be_sent_what_was_parked_again_since(
    database_url: str, temporal: Client
) -> None:
    """Without it the row is being sent while its workflow waits for an operator: what he decides finds no such row."""
    async with open_casino(database_url) as casino:
        _, pay = await _owed(casino)
        unpark = casino.activities(temporal).bet_records.unpark
        order = Unpark(bet_id=pay.bet_id, owner=OWNER, transaction_type=WIN)
        first = ActivityEnvironment()
        assert (await casino.bets.park(pay.bet_id, OWNER, WIN, str(BLOCKED)))[1] is True
        await first.run(unpark, order)
        assert (await casino.bets.begin_credit(pay)).attempts == 2
        assert (await casino.bets.park(pay.bet_id, OWNER, WIN, str(BLOCKED), sends=2))[1] is True
        await first.run(unpark, order)
        assert (await _movement(casino, PAY_OUT)).state == "parked"
        second = ActivityEnvironment()
        second.info = replace(first.info, activity_id="another")
        await second.run(unpark, order)
        assert (await _movement(casino, PAY_OUT)).state == "sending"


@pytest.mark.edge_case(34, 39)
async def test_an_accept_that_comes_before_its_movement_is_parked_is_read(database_url: str, temporal: Client) -> None:
    """Without it an operator decides about money that the casino has confirmed."""
    async with open_casino(database_url, casino="attempt_timeout: 30") as casino:
        bet, pay = await _owed(casino)
        await casino.bets.await_accept(pay.bet_id, WIN, timedelta(), "EUR")
        # The casino has never had the stake: it refuses the win for good.
        await casino.faults({"path": "/payments/make", **HELD})
        pay_once = casino.activities(temporal).wallet.try_credit
        paying = asyncio.create_task(ActivityEnvironment().run(pay_once, pay))
        await casino.held()
        assert await ConfirmingCasino(casino, temporal).accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        await casino.release()
        assert (await paying).progress is Progress.UNKNOWN
        assert ((await _movement(casino, PAY_OUT)).state, await casino.incidents()) == ("sending", [])
        assert (await ActivityEnvironment().run(pay_once, pay)).progress is Progress.DONE


@pytest.mark.edge_case(95)
async def test_a_success_that_comes_while_the_last_look_is_made_is_paid_twice(
    database_url: str, temporal: Client
) -> None:
    """Without it the casino's Accept stands in the row of a credit that was paid by hand, and no operator sees it."""
    async with open_casino(database_url, confirmation="accept") as casino:
        bet, pay = await _owed(casino)
        assert (await casino.bets.park(pay.bet_id, OWNER, WIN, str(BLOCKED)))[1]
        await casino.faults({"path": "/payments/info", **HELD})
        find, order = casino.activities(temporal).wallet.find_credit, FindCredit(pay=pay, second_look=True)
        looking = asyncio.create_task(ActivityEnvironment().run(find, order))
        await casino.held()
        assert await ConfirmingCasino(casino, temporal).accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        await casino.release()
        assert (await looking).progress is Progress.DONE
        # A worker that dies now executes it again.
        assert (await ActivityEnvironment().run(find, order)).progress is Progress.DONE
        assert (await _movement(casino, PAY_OUT)).state == "paid_by_hand"
        assert [incident.kind for incident in await casino.incidents()] == ["parked", "paid_twice"]
