"""From the rows of claims to claims."""

from typing import TypeVar

from betcore.db.database import Database
from betcore.db.row_mapping import money_of
from betcore.db.statement import Statement
from betcore.db.statements.movements import AcceptRow, SendRow
from betcore.db.statements.windowed_debits import DebitRow
from betcore.domain.claims import Claim, ClaimedDebit, Confirmation, ReadAccept
from betcore.domain.records import R

C = TypeVar("C", bound=SendRow)


def claim_of(row: SendRow, record: R) -> Claim[R]:
    """Return the claim that the database has made on a movement of a bet or a cashback."""
    return Claim(
        record=record,
        attempts=row.attempts,
        counted=row.counted,
        accept=read_accept(row.accept, row.attempts or 0, record.currency),
        was_parked=row.was_parked,
        partner_user_id=row.partner_user_id,
        waits=row.waits,
        tag_id=row.tag_id,
    )


def debit_claim_of(row: DebitRow, record: R) -> ClaimedDebit[R]:
    """Return the claim on a debit that has windows."""
    c = claim_of(row, record)
    return ClaimedDebit(
        c.record, c.attempts, c.counted, c.accept, c.was_parked, c.partner_user_id, c.waits, c.tag_id,
        not_after=row.not_after, movement=row.movement,
    )  # fmt: skip


async def claimed(database: Database, statement: Statement[C], **given: object) -> C | None:
    """Return the row of a claim that no other transaction has overtaken, or None if there is none."""
    while True:
        row = await database.one_row(statement, **given)
        if row is None or not row.stale:
            return row


def confirmation_of(accept: AcceptRow | None, currency: str) -> Confirmation | None:
    """Return the Accept in a movement's row as a confirmation; amounts in the currency given."""
    if accept is None:
        return None
    balance = money_of(accept.accept_balance, currency)
    return Confirmation(accept.accept_code, accept.accept_transaction_id, balance)


def read_accept(accept: AcceptRow | None, sends: int, currency: str) -> ReadAccept | None:
    """Return the Accept in a movement's row with the number of sends that were counted when it was read."""
    if accept is None:
        return None
    balance = money_of(accept.accept_balance, currency)
    return ReadAccept(accept.accept_code, accept.accept_transaction_id, balance, sends)
