"""Edge case 136: codes 103807 (token invalid), 103808 (player of another currency or partner) and 103809 (promo code
refused), for each call of ours in whose answer they can come."""

from functools import partial

import pytest

from tests.partner import Stack, until
from tests.system.scenarios import (
    CLAW_BACK,
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    QUICK,
    RETURN,
    SETTLED,
    STAKED,
    UNKNOWN,
    bet_with_stake_taken,
    fault,
)
from tests.watch import has_status, holds, movement, sends

CODES = [103807, 103808, 103809]
PARKED = [103808, 103809]

pytestmark = pytest.mark.parametrize("code", CODES)


def _refused(path: str, code: int, **more: object) -> dict[str, object]:
    return {"kind": "error_code", "error_code": code, "path": path, **more}


@pytest.mark.edge_case(136)
@pytest.mark.parametrize("confirmation", ["reply", "accept"])
async def test_a_stake_is_refused(stack: Stack, code: int, confirmation: str) -> None:
    partner = await stack.partner(confirmation=confirmation)
    await partner.faults(fault("error_code", DEBIT, error_code=code))
    for call in (partner.pay_in, partner.pay_in_out):
        bet = partner.new_bet()
        assert (await until(partial(call, bet))).outcome == (7, "casino_refused")
        assert (await call(bet)).outcome == (7, "casino_refused")
        assert (await partner.journal(bet), await partner.incidents(bet)) == ([], [])


@pytest.mark.edge_case(136)
@pytest.mark.parametrize("path", ["/payments/make", "/payments/accept"])
async def test_a_payout_is_parked_or_comes_again(stack: Stack, code: int, path: str) -> None:
    confirmation = "accept" if path == "/payments/accept" else "reply"
    partner = await stack.partner(provider=HASTY, casino=QUICK, confirmation=confirmation)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    times = {} if code in PARKED else {"times": 2}
    await partner.faults(_refused(path, code, transaction_type=CREDIT, **times))
    if code in PARKED:
        assert (await partner.pay_out(bet)).outcome == UNKNOWN
        await has_status(partner, bet, "parked", True)
        assert (await movement(partner, bet, CREDIT)).error_code == str(code)
    else:
        assert (await until(partial(partner.pay_out, bet))).outcome == DONE
        assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(136)
async def test_a_return_comes_again(stack: Stack, code: int) -> None:
    partner = await stack.partner(casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("error_code", RETURN, 2, error_code=code))
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == [*STAKED, (RETURN, "10.00")]


@pytest.mark.edge_case(136)
async def test_a_claw_back_is_refused_and_the_bet_stands(stack: Stack, code: int) -> None:
    partner = await stack.partner(provider="refund_after_pay_out: reverse")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    await partner.faults(fault("error_code", CLAW_BACK, error_code=code))
    assert (await until(partial(partner.refund, bet))).outcome == (7, "casino_refused")
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(136)
async def test_a_list_that_is_refused_is_unclear(stack: Stack, code: int) -> None:
    partner = await stack.partner(casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    lost = {"kind": "lost", "path": "/payments/make", "times": 3}
    await partner.faults(lost, _refused("/payments/info", code))
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(136)
async def test_a_balance_that_is_refused_changes_no_code(stack: Stack, code: int) -> None:
    partner = await stack.partner()
    await partner.switches(balance_in_answer=False)
    await partner.faults(_refused("/users/data", code))
    balance = await partner.balance()
    assert (balance.code, balance.status) == (99, 503)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    answer = await until(partial(partner.pay_out, bet))
    assert (answer.outcome, answer.body["balance"]) == (DONE, None)


@pytest.mark.edge_case(136)
async def test_a_close_that_is_refused_comes_again(stack: Stack, code: int) -> None:
    partner = await stack.partner(casino=f"{{send: {{close: true}}, {QUICK[1:]}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(_refused("/payments/close", code, times=2))
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE

    async def closes() -> int:
        row = await partner.row(bet)
        return [call["path"] for call in await partner.calls() if call["bet_id"] == row.bet_id].count("/payments/close")

    await holds(closes, lambda found: found == 3)
    await has_status(partner, bet, "settled", False)
    assert len(await sends(partner, bet)) == 2
