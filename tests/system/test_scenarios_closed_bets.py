"""Edge case 135: bets that are closed at their casino, by us or by the casino itself, and money that still moves."""

from datetime import timedelta
from functools import partial

import aiohttp
import pytest

from betcore.casino.client import CasinoClient
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.vault import Vault
from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import BACK, CREDIT, DEBIT, DONE, RETURN, bet_with_stake_taken
from tests.watch import holds, movement

CLOSES = "{send: {close: true}, retry: {first: 0.1, cap: 0.3}}"
MAKE, CLOSE = "/payments/make", "/payments/close"


async def _calls(partner: TestPartner, bet: str) -> list[int | str]:
    """Return what the casino was asked for, in order: types of movements, and ``close`` or ``open``."""
    row = await partner.row(bet)
    calls = [call for call in await partner.calls() if call["bet_id"] == row.bet_id]
    names = {True: "close", False: "open"}
    return [
        call["transaction_type"] if call["path"] == MAKE else names[call["closed"]]
        for call in calls
        if call["path"] in (MAKE, CLOSE)
    ]


async def _close_at_casino(partner: TestPartner, bet: str) -> None:
    """Close a bet beside the service, as a person at the casino may do."""
    stack, vault, row = partner.stack, Vault.of(partner.stack.settings), await partner.row(bet)
    async with aiohttp.ClientSession() as http:
        client = CasinoClient(http, SigningKeys(stack.database, vault, 0), stack.settings.issuer)
        casino = await Partners(stack.database, vault, 0).casino(row.casino_id)
        assert await client.close(casino, row.bet_id, timedelta(seconds=5), closed=True)


@pytest.mark.edge_case(135)
async def test_a_bet_is_closed_at_its_end_and_opened_to_be_taken_back(stack: Stack) -> None:
    partner = await stack.partner(casino=CLOSES, provider="refund_after_pay_out: reverse")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    await holds(lambda: _calls(partner, bet), lambda calls: calls == [DEBIT, CREDIT, "close"])
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    taken_back = [DEBIT, CREDIT, "close", "open", -2, 2, "close"]
    await holds(lambda: _calls(partner, bet), lambda calls: calls == taken_back)
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(135)
@pytest.mark.parametrize("confirmation", ["reply", "accept"])
@pytest.mark.parametrize("call", ["pay_out", "refund"])
async def test_a_late_credit_of_a_bet_that_its_casino_has_closed_is_made(
    stack: Stack, call: str, confirmation: str
) -> None:
    partner = await stack.partner(casino=CLOSES, confirmation=confirmation)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await _close_at_casino(partner, bet)
    assert (await until(partial(getattr(partner, call), bet))).outcome == DONE
    kind, amount = (CREDIT, "25.00") if call == "pay_out" else (RETURN, "10.00")
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (kind, amount)]
    # Refused, opened, made, and closed at its end.
    expected = [DEBIT, "close", kind, "open", kind, "close"]
    await holds(lambda: _calls(partner, bet), lambda calls: calls == expected)


@pytest.mark.edge_case(135)
async def test_a_credit_waits_for_no_bet_that_does_not_open(stack: Stack) -> None:
    partner = await stack.partner(casino=CLOSES)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    refused = {"kind": "error_code", "error_code": 102823, "path": MAKE, "times": 3}
    await partner.faults(refused, {"kind": "error", "path": CLOSE, "times": 3})
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert (await movement(partner, bet, CREDIT)).attempts == 4
    await holds(lambda: _calls(partner, bet), lambda calls: calls[-1:] == ["close"])


@pytest.mark.edge_case(135)
async def test_a_casino_without_closes_is_asked_for_none(stack: Stack) -> None:
    partner = await stack.partner(casino="{retry: {first: 0.1}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "error_code", "error_code": 102823, "path": MAKE, "times": 2})
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    assert await _calls(partner, bet) == [DEBIT, CREDIT, CREDIT, CREDIT]
