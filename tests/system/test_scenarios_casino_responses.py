"""Edge cases of section C: what a casino's wallet can do to a movement while it is being made."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from betcore.casino.client import CasinoClient
from betcore.casino.movement import Movement
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.domain.ids import TransactionType
from betcore.domain.money import Money
from betcore.runtime.vault import Vault
from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    QUICK,
    RETURN,
    UNKNOWN,
    bet_with_stake_sent,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
)
from tests.watch import answers, at, has_status, movement, sends, sent

# Nothing that was sent can take effect long after: absence is certain within two seconds of the deadline.
SHORT = (
    "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.5, attempt_timeout: 0.5, retry: {first: 0.1, cap: 0.3}}"
)
MAKE = "/payments/make"

# Every way in which an answer can be unclear, and the kind under which it is counted.
UNCLEAR = [
    pytest.param({"kind": "error", "status": 500}, "http_500", id="error"),
    pytest.param({"kind": "error", "status": 502, "commit": True}, "http_502", id="error-taken"),
    pytest.param({"kind": "status", "status": 500}, "http_500", id="status-500"),
    pytest.param({"kind": "status", "status": 503, "commit": True}, "http_503", id="status-503-taken"),
    pytest.param({"kind": "status", "status": 302}, "http_302", id="status-302"),
    pytest.param({"kind": "status", "status": 404}, "http_404", id="status-404"),
    pytest.param({"kind": "lost"}, "connection", id="lost"),
    pytest.param({"kind": "drop"}, "connection", id="drop"),
    pytest.param({"kind": "cut"}, "connection", id="cut"),
    pytest.param({"kind": "garbage"}, "not_json", id="garbage"),
    pytest.param({"kind": "missing"}, "no_error_code", id="missing"),
    pytest.param({"kind": "wrong_bet"}, "mismatch", id="wrong-bet"),
    pytest.param({"kind": "wrong_type"}, "mismatch", id="wrong-type"),
    pytest.param({"kind": "error_code", "error_code": 999, "commit": True}, "unmapped_code", id="unmapped-taken"),
    pytest.param({"kind": "delay", "delay": 1}, "timeout", id="delay"),
    pytest.param({"kind": "hold"}, "timeout", id="hold"),
]


async def _same_movement(partner: TestPartner, bet: str, kind: int) -> int:
    """Return how often a movement was sent; each send must be the same."""
    made = [call for call in await sends(partner, bet) if call["transaction_type"] == kind]
    named = {(call["transaction_id"], call["amount"], call["partner_user_id"]) for call in made}
    assert len(named) == 1
    return len(made)


@pytest.mark.edge_case(28)
@pytest.mark.parametrize(("fault", "counted"), UNCLEAR)
async def test_an_unclear_answer_is_unknown(stack: Stack, fault: dict[str, object], counted: str) -> None:
    """To both sends of the fast lane, for debit and credit; the slow lane hears an answer."""
    waits = fault["kind"] in ("delay", "hold")
    partner = await stack.partner(casino="{attempt_timeout: 0.3, retry: {first: 0.1}}" if waits else QUICK)
    bet = partner.new_bet()
    await partner.faults(*(fault | {"path": MAKE, "transaction_type": kind, "times": 2} for kind in (DEBIT, CREDIT)))
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    await partner.release()
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
    unclear = [answer for answer in await answers(partner, bet) if answer["progress"] == "unknown"]
    for kind in (DEBIT, CREDIT):
        assert await _same_movement(partner, bet, kind) >= 3
        assert [answer["kind"] for answer in unclear if answer["type"] == kind][:2] == [counted] * 2


@pytest.mark.edge_case(26)
async def test_a_lost_answer_is_asked_for_again_inside_the_deadline(partner: TestPartner) -> None:
    bet = partner.new_bet()
    await partner.faults({"kind": "lost", "path": MAKE, "times": 1})
    first = await partner.pay_in(bet)
    assert (first.outcome, first.body["balance"]) == (DONE, 990)
    assert await partner.journal(bet) == [(DEBIT, "10.00")]
    assert await _same_movement(partner, bet, DEBIT) == 2


@pytest.mark.edge_case(26)
async def test_a_debit_that_stays_unknown_is_answered_99_and_pursued(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    await partner.faults({"kind": "lost", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    assert (await partner.row(bet)).state == "accepting"
    await has_status(partner, bet, "unknown", True)
    known = len(await sends(partner, bet))
    await sent(partner, bet, known + 1)
    await partner.faults()
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00")]
    await _same_movement(partner, bet, DEBIT)


@pytest.mark.edge_case(26)
async def test_a_refund_during_the_doubt_returns_what_was_taken(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    await partner.faults({"kind": "lost", "path": MAKE, "transaction_type": DEBIT})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    assert (await partner.refund(bet)).code == 99
    assert await partner.journal(bet) == [(DEBIT, "10.00")]
    await partner.faults()
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (RETURN, "10.00")]
    assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")


@pytest.mark.edge_case(27)
async def test_a_debit_that_the_casino_never_saw_is_repeated(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    await partner.faults({"kind": "drop", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    assert await partner.journal(bet) == []
    await partner.faults()
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00")]


@pytest.mark.edge_case(27)
async def test_absence_is_believed_after_two_looks(stack: Stack) -> None:
    await asyncio.gather(_absent(stack, refunded=False), _absent(stack, refunded=True))


async def _absent(stack: Stack, *, refunded: bool) -> None:
    partner = await stack.partner(provider=HASTY, casino=SHORT)
    await partner.faults({"kind": "drop", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    if refunded:
        assert (await until(lambda: partner.refund(bet))).outcome == DONE
    refused = (6, "already_refunded") if refunded else (7, "casino_unavailable")
    assert (await until(lambda: partner.pay_in(bet))).outcome == refused
    not_after = (await movement(partner, bet, DEBIT)).not_after
    looks = [at(call) for call in await partner.calls() if call["path"] == "/payments/info"]
    assert len(looks) == 2
    assert (looks[0] - not_after).total_seconds() >= 0.5
    assert (looks[1] - looks[0]).total_seconds() >= 0.5
    assert max(at(call) for call in await sends(partner, bet)) <= not_after
    await partner.faults()
    assert (await partner.pay_in(bet)).outcome == refused
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(29)
@pytest.mark.parametrize("status", [401, 403])
async def test_an_unauthorised_debit_is_refused(stack: Stack, status: int) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    await partner.faults({"kind": "status", "status": status, "path": MAKE})
    refused = await partner.pay_in(bet)
    assert (refused.outcome, refused.status) == ((7, "casino_refused"), 200)
    await partner.faults()
    assert (await partner.pay_in(bet)).outcome == (7, "casino_refused")
    assert await _same_movement(partner, bet, DEBIT) == 1
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(29)
async def test_an_unauthorised_credit_is_owed(stack: Stack) -> None:
    await asyncio.gather(_unauthorised(stack, 401, CREDIT), _unauthorised(stack, 403, RETURN))


async def _unauthorised(stack: Stack, status: int, kind: int) -> None:
    # Its breaker opens at once: what is owed is the probe.
    partner = await stack.partner(provider=HASTY, casino="{retry: {first: 0.1, cap: 0.3}, breaker: {probe_every: 1}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "status", "status": status, "path": MAKE})

    async def resolve() -> Answer:
        return await (partner.pay_out(bet) if kind == CREDIT else partner.refund(bet))

    assert (await resolve()).code == 99
    await has_status(partner, bet, "owed", True)
    await sent(partner, bet, 5)
    await partner.faults()
    assert (await until(resolve)).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (kind, "25.00" if kind == CREDIT else "10.00")]


@pytest.mark.edge_case(30)
async def test_no_money_on_the_first_send_is_final(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    refused = await partner.pay_in(bet, "1000.01")
    assert (refused.outcome, refused.status, refused.body["balance"]) == ((4, "no_money"), 200, 1000)
    await partner.seat(balance="5000.00")
    assert (await partner.pay_in(bet, "1000.01")).outcome == (4, "no_money")
    assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert (await partner.pay_out(bet)).outcome == (6, "bet_refused")
    assert await _same_movement(partner, bet, DEBIT) == 1
    assert await partner.entries() == []


@pytest.mark.edge_case(32)
@pytest.mark.parametrize("kind", [DEBIT, CREDIT], ids=["debit", "credit"])
async def test_a_duplicate_is_success_on_a_repeat(partner: TestPartner, kind: int) -> None:
    bet = partner.new_bet()
    await partner.switches(repeats="duplicate")
    await partner.faults({"kind": "lost", "path": MAKE, "transaction_type": kind, "times": 1})
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await partner.pay_out(bet)).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
    assert await _same_movement(partner, bet, kind) == 2
    told = [call["answer_code"] for call in await sends(partner, bet) if call["transaction_type"] == kind]
    assert told == [None, 103803]


@pytest.mark.edge_case(32)
@pytest.mark.parametrize("kind", [DEBIT, CREDIT], ids=["debit", "credit"])
async def test_a_duplicate_on_the_first_send_is_success_if_the_casino_lists_it(partner: TestPartner, kind: int) -> None:
    bet = partner.new_bet()
    lie = {"kind": "error_code", "error_code": 103803, "commit": True, "times": 1}
    await partner.faults(lie | {"path": MAKE, "transaction_type": kind})
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await partner.pay_out(bet)).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
    assert await _same_movement(partner, bet, kind) == 1


@pytest.mark.edge_case(88)
async def test_a_duplicate_that_is_not_listed_is_no_stake(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=SHORT)
    await partner.faults({"kind": "error_code", "error_code": 103803, "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    assert (await until(lambda: partner.pay_in(bet))).outcome == (7, "casino_unavailable")
    assert (await partner.incidents(bet), await partner.journal(bet)) == ([], [])
    assert (await movement(partner, bet, DEBIT)).state == "absent"


@pytest.mark.edge_case(84)
async def test_a_credit_that_was_made_is_found_and_answered(stack: Stack) -> None:
    """The casino pays, and answers every send of it with 409."""
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "status", "status": 409, "commit": True, "path": MAKE})
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
    assert await _same_movement(partner, bet, CREDIT) >= 3


@pytest.mark.edge_case(32)
async def test_a_duplicate_with_other_data_is_parked(stack: Stack) -> None:
    """While our debit is held, another caller makes a movement of the same bet and type."""
    partner = await stack.partner(provider=HASTY, casino="attempt_timeout: 5")
    await partner.faults({"kind": "hold", "path": MAKE, "times": 1})
    bet, _ = await bet_with_stake_sent(partner, partner.pay_in)
    await partner.held()
    row = await partner.row(bet)
    await _make(partner, row.casino_id, row.bet_id, "77.00")
    await partner.release()
    await _parked(partner, bet, DEBIT)
    assert (await partner.pay_in(bet)).outcome == UNKNOWN
    assert await partner.journal(bet) == [(DEBIT, "77.00")]


async def _parked(partner: TestPartner, bet: str, kind: int) -> None:
    await has_status(partner, bet, "parked", True)
    assert await partner.incidents(bet) == ["parked"]
    parked = await movement(partner, bet, kind)
    assert (parked.state, parked.attempts) == ("parked", 1)


async def _make(partner: TestPartner, casino_id: int, bet_id: int, amount: str) -> None:
    """Make a debit beside the service, signed with its key."""
    stack, vault = partner.stack, Vault.of(partner.stack.settings)
    async with aiohttp.ClientSession() as http:
        client = CasinoClient(http, SigningKeys(stack.database, vault, 0), stack.settings.issuer)
        casino = await Partners(stack.database, vault, 0).casino(casino_id)
        other = Movement(bet_id, TransactionType.ACCEPT_BET, "anna", Money.parse(amount, "EUR"))
        assert (await client.make(casino, other, timedelta(seconds=5))).answer.meaning == "done"
