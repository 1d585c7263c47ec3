"""The rows of reversals, as the reversal's own workflow writes them.

A reversal takes back what a bet has paid out, and returns its stake; the bet itself stays as it ended. As in
``betcore.db.bets`` every method is one statement that names the ``owner``: a row that another workflow owns comes back
unchanged, and the caller sees it by ``record.reversal.owner``.
"""

from collections.abc import Mapping
from datetime import datetime

from betcore.db.claims import C, claim_of, claimed, debit_claim_of
from betcore.db.database import Database
from betcore.db.row_mapping import as_json, record_of
from betcore.db.statement import R, Statement
from betcore.db.statements import reversals
from betcore.db.statements.reversals import ReversedBetRow
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord
from betcore.domain.claims import Claim, ClaimedDebit, Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Resumed
from betcore.domain.proof import Proof, in_event


class Reversals:
    """The reversals of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, bet_id: int, owner: str, resumed: Resumed | None, proof: Proof | None = None) -> BetRecord:
        """Insert the reversal of a settled bet, find its row, or take over one whose workflow is gone.

        ``proof`` is of the Refund that asks for it.
        """
        if resumed is not None:
            return await self._change(reversals.TAKE_OVER, bet_id, owner, seen_owner=resumed.owner, life=resumed.life)
        return await self._change(reversals.OPEN, bet_id, owner, proof=as_json(in_event(proof)))

    async def begin_debit(self, bet_id: int, owner: str, not_after: datetime) -> ClaimedDebit[BetRecord]:
        """Count a send of the claw-back. Nothing is counted if it has ended, is parked, or another workflow owns the
        reversal."""
        row = await self._claimed(reversals.BEGIN_CLAW_BACK, bet_id, owner, not_after=not_after)
        return debit_claim_of(row, record_of(row.bet, row.reversal))

    async def debit_done(self, bet_id: int, owner: str, confirmation: Confirmation) -> BetRecord:
        """Record that the casino has taken the win back."""
        return await self._change(
            reversals.CLAWED_BACK,
            bet_id,
            owner,
            error_code=confirmation.error_code,
            partner_transaction_id=confirmation.partner_transaction_id,
        )

    async def refuse_only_send(
        self, bet_id: int, owner: str, error_code: str | None, not_after: datetime | None
    ) -> BetRecord:
        """End the reversal as refused if the send that the casino has refused is the only one that can exist.

        ``not_after`` is the end of its window: one in a later window may exist.
        """
        given = {"movement": "refused", "standing": "sending", "sends": 1, "error_code": error_code}
        return await self._change(reversals.REFUSE_ONLY_SEND, bet_id, owner, not_after=not_after, **given)

    async def end_parked(self, bet_id: int, owner: str, error_code: str | None) -> BetRecord:
        """End a reversal whose parked claw-back two operators have marked as not taken.

        An Accept in the row with another code than this one keeps it open.
        """
        given = {"movement": "refused", "standing": "parked", "sends": None, "error_code": error_code}
        return await self._change(reversals.REFUSE_ONLY_SEND, bet_id, owner, not_after=None, **given)

    async def absent(
        self, bet_id: int, owner: str, not_after: datetime | None, *, sends: int | None = None, is_over: bool = True
    ) -> tuple[BetRecord, bool]:
        """Note that no send of the claw-back so far is at the casino, or ever will be; return whether it was noted.

        It is not noted if a window has begun that ends later than ``not_after``; with ``sends`` only if that is the
        number of sends in the window. Whether the window ``is_over`` makes no difference: it may get another one.
        """
        given = {"bet_id": bet_id, "owner": owner, "not_after": not_after, "sends": sends}
        row = _there(await self._database.one_row(reversals.ABSENT, **given), bet_id)
        return record_of(row.bet, row.reversal), row.absent

    async def park(
        self,
        bet_id: int,
        owner: str,
        transaction_type: TransactionType,
        error_code: str | None,
        theirs: Mapping[str, str] | None = None,
        *,
        sends: int | None = None,
    ) -> tuple[BetRecord, bool]:
        """Leave the movement to a person; return whether it was parked: both as for a bet."""
        given = {"transaction_type": int(transaction_type), "error_code": error_code, "theirs": as_json(theirs or {})}
        row = await self._database.one_row(reversals.PARK, bet_id=bet_id, owner=owner, sends=sends, **given)
        return (await self._as_it_stands(bet_id), False) if row is None else (record_of(row.bet, row.reversal), True)

    # The credit of a reversal is the return of the stake; it is booked by the same names as a bet's credits are.

    async def begin_credit(self, pay: Pay) -> Claim[BetRecord]:
        """Count a send of the stake's return.

        Nothing is counted if it is done, or another workflow owns the reversal.
        """
        row = await self._claimed(reversals.BEGIN_RETURN, pay.bet_id, pay.owner)
        return claim_of(row, record_of(row.bet, row.reversal))

    async def credit_done(
        self, bet_id: int, owner: str, transaction_type: TransactionType, confirmation: Confirmation, how: str = "done"
    ) -> BetRecord:
        """Record that the player has the stake back: the reversal is over. ``how`` as for a bet."""
        return await self._change(
            reversals.RETURNED,
            bet_id,
            owner,
            how=how,
            error_code=confirmation.error_code,
            partner_transaction_id=confirmation.partner_transaction_id,
            balance=confirmation.balance.minor if confirmation.balance else None,
        )

    async def _claimed(self, statement: Statement[C], bet_id: int, owner: str, **given: object) -> C:
        return _there(await claimed(self._database, statement, bet_id=bet_id, owner=owner, **given), bet_id)

    async def _change(
        self, statement: Statement[ReversedBetRow], bet_id: int, owner: str, **given: object
    ) -> BetRecord:
        row = await self._database.one_row(statement, bet_id=bet_id, owner=owner, **given)
        return await self._as_it_stands(bet_id) if row is None else record_of(row.bet, row.reversal)

    async def _as_it_stands(self, bet_id: int) -> BetRecord:
        row = _there(await self._database.one_row(reversals.AS_IT_STANDS, bet_id=bet_id), bet_id)
        return record_of(row.bet, row.reversal)


def _there(row: R | None, bet_id: int) -> R:
    if row is None:
        raise LookupError(f"no reversal of bet {bet_id}")
    return row
