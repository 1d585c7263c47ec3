"""Edge cases 44, 45, 73 and 81: bets that wait for an operator, and an operator's action beside other events."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.ids import BetKey, current_bet_workflow_id
from betcore.domain.messages import Action, Operate, Operated
from betcore.domain.money import Money
from betcore.temporal.visibility import BET_STATUS
from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    BACK,
    CLAW_BACK,
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    NO_LIST,
    QUICK,
    REFUNDED,
    REFUNDED_ALREADY,
    RETURN,
    SETTLED,
    STAKED,
    UNKNOWN,
    Outcome,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    journal_becomes,
)
from tests.watch import has_status, holds, in_state, movement, passed, sends, sent, status

MAKE = "/payments/make"
LIMITED = "{approval_above: {EUR: 5}, retry: {first: 0.1, cap: 0.3}}"
# What is marked as paid is decided soon: this casino applies at once what it takes.
HURRIED = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, retry: {first: 0.1, cap: 0.3}}"
OVERDUE = "{answer_deadline: 3, unconfirmed_within: 0.2, settle_within: 1}"
OVERDUE_REFUND = "{answer_deadline: 3, unconfirmed_within: 0.2, settle_within: 1, on_overdue: refund}"
BLOCKED = {"kind": "error_code", "error_code": 103805, "path": MAKE, "transaction_type": CREDIT}
FOREIGN = {"kind": "error_code", "error_code": 103803, "path": MAKE}
INFO = "/payments/info"
SETTLE, VOID, RETRY, MARK_PAID = Action.SETTLE, Action.VOID, Action.RETRY, Action.MARK_PAID
WITHIN = 120


def _order(action: Action, operator: str = "ann", win: str | None = None, reason: str = "a test") -> Operate:
    return Operate(action=action, operator=operator, reason=reason, win=Money.parse(win, "EUR") if win else None)


async def _current_workflow(partner: TestPartner, bet: str) -> Any:
    """Return a handle of the workflow that owns the bet now."""
    row = await partner.row(bet)
    key = BetKey(partner.counterparty_id, bet)
    return partner.stack.client.get_workflow_handle(current_bet_workflow_id(key, row.bet_id, row.lives))


async def _send(handle: Any, order: Operate, update_id: str | None = None) -> Operated:
    operated: Operated = await handle.execute_update(
        "operate", order, id=update_id or uuid4().hex, result_type=Operated
    )
    return operated


async def _ask(
    partner: TestPartner, bet: str, action: Action, operator: str = "ann", win: str | None = None
) -> Operated:
    return await _send(await _current_workflow(partner, bet), _order(action, operator, win))


async def _refusal(asked: Awaitable[Operated]) -> str:
    """Return why an action was refused; "closed" if no workflow is there to take it."""
    with pytest.raises((WorkflowUpdateFailedError, RPCError)) as refused:
        await asked
    if isinstance(refused.value, RPCError):
        assert refused.value.status is RPCStatusCode.NOT_FOUND
        return "closed"
    cause = refused.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "operation_refused"
    return cause.message


async def _outcome(asked: Awaitable[Operated]) -> str:
    """Return the outcome of an operator's action that may come too late."""
    try:
        return (await asked).detail
    except (WorkflowUpdateFailedError, RPCError):
        return "refused"


async def _operations(partner: TestPartner, bet: str) -> list[tuple[str, str, bool]]:
    """Return the lines about operators in the bet's timeline, oldest first."""
    query = "SELECT data FROM bet_event WHERE bet_id = :b AND kind = 'operate' ORDER BY event_id"
    found = [event.data for event in await partner.sql(query, b=(await partner.row(bet)).bet_id)]
    return [(data["action"], data["operator"], data["done"]) for data in found]


async def _staked(
    stack: Stack, provider: str = "", casino: str = QUICK, bets: int = 1
) -> tuple[TestPartner, list[str]]:
    partner = await stack.partner(provider=provider, casino=casino)
    return partner, await asyncio.gather(*(bet_with_stake_taken(partner, partner.pay_in) for _ in range(bets)))


async def _parked(stack: Stack, casino: str = QUICK, fault: dict[str, Any] = BLOCKED) -> tuple[TestPartner, str]:
    """Return a bet whose win the casino refuses for good."""
    partner, [bet] = await _staked(stack, HASTY, casino)
    await partner.faults(fault)
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    await has_status(partner, bet, "parked", True)
    return partner, bet


async def _state_of_credit(partner: TestPartner, bet: str, *states: str) -> None:
    await holds(lambda: movement(partner, bet, CREDIT), lambda row: row.state in states)


async def _is_closed(partner: TestPartner, bet: str) -> None:
    """Wait until the bet's workflow has ended."""
    await (await _current_workflow(partner, bet)).result()


# No PayOut


@pytest.mark.edge_case(44)
async def test_a_bet_without_a_result_stays_open_and_is_seen_when_it_is_overdue(stack: Stack) -> None:
    waiting, [open_bet] = await _staked(stack)
    partner, [bet] = await _staked(stack, OVERDUE)
    await has_status(partner, bet, "overdue", True)
    overdue = f"WorkflowId = '{partner.workflow(bet).id}' AND BetStatus = 'overdue' AND NeedsAttention = true"
    await holds(lambda: stack.client.count_workflows(overdue), lambda found: found.count == 1)
    for one, its in ((partner, bet), (waiting, open_bet)):
        row = await one.row(its)
        assert (row.state, row.withdrawn_at, row.closed_at) == ("acceptance", None, None)
        assert await one.journal(its) == STAKED
        assert (await one.pay_in(its)).outcome == DONE
    assert (await status(waiting, open_bet))[0] == "open"
    assert not (await status(waiting, open_bet))[1]
    assert await partner.incidents(bet) == []
    # The game tells its result after all.
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    await has_status(partner, bet, "settled", False)


@pytest.mark.edge_case(44)
async def test_an_operator_ends_a_bet_that_is_overdue(stack: Stack) -> None:
    """A settlement is a PayOut and a void is a Refund: what the provider sends later repeats it, or is refused."""
    partner, [settled, voided, lost] = await _staked(stack, OVERDUE, bets=3)
    for bet in (settled, voided, lost):
        await has_status(partner, bet, "overdue", True)
    assert (await _ask(partner, settled, SETTLE, win="25.00")).done
    assert (await _ask(partner, lost, SETTLE, win="0")).done
    assert (await _ask(partner, voided, VOID)).done
    await in_state(partner, settled, "settled")
    await in_state(partner, lost, "settled")
    await in_state(partner, voided, "refunded")
    assert await partner.journal(settled) == SETTLED
    assert await partner.journal(lost) == [*STAKED, (CREDIT, "0.00")]
    assert await partner.journal(voided) == REFUNDED
    assert (await until(partial(partner.pay_out, settled))).outcome == DONE
    assert (await partner.pay_out(settled, "26.00")).outcome == (6, "different_data")
    assert (await partner.refund(settled)).outcome == (6, "already_settled")
    assert (await until(partial(partner.refund, voided))).outcome == DONE
    assert (await partner.pay_out(voided)).outcome == REFUNDED_ALREADY
    for bet, journal in ((settled, SETTLED), (voided, REFUNDED)):
        assert await partner.journal(bet) == journal
        await has_status(partner, bet, "settled" if bet is settled else "refunded", False)
    assert await _operations(partner, settled) == [("settle", "ann", True)]
    assert await _operations(partner, voided) == [("void", "ann", True)]


@pytest.mark.edge_case(44, 22)
async def test_an_operator_and_the_provider_end_a_bet_at_the_same_moment(stack: Stack) -> None:
    partner, bets = await _staked(stack, "answer_deadline: 5", bets=10)

    async def race(turn: int, bet: str) -> None:
        voids = turn % 2 == 0
        asked = _ask(partner, bet, VOID) if voids else _ask(partner, bet, SETTLE, win="25.00")
        call = until(partial(partner.pay_out if voids else partner.refund, bet))
        _, answer = await asyncio.gather(_outcome(asked), call)
        await _is_closed(partner, bet)
        journal = await partner.journal(bet)
        assert journal in (SETTLED, REFUNDED)
        assert (answer.outcome == DONE) == (journal == (SETTLED if voids else REFUNDED))

    await asyncio.gather(*(race(turn, bet) for turn, bet in enumerate(bets)))


@pytest.mark.edge_case(44, 45)
async def test_an_overdue_bet_is_refunded_if_the_profile_says_so(stack: Stack) -> None:
    partner, [bet, lost] = await _staked(stack, OVERDUE_REFUND, bets=2)
    for one in (bet, lost):
        await in_state(partner, one, "refunded")
        assert await partner.journal(one) == REFUNDED
        await has_status(partner, one, "refunded", False)
    row = await partner.row(bet)
    for _ in range(2):
        answer = await partner.pay_out(bet)
        assert (answer.outcome, answer.status) == (REFUNDED_ALREADY, 200)
    # A loss is nothing that anybody misses.
    assert (await partner.pay_out(lost, "0")).outcome == REFUNDED_ALREADY
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    # Once for the same words, with what the player was to get.
    assert (await partner.incidents(bet), await partner.incidents(lost)) == (["already_refunded"], [])
    [incident] = await partner.sql("SELECT theirs FROM incident WHERE bet_id = :b", b=row.bet_id)
    assert (incident.theirs["call"], incident.theirs["win"]) == ("pay_out", "EUR 25.00")
    assert await partner.row(bet) == row
    assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(45)
async def test_a_payout_while_the_overdue_refund_is_on_its_way_changes_nothing(stack: Stack) -> None:
    partner, [bet] = await _staked(stack, OVERDUE_REFUND)
    await partner.faults({"kind": "error", "path": MAKE, "transaction_type": RETURN})
    await in_state(partner, bet, "refunding")
    assert (await partner.pay_out(bet)).outcome == REFUNDED_ALREADY
    assert (await partner.refund(bet)).outcome == UNKNOWN
    await partner.faults()
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == REFUNDED
    assert await partner.incidents(bet) == ["already_refunded"]


@pytest.mark.edge_case(44, 45)
async def test_payouts_at_the_moment_at_which_bets_are_overdue(stack: Stack) -> None:
    partner, bets = await _staked(stack, OVERDUE_REFUND, bets=16)

    async def some_are_overdue() -> bool:
        return any(await asyncio.gather(*(_refunds(partner, bet) for bet in bets)))

    await eventually(some_are_overdue)
    for bet in bets:
        answer = await until(partial(partner.pay_out, bet))
        assert answer.outcome in (DONE, REFUNDED_ALREADY)
        expected, kinds = (SETTLED, []) if answer.outcome == DONE else (REFUNDED, ["already_refunded"])
        await journal_becomes(partner, bet, expected)
        assert await partner.incidents(bet) == kinds


async def _refunds(partner: TestPartner, bet: str) -> bool:
    return bool((await partner.row(bet)).state != "acceptance")


# Operators beside what happens by itself


@pytest.mark.edge_case(73)
@pytest.mark.parametrize("kind", ["error", "lost"])
async def test_operators_and_the_automatic_retry_make_one_credit(stack: Stack, kind: str) -> None:
    partner, [bet] = await _staked(stack, HASTY)
    await partner.faults({"kind": kind, "path": MAKE, "transaction_type": CREDIT}, NO_LIST)
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    await sent(partner, bet, 4)
    during = [_outcome(_ask(partner, bet, RETRY, f"operator-{number}")) for number in range(6)]
    assert set(await asyncio.gather(*during)) == {"under way"}
    mended = asyncio.create_task(partner.faults())
    after = [_outcome(_ask(partner, bet, RETRY, f"operator-{number}")) for number in range(6, 18)]
    heard = await asyncio.gather(*after, mended)
    assert set(heard[:-1]) <= {"under way", "refused"}
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    await _is_closed(partner, bet)
    done = await _operations(partner, bet)
    assert len(done) == 6 + heard.count("under way")
    assert len(await sends(partner, bet)) - 1 <= (await movement(partner, bet, CREDIT)).attempts


@pytest.mark.edge_case(73)
async def test_a_retry_while_an_attempt_is_held_at_the_casino(stack: Stack) -> None:
    partner, [bet] = await _staked(
        stack, HASTY, "{attempt_timeout: 8, fast_attempts: 1, retry: {first: 0.1, cap: 0.3}}"
    )
    broken = {"kind": "error", "path": MAKE, "transaction_type": CREDIT, "times": 2}
    held = {"kind": "hold", "path": MAKE, "transaction_type": CREDIT, "times": 1}
    await partner.faults(broken, held)
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    await partner.held()
    assert set(await asyncio.gather(*(_outcome(_ask(partner, bet, RETRY, name)) for name in ("ann", "ben")))) <= {
        "under way",
        "refused",
    }
    await in_state(partner, bet, "settled")
    await partner.release()
    assert await partner.journal(bet) == SETTLED
    await _is_closed(partner, bet)
    assert len(await partner.sent(bet)) == 5


@pytest.mark.edge_case(73)
async def test_what_is_marked_as_paid_is_never_sent_again(stack: Stack) -> None:
    partner, bet = await _parked(stack, HURRIED)
    made = await sends(partner, bet)
    await partner.faults()
    assert (await _ask(partner, bet, MARK_PAID)).done
    for action in (RETRY, MARK_PAID):
        assert "being looked for" in await _refusal(_ask(partner, bet, action, "ben"))
    assert (await partner.refund(bet)).outcome == (6, "already_settled")
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    await _is_closed(partner, bet)
    assert (await movement(partner, bet, CREDIT)).state == "paid_by_hand"
    await has_status(partner, bet, "settled", False)
    # Neither a repeat, nor an operator, nor another bet at the casino brings it back.
    for _ in range(2):
        assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await _refusal(_ask(partner, bet, RETRY)) == "closed"
    other = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(partner.pay_out, other))).outcome == DONE
    assert await sends(partner, bet) == made
    assert await partner.journal(bet) == STAKED
    # It was looked for twice, and the second time later than the casino takes to apply what it has.
    looks = [event.at for event in await _events(partner, bet, "looked")]
    assert len(looks) == 2
    assert (looks[1] - looks[0]).total_seconds() >= 0.3
    assert await _operations(partner, bet) == [("mark-paid", "ann", True)]


async def _events(partner: TestPartner, bet: str, kind: str) -> list[Any]:
    query = "SELECT * FROM bet_event WHERE bet_id = :b AND kind = :k ORDER BY event_id"
    return await partner.sql(query, b=(await partner.row(bet)).bet_id, k=kind)


@pytest.mark.edge_case(73)
async def test_what_is_marked_as_paid_and_is_at_the_casino_is_done(stack: Stack) -> None:
    partner, bet = await _parked(stack, HURRIED, BLOCKED | {"kind": "refuse_after_commit"})
    made = await sends(partner, bet)
    assert (await _ask(partner, bet, MARK_PAID)).done
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await partner.incidents(bet) == ["parked", "paid_twice"]
    assert (await movement(partner, bet, CREDIT)).state == "done"
    assert await partner.journal(bet) == SETTLED
    assert await sends(partner, bet) == made


@pytest.mark.edge_case(73)
async def test_only_a_parked_payout_is_marked_as_paid(stack: Stack) -> None:
    partner, [waits, owed, returned] = await _staked(stack, HASTY, bets=3)
    await partner.faults({"kind": "error", "path": MAKE})
    assert (await partner.pay_out(owed)).outcome == UNKNOWN
    assert (await partner.refund(returned)).outcome == UNKNOWN
    for bet in (waits, owed, returned):
        assert "parked" in await _refusal(_ask(partner, bet, MARK_PAID))
    for bet in (owed, returned):
        for action, win in ((VOID, None), (SETTLE, "25.00")):
            assert "decided" in await _refusal(_ask(partner, bet, action, win=win))
    await partner.faults()
    assert (await until(partial(partner.pay_out, owed))).outcome == DONE
    assert (await until(partial(partner.refund, returned))).outcome == DONE
    assert [await partner.journal(bet) for bet in (waits, owed, returned)] == [STAKED, SETTLED, REFUNDED]


@pytest.mark.edge_case(73)
async def test_an_action_on_a_bet_that_has_ended_is_refused(stack: Stack) -> None:
    partner, [settled, refunded] = await _staked(stack, bets=2)
    assert (await until(partial(partner.pay_out, settled))).outcome == DONE
    assert (await until(partial(partner.refund, refunded))).outcome == DONE
    refused, one_step = partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in(refused, "5000.00")).outcome == (4, "no_money")
    assert (await partner.pay_in_out(one_step)).outcome == DONE
    for bet in (settled, refunded, refused, one_step):
        await _is_closed(partner, bet)
        before = [await partner.row(bet), await sends(partner, bet), await partner.journal(bet)]
        for order in (_order(RETRY), _order(SETTLE, win="25.00"), _order(VOID), _order(MARK_PAID)):
            assert await _refusal(_send(partner.workflow(bet), order)) == "closed"
        assert [await partner.row(bet), await sends(partner, bet), await partner.journal(bet)] == before
        assert await _operations(partner, bet) == []


@pytest.mark.edge_case(73)
async def test_marking_a_large_payout_as_paid_takes_two(stack: Stack) -> None:
    casino = "{approval_above: {EUR: 5}, clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1}"
    partner, bet = await _parked(stack, casino)
    made = await sends(partner, bet)
    # The command's own repeat of its call is the same word, not a second one.
    handle, name = await _current_workflow(partner, bet), uuid4().hex
    assert {(await _send(handle, _order(MARK_PAID), name)).done for _ in range(2)} == {False}
    copies = [_refusal(_ask(partner, bet, MARK_PAID)) for _ in range(5)]
    assert all("another operator" in said for said in await asyncio.gather(*copies))
    assert (await movement(partner, bet, CREDIT)).state == "parked"
    assert (await partner.row(bet)).state == "settling"
    assert (await _ask(partner, bet, MARK_PAID, "ben")).done
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert (await movement(partner, bet, CREDIT)).state == "paid_by_hand"
    assert await sends(partner, bet) == made
    await _is_closed(partner, bet)
    assert await _operations(partner, bet) == [("mark-paid", "ann", False), ("mark-paid", "ben", True)]


@pytest.mark.edge_case(73)
async def test_two_operators_at_the_same_moment_are_two(stack: Stack) -> None:
    partner, bets = await _staked(stack, casino=LIMITED, bets=8)

    async def play(bet: str) -> None:
        both = [_ask(partner, bet, VOID, operator) for operator in ("ann", "ben")]
        assert sorted(operated.done for operated in await asyncio.gather(*both)) == [False, True]
        await _is_closed(partner, bet)
        assert await partner.journal(bet) == REFUNDED

    await asyncio.gather(*(play(bet) for bet in bets))


@pytest.mark.edge_case(73)
async def test_an_approval_is_of_the_amount_and_the_state_that_were_seen(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino="{message_lifetime: 60," + LIMITED[1:])
    await partner.faults({"kind": "error", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    await sent(partner, bet, 3)
    assert not (await _ask(partner, bet, VOID)).done
    await partner.faults()
    assert (await until(partial(partner.pay_in, bet))).outcome == DONE
    # The stake is another one by now: it has been taken.
    assert not (await _ask(partner, bet, VOID, "ben")).done
    assert not (await _ask(partner, bet, SETTLE, "ann", "25.00")).done
    assert not (await _ask(partner, bet, SETTLE, "ben", "24.00")).done
    assert not (await _ask(partner, bet, SETTLE, "ann", "25.00")).done
    assert (await partner.row(bet)).state == "acceptance"
    assert await partner.journal(bet) == STAKED
    # A win of 5 is within the limit, and the stake of 10 is not: the larger one counts.
    assert not (await _ask(partner, bet, SETTLE, "cem", "5.00")).done
    assert (await _ask(partner, bet, SETTLE, "ann", "5.00")).done
    await _is_closed(partner, bet)
    assert await partner.journal(bet) == [*STAKED, (CREDIT, "5.00")]


@pytest.mark.edge_case(73)
async def test_an_operator_retries_a_reversal_that_is_parked(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in_out)
    await partner.faults(FOREIGN | {"transaction_type": CLAW_BACK}, _another(CLAW_BACK))
    assert (await partner.refund(bet)).outcome == UNKNOWN
    await holds(lambda: partner.incidents(bet), lambda found: "parked" in found)
    handle = partner.reversal(bet)
    await eventually(lambda: _takes(handle, _order(SETTLE, win="25.00"), "only a bet"))
    for order in (_order(VOID), _order(MARK_PAID)):
        assert await _refusal(_send(handle, order)) != "closed"
    await partner.faults()
    assert (await _send(handle, _order(RETRY))).done
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == BACK


def _another(kind: int) -> dict[str, object]:
    """Let the casino list another movement under the identity of one of ours."""
    return {"kind": "rewrite", "path": INFO, "fields": {"TransactionType": kind, "Amount": "77.00"}}


async def _takes(handle: Any, order: Operate, why_not: str) -> bool:
    return why_not in await _refusal(_send(handle, order))


@pytest.mark.edge_case(32, 73)
@pytest.mark.parametrize("call", [TestPartner.pay_out, TestPartner.refund], ids=["win", "return"])
async def test_a_retry_does_not_take_a_foreign_duplicate_for_ours(
    stack: Stack, call: Callable[[TestPartner, str], Awaitable[Answer]]
) -> None:
    """The casino has another movement under our identity, and says so again: no second send makes it ours."""
    partner, [bet] = await _staked(stack, HASTY)
    await partner.faults(FOREIGN, _another(CREDIT if call is TestPartner.pay_out else RETURN))
    assert (await call(partner, bet)).outcome == UNKNOWN
    await has_status(partner, bet, "parked", True)
    assert (await _ask(partner, bet, RETRY)).done
    await holds(lambda: partner.incidents(bet), lambda found: found == ["parked"] * 2)
    assert (await call(partner, bet)).outcome == UNKNOWN
    await partner.faults()
    assert await _outcome(_ask(partner, bet, RETRY)) == "under way"
    assert (await until(partial(call, partner, bet))).outcome == DONE
    assert await partner.journal(bet) == (SETTLED if call is TestPartner.pay_out else REFUNDED)


@pytest.mark.edge_case(32, 73)
@pytest.mark.parametrize(("action", "said"), [(RETRY, (7, "casino_unavailable")), (VOID, REFUNDED_ALREADY)])
async def test_a_stake_that_the_casino_has_not_taken_is_not_given_back(
    stack: Stack, action: Action, said: Outcome
) -> None:
    partner = await stack.partner(provider=HASTY, casino="{message_lifetime: 3, clock_leeway: 0.2, effect_within: 0.3}")
    await partner.faults(FOREIGN)
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    other = {"BetId": (await partner.row(bet)).bet_id, "TransactionType": DEBIT, "Amount": "77.00"}
    listed = json.dumps({"ErrorCode": 200, "Message": "", "Value": [other]})
    await partner.faults(FOREIGN, {"kind": "answer", "path": INFO, "status": 200, "body": listed})
    await has_status(partner, bet, "parked", True)
    assert (await _ask(partner, bet, action)).done
    await holds(lambda: partner.incidents(bet), lambda found: found == ["parked"] * 2)
    # Once it may not be sent any more it is looked for, and is not there.
    await passed(partner, bet)
    await partner.faults(FOREIGN)
    assert (await _ask(partner, bet, RETRY)).done
    assert (await until(partial(partner.pay_in, bet))).outcome == said
    assert await partner.journal(bet) == []
    assert set(await partner.sent(bet)) == {DEBIT}


@pytest.mark.edge_case(73)
async def test_marking_as_paid_is_refused_while_a_retry_is_about_to_send(stack: Stack) -> None:
    partner, bet = await _parked(stack, HURRIED)
    await partner.faults()
    engine = stack.engine.execution_options(isolation_level="READ COMMITTED")
    query = text("SELECT 1 FROM movement WHERE bet_id = :b AND transaction_type = 1 FOR UPDATE")
    async with engine.begin() as connection:
        await connection.execute(query, {"b": (await partner.row(bet)).bet_id})
        assert (await _ask(partner, bet, RETRY)).done
        # Until the first try at the row has been given up.
        async with asyncio.timeout(40):
            heard = await _outcome(_ask(partner, bet, MARK_PAID, "ben"))
    await _is_closed(partner, bet)
    state = (await movement(partner, bet, CREDIT)).state
    assert (heard, state, await partner.journal(bet)) in (
        ("refused", "done", SETTLED),
        ("under way", "paid_by_hand", STAKED),
    )


# A life that is resumed


async def _resumed(partner: TestPartner, *bets: str) -> None:
    """Terminate the workflows that carry these bets, and wait until others have taken them over."""
    lives = [(await partner.row(bet)).lives for bet in bets]
    for bet in bets:
        await (await _current_workflow(partner, bet)).terminate()

    async def taken_over() -> bool:
        return [(await partner.row(bet)).lives for bet in bets] == [before + 1 for before in lives]

    await eventually(taken_over, WITHIN)


@pytest.mark.edge_case(81)
async def test_a_resumed_bet_is_parked_again_and_takes_an_operators_retry(sweeping: Stack) -> None:
    partner, bet = await _parked(sweeping)
    made = await sends(partner, bet)
    await _resumed(partner, bet)
    handle = await _current_workflow(partner, bet)
    assert handle.id != partner.workflow(bet).id

    async def shows() -> Any:
        return (await handle.describe()).typed_search_attributes.get(BET_STATUS)

    await holds(shows, lambda found: found == "parked")
    # What parked it stands: nothing was sent, and there is no second incident.
    assert await sends(partner, bet) == made
    assert await partner.incidents(bet) == ["parked"]
    assert await _refusal(_send(partner.workflow(bet), _order(RETRY))) == "closed"
    await partner.faults()
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    assert (await _ask(partner, bet, RETRY)).done
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    assert await _operations(partner, bet) == [("retry", "ann", True)]


@pytest.mark.edge_case(73, 81)
async def test_a_resumed_bet_has_forgotten_what_was_proposed(sweeping: Stack) -> None:
    partner, [voided, settled] = await _staked(sweeping, casino=LIMITED, bets=2)
    assert not (await _ask(partner, voided, VOID)).done
    assert not (await _ask(partner, settled, SETTLE, win="25.00")).done
    await _resumed(partner, voided, settled)
    for bet, action, win in ((voided, VOID, None), (settled, SETTLE, "25.00")):
        assert not (await _ask(partner, bet, action, "ben", win)).done
        assert (await partner.row(bet)).state == "acceptance"
        assert "another operator" in await _refusal(_ask(partner, bet, action, "ben", win))
        assert (await _ask(partner, bet, action, "ann", win)).done
    await journal_becomes(partner, voided, REFUNDED)
    await journal_becomes(partner, settled, SETTLED)
    assert [operator for _, operator, _ in await _operations(partner, voided)] == ["ann", "ben", "ann"]


@pytest.mark.edge_case(73, 81)
async def test_what_was_being_marked_as_paid_is_parked_again_in_the_next_life(sweeping: Stack) -> None:
    slow = "{clock_leeway: 60, effect_within: 30, retry: {first: 0.1, cap: 0.3}}"
    partner, bet = await _parked(sweeping, slow)
    made = await sends(partner, bet)
    assert (await _ask(partner, bet, MARK_PAID)).done
    await _resumed(partner, bet)
    await partner.faults()
    # Nothing is sent by itself: an operator says anew what is to be done.
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    assert await sends(partner, bet) == made
    assert (await movement(partner, bet, CREDIT)).state == "parked"
    await eventually(lambda: _is_taken(partner, bet, MARK_PAID))
    assert "being looked for" in await _refusal(_ask(partner, bet, RETRY))
    assert await sends(partner, bet) == made


async def _is_taken(partner: TestPartner, bet: str, action: Action) -> bool:
    return await _outcome(_ask(partner, bet, action)) != "refused"
