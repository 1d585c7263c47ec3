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

from betcore.ids import BetKey, carrier_of_bet
from betcore.messages import Action, Operate, Operated
from betcore.money import Money
from betcore.visibility import BET_STATUS
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
    Said,
    journal_is,
    taken,
    undecided,
)
from tests.table import Answer, Stack, Table, eventually, until
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


async def _carrier(table: Table, bet: str) -> Any:
    """A handle of the workflow that carries the bet now."""
    row = await table.row(bet)
    key = BetKey(table.counterparty_id, bet)
    return table.stack.client.get_workflow_handle(carrier_of_bet(key, row.bet_id, row.lives))


async def _send(handle: Any, order: Operate, update_id: str | None = None) -> Operated:
    operated: Operated = await handle.execute_update(
        "operate", order, id=update_id or uuid4().hex, result_type=Operated
    )
    return operated


async def _ask(table: Table, bet: str, action: Action, operator: str = "ann", win: str | None = None) -> Operated:
    return await _send(await _carrier(table, bet), _order(action, operator, win))


async def _refusal(asked: Awaitable[Operated]) -> str:
    """Why an action was refused; "closed" where no workflow is there to take it."""
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
    """What an operator hears of an action that may come too late."""
    try:
        return (await asked).detail
    except (WorkflowUpdateFailedError, RPCError):
        return "refused"


async def _operations(table: Table, bet: str) -> list[tuple[str, str, bool]]:
    """What the bet's timeline tells of operators, oldest first."""
    query = "SELECT data FROM bet_event WHERE bet_id = :b AND kind = 'operate' ORDER BY event_id"
    found = [event.data for event in await table.sql(query, b=(await table.row(bet)).bet_id)]
    return [(data["action"], data["operator"], data["done"]) for data in found]


async def _staked(stack: Stack, provider: str = "", casino: str = QUICK, bets: int = 1) -> tuple[Table, list[str]]:
    table = await stack.table(provider=provider, casino=casino)
    return table, await asyncio.gather(*(taken(table, table.pay_in) for _ in range(bets)))


async def _parked(stack: Stack, casino: str = QUICK, fault: dict[str, Any] = BLOCKED) -> tuple[Table, str]:
    """A bet whose win the casino refuses for good."""
    table, [bet] = await _staked(stack, HASTY, casino)
    await table.faults(fault)
    assert (await table.pay_out(bet)).said == UNKNOWN
    await has_status(table, bet, "parked", True)
    return table, bet


async def _state_of_credit(table: Table, bet: str, *states: str) -> None:
    await holds(lambda: movement(table, bet, CREDIT), lambda row: row.state in states)


async def _is_closed(table: Table, bet: str) -> None:
    """Wait until the bet's workflow has ended."""
    await (await _carrier(table, bet)).result()


# No PayOut


@pytest.mark.edge_case(44)
async def test_a_bet_without_a_result_stays_open_and_is_seen_when_it_is_overdue(stack: Stack) -> None:
    waiting, [open_bet] = await _staked(stack)
    table, [bet] = await _staked(stack, OVERDUE)
    await has_status(table, bet, "overdue", True)
    overdue = f"WorkflowId = '{table.workflow(bet).id}' AND BetStatus = 'overdue' AND NeedsAttention = true"
    await holds(lambda: stack.client.count_workflows(overdue), lambda found: found.count == 1)
    for one, its in ((table, bet), (waiting, open_bet)):
        row = await one.row(its)
        assert (row.state, row.withdrawn_at, row.closed_at) == ("acceptance", None, None)
        assert await one.journal(its) == STAKED
        assert (await one.pay_in(its)).said == DONE
    assert (await status(waiting, open_bet))[0] == "open"
    assert not (await status(waiting, open_bet))[1]
    assert await table.incidents(bet) == []
    # The game tells its result after all.
    assert (await until(partial(table.pay_out, bet))).said == DONE
    assert await table.journal(bet) == SETTLED
    await has_status(table, bet, "settled", False)


@pytest.mark.edge_case(44)
async def test_an_operator_ends_a_bet_that_is_overdue(stack: Stack) -> None:
    """A settlement is a PayOut and a void is a Refund: what the provider sends later repeats it, or is refused."""
    table, [settled, voided, lost] = await _staked(stack, OVERDUE, bets=3)
    for bet in (settled, voided, lost):
        await has_status(table, bet, "overdue", True)
    assert (await _ask(table, settled, SETTLE, win="25.00")).done
    assert (await _ask(table, lost, SETTLE, win="0")).done
    assert (await _ask(table, voided, VOID)).done
    await in_state(table, settled, "settled")
    await in_state(table, lost, "settled")
    await in_state(table, voided, "refunded")
    assert await table.journal(settled) == SETTLED
    assert await table.journal(lost) == [*STAKED, (CREDIT, "0.00")]
    assert await table.journal(voided) == REFUNDED
    assert (await until(partial(table.pay_out, settled))).said == DONE
    assert (await table.pay_out(settled, "26.00")).said == (6, "different_data")
    assert (await table.refund(settled)).said == (6, "already_settled")
    assert (await until(partial(table.refund, voided))).said == DONE
    assert (await table.pay_out(voided)).said == REFUNDED_ALREADY
    for bet, journal in ((settled, SETTLED), (voided, REFUNDED)):
        assert await table.journal(bet) == journal
        await has_status(table, bet, "settled" if bet is settled else "refunded", False)
    assert await _operations(table, settled) == [("settle", "ann", True)]
    assert await _operations(table, voided) == [("void", "ann", True)]


@pytest.mark.edge_case(44, 22)
async def test_an_operator_and_the_provider_end_a_bet_at_the_same_moment(stack: Stack) -> None:
    table, bets = await _staked(stack, "answer_deadline: 5", bets=10)

    async def race(turn: int, bet: str) -> None:
        voids = turn % 2 == 0
        asked = _ask(table, bet, VOID) if voids else _ask(table, bet, SETTLE, win="25.00")
        call = until(partial(table.pay_out if voids else table.refund, bet))
        _, answer = await asyncio.gather(_outcome(asked), call)
        await _is_closed(table, bet)
        journal = await table.journal(bet)
        assert journal in (SETTLED, REFUNDED)
        assert (answer.said == DONE) == (journal == (SETTLED if voids else REFUNDED))

    await asyncio.gather(*(race(turn, bet) for turn, bet in enumerate(bets)))


@pytest.mark.edge_case(44, 45)
async def test_an_overdue_bet_is_refunded_where_the_profile_says_so(stack: Stack) -> None:
    table, [bet, lost] = await _staked(stack, OVERDUE_REFUND, bets=2)
    for one in (bet, lost):
        await in_state(table, one, "refunded")
        assert await table.journal(one) == REFUNDED
        await has_status(table, one, "refunded", False)
    row = await table.row(bet)
    for _ in range(2):
        answer = await table.pay_out(bet)
        assert (answer.said, answer.status) == (REFUNDED_ALREADY, 200)
    # A loss is nothing that anybody misses.
    assert (await table.pay_out(lost, "0")).said == REFUNDED_ALREADY
    assert (await table.pay_in(bet)).said == DONE
    assert (await until(partial(table.refund, bet))).said == DONE
    # Once for the same words, with what the player was to get.
    assert (await table.incidents(bet), await table.incidents(lost)) == (["already_refunded"], [])
    [incident] = await table.sql("SELECT theirs FROM incident WHERE bet_id = :b", b=row.bet_id)
    assert (incident.theirs["call"], incident.theirs["win"]) == ("pay_out", "EUR 25.00")
    assert await table.row(bet) == row
    assert await table.journal(bet) == REFUNDED


@pytest.mark.edge_case(45)
async def test_a_payout_while_the_overdue_refund_is_on_its_way_changes_nothing(stack: Stack) -> None:
    table, [bet] = await _staked(stack, OVERDUE_REFUND)
    await table.faults({"kind": "error", "path": MAKE, "transaction_type": RETURN})
    await in_state(table, bet, "refunding")
    assert (await table.pay_out(bet)).said == REFUNDED_ALREADY
    assert (await table.refund(bet)).said == UNKNOWN
    await table.faults()
    assert (await until(partial(table.refund, bet))).said == DONE
    assert await table.journal(bet) == REFUNDED
    assert await table.incidents(bet) == ["already_refunded"]


@pytest.mark.edge_case(44, 45)
async def test_payouts_at_the_moment_at_which_bets_are_overdue(stack: Stack) -> None:
    table, bets = await _staked(stack, OVERDUE_REFUND, bets=16)

    async def some_are_overdue() -> bool:
        return any(await asyncio.gather(*(_refunds(table, bet) for bet in bets)))

    await eventually(some_are_overdue)
    for bet in bets:
        answer = await until(partial(table.pay_out, bet))
        assert answer.said in (DONE, REFUNDED_ALREADY)
        expected, kinds = (SETTLED, []) if answer.said == DONE else (REFUNDED, ["already_refunded"])
        await journal_is(table, bet, expected)
        assert await table.incidents(bet) == kinds


async def _refunds(table: Table, bet: str) -> bool:
    return bool((await table.row(bet)).state != "acceptance")


# Operators beside what happens by itself


@pytest.mark.edge_case(73)
@pytest.mark.parametrize("kind", ["error", "lost"])
async def test_operators_and_the_automatic_retry_make_one_credit(stack: Stack, kind: str) -> None:
    table, [bet] = await _staked(stack, HASTY)
    await table.faults({"kind": kind, "path": MAKE, "transaction_type": CREDIT}, NO_LIST)
    assert (await table.pay_out(bet)).said == UNKNOWN
    await sent(table, bet, 4)
    during = [_outcome(_ask(table, bet, RETRY, f"operator-{number}")) for number in range(6)]
    assert set(await asyncio.gather(*during)) == {"under way"}
    mended = asyncio.create_task(table.faults())
    after = [_outcome(_ask(table, bet, RETRY, f"operator-{number}")) for number in range(6, 18)]
    heard = await asyncio.gather(*after, mended)
    assert set(heard[:-1]) <= {"under way", "refused"}
    assert (await until(partial(table.pay_out, bet))).said == DONE
    assert await table.journal(bet) == SETTLED
    await _is_closed(table, bet)
    done = await _operations(table, bet)
    assert len(done) == 6 + heard.count("under way")
    assert len(await sends(table, bet)) - 1 <= (await movement(table, bet, CREDIT)).attempts


@pytest.mark.edge_case(73)
async def test_a_retry_while_an_attempt_is_held_at_the_casino(stack: Stack) -> None:
    table, [bet] = await _staked(stack, HASTY, "{attempt_timeout: 8, fast_attempts: 1, retry: {first: 0.1, cap: 0.3}}")
    broken = {"kind": "error", "path": MAKE, "transaction_type": CREDIT, "times": 2}
    held = {"kind": "hold", "path": MAKE, "transaction_type": CREDIT, "times": 1}
    await table.faults(broken, held)
    assert (await table.pay_out(bet)).said == UNKNOWN
    await table.held()
    assert set(await asyncio.gather(*(_outcome(_ask(table, bet, RETRY, name)) for name in ("ann", "ben")))) <= {
        "under way",
        "refused",
    }
    await in_state(table, bet, "settled")
    await table.release()
    assert await table.journal(bet) == SETTLED
    await _is_closed(table, bet)
    assert len(await table.sent(bet)) == 5


@pytest.mark.edge_case(73)
async def test_what_is_marked_as_paid_is_never_sent_again(stack: Stack) -> None:
    table, bet = await _parked(stack, HURRIED)
    made = await sends(table, bet)
    await table.faults()
    assert (await _ask(table, bet, MARK_PAID)).done
    for action in (RETRY, MARK_PAID):
        assert "being looked for" in await _refusal(_ask(table, bet, action, "ben"))
    assert (await table.refund(bet)).said == (6, "already_settled")
    assert (await until(partial(table.pay_out, bet))).said == DONE
    await _is_closed(table, bet)
    assert (await movement(table, bet, CREDIT)).state == "paid_by_hand"
    await has_status(table, bet, "settled", False)
    # Neither a repeat, nor an operator, nor another bet at the casino brings it back.
    for _ in range(2):
        assert (await until(partial(table.pay_out, bet))).said == DONE
    assert await _refusal(_ask(table, bet, RETRY)) == "closed"
    other = await taken(table, table.pay_in)
    assert (await until(partial(table.pay_out, other))).said == DONE
    assert await sends(table, bet) == made
    assert await table.journal(bet) == STAKED
    # It was looked for twice, and the second time later than the casino takes to apply what it has.
    looks = [event.at for event in await _events(table, bet, "looked")]
    assert len(looks) == 2
    assert (looks[1] - looks[0]).total_seconds() >= 0.3
    assert await _operations(table, bet) == [("mark-paid", "ann", True)]


async def _events(table: Table, bet: str, kind: str) -> list[Any]:
    query = "SELECT * FROM bet_event WHERE bet_id = :b AND kind = :k ORDER BY event_id"
    return await table.sql(query, b=(await table.row(bet)).bet_id, k=kind)


@pytest.mark.edge_case(73)
async def test_what_is_marked_as_paid_and_is_at_the_casino_is_done(stack: Stack) -> None:
    table, bet = await _parked(stack, HURRIED, BLOCKED | {"kind": "refuse_after_commit"})
    made = await sends(table, bet)
    assert (await _ask(table, bet, MARK_PAID)).done
    assert (await until(partial(table.pay_out, bet))).said == DONE
    assert await table.incidents(bet) == ["parked", "paid_twice"]
    assert (await movement(table, bet, CREDIT)).state == "done"
    assert await table.journal(bet) == SETTLED
    assert await sends(table, bet) == made


@pytest.mark.edge_case(73)
async def test_only_a_parked_payout_is_marked_as_paid(stack: Stack) -> None:
    table, [waits, owed, returned] = await _staked(stack, HASTY, bets=3)
    await table.faults({"kind": "error", "path": MAKE})
    assert (await table.pay_out(owed)).said == UNKNOWN
    assert (await table.refund(returned)).said == UNKNOWN
    for bet in (waits, owed, returned):
        assert "parked" in await _refusal(_ask(table, bet, MARK_PAID))
    for bet in (owed, returned):
        for action, win in ((VOID, None), (SETTLE, "25.00")):
            assert "decided" in await _refusal(_ask(table, bet, action, win=win))
    await table.faults()
    assert (await until(partial(table.pay_out, owed))).said == DONE
    assert (await until(partial(table.refund, returned))).said == DONE
    assert [await table.journal(bet) for bet in (waits, owed, returned)] == [STAKED, SETTLED, REFUNDED]


@pytest.mark.edge_case(73)
async def test_an_action_on_a_bet_that_has_ended_is_refused(stack: Stack) -> None:
    table, [settled, refunded] = await _staked(stack, bets=2)
    assert (await until(partial(table.pay_out, settled))).said == DONE
    assert (await until(partial(table.refund, refunded))).said == DONE
    refused, one_step = table.new_bet(), table.new_bet()
    assert (await table.pay_in(refused, "5000.00")).said == (4, "no_money")
    assert (await table.pay_in_out(one_step)).said == DONE
    for bet in (settled, refunded, refused, one_step):
        await _is_closed(table, bet)
        before = [await table.row(bet), await sends(table, bet), await table.journal(bet)]
        for order in (_order(RETRY), _order(SETTLE, win="25.00"), _order(VOID), _order(MARK_PAID)):
            assert await _refusal(_send(table.workflow(bet), order)) == "closed"
        assert [await table.row(bet), await sends(table, bet), await table.journal(bet)] == before
        assert await _operations(table, bet) == []


@pytest.mark.edge_case(73)
async def test_marking_a_large_payout_as_paid_takes_two(stack: Stack) -> None:
    casino = "{approval_above: {EUR: 5}, clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1}"
    table, bet = await _parked(stack, casino)
    made = await sends(table, bet)
    # The command's own repeat of its call is the same word, not a second one.
    handle, name = await _carrier(table, bet), uuid4().hex
    assert {(await _send(handle, _order(MARK_PAID), name)).done for _ in range(2)} == {False}
    copies = [_refusal(_ask(table, bet, MARK_PAID)) for _ in range(5)]
    assert all("another operator" in said for said in await asyncio.gather(*copies))
    assert (await movement(table, bet, CREDIT)).state == "parked"
    assert (await table.row(bet)).state == "settling"
    assert (await _ask(table, bet, MARK_PAID, "ben")).done
    assert (await until(partial(table.pay_out, bet))).said == DONE
    assert (await movement(table, bet, CREDIT)).state == "paid_by_hand"
    assert await sends(table, bet) == made
    await _is_closed(table, bet)
    assert await _operations(table, bet) == [("mark-paid", "ann", False), ("mark-paid", "ben", True)]


@pytest.mark.edge_case(73)
async def test_two_operators_at_the_same_moment_are_two(stack: Stack) -> None:
    table, bets = await _staked(stack, casino=LIMITED, bets=8)

    async def play(bet: str) -> None:
        both = [_ask(table, bet, VOID, operator) for operator in ("ann", "ben")]
        assert sorted(operated.done for operated in await asyncio.gather(*both)) == [False, True]
        await _is_closed(table, bet)
        assert await table.journal(bet) == REFUNDED

    await asyncio.gather(*(play(bet) for bet in bets))


@pytest.mark.edge_case(73)
async def test_an_approval_is_of_the_amount_and_the_state_that_were_seen(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino="{message_lifetime: 60," + LIMITED[1:])
    await table.faults({"kind": "error", "path": MAKE})
    bet = await undecided(table, table.pay_in)
    await sent(table, bet, 3)
    assert not (await _ask(table, bet, VOID)).done
    await table.faults()
    assert (await until(partial(table.pay_in, bet))).said == DONE
    # The stake is another one by now: it has been taken.
    assert not (await _ask(table, bet, VOID, "ben")).done
    assert not (await _ask(table, bet, SETTLE, "ann", "25.00")).done
    assert not (await _ask(table, bet, SETTLE, "ben", "24.00")).done
    assert not (await _ask(table, bet, SETTLE, "ann", "25.00")).done
    assert (await table.row(bet)).state == "acceptance"
    assert await table.journal(bet) == STAKED
    # A win of 5 is within the limit, and the stake of 10 is not: the larger one counts.
    assert not (await _ask(table, bet, SETTLE, "cem", "5.00")).done
    assert (await _ask(table, bet, SETTLE, "ann", "5.00")).done
    await _is_closed(table, bet)
    assert await table.journal(bet) == [*STAKED, (CREDIT, "5.00")]


@pytest.mark.edge_case(73)
async def test_an_operator_retries_a_reversal_that_is_parked(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=QUICK)
    bet = await taken(table, table.pay_in_out)
    await table.faults(FOREIGN | {"transaction_type": CLAW_BACK}, _another(CLAW_BACK))
    assert (await table.refund(bet)).said == UNKNOWN
    await holds(lambda: table.incidents(bet), lambda found: "parked" in found)
    handle = table.reversal(bet)
    await eventually(lambda: _takes(handle, _order(SETTLE, win="25.00"), "only a bet"))
    for order in (_order(VOID), _order(MARK_PAID)):
        assert await _refusal(_send(handle, order)) != "closed"
    await table.faults()
    assert (await _send(handle, _order(RETRY))).done
    assert (await until(partial(table.refund, bet))).said == DONE
    assert await table.journal(bet) == BACK


def _another(kind: int) -> dict[str, object]:
    """The casino lists another movement under the identity of one of ours."""
    return {"kind": "rewrite", "path": INFO, "fields": {"TransactionType": kind, "Amount": "77.00"}}


async def _takes(handle: Any, order: Operate, why_not: str) -> bool:
    return why_not in await _refusal(_send(handle, order))


@pytest.mark.edge_case(32, 73)
@pytest.mark.parametrize("call", [Table.pay_out, Table.refund], ids=["win", "return"])
async def test_a_retry_does_not_take_a_foreign_duplicate_for_ours(
    stack: Stack, call: Callable[[Table, str], Awaitable[Answer]]
) -> None:
    """The casino has another movement under our identity, and says so again: no second send makes it ours."""
    table, [bet] = await _staked(stack, HASTY)
    await table.faults(FOREIGN, _another(CREDIT if call is Table.pay_out else RETURN))
    assert (await call(table, bet)).said == UNKNOWN
    await has_status(table, bet, "parked", True)
    assert (await _ask(table, bet, RETRY)).done
    await holds(lambda: table.incidents(bet), lambda found: found == ["parked"] * 2)
    assert (await call(table, bet)).said == UNKNOWN
    await table.faults()
    assert await _outcome(_ask(table, bet, RETRY)) == "under way"
    assert (await until(partial(call, table, bet))).said == DONE
    assert await table.journal(bet) == (SETTLED if call is Table.pay_out else REFUNDED)


@pytest.mark.edge_case(32, 73)
@pytest.mark.parametrize(("action", "said"), [(RETRY, (7, "casino_unavailable")), (VOID, REFUNDED_ALREADY)])
async def test_a_stake_that_the_casino_has_not_taken_is_not_given_back(
    stack: Stack, action: Action, said: Said
) -> None:
    table = await stack.table(provider=HASTY, casino="{message_lifetime: 3, clock_leeway: 0.2, effect_within: 0.3}")
    await table.faults(FOREIGN)
    bet = await undecided(table, table.pay_in)
    other = {"BetId": (await table.row(bet)).bet_id, "TransactionType": DEBIT, "Amount": "77.00"}
    listed = json.dumps({"ErrorCode": 200, "Message": "", "Value": [other]})
    await table.faults(FOREIGN, {"kind": "answer", "path": INFO, "status": 200, "body": listed})
    await has_status(table, bet, "parked", True)
    assert (await _ask(table, bet, action)).done
    await holds(lambda: table.incidents(bet), lambda found: found == ["parked"] * 2)
    # Once it may not be sent any more it is looked for, and is not there.
    await passed(table, bet)
    await table.faults(FOREIGN)
    assert (await _ask(table, bet, RETRY)).done
    assert (await until(partial(table.pay_in, bet))).said == said
    assert await table.journal(bet) == []
    assert set(await table.sent(bet)) == {DEBIT}


@pytest.mark.edge_case(73)
async def test_marking_as_paid_is_refused_while_a_retry_is_about_to_send(stack: Stack) -> None:
    table, bet = await _parked(stack, HURRIED)
    await table.faults()
    engine = stack.engine.execution_options(isolation_level="READ COMMITTED")
    query = text("SELECT 1 FROM movement WHERE bet_id = :b AND transaction_type = 1 FOR UPDATE")
    async with engine.begin() as connection:
        await connection.execute(query, {"b": (await table.row(bet)).bet_id})
        assert (await _ask(table, bet, RETRY)).done
        # Until the first try at the row has been given up.
        async with asyncio.timeout(40):
            heard = await _outcome(_ask(table, bet, MARK_PAID, "ben"))
    await _is_closed(table, bet)
    state = (await movement(table, bet, CREDIT)).state
    assert (heard, state, await table.journal(bet)) in (
        ("refused", "done", SETTLED),
        ("under way", "paid_by_hand", STAKED),
    )


# A life that is resumed


async def _resumed(table: Table, *bets: str) -> None:
    """Terminate the workflows that carry these bets, and wait until others have taken them over."""
    lives = [(await table.row(bet)).lives for bet in bets]
    for bet in bets:
        await (await _carrier(table, bet)).terminate()

    async def taken_over() -> bool:
        return [(await table.row(bet)).lives for bet in bets] == [before + 1 for before in lives]

    await eventually(taken_over, WITHIN)


@pytest.mark.edge_case(81)
async def test_a_resumed_bet_is_parked_again_and_takes_an_operators_retry(sweeping: Stack) -> None:
    table, bet = await _parked(sweeping)
    made = await sends(table, bet)
    await _resumed(table, bet)
    handle = await _carrier(table, bet)
    assert handle.id != table.workflow(bet).id

    async def shows() -> Any:
        return (await handle.describe()).typed_search_attributes.get(BET_STATUS)

    await holds(shows, lambda found: found == "parked")
    # What parked it stands: nothing was sent, and there is no second incident.
    assert await sends(table, bet) == made
    assert await table.incidents(bet) == ["parked"]
    assert await _refusal(_send(table.workflow(bet), _order(RETRY))) == "closed"
    await table.faults()
    assert (await table.pay_out(bet)).said == UNKNOWN
    assert (await _ask(table, bet, RETRY)).done
    assert (await until(partial(table.pay_out, bet))).said == DONE
    assert await table.journal(bet) == SETTLED
    assert await _operations(table, bet) == [("retry", "ann", True)]


@pytest.mark.edge_case(73, 81)
async def test_a_resumed_bet_has_forgotten_what_was_proposed(sweeping: Stack) -> None:
    table, [voided, settled] = await _staked(sweeping, casino=LIMITED, bets=2)
    assert not (await _ask(table, voided, VOID)).done
    assert not (await _ask(table, settled, SETTLE, win="25.00")).done
    await _resumed(table, voided, settled)
    for bet, action, win in ((voided, VOID, None), (settled, SETTLE, "25.00")):
        assert not (await _ask(table, bet, action, "ben", win)).done
        assert (await table.row(bet)).state == "acceptance"
        assert "another operator" in await _refusal(_ask(table, bet, action, "ben", win))
        assert (await _ask(table, bet, action, "ann", win)).done
    await journal_is(table, voided, REFUNDED)
    await journal_is(table, settled, SETTLED)
    assert [operator for _, operator, _ in await _operations(table, voided)] == ["ann", "ben", "ann"]


@pytest.mark.edge_case(73, 81)
async def test_what_was_being_marked_as_paid_is_parked_again_in_the_next_life(sweeping: Stack) -> None:
    slow = "{clock_leeway: 60, effect_within: 30, retry: {first: 0.1, cap: 0.3}}"
    table, bet = await _parked(sweeping, slow)
    made = await sends(table, bet)
    assert (await _ask(table, bet, MARK_PAID)).done
    await _resumed(table, bet)
    await table.faults()
    # Nothing is sent by itself: an operator says anew what is to be done.
    assert (await table.pay_out(bet)).said == UNKNOWN
    assert await sends(table, bet) == made
    assert (await movement(table, bet, CREDIT)).state == "parked"
    await eventually(lambda: _is_taken(table, bet, MARK_PAID))
    assert "being looked for" in await _refusal(_ask(table, bet, RETRY))
    assert await sends(table, bet) == made


async def _is_taken(table: Table, bet: str, action: Action) -> bool:
    return await _outcome(_ask(table, bet, action)) != "refused"
