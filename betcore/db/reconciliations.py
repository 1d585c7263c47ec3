"""Runs of reconciliation and what they have found, and the bets as they are compared.

Every method is one statement, and so one transaction.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.engine import one_row
from betcore.db.row_mapping import NOT_READ, money_of, record_of
from betcore.db.statements import reconciliations
from betcore.domain.currencies import decimals
from betcore.domain.errors import InvalidInput, NotFound
from betcore.domain.ids import BetKey
from betcore.domain.reconciliation import (
    SCHEDULED,
    Difference,
    OurBet,
    OurMovement,
    Reconcile,
    Reconciled,
    UnreadBet,
    run_id,
    scheduled_run_id,
)

Json = dict[str, Any]
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Run:
    """A run's row: ``compared`` of ``bets`` are compared, those up to ``last_bet_id``."""

    reconciliation_id: int
    casino_id: int
    opened_from: datetime
    opened_to: datetime
    workflow_id: str
    bets: int
    compared: int
    last_bet_id: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that waits for its second look."""

    finding_id: int
    bet_id: int
    transaction_type: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that somebody wants, and the id of its workflow."""

    order: Reconcile
    workflow_id: str


class Reconciliations:
    """The runs of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def wanted(self, casino: str, opened_from: datetime, opened_to: datetime) -> Wanted:
        """The run of a window: the one that has not ended, or a new one.

        Raises NotFound for an unknown casino, InvalidInput(invalid_window) for a window that is empty or not over.
        """
        if opened_from >= opened_to:
            raise InvalidInput("from has to be before to", code="invalid_window")
        given = {"casino": casino, "opened_from": opened_from, "opened_to": opened_to}
        row = await one_row(self._engine, reconciliations.WINDOW, **given)
        if row is None:
            raise NotFound(f"there is no casino {casino!r}")
        if opened_to > row.now:
            raise InvalidInput("to is in the future: bets of then cannot be compared yet", code="invalid_window")
        order = Reconcile(casino_id=row.casino_id, opened_from=opened_from, opened_to=opened_to)
        return Wanted(order, run_id(casino, opened_from, opened_to, row.times))

    async def due(self, margin: timedelta) -> list[Wanted]:
        """One run for each casino that has bets older than the margin which no scheduled run has compared.

        A scheduled run that has not ended comes before a new one.
        """
        given = {"margin": margin, "scheduled": f"{SCHEDULED}:"}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(text(reconciliations.DUE), given)).all()
        return [_wanted(row) for row in rows]

    async def open(self, wanted: Wanted) -> Run:
        """Begin a run, or find the one of this workflow."""
        given = wanted.order.model_dump() | {"workflow_id": wanted.workflow_id}
        while True:
            row = await one_row(self._engine, reconciliations.OPEN, **given)
            if row is not None:
                return _run(row)
            # A concurrent insert was not visible to this statement yet; it is to the next.

    async def run(self, reconciliation_id: int) -> Run:
        """The run as it stands. Raises LookupError."""
        row = await one_row(self._engine, reconciliations.RUN, reconciliation_id=reconciliation_id)
        if row is None:
            raise LookupError(f"no reconciliation {reconciliation_id}")
        return _run(row)

    async def run_of(self, workflow_id: str) -> Run | None:
        """The run of a workflow; None where it has not begun yet."""
        row = await one_row(self._engine, reconciliations.RUN_OF, workflow_id=workflow_id)
        return row and _run(row)

    async def bets_behind(self, run: Run, limit: int) -> list[OurBet | UnreadBet]:
        """The next bets to compare, by their number; one that cannot be read keeps no other one back."""
        given = {
            "after": run.last_bet_id,
            "casino_id": run.casino_id,
            "opened_from": run.opened_from,
            "opened_to": run.opened_to,
            "limit": limit,
        }
        return await self._bets(reconciliations.BETS_BEHIND, **given)

    async def bets(self, bet_ids: Sequence[int]) -> list[OurBet | UnreadBet]:
        """These bets as they stand now, by their number."""
        return await self._bets(reconciliations.BETS_NAMED, bet_ids=list(bet_ids))

    async def compared(
        self, run: Run, bets: Sequence[OurBet | UnreadBet], found: Sequence[tuple[int, Difference]]
    ) -> Run | None:
        """Write down that these bets are compared, and what was found with their numbers; the run after that.

        None where another attempt has moved the cursor away from where ``run`` has seen it: nothing is written then.
        """
        row = await one_row(
            self._engine,
            reconciliations.COMPARED,
            reconciliation_id=run.reconciliation_id,
            seen=run.last_bet_id,
            bets=len(bets),
            last_bet_id=bets[-1].bet_id,
            findings=json.dumps([_finding(bet_id, difference) for bet_id, difference in found]),
        )
        return row and _run(row)

    async def any_open(self, reconciliation_id: int) -> bool:
        """Whether a finding waits for its second look."""
        row = await one_row(self._engine, reconciliations.ANY_OPEN, reconciliation_id=reconciliation_id)
        return bool(row[0])

    async def open_findings(self, reconciliation_id: int, after: int, limit: int) -> list[OpenFinding]:
        """Findings behind one that wait for their second look."""
        given = {"reconciliation_id": reconciliation_id, "after": after, "limit": limit}
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(reconciliations.OPEN_FINDINGS), given)
            return [OpenFinding(*row) for row in rows]

    async def decide(self, decided: Sequence[tuple[int, str, Difference | None]]) -> None:
        """Write down what became of findings after the second look; without a difference, it has gone."""
        words = [
            {"finding_id": finding_id, "outcome": outcome} | (_words(difference) if difference else {})
            for finding_id, outcome, difference in decided
        ]
        async with self._engine.connect() as connection:
            await connection.execute(text(reconciliations.DECIDED), {"decided": json.dumps(words)})

    async def end(self, reconciliation_id: int) -> None:
        """The run is over. Raises RuntimeError where it has not compared all of its bets."""
        row = await one_row(self._engine, reconciliations.END, reconciliation_id=reconciliation_id)
        if row is None:
            raise RuntimeError(f"reconciliation {reconciliation_id} has not compared all of its bets")

    async def summary(self, reconciliation_id: int) -> Reconciled:
        """What a run has compared and found."""
        run = await self.run(reconciliation_id)
        kinds: dict[str, int] = {}
        outcomes: dict[str, int] = {}
        given = {"reconciliation_id": reconciliation_id}
        async with self._engine.connect() as connection:
            for row in await connection.execute(text(reconciliations.COUNTS), given):
                outcome = row.outcome or "waits"
                kinds[row.kind] = kinds.get(row.kind, 0) + row.findings
                outcomes[outcome] = outcomes.get(outcome, 0) + row.findings
        return Reconciled(
            reconciliation_id=reconciliation_id, bets=run.bets, compared=run.compared, kinds=kinds, outcomes=outcomes
        )

    async def findings(self, reconciliation_id: int) -> AsyncIterator[Json]:
        """All findings of a run, as they are reported, a page at a time."""
        query = text(reconciliations.FINDINGS).columns(ours=JSONB, theirs=JSONB)
        after = 0
        while True:
            given = {"reconciliation_id": reconciliation_id, "after": after, "limit": _PAGE}
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query, given)).all()
            for row in rows:
                yield _reported(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1].finding_id

    async def _bets(self, statement: str, **given: Any) -> list[OurBet | UnreadBet]:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(text(statement), given)).all()
        return list(_bets_of(rows))


def _bets_of(rows: Sequence[Any]) -> Iterator[OurBet | UnreadBet]:
    for bet_id, of_one in groupby(rows, key=lambda row: row.bet_id):
        try:
            yield _bet_of(list(of_one))
        except NOT_READ as error:
            yield UnreadBet(bet_id, str(error))


def _bet_of(found: Sequence[Any]) -> OurBet:
    first = found[0]
    # Raised here, where it concerns one bet, not where an amount is written.
    decimals(first.currency)
    return OurBet(
        key=BetKey(str(first.counterparty_id), first.named),
        partner_user_id=first.partner_user_id,
        record=record_of(first),
        movements=tuple(_movement(row) for row in found if row.m_type is not None),
    )


def _movement(row: Any) -> OurMovement:
    amount = money_of(row.m_amount, row.currency)
    if amount is None:
        raise ValueError(f"movement {row.bet_id}:{row.m_type} has no amount")
    return OurMovement(
        transaction_type=row.m_type,
        amount=amount,
        state=row.m_state,
        error_code=row.m_error_code,
        first_sent_at=row.m_first_sent_at,
        not_after=row.m_not_after,
    )


def _run(row: Any) -> Run:
    return Run(
        reconciliation_id=row.reconciliation_id,
        casino_id=row.casino_id,
        opened_from=row.opened_from,
        opened_to=row.opened_to,
        workflow_id=row.workflow_id,
        bets=row.bets,
        compared=row.compared,
        last_bet_id=row.last_bet_id,
        ended_at=row.ended_at,
    )


def _wanted(row: Any) -> Wanted:
    order = Reconcile(casino_id=row.casino_id, opened_from=row.opened_from, opened_to=row.opened_to)
    return Wanted(order, row.workflow_id or scheduled_run_id(row.name, row.opened_from, row.opened_to))


def _finding(bet_id: int, difference: Difference) -> Json:
    outcome = None if difference.remedy.needs_second_look else difference.remedy
    named = {"bet_id": bet_id, "transaction_type": difference.transaction_type, "outcome": outcome}
    return named | _words(difference)


def _words(difference: Difference) -> Json:
    return {"kind": difference.kind, "ours": difference.ours, "theirs": difference.theirs}


def _reported(row: Any) -> Json:
    told: Mapping[str, Any] = row._mapping
    names = ("finding_id", "bet_id", "provider", "provider_bet_id", "transaction_type", "kind", "outcome")
    return {name: told[name] for name in names} | {"at": row.at.isoformat(), "ours": row.ours, "theirs": row.theirs}
