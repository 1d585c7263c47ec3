"""The rows of a cashback as its workflow writes them: who may write, and what each write may end."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.accepts import Accepts
from betcore.db.bets import Bets
from betcore.db.cashback_movements import CashbackMovements
from betcore.db.cashbacks import Cashbacks
from betcore.db.database import Database, open_database
from betcore.domain.accepts import AcceptOutcome, CasinoAccept
from betcore.domain.activity_inputs import Pay
from betcore.domain.cashback import CashbackSource, CashbackState, NewCashback
from betcore.domain.claims import Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Resumed
from betcore.domain.money import Money
from betcore.domain.policy import Retry
from betcore.runtime.settings import Settings
from tests.unit.partner_rows import PARTNERS

OWNER, OTHER = "run", "another run"
AMOUNT = Money(minor=500, currency="EUR")
MADE = Confirmation("200", "t-1", Money(minor=100500, currency="EUR"))
ISSUE, CANCEL = TransactionType.PAY_OUT, TransactionType.PAY_OUT_RETURN


class CashbackRows:
    """One cashback, in a database of its own."""

    def __init__(self, database: Database, number: int) -> None:
        self.cashbacks, self.movements = Cashbacks(database), CashbackMovements(database)
        self.bets, self.accepts = Bets(database), Accepts(database)
        self.number = number
        self.not_after = datetime.now(UTC) + timedelta(seconds=10)

    def pay(self, owner: str = OWNER) -> Pay:
        retry = Retry(first=timedelta(seconds=1), factor=2, cap=timedelta(seconds=5))
        return Pay(
            bet_id=self.number,
            owner=owner,
            casino_id=1,
            partner_user_id="anna",
            transaction_type=ISSUE,
            amount=AMOUNT,
            attempt_timeout=timedelta(seconds=1),
            sends=1,
            retry=retry,
            cashback=True,
        )

    async def begin_cancel(self, owner: str = OWNER) -> int | None:
        return (await self.movements.begin_debit(self.number, owner, self.not_after)).attempts

    async def issued(self) -> None:
        await self.movements.take_on(self.number, OWNER, None)
        await self.movements.begin_credit(self.pay())
        await self.movements.credit_done(self.number, OWNER, ISSUE, MADE)

    async def cancelling(self) -> None:
        await self.issued()
        assert await self.cashbacks.cancel(self.number, "ann", "a mistake")
        resumed = Resumed(bet_id=self.number, owner=None, life=1)
        assert (await self.movements.take_on(self.number, OWNER, resumed)).owner == OWNER


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[CashbackRows]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.close()
    async with open_database(Settings(database_url=SecretStr(database_url))) as database:
        order = NewCashback(source=CashbackSource.OPERATOR, key="k", player_id=1, amount=AMOUNT, reason="r")
        [opened] = await Cashbacks(database).open(1, [order])
        assert opened.cashback_id is not None
        yield CashbackRows(database, opened.cashback_id)


async def test_of_two_runs_one_takes_it_on(rows: CashbackRows) -> None:
    assert (await rows.movements.take_on(rows.number, OWNER, None)).owner == OWNER
    assert (await rows.movements.take_on(rows.number, OTHER, None)).owner == OWNER
    late = Resumed(bet_id=rows.number, owner=None, life=1)
    assert (await rows.movements.take_on(rows.number, OTHER, late)).owner == OWNER
    resumed = Resumed(bet_id=rows.number, owner=OWNER, life=1)
    taken = await rows.movements.take_on(rows.number, OTHER, resumed)
    assert (taken.owner, taken.lives) == (OTHER, 1)


async def test_another_run_counts_and_ends_nothing(rows: CashbackRows) -> None:
    assert (await rows.movements.begin_credit(rows.pay(OTHER))).attempts is None
    await rows.movements.take_on(rows.number, OWNER, None)
    assert (await rows.movements.begin_credit(rows.pay(OTHER))).attempts is None
    assert (await rows.movements.begin_credit(rows.pay())).attempts == 1
    assert (await rows.movements.begin_credit(rows.pay())).attempts == 2
    unchanged = await rows.movements.credit_done(rows.number, OTHER, ISSUE, MADE)
    assert unchanged.state is CashbackState.ISSUING
    assert await rows.begin_cancel() is None
    done = await rows.movements.credit_done(rows.number, OWNER, ISSUE, MADE)
    assert (done.state, done.issued_balance) == (CashbackState.ISSUED, MADE.balance)
    assert (await rows.movements.begin_credit(rows.pay())).attempts is None


async def test_a_cancel_during_the_issue_waits_for_it(rows: CashbackRows) -> None:
    await rows.movements.take_on(rows.number, OWNER, None)
    await rows.movements.begin_credit(rows.pay())
    assert await rows.cashbacks.cancel(rows.number, "ann", "a mistake")
    assert not await rows.cashbacks.cancel(rows.number, "bob", "another reason")
    assert await rows.begin_cancel() is None
    assert (await rows.movements.begin_credit(rows.pay())).attempts == 2
    done = await rows.movements.credit_done(rows.number, OWNER, ISSUE, MADE)
    assert (done.state, done.owner, done.closed_at) == (CashbackState.CANCELLING, OWNER, None)
    assert await rows.begin_cancel() == 1
    cancelled = await rows.movements.debit_done(rows.number, OWNER, MADE)
    assert cancelled.state is CashbackState.CANCELLED


async def test_a_refusal_counts_only_for_the_only_send(rows: CashbackRows) -> None:
    await rows.cancelling()
    assert await rows.begin_cancel() == 1
    assert await rows.begin_cancel() == 2
    still = await rows.movements.refuse_only_send(rows.number, OWNER, "103802", rows.not_after)
    assert still.state is CashbackState.CANCELLING
    _, noted = await rows.movements.absent(rows.number, OWNER, rows.not_after, is_over=False)
    assert noted
    assert await rows.begin_cancel() == 1
    refused = await rows.movements.refuse_only_send(rows.number, OWNER, "103802", rows.not_after)
    assert (refused.state, refused.closed_at is not None) == (CashbackState.ISSUED, True)
    assert not await rows.cashbacks.cancel(rows.number, "ann", "again")


async def test_a_cancel_that_is_certainly_absent_can_be_asked_for_again(rows: CashbackRows) -> None:
    await rows.cancelling()
    await rows.begin_cancel()
    ended, absent = await rows.movements.absent(rows.number, OWNER, rows.not_after)
    assert (ended.state, absent) == (CashbackState.ISSUED, True)
    assert await rows.cashbacks.cancel(rows.number, "bob", "again")
    resumed = Resumed(bet_id=rows.number, owner=None, life=2)
    assert (await rows.movements.take_on(rows.number, OTHER, resumed)).owner == OTHER
    assert await rows.begin_cancel(OWNER) is None
    # In its new window no send of the old one counts any more.
    assert await rows.begin_cancel(OTHER) == 1


async def test_what_is_known_of_an_earlier_window_ends_no_cancel(rows: CashbackRows) -> None:
    await rows.cancelling()
    assert await rows.begin_cancel() == 1
    earlier = rows.not_after - timedelta(seconds=1)
    for is_over in (False, True):
        assert not (await rows.movements.absent(rows.number, OWNER, earlier, sends=1, is_over=is_over))[1]
    still = await rows.movements.refuse_only_send(rows.number, OWNER, "103802", earlier)
    assert still.state is CashbackState.CANCELLING


async def test_a_cancelled_one_stays_so(rows: CashbackRows) -> None:
    await rows.cancelling()
    await rows.begin_cancel()
    await rows.movements.debit_done(rows.number, OWNER, MADE)
    assert not await rows.cashbacks.cancel(rows.number, "ann", "again")
    assert await rows.begin_cancel() is None
    unchanged, absent = await rows.movements.absent(rows.number, OWNER, rows.not_after)
    assert (unchanged.state, absent) == (CashbackState.CANCELLED, False)


def _accept(number: int) -> CasinoAccept:
    return CasinoAccept(number, ISSUE, "5.00", "anna", "200", ("200",), True, "t-1", cashback=True)


async def test_an_accept_names_the_workflow_that_waits_for_it(rows: CashbackRows) -> None:
    accept = _accept(rows.number)
    # It was never sent.
    assert (await rows.accepts.store(1, accept)).outcome is AcceptOutcome.UNKNOWN
    await rows.movements.take_on(rows.number, OWNER, None)
    await rows.movements.begin_credit(rows.pay())
    assert await rows.bets.await_accept(rows.number, ISSUE, timedelta(), "EUR") is None
    stored = await rows.accepts.store(1, accept)
    assert (stored.outcome, stored.hinted, stored.workflow_id) == (
        AcceptOutcome.STORED,
        True,
        f"cashback:{rows.number}",
    )
    assert (await rows.accepts.store(1, accept)).outcome is AcceptOutcome.REPEATED
    claim = await rows.movements.begin_credit(rows.pay())
    assert (claim.counted, claim.accept and claim.accept.partner_transaction_id) == (False, "t-1")


async def test_an_accept_of_another_casino_bet_or_amount_confirms_nothing(rows: CashbackRows) -> None:
    await rows.movements.take_on(rows.number, OWNER, None)
    await rows.movements.begin_credit(rows.pay())
    accept = _accept(rows.number)
    assert (await rows.accepts.store(2, accept)).outcome is AcceptOutcome.UNKNOWN
    assert (await rows.accepts.store(1, replace(accept, cashback=False))).outcome is AcceptOutcome.UNKNOWN
    for other in (replace(accept, amount="5.01"), replace(accept, partner_user_id="bob")):
        assert (await rows.accepts.store(1, other)).outcome is AcceptOutcome.CONTRADICTED
    assert (await rows.movements.begin_credit(rows.pay())).counted
