"""An Accept that is stored just before a debit would end without it: its success counts in every order of events."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from betcore.db.reversals import Reversals
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.activity_inputs import ClawBack, FindStake, Progress, Step
from betcore.domain.bet import BetState
from betcore.domain.claims import Confirmation
from betcore.domain.errors import Code
from betcore.domain.messages import PayIn
from tests.in_process_casino import InProcessCasino, open_casino
from tests.workflows.confirming_casino import CLAW_BACK, STAKE, ConfirmingCasino

pytestmark = pytest.mark.edge_case(39)

OWNER = "run"
NO_MONEY = 103802
SAID = Confirmation("200", "t", None)


async def _sent(casino: InProcessCasino) -> PayIn:
    """Return a bet whose debit was sent once and has no response yet."""
    bet = await casino.pay_in()
    await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)
    return bet


async def _look(casino: InProcessCasino, client: Client, bet: PayIn, *, refund_filed: bool) -> Step:
    row = await casino.row(bet)
    order = FindStake(pay_in=bet, bet_id=row.bet_id, owner=OWNER, second_look=True, refund_filed=refund_filed)
    return await ActivityEnvironment().run(casino.activities(client).wallet.find_stake, order)


async def test_a_refusal_in_the_answer_to_make_does_not_end_what_an_accept_has_confirmed(
    database_url: str, temporal: Client
) -> None:
    async with open_casino(database_url, confirmation="accept") as casino:
        bet = await _sent(casino)
        assert await ConfirmingCasino(casino, temporal).accepts(bet, STAKE) is AcceptOutcome.STORED
        row = await casino.row(bet)
        refused = {"movement": "refused", "done_codes": ["200"], "error_code": str(NO_MONEY)}
        record = await casino.bets.refuse_only_send(row.bet_id, OWNER, Code.NO_MONEY, **refused)
        assert record.state is BetState.ACCEPTING
        heard = (await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)).accept
        assert (heard and heard.error_code, await casino.attempts()) == ("200", {STAKE: 1})


async def test_the_accept_that_refuses_ends_its_debit(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, confirmation="accept") as casino:
        bet = await _sent(casino)
        assert await ConfirmingCasino(casino, temporal).accepts(bet, STAKE, NO_MONEY) is AcceptOutcome.STORED
        refused = {"movement": "refused", "done_codes": ["200"], "error_code": str(NO_MONEY)}
        record = await casino.bets.refuse_only_send((await casino.row(bet)).bet_id, OWNER, Code.NO_MONEY, **refused)
        assert record.state is BetState.REFUSED


@pytest.mark.parametrize("refund_filed", [False, True])
async def test_an_accept_that_comes_while_the_casino_is_asked_is_read(
    database_url: str, temporal: Client, refund_filed: bool
) -> None:
    async with open_casino(database_url, confirmation="accept") as casino:
        bet = await _sent(casino)
        await casino.faults({"kind": "hold_after", "path": "/payments/info"})
        looking = asyncio.create_task(_look(casino, temporal, bet, refund_filed=refund_filed))
        await casino.held()
        assert await ConfirmingCasino(casino, temporal).accepts(bet, STAKE) is AcceptOutcome.STORED
        await casino.faults()
        await casino.release()
        assert (await looking).progress is Progress.UNKNOWN
        assert (await casino.row(bet)).state == "accepting"
        assert (await _look(casino, temporal, bet, refund_filed=refund_filed)).progress is Progress.DONE
        assert (await casino.row(bet)).state == "acceptance"


@pytest.mark.parametrize(("refund_filed", "ends"), [(False, "refused"), (True, "refunded")])
async def test_an_accept_that_refuses_does_not_keep_an_absent_debit_open(
    database_url: str, temporal: Client, refund_filed: bool, ends: str
) -> None:
    async with open_casino(database_url, confirmation="accept") as casino:
        bet = await _sent(casino)
        assert await ConfirmingCasino(casino, temporal).accepts(bet, STAKE, NO_MONEY) is AcceptOutcome.STORED
        assert (await _look(casino, temporal, bet, refund_filed=refund_filed)).progress is Progress.REFUSED
        assert (await casino.row(bet)).state == ends


async def test_a_claw_back_that_an_accept_has_confirmed_is_neither_refused_nor_absent(
    database_url: str, temporal: Client
) -> None:
    async with open_casino(database_url, confirmation="accept") as casino:
        bet, reversals, confirming = (
            await casino.pay_in_out(),
            Reversals(casino.database),
            ConfirmingCasino(casino, temporal),
        )
        opened = (await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)).record
        await casino.bets.accept(opened.bet_id, OWNER, SAID)
        pay = casino.credit(bet, opened, "25.00")
        await casino.bets.begin_credit(pay)
        settled = await casino.bets.credit_done(opened.bet_id, OWNER, pay.transaction_type, SAID)
        await reversals.open(opened.bet_id, OWNER, None)
        until = datetime.now(UTC) + timedelta(seconds=10)
        await reversals.begin_debit(opened.bet_id, OWNER, until)
        assert await confirming.accepts(bet, CLAW_BACK) is AcceptOutcome.STORED
        refused = await reversals.refuse_only_send(opened.bet_id, OWNER, "515", until)
        assert refused.reversal is not None
        assert refused.reversal.state == "reversing"
        assert (await reversals.absent(opened.bet_id, OWNER, until))[1] is False
        order = ClawBack(reverse=casino.reverse(bet, settled), owner=OWNER, not_after=until, second_look=True)
        step = await ActivityEnvironment().run(casino.activities(temporal).claw_backs.find_claw_back, order)
        assert step.progress is Progress.DONE
