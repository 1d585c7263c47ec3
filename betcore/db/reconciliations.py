"""Runs of reconciliation and their findings, and the bets and cashbacks as they are compared.

Every method is one statement, and so one transaction.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby

from betcore.db.database import Database
from betcore.db.row_mapping import NOT_READ, cashback_of, record_of
from betcore.db.statement import Statement
from betcore.db.statements import compared_rows, reconciliations
from betcore.db.statements.compared_rows import ComparedBetRow, ComparedCashbackRow, ComparedMovementRow
from betcore.db.statements.reconciliations import DueRow, FindingRow
from betcore.domain.compared_rows import OurBet, OurCashback, OurMovement, Ours, UnreadBet
from betcore.domain.currencies import decimals
from betcore.domain.errors import InvalidInput, NotFound
from betcore.domain.ids import (
    SCHEDULED_RECONCILIATION,
    BetKey,
    TransactionType,
    reconciliation_workflow_id,
    scheduled_reconciliation_workflow_id,
)
from betcore.domain.money import Money, minor_units
from betcore.domain.reconciliation import Difference, OpenFinding, Reconcile, Reconciled, Run, Wanted
from betcore.domain.records import Record

Json = dict[str, object]
_PAGE = 500


class Reconciliations:
    """The runs of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def wanted(self, casino: str, opened_from: datetime, opened_to: datetime) -> Wanted:
        """Return the run of a window: the one that has not ended, or a new one.

        Raise NotFound for an unknown casino, InvalidInput(invalid_window) for a window that is empty or not over.
        """
        if opened_from >= opened_to:
            raise InvalidInput("from has to be before to", code="invalid_window")
        given = {"casino": casino, "opened_from": opened_from, "opened_to": opened_to}
        row = await self._database.one_row(reconciliations.WINDOW, **given)
        if row is None:
            raise NotFound(f"there is no casino {casino!r}")
        if opened_to > row.now:
            raise InvalidInput("to is in the future: bets of then cannot be compared yet", code="invalid_window")
        order = Reconcile(casino_id=row.casino_id, opened_from=opened_from, opened_to=opened_to)
        return Wanted(order, reconciliation_workflow_id(casino, opened_from, opened_to, row.times))

    async def due(self, margin: timedelta) -> list[Wanted]:
        """Return one run for each casino that has bets older than the margin which no scheduled run has compared.

        A scheduled run that has not ended comes before a new one.
        """
        given = {"margin": margin, "scheduled": f"{SCHEDULED_RECONCILIATION}:"}
        return [_wanted(row) for row in await self._database.all_rows(reconciliations.DUE, **given)]

    async def open(self, wanted: Wanted) -> Run:
        """Begin a run, or find the one of this workflow."""
        given = wanted.order.model_dump() | {"workflow_id": wanted.workflow_id}
        while True:
            run = await self._database.one_row(reconciliations.OPEN, **given)
            if run is not None:
                return run
            # A concurrent insert was not visible to this statement yet; it is to the next.

    async def run(self, reconciliation_id: int) -> Run:
        """Return the run as it stands. Raise LookupError."""
        run = await self._database.one_row(reconciliations.RUN, reconciliation_id=reconciliation_id)
        if run is None:
            raise LookupError(f"no reconciliation {reconciliation_id}")
        return run

    async def run_of(self, workflow_id: str) -> Run | None:
        """Return the run of a workflow, or None if it has not begun yet."""
        return await self._database.one_row(reconciliations.RUN_OF, workflow_id=workflow_id)

    async def behind(self, run: Run, limit: int) -> list[Ours | UnreadBet]:
        """Return what to compare next, by its number; one that cannot be read does not hold up the others."""
        given = {
            "after": run.last_bet_id,
            "casino_id": run.casino_id,
            "opened_from": run.opened_from,
            "opened_to": run.opened_to,
            "limit": limit,
        }
        found: list[Ours | UnreadBet] = [*await self._bets(compared_rows.BETS_BEHIND, **given)]
        if run.cashbacks:
            found += await self._cashbacks(compared_rows.CASHBACKS_BEHIND, **given)
        return sorted(found, key=lambda one: one.bet_id)[:limit]

    async def named(self, numbers: Sequence[int]) -> list[Ours | UnreadBet]:
        """Return the bets and cashbacks of these numbers as they stand now, by their number."""
        cashbacks = await self._cashbacks(compared_rows.CASHBACKS_NAMED, numbers=list(numbers))
        return sorted([*await self.bets(numbers), *cashbacks], key=lambda one: one.bet_id)

    async def bets(self, bet_ids: Sequence[int]) -> list[OurBet | UnreadBet]:
        """Return these bets as they stand now, by their number."""
        return await self._bets(compared_rows.BETS_NAMED, bet_ids=list(bet_ids))

    async def compared(
        self, run: Run, bets: Sequence[Ours | UnreadBet], found: Sequence[tuple[int, Difference]]
    ) -> Run | None:
        """Record that these are compared, and the differences found with their numbers; return the run after that.

        Return None, and record nothing, if another attempt has moved the cursor away from the one in ``run``.
        """
        return await self._database.one_row(
            reconciliations.COMPARED,
            reconciliation_id=run.reconciliation_id,
            seen=run.last_bet_id,
            bets=len(bets),
            last_bet_id=bets[-1].bet_id,
            findings=json.dumps([_finding(bet_id, difference) for bet_id, difference in found]),
        )

    async def any_open(self, reconciliation_id: int) -> bool:
        """Return whether a finding waits for its second look."""
        [row] = await self._database.all_rows(reconciliations.ANY_OPEN, reconciliation_id=reconciliation_id)
        return row.any_open

    async def open_findings(self, reconciliation_id: int, after: int, limit: int) -> list[OpenFinding]:
        """Return findings behind one that wait for their second look."""
        given = {"reconciliation_id": reconciliation_id, "after": after, "limit": limit}
        return await self._database.all_rows(reconciliations.OPEN_FINDINGS, **given)

    async def decide(self, decided: Sequence[tuple[int, str, Difference | None]]) -> None:
        """Record what became of findings after the second look; a finding without a difference has gone."""
        words = [
            {"finding_id": finding_id, "outcome": outcome} | (_words(difference) if difference else {})
            for finding_id, outcome, difference in decided
        ]
        await self._database.execute(reconciliations.DECIDED, decided=json.dumps(words))

    async def end(self, reconciliation_id: int) -> None:
        """End the run. Raise RuntimeError if it has not compared all of its bets."""
        row = await self._database.one_row(reconciliations.END, reconciliation_id=reconciliation_id)
        if row is None:
            raise RuntimeError(f"reconciliation {reconciliation_id} has not compared all of its bets")

    async def summary(self, reconciliation_id: int) -> Reconciled:
        """Return what a run has compared and found."""
        run = await self.run(reconciliation_id)
        kinds: dict[str, int] = {}
        outcomes: dict[str, int] = {}
        for row in await self._database.all_rows(reconciliations.COUNTS, reconciliation_id=reconciliation_id):
            outcome = row.outcome or "waits"
            kinds[row.kind] = kinds.get(row.kind, 0) + row.findings
            outcomes[outcome] = outcomes.get(outcome, 0) + row.findings
        return Reconciled(
            reconciliation_id=reconciliation_id, bets=run.bets, compared=run.compared, kinds=kinds, outcomes=outcomes
        )

    async def findings(self, reconciliation_id: int) -> AsyncIterator[Json]:
        """Yield all findings of a run, as they are reported; they are read a page at a time."""
        after = 0
        while True:
            given = {"reconciliation_id": reconciliation_id, "after": after, "limit": _PAGE}
            rows = await self._database.all_rows(reconciliations.FINDINGS, **given)
            for row in rows:
                yield _reported(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1].finding_id

    async def _bets(self, statement: Statement[ComparedBetRow], **given: object) -> list[OurBet | UnreadBet]:
        return list(_bets_of(await self._database.all_rows(statement, **given)))

    async def _cashbacks(
        self, statement: Statement[ComparedCashbackRow], **given: object
    ) -> list[OurCashback | UnreadBet]:
        return list(_cashbacks_of(await self._database.all_rows(statement, **given)))


def _bets_of(rows: Sequence[ComparedBetRow]) -> Iterator[OurBet | UnreadBet]:
    for bet_id, of_one in groupby(rows, key=lambda row: row.bet.bet_id):
        try:
            yield _bet_of(list(of_one))
        except NOT_READ as error:
            yield UnreadBet(bet_id, str(error))


def _bet_of(found: Sequence[ComparedBetRow]) -> OurBet:
    first = found[0]
    currency = first.bet.currency
    # An unknown currency raises here, while it concerns one bet, not when an amount is printed.
    decimals(currency)
    record = record_of(first.bet, first.reversal)
    return OurBet(
        key=BetKey(str(first.counterparty_id), first.bet.provider_bet_id),
        partner_user_id=first.partner_user_id,
        record=record,
        movements=tuple(_movement(row.movement, record) for row in found if row.movement is not None),
    )


def _cashbacks_of(rows: Sequence[ComparedCashbackRow]) -> Iterator[OurCashback | UnreadBet]:
    for number, of_one in groupby(rows, key=lambda row: row.cashback.cashback_id):
        found = list(of_one)
        try:
            # As of a bet.
            decimals(found[0].cashback.currency)
            record = cashback_of(found[0].cashback)
        except NOT_READ as error:
            yield UnreadBet(number, str(error))
        else:
            movements = tuple(_movement(row.movement, record) for row in found if row.movement is not None)
            yield OurCashback(found[0].partner_user_id, record, movements)


def _movement(row: ComparedMovementRow, record: Record) -> OurMovement:
    return OurMovement(
        transaction_type=row.m_type,
        amount=Money(minor=minor_units(row.m_amount), currency=record.currency),
        state=row.m_state,
        error_code=row.m_error_code,
        first_sent_at=row.m_first_sent_at,
        not_after=row.m_not_after,
        tax=record.tax_of(TransactionType(row.m_type)),
    )


def _wanted(row: DueRow) -> Wanted:
    order = Reconcile(casino_id=row.casino_id, opened_from=row.opened_from, opened_to=row.opened_to)
    return Wanted(
        order, row.workflow_id or scheduled_reconciliation_workflow_id(row.name, row.opened_from, row.opened_to)
    )


def _finding(bet_id: int, difference: Difference) -> Json:
    outcome = None if difference.remedy.needs_second_look else difference.remedy
    named = {"bet_id": bet_id, "transaction_type": difference.transaction_type, "outcome": outcome}
    return named | _words(difference)


def _words(difference: Difference) -> Json:
    return {"kind": difference.kind, "ours": difference.ours, "theirs": difference.theirs}


def _reported(row: FindingRow) -> Json:
    return asdict(row) | {"at": row.at.isoformat()}
