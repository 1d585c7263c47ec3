"""Only the workflow that owns the rows ends a credit: a worker that was frozen books nothing later."""

from activities.pending_movement import NO_CONFIRMATION
from betcore.db.reversals import Reversals
from betcore.domain.bet import BetState, ReversalState
from betcore.domain.ids import TransactionType
from tests.in_process_casino import InProcessCasino, open_casino

RUN, BEFORE = "run", "the run that owned it before"


async def _paying_out(casino: InProcessCasino) -> int:
    """Return a bet without a workflow whose win was sent to the casino."""
    bet = await casino.pay_in()
    claim = await casino.bets.open(bet, RUN, BetState.ACCEPTING, None)
    record = await casino.bets.accept(claim.record.bet_id, RUN, NO_CONFIRMATION)
    await casino.bets.begin_credit(casino.credit(bet, record, "25.00"))
    return record.bet_id


async def _movement(casino: InProcessCasino, bet_id: int, kind: TransactionType) -> str:
    query = "SELECT state FROM movement WHERE bet_id = :b AND transaction_type = :k"
    return str((await casino.sql(query, b=bet_id, k=int(kind)))[0].state)


async def test_only_the_owner_of_a_bet_books_its_credit_as_done(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet_id = await _paying_out(casino)
        for owner, state, movement in ((BEFORE, BetState.SETTLING, "sending"), (RUN, BetState.SETTLED, "done")):
            record = await casino.bets.credit_done(bet_id, owner, TransactionType.PAY_OUT, NO_CONFIRMATION)
            assert record.state is state
            assert await _movement(casino, bet_id, TransactionType.PAY_OUT) == movement


async def test_only_the_owner_of_a_reversal_books_the_return_as_done(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet = await casino.pay_in()
        bet_id = (await casino.bets.open(bet, RUN, BetState.ACCEPTING, None)).record.bet_id
        record = await casino.bets.accept(bet_id, RUN, NO_CONFIRMATION)
        pay = casino.credit(bet, record, "25.00")
        await casino.bets.begin_credit(pay)
        await casino.bets.credit_done(bet_id, RUN, TransactionType.PAY_OUT, NO_CONFIRMATION)
        reversals = Reversals(casino.database)
        await reversals.open(bet_id, RUN, None)
        await reversals.begin_debit(bet_id, RUN, bet.not_after)
        await reversals.debit_done(bet_id, RUN, NO_CONFIRMATION)
        back = {"transaction_type": TransactionType.BET_RETURN, "amount": bet.stake, "reverses": True}
        assert (await reversals.begin_credit(pay.model_copy(update=back))).attempts == 1
        for owner, state, movement in (
            (BEFORE, ReversalState.REVERSING, "sending"),
            (RUN, ReversalState.REVERSED, "done"),
        ):
            record = await reversals.credit_done(bet_id, owner, TransactionType.BET_RETURN, NO_CONFIRMATION)
            assert record.reversal is not None
            assert record.reversal.state is state
            assert await _movement(casino, bet_id, TransactionType.BET_RETURN) == movement
