"""Edge cases 180 to 188: a provider's own jackpot, which is a movement beside the winnings."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from betcore.db.statements import verify_rows
from betcore.domain.messages import Action, Operate, Operated
from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    CREDIT,
    DONE,
    HASTY,
    NO_LIST,
    QUICK,
    REFUNDED,
    REFUNDED_ALREADY,
    SETTLED,
    SLOW,
    STAKED,
    UNKNOWN,
    Journal,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    delete_workflow,
    fault,
    in_parallel,
    journal_becomes,
    row_locked,
    side_by_side,
)
from tests.watch import has_status, holds, in_state, movement, sends

JACKPOT = 4
WON: Journal = [*SETTLED, (JACKPOT, "500.00")]
DIFFERENT, SETTLED_ALREADY = (6, "different_data"), (6, "already_settled")
PAID = {"jackpotAmount": "500.00"}
# What is marked as paid is decided soon: this casino applies at once what it takes.
HURRIED = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, retry: {first: 0.1, cap: 0.3}}"

Call = Callable[[TestPartner, str], Awaitable[Answer]]


async def pay_out(partner: TestPartner, bet: str, win: str = "25.00", **jackpot: Any) -> Answer:
    body = {"betId": bet, "winAmount": win, "gameRoundId": "round-1"}
    return await partner.post("pay-out", body | (jackpot or PAID))


async def pay_in_out(partner: TestPartner, bet: str, win: str = "25.00", **jackpot: Any) -> Answer:
    body = {"betId": bet, "betAmount": "10.00", "winAmount": win, "gameRoundId": "round-1"}
    return await partner.post("pay-in-out", body | (jackpot or PAID))


async def opened(partner: TestPartner, call: Call) -> str:
    """Return a new bet that the call can settle: a PayOut needs its stake."""
    return partner.new_bet() if call is pay_in_out else await bet_with_stake_taken(partner, partner.pay_in)


async def rows_fit(partner: TestPartner, bet: str) -> None:
    """Check a bet's rows as ``verify`` does."""
    number = (await partner.row(bet)).bet_id
    faults = await partner.stack.database.all_rows(verify_rows.FAULTS, after=number - 1, upto=number)
    assert [row.faults for row in faults] == []


@pytest.mark.edge_case(180)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_jackpot_is_paid_beside_the_win(stack: Stack, call: Call) -> None:
    partner = await stack.partner()
    bet = await opened(partner, call)
    first = await until(partial(call, partner, bet))
    assert (first.outcome, first.body["jackpotAmount"]) == (DONE, 500)
    # The casino names the balance after the jackpot.
    assert first.body["balance"] == 1515
    assert await partner.journal(bet) == WON
    row = await partner.row(bet)
    assert (row.state, row.win, row.jackpot, row.jackpot_id) == ("settled", 2500, 50000, None)
    assert [one["transaction_id"] for one in await partner.entries(row.bet_id)] == [
        f"{row.bet_id}:{kind}" for kind in (-1, 1, 4)
    ]
    await rows_fit(partner, bet)


@pytest.mark.edge_case(180)
async def test_a_loss_can_win_a_jackpot_and_one_of_nothing_is_none(stack: Stack) -> None:
    partner = await stack.partner()
    lost, none = [await bet_with_stake_taken(partner, partner.pay_in) for _ in range(2)]
    assert (await until(partial(pay_out, partner, lost, "0"))).outcome == DONE
    assert await partner.journal(lost) == [*STAKED, (CREDIT, "0.00"), (JACKPOT, "500.00")]
    answer = await until(partial(pay_out, partner, none, jackpotAmount=0))
    assert (answer.outcome, "jackpotAmount" in answer.body) == (DONE, False)
    assert (await partner.pay_out(none)).outcome == DONE
    assert await partner.journal(none) == SETTLED


@pytest.mark.edge_case(180)
async def test_a_bet_with_a_jackpot_is_not_sent_in_one_list(stack: Stack) -> None:
    """The jackpot waits until its win is known."""
    partner = await stack.partner(casino="send: {list: one_step}")
    bet = partner.new_bet()
    assert (await until(partial(pay_in_out, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == WON
    assert "/payments/make-list" not in [one["path"] for one in await partner.calls()]


@pytest.mark.edge_case(181)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_repeat_is_answered_as_it_was_the_first_time(stack: Stack, call: Call) -> None:
    partner = await stack.partner()
    bet = await opened(partner, call)
    answers = await in_parallel(8, partial(until, partial(call, partner, bet)))
    assert {(*one.outcome, one.body["jackpotAmount"]) for one in answers} == {(*DONE, 500)}
    if call is pay_out:
        again = await partner.pay_in(bet)
        assert (again.outcome, "jackpotAmount" in again.body) == (DONE, False)
    await delete_workflow(partner, bet)
    late = await call(partner, bet, jackpotAmount=500)
    assert (late.outcome, late.body["jackpotAmount"]) == (DONE, 500)
    assert await partner.journal(bet) == WON
    assert [one["transaction_type"] for one in await sends(partner, bet)] == [-1, 1, 4]


@pytest.mark.edge_case(181)
async def test_a_jackpot_is_paid_though_its_session_has_ended_and_its_player_is_blocked(stack: Stack) -> None:
    partner = await stack.partner()
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.sessions.close(partner.session_id)
    await partner.sessions.block(partner.casino, "anna", blocked=True)
    for _ in range(2):
        answer = await until(partial(pay_out, partner, bet))
        assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 500)
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(182)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_another_jackpot_is_another_call(stack: Stack, call: Call) -> None:
    partner = await stack.partner()
    bet = await opened(partner, call)
    assert (await until(partial(call, partner, bet))).outcome == DONE
    for other in ({"jackpotAmount": "500.01"}, {"jackpotAmount": 0}):
        assert (await call(partner, bet, **other)).outcome == DIFFERENT
    without = await opened(partner, call)
    plain = partner.pay_out if call is pay_out else partner.pay_in_out
    assert (await until(partial(plain, without))).outcome == DONE
    assert (await call(partner, without)).outcome == DIFFERENT
    assert await partner.journal(bet) == WON
    assert await partner.journal(without) == SETTLED
    assert set(await partner.incidents(bet)) == set(await partner.incidents(without)) == {"different_data"}


@pytest.mark.edge_case(182)
async def test_another_jackpot_while_the_first_is_under_way_is_another_call(stack: Stack) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("hold", CREDIT, 1))
    first = asyncio.create_task(until(partial(pay_out, partner, bet)))
    await partner.held()
    # The row has the jackpot already: its statement has decided it before the win was sent.
    assert (await pay_out(partner, bet, jackpotAmount="1.00")).outcome == DIFFERENT
    assert (await partner.pay_out(bet)).outcome == DIFFERENT
    await partner.release()
    assert (await first).outcome == DONE
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(183)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_bet_that_has_won_a_jackpot_is_not_refunded(stack: Stack, call: Call) -> None:
    partner = await stack.partner(provider="refund_after_pay_out: reverse", casino=QUICK)
    bet = await opened(partner, call)
    assert (await until(partial(call, partner, bet))).outcome == DONE
    assert (await until(partial(partner.refund, bet))).outcome == SETTLED_ALREADY
    # While the jackpot is owed too.
    owing = await opened(partner, call)
    await partner.faults(fault("error", JACKPOT), NO_LIST)
    calling = asyncio.create_task(until(partial(call, partner, owing)))
    await in_state(partner, owing, "settling")
    await has_status(partner, owing, "owed", True)
    assert (await until(partial(partner.refund, owing))).outcome == SETTLED_ALREADY
    await partner.faults()
    assert (await calling).outcome == DONE
    for one in (bet, owing):
        assert await partner.journal(one) == WON
        assert (await partner.row(one)).reversed_by is None
        await rows_fit(partner, one)


@pytest.mark.edge_case(183)
async def test_a_jackpot_after_a_refund_is_refused_and_an_operator_is_told(stack: Stack) -> None:
    partner = await stack.partner()
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert (await pay_out(partner, bet, "0")).outcome == REFUNDED_ALREADY
    assert await partner.incidents(bet) == ["already_refunded"]
    assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(183)
async def test_of_a_jackpot_and_a_refund_at_once_one_counts(stack: Stack) -> None:
    partner = await stack.partner()
    for _ in range(5):
        bet = await bet_with_stake_taken(partner, partner.pay_in)
        won, back = await asyncio.gather(until(partial(pay_out, partner, bet)), until(partial(partner.refund, bet)))
        assert (won.outcome, back.outcome) in ((DONE, SETTLED_ALREADY), (REFUNDED_ALREADY, DONE))
        assert await partner.journal(bet) == (WON if won.outcome == DONE else REFUNDED)
        await rows_fit(partner, bet)


@pytest.mark.edge_case(183)
async def test_a_refund_before_the_win_of_one_step_is_sent_drops_the_jackpot_too(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino="{message_lifetime: 600, retry: {first: 0.1, cap: 0.3}}")
    await partner.faults(fault("error", -1), NO_LIST)
    bet = await bet_with_unknown_outcome(partner, partial(pay_in_out, partner))
    await has_status(partner, bet, "unknown", True)
    assert (await partner.refund(bet)).outcome == UNKNOWN
    await partner.faults()
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == REFUNDED
    assert (await until(partial(pay_in_out, partner, bet))).outcome == REFUNDED_ALREADY
    await rows_fit(partner, bet)


@pytest.mark.edge_case(184)
async def test_a_jackpot_waits_for_a_stake_that_is_not_known(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=SLOW)
    await partner.faults(fault("hold", -1, 1))
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == UNKNOWN
    await partner.held()
    assert (await pay_out(partner, bet)).outcome == UNKNOWN
    await partner.release()
    answer = await until(partial(pay_out, partner, bet))
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 500)
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(184)
async def test_a_jackpot_of_a_bet_that_was_never_seen_is_not_paid(stack: Stack) -> None:
    partner = await stack.partner(provider="order_window: 1")
    bet = partner.new_bet()
    assert (await until(partial(pay_out, partner, bet))).outcome == (5, "never_seen")
    assert (await partner.pay_in(bet)).outcome == (6, "bet_refused")
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(185)
@side_by_side(kind=("lost", "error", "garbage"), owed=(CREDIT, JACKPOT), call=(pay_out, pay_in_out), times=(1, 4))
async def test_each_of_both_movements_is_sent_until_it_is_made(
    stack: Stack, kind: str, owed: int, call: Call, times: int
) -> None:
    # Two dozen at once: a stake that cannot be sent within its answer_deadline is refused for good.
    partner = await stack.partner(provider="answer_deadline: 8", casino=QUICK)
    bet = await opened(partner, call)
    await partner.faults(fault(kind, owed, times))
    answer = await until(partial(call, partner, bet))
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 500)
    assert await partner.journal(bet) == WON
    # The jackpot is never sent before the win is made.
    kinds = [one["transaction_type"] for one in await sends(partner, bet)]
    assert kinds == sorted(kinds)
    await rows_fit(partner, bet)


@pytest.mark.edge_case(185)
async def test_a_jackpot_that_is_owed_while_the_casino_is_down_arrives_when_it_is_back(stack: Stack) -> None:
    breaker = "{retry: {first: 0.1, cap: 0.3}, breaker: {failures: 2, window: 60, probe_every: 0.3}}"
    partner = await stack.partner(provider=HASTY, casino=breaker)
    bets = [await bet_with_stake_taken(partner, partner.pay_in) for _ in range(2)]
    await partner.faults(
        fault("status", JACKPOT, 3, status=401), {"kind": "drop", "transaction_type": JACKPOT}, NO_LIST
    )
    for bet in bets:
        assert (await pay_out(partner, bet)).outcome == UNKNOWN
    await holds(partial(sends, partner, bets[0]), lambda found: len(found) > 5)
    await partner.faults()
    for bet in bets:
        assert (await until(partial(pay_out, partner, bet))).outcome == DONE
        assert await partner.journal(bet) == WON
        await rows_fit(partner, bet)


@pytest.mark.edge_case(185)
async def test_a_bet_is_settled_when_both_movements_are_done(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("error", JACKPOT), NO_LIST)
    assert (await pay_out(partner, bet)).outcome == UNKNOWN
    await has_status(partner, bet, "owed", True)
    row = await partner.row(bet)
    assert (row.state, row.closed_at, row.win_paid_at is not None) == ("settling", None, True)
    assert await partner.journal(bet) == SETTLED
    await rows_fit(partner, bet)
    await partner.faults()
    await journal_becomes(partner, bet, WON)
    assert (await until(partial(pay_out, partner, bet))).outcome == DONE
    await has_status(partner, bet, "settled", False)


@pytest.mark.edge_case(185)
async def test_a_duplicate_jackpot_is_believed_if_it_is_listed_as_ours(stack: Stack) -> None:
    partner = await stack.partner(casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("refuse_after_commit", JACKPOT, 1, error_code=103803))
    assert (await until(partial(pay_out, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(185)
async def test_a_jackpot_that_waits_for_the_row_is_decided_once(stack: Stack) -> None:
    """A copy of the PayOut and the Refund wait for the row that another transaction has locked."""
    partner = await stack.partner()
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    async with row_locked(partner, bet):
        calls = [asyncio.create_task(until(partial(pay_out, partner, bet))) for _ in range(3)]
        await asyncio.sleep(0.2)
    assert {one.outcome for one in await asyncio.gather(*calls)} == {DONE}
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(186)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_casino_confirms_a_jackpot_by_accept(stack: Stack, call: Call) -> None:
    partner = await stack.partner(confirmation="accept")
    bet = await opened(partner, call)
    assert (await until(partial(call, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == WON
    assert [one["transaction_type"] for one in await partner.accepts(bet)] == [-1, 1, 4]


@pytest.mark.edge_case(186)
async def test_a_jackpot_whose_accept_is_lost_or_refuses_is_made_again(stack: Stack) -> None:
    soon = "{accept_within: 1, effect_within: 1, clock_leeway: 0.1, retry: {first: 0.2, cap: 0.5}}"
    partner = await stack.partner(casino=soon, confirmation="accept")
    for fails in (
        {"kind": "drop", "path": "/payments/accept", "transaction_type": JACKPOT, "times": 1},
        {
            "kind": "error_code",
            "error_code": 102823,
            "path": "/payments/accept",
            "transaction_type": JACKPOT,
            "times": 1,
        },
    ):
        bet = await bet_with_stake_taken(partner, partner.pay_in)
        await partner.faults(fails)
        assert (await until(partial(pay_out, partner, bet))).outcome == DONE
        assert await partner.journal(bet) == WON
        await partner.faults()


async def _operate(partner: TestPartner, bet: str, action: Action) -> Operated:
    order = Operate(action=action, operator="ann", reason="a test")
    done: Operated = await partner.workflow(bet).execute_update("operate", order, result_type=Operated)
    return done


@pytest.mark.edge_case(187)
@pytest.mark.parametrize("action", [Action.RETRY, Action.MARK_PAID])
async def test_a_refused_jackpot_is_parked_and_an_operator_decides(stack: Stack, action: Action) -> None:
    partner = await stack.partner(provider=HASTY, casino=HURRIED)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("error_code", JACKPOT, error_code=103806))
    assert (await pay_out(partner, bet)).outcome == UNKNOWN
    await has_status(partner, bet, "parked", True)
    assert await partner.incidents(bet) == ["parked"]
    assert (await movement(partner, bet, CREDIT)).state == "done"
    assert (await pay_out(partner, bet)).outcome == UNKNOWN
    await rows_fit(partner, bet)
    await partner.faults()
    await _operate(partner, bet, action)
    answer = await until(partial(pay_out, partner, bet))
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 500)
    is_paid_by_hand = action is Action.MARK_PAID
    assert (await movement(partner, bet, JACKPOT)).state == ("paid_by_hand" if is_paid_by_hand else "done")
    assert await partner.journal(bet) == (SETTLED if is_paid_by_hand else WON)
    await rows_fit(partner, bet)


@pytest.mark.edge_case(187)
async def test_a_parked_win_keeps_its_jackpot_waiting(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("error_code", CREDIT, error_code=103805))
    assert (await pay_out(partner, bet)).outcome == UNKNOWN
    await has_status(partner, bet, "parked", True)
    assert [one["transaction_type"] for one in await sends(partner, bet)][-1] == CREDIT
    await partner.faults()
    await _operate(partner, bet, Action.RETRY)
    assert (await until(partial(pay_out, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(188)
@pytest.mark.parametrize(
    "jackpot",
    [
        {"jackpotAmount": "500.005"},
        {"jackpotAmount": "-1"},
        {"jackpotAmount": "1e3"},
        {"jackpotAmount": None},
        {"jackpotAmount": True},
        {"jackpotId": "grand"},
        {"jackpotId": 0},
        {"jackpotId": "01"},
        {"jackpotAmount": "500.00", "jackpotId": "1"},
    ],
    ids=str,
)
async def test_a_jackpot_that_cannot_be_read_moves_nothing(stack: Stack, jackpot: dict[str, Any]) -> None:
    partner = await stack.partner()
    fresh, bet = partner.new_bet(), await bet_with_stake_taken(partner, partner.pay_in)
    answer = await pay_in_out(partner, fresh, **jackpot)
    assert (answer.code, answer.status) == (2, 400)
    assert await partner.row(fresh) is None
    assert (await pay_out(partner, bet, **jackpot)).code == 2
    # The player of a known bet may have won.
    assert await partner.incidents(bet) == ["unreadable_win"]
    assert (await until(partial(pay_out, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == WON


@pytest.mark.edge_case(188)
@pytest.mark.parametrize("field", ["jackpotAmount", "jackpotId"])
async def test_a_stake_and_a_refund_bring_no_jackpot(stack: Stack, field: str) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    body = {"betId": bet, "betAmount": "10.00", "gameRoundId": "round-1", field: "5"}
    assert (await partner.post("pay-in", body)).code == 2
    assert (await partner.post("refund", {"betId": bet, field: "5"})).code == 2
    assert await partner.row(bet) is None


@pytest.mark.edge_case(185)
async def test_the_tax_in_winnings_goes_with_the_win_alone(stack: Stack) -> None:
    partner = await stack.partner(casino="send: {tax: true}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(pay_out, partner, bet, taxAmount="2.50", **PAID))).outcome == DONE
    assert [one["tax_amount"] for one in await sends(partner, bet)] == ["0.00", "2.50", None]
    assert await partner.journal(bet) == WON
