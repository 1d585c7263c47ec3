"""The rows of a bet that wins a jackpot: what each statement asks of them by itself, whoever calls it."""

import pytest

from activities.pending_movement import NO_CONFIRMATION
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.ids import TransactionType
from betcore.domain.jackpots import Jackpot
from betcore.domain.messages import PayIn
from betcore.domain.money import Money
from tests.in_process_casino import InProcessCasino, open_casino

RUN, BEFORE = "run", "the run before"
PAY_OUT, JACKPOT = TransactionType.PAY_OUT, TransactionType.JACKPOT_PAY_OUT
AMOUNT = Money.parse("500.00", "EUR")


async def _accepted(casino: InProcessCasino) -> tuple[PayIn, BetRecord]:
    bet = await casino.pay_in()
    claim = await casino.bets.open(bet, RUN, BetState.ACCEPTING, None)
    assert claim is not None
    return bet, await casino.bets.accept(claim.record.bet_id, RUN, NO_CONFIRMATION)


def _win(casino: InProcessCasino, bet: PayIn, record: BetRecord, jackpot: Jackpot) -> Pay:
    return casino.credit(bet, record, "25.00").model_copy(update={"jackpot": jackpot})


def _jackpot(win: Pay, **changed: object) -> Pay:
    fields = {"transaction_type": JACKPOT, "amount": AMOUNT, "jackpot": None, **changed}
    return win.model_copy(update=fields)


async def test_a_jackpot_is_not_sent_before_its_win_is_paid(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet, record = await _accepted(casino)
        win = _win(casino, bet, record, Jackpot(amount=AMOUNT))
        assert (await casino.bets.begin_credit(win)).counted
        assert not (await casino.bets.begin_credit(_jackpot(win))).counted
        paid = await casino.bets.credit_done(record.bet_id, RUN, PAY_OUT, NO_CONFIRMATION)
        assert (paid.state, paid.jackpot_due) == (BetState.SETTLING, AMOUNT)
        # Nor by another life, nor another amount than the one that stands.
        for other in ({"owner": BEFORE}, {"amount": Money.parse("500.01", "EUR")}):
            assert not (await casino.bets.begin_credit(_jackpot(win, **other))).counted
        assert (await casino.bets.begin_credit(_jackpot(win))).counted
        assert (await casino.bets.credit_done(record.bet_id, BEFORE, JACKPOT, NO_CONFIRMATION)).closed_at is None
        ended = await casino.bets.credit_done(record.bet_id, RUN, JACKPOT, NO_CONFIRMATION)
        assert (ended.state, ended.closed_at is not None) == (BetState.SETTLED, True)
        assert await casino.attempts() == {-1: 1, 1: 1, 4: 1}


async def test_a_win_that_is_recorded_twice_does_not_end_its_bet(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet, record = await _accepted(casino)
        await casino.bets.begin_credit(_win(casino, bet, record, Jackpot(amount=AMOUNT)))
        first = await casino.bets.credit_done(record.bet_id, RUN, PAY_OUT, NO_CONFIRMATION)
        again = await casino.bets.credit_done(record.bet_id, RUN, PAY_OUT, NO_CONFIRMATION)
        assert (again.state, again.win_paid_at) == (BetState.SETTLING, first.win_paid_at)
        assert len(await casino.sql("SELECT 1 FROM bet_event WHERE kind = 'answer'")) == 2


async def test_a_jackpot_that_cannot_be_decided_holds_its_win_back(database_url: str) -> None:
    """Paid without it, the bet would end, and its jackpot would be lost."""
    async with open_casino(database_url) as casino:
        bet, record = await _accepted(casino)
        with pytest.raises(LookupError):
            await casino.bets.begin_credit(_win(casino, bet, record, Jackpot(jackpot_id=4711)))
        assert (await casino.row(bet)).state == "acceptance"
        assert await casino.attempts() == {-1: 1}


async def test_a_bet_that_has_won_a_jackpot_gets_no_reversal(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet, record = await _accepted(casino)
        win = _win(casino, bet, record, Jackpot(amount=AMOUNT))
        await casino.bets.begin_credit(win)
        await casino.bets.credit_done(record.bet_id, RUN, PAY_OUT, NO_CONFIRMATION)
        await casino.bets.begin_credit(_jackpot(win))
        await casino.bets.credit_done(record.bet_id, RUN, JACKPOT, NO_CONFIRMATION)
        await casino.calls.owe_reversal(record.bet_id)
        with pytest.raises(LookupError):
            await Reversals(casino.database).open(record.bet_id, RUN, None)
        assert await casino.sql("SELECT 1 FROM reversal") == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bet SET jackpot = jackpot + 1 WHERE bet_id = :b RETURNING 1",
        "UPDATE bet SET jackpot = NULL WHERE bet_id = :b RETURNING 1",
        "UPDATE bet SET jackpot_id = 1 WHERE bet_id = :b RETURNING 1",
        "UPDATE bet SET win_paid_at = win_paid_at + interval '1 second' WHERE bet_id = :b RETURNING 1",
        "UPDATE bet SET win_paid_at = NULL WHERE bet_id = :b RETURNING 1",
    ],
)
async def test_the_jackpot_of_a_bet_stands(database_url: str, change: str) -> None:
    async with open_casino(database_url) as casino:
        bet, record = await _accepted(casino)
        await casino.bets.begin_credit(_win(casino, bet, record, Jackpot(amount=AMOUNT)))
        await casino.bets.credit_done(record.bet_id, RUN, PAY_OUT, NO_CONFIRMATION)
        with pytest.raises(Exception, match="its jackpot stands"):
            await casino.sql(change, b=record.bet_id)


async def test_a_win_that_stands_gets_no_jackpot_afterwards(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet, record = await _accepted(casino)
        await casino.bets.begin_credit(casino.credit(bet, record, "25.00"))
        # The row decides: what is begun goes on without it.
        claim = await casino.bets.begin_credit(_win(casino, bet, record, Jackpot(amount=AMOUNT)))
        assert (claim.record.jackpot, claim.attempts) == (None, 2)
        with pytest.raises(Exception, match="its jackpot stands"):
            await casino.sql("UPDATE bet SET jackpot = 1 WHERE bet_id = :b RETURNING 1", b=record.bet_id)
