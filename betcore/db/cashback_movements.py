"""The rows of cashbacks, as the cashback's own workflow writes them.

As in ``betcore.db.bets`` every method is one statement that names the ``owner``: a row that another workflow owns comes
back unchanged, and the caller sees it by ``record.owner``.
"""

from collections.abc import Mapping
from datetime import datetime

from betcore.db.claims import C, claim_of, claimed, debit_claim_of
from betcore.db.database import Database
from betcore.db.row_mapping import CashbackRow, as_json, cashback_of
from betcore.db.statement import Statement
from betcore.db.statements import cashback_movements as statements
from betcore.domain.activity_inputs import Pay
from betcore.domain.cashback import CashbackRecord
from betcore.domain.claims import Claim, ClaimedDebit, Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Resumed


class CashbackMovements:
    """The movements of the cashbacks of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_on(self, cashback_id: int, owner: str, resumed: Resumed | None) -> CashbackRecord:
        """Become the owner of a cashback that has none, or whose workflow is gone.

        If another workflow was faster, the record names that owner.
        """
        seen, life = (resumed.owner, resumed.life) if resumed else (None, 0)
        return await self._change(statements.TAKE_ON, cashback_id, owner, seen_owner=seen, life=life)

    async def begin_credit(self, pay: Pay) -> Claim[CashbackRecord]:
        """Count a send of the issue. Nothing is counted if it is done, or another workflow owns the cashback."""
        row = await self._claimed(statements.BEGIN_ISSUE, pay.bet_id, pay.owner)
        return claim_of(row, cashback_of(row.cashback))

    async def credit_done(
        self, bet_id: int, owner: str, transaction_type: TransactionType, confirmation: Confirmation, how: str = "done"
    ) -> CashbackRecord:
        """Record that the player has the money; ``how`` as for a bet. If a cancel was asked for, it comes next."""
        return await self._change(
            statements.ISSUED,
            bet_id,
            owner,
            how=how,
            error_code=confirmation.error_code,
            partner_transaction_id=confirmation.partner_transaction_id,
            balance=confirmation.balance.minor if confirmation.balance else None,
        )

    async def begin_debit(self, bet_id: int, owner: str, not_after: datetime) -> ClaimedDebit[CashbackRecord]:
        """Count a send of the cancel. Nothing is counted if it has ended, is parked, or another workflow owns the
        cashback."""
        row = await self._claimed(statements.BEGIN_CANCEL, bet_id, owner, not_after=not_after)
        return debit_claim_of(row, cashback_of(row.cashback))

    async def debit_done(self, bet_id: int, owner: str, confirmation: Confirmation) -> CashbackRecord:
        """Record that the casino has taken the money back: the cashback is cancelled."""
        return await self._change(
            statements.CANCELLED,
            bet_id,
            owner,
            error_code=confirmation.error_code,
            partner_transaction_id=confirmation.partner_transaction_id,
            balance=confirmation.balance.minor if confirmation.balance else None,
        )

    async def refuse_only_send(
        self, bet_id: int, owner: str, error_code: str | None, not_after: datetime | None
    ) -> CashbackRecord:
        """Leave the cashback issued if the send that the casino has refused is the only one that can exist.

        ``not_after`` is the end of its window: one in a later window may exist.
        """
        given = {"movement": "refused", "standing": "sending", "sends": 1, "error_code": error_code}
        return await self._change(statements.NOT_CANCELLED, bet_id, owner, not_after=not_after, **given)

    async def end_parked(self, bet_id: int, owner: str, error_code: str | None) -> CashbackRecord:
        """Leave a cashback issued whose parked cancel two operators have marked as not taken.

        An Accept in the row with another code than this one keeps it open.
        """
        given = {"movement": "absent", "standing": "parked", "sends": None, "error_code": error_code}
        return await self._change(statements.NOT_CANCELLED, bet_id, owner, not_after=None, **given)

    async def absent(
        self, bet_id: int, owner: str, not_after: datetime | None, *, sends: int | None = None, is_over: bool = True
    ) -> tuple[CashbackRecord, bool]:
        """Record that no send of the cancel is at the casino, or ever will be; return whether that was recorded.

        It is not recorded if a window has begun that ends later than ``not_after``; with ``sends`` only if that is the
        number of sends in the window. If the window ``is_over`` the cashback stays issued:
        another window opens only if an operator asks for the cancel again.
        """
        given = {"bet_id": bet_id, "owner": owner, "not_after": not_after, "sends": sends}
        if is_over:
            ends = {"movement": "absent", "standing": "sending", "error_code": None}
            row = await self._database.one_row(statements.NOT_CANCELLED, **ends, **given)
            return await self._record(row, bet_id), row is not None
        noted = await self._database.one_row(statements.ABSENT, **given)
        if noted is None:
            raise LookupError(f"no cashback {bet_id}")
        return cashback_of(noted.cashback), noted.absent

    async def park(
        self,
        bet_id: int,
        owner: str,
        transaction_type: TransactionType,
        error_code: str | None,
        theirs: Mapping[str, str] | None = None,
        *,
        sends: int | None = None,
    ) -> tuple[CashbackRecord, bool]:
        """Leave the movement to a person; return whether it was parked: both as for a bet."""
        given = {"transaction_type": int(transaction_type), "error_code": error_code, "theirs": as_json(theirs or {})}
        row = await self._database.one_row(statements.PARK, bet_id=bet_id, owner=owner, sends=sends, **given)
        return await self._record(row, bet_id), row is not None

    async def _claimed(self, statement: Statement[C], cashback_id: int, owner: str, **given: object) -> C:
        row = await claimed(self._database, statement, bet_id=cashback_id, owner=owner, **given)
        if row is None:
            raise LookupError(f"no cashback {cashback_id}")
        return row

    async def _change(
        self, statement: Statement[CashbackRow], cashback_id: int, owner: str, **given: object
    ) -> CashbackRecord:
        row = await self._database.one_row(statement, bet_id=cashback_id, owner=owner, **given)
        return await self._record(row, cashback_id)

    async def _record(self, row: CashbackRow | None, cashback_id: int) -> CashbackRecord:
        """Return a changed row as a record; None stands for one that was not changed, and is read."""
        row = row or await self._database.one_row(statements.AS_IT_STANDS, bet_id=cashback_id)
        if row is None:
            raise LookupError(f"no cashback {cashback_id}")
        return cashback_of(row)
