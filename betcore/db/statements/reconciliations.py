"""The statements behind ``betcore.db.reconciliations``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.row_mapping import BetRow, ReversalRow
from betcore.db.statement import NoRow, Statement
from betcore.db.statements.reversals import REVERSAL
from betcore.domain.reconciliation import OpenFinding, Run


@dataclass(frozen=True, slots=True)
class ComparedMovementRow:
    """A movement, as it is compared."""

    m_type: int
    m_amount: Decimal
    m_state: str
    m_error_code: str | None
    m_first_sent_at: datetime
    m_not_after: datetime | None


@dataclass(frozen=True, slots=True)
class ComparedBetRow:
    """A bet with one of its movements, or the only row of a bet without any."""

    bet: BetRow
    reversal: ReversalRow | None
    movement: ComparedMovementRow | None
    partner_user_id: str
    counterparty_id: UUID


@dataclass(frozen=True, slots=True)
class AnyOpenRow:
    """Whether a finding waits for its second look."""

    any_open: bool


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many findings of a kind have an outcome."""

    kind: str
    outcome: str | None
    findings: int


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding, and its bet as the provider knows it."""

    finding_id: int
    bet_id: int
    provider: str
    provider_bet_id: str
    transaction_type: int
    kind: str
    outcome: str | None
    at: datetime
    ours: dict[str, object]
    theirs: dict[str, object]


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A casino, the time, and how many runs of a window have ended."""

    casino_id: int
    now: datetime
    times: int


@dataclass(frozen=True, slots=True)
class DueRow:
    """The run that a casino's schedule has to do next; ``workflow_id`` is that of one that has not ended."""

    casino_id: int
    name: str
    workflow_id: str | None
    opened_from: datetime
    opened_to: datetime


# A run that has begun stays as it is: another attempt goes on with it. The cursor begins just before the first bet of
# the window, so that older ones are not read through.
OPEN = Statement(
    Run,
    """
WITH wanted AS (
    SELECT count(*) AS bets, coalesce(min(bet_id) - 1, 0) AS before_them FROM bet
    WHERE casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
      AND NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
),
opened AS (
    INSERT INTO reconciliation (casino_id, opened_from, opened_to, workflow_id, bets, last_bet_id)
    SELECT :casino_id, :opened_from, :opened_to, :workflow_id, bets, before_them FROM wanted
    WHERE NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
    ON CONFLICT (workflow_id) DO NOTHING
    RETURNING *
)
SELECT * FROM opened
UNION ALL
SELECT * FROM reconciliation WHERE workflow_id = :workflow_id AND NOT EXISTS (SELECT FROM opened)
""",
)

RUN = Statement(Run, "SELECT * FROM reconciliation WHERE reconciliation_id = :reconciliation_id")
RUN_OF = Statement(Run, "SELECT * FROM reconciliation WHERE workflow_id = :workflow_id")

# The bets in ``wanted``, a row for each of their movements.
_BETS = """SELECT bet.*, partner_user_id, counterparty_id, its_reversal.*,
       movement.transaction_type AS m_type, movement.amount AS m_amount, movement.state AS m_state,
       movement.error_code AS m_error_code, movement.first_sent_at AS m_first_sent_at,
       movement.not_after AS m_not_after
FROM wanted AS bet
JOIN player USING (player_id)
JOIN provider ON provider.provider_id = bet.provider_id
LEFT JOIN its_reversal ON reversed_bet_id = bet.bet_id
LEFT JOIN movement ON movement.bet_id = bet.bet_id
ORDER BY bet.bet_id, movement.transaction_type"""

BETS_BEHIND = Statement(
    ComparedBetRow,
    f"""
WITH wanted AS (
    SELECT * FROM bet
    WHERE bet_id > :after AND casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
    ORDER BY bet_id LIMIT :limit
),
{REVERSAL}
{_BETS}
""",
)

BETS_NAMED = Statement(
    ComparedBetRow,
    f"""
WITH wanted AS (
    SELECT * FROM bet WHERE bet_id = ANY(:bet_ids)
),
{REVERSAL}
{_BETS}
""",
)

# The statement names the cursor that it has seen: of two attempts at once one moves it, and the findings of the other
# are not written.
COMPARED = Statement(
    Run,
    """
WITH moved AS (
    UPDATE reconciliation
    SET compared = compared + :bets, bets = greatest(bets, compared + :bets), last_bet_id = :last_bet_id
    WHERE reconciliation_id = :reconciliation_id AND last_bet_id = :seen AND ended_at IS NULL
    RETURNING *
),
found AS (
    INSERT INTO finding (reconciliation_id, bet_id, transaction_type, kind, ours, theirs, outcome)
    SELECT reconciliation_id, f.bet_id, f.transaction_type, f.kind, f.ours, f.theirs, f.outcome
    FROM moved, jsonb_to_recordset(CAST(:findings AS jsonb))
         AS f(bet_id bigint, transaction_type smallint, kind text, ours jsonb, theirs jsonb, outcome text)
)
SELECT * FROM moved
""",
)

OPEN_FINDINGS = Statement(
    OpenFinding,
    """
SELECT finding_id, bet_id, transaction_type FROM finding
WHERE reconciliation_id = :reconciliation_id AND outcome IS NULL AND finding_id > :after
ORDER BY finding_id LIMIT :limit
""",
)
ANY_OPEN = Statement(
    AnyOpenRow,
    """
SELECT EXISTS (SELECT FROM finding WHERE reconciliation_id = :reconciliation_id AND outcome IS NULL) AS any_open
""",
)

# The report of a finding that has gone stays as it was at the first look.
DECIDED = Statement(
    NoRow,
    """
UPDATE finding
SET outcome = d.outcome, kind = coalesce(d.kind, finding.kind), ours = coalesce(d.ours, finding.ours),
    theirs = coalesce(d.theirs, finding.theirs)
FROM jsonb_to_recordset(CAST(:decided AS jsonb))
     AS d(finding_id bigint, outcome text, kind text, ours jsonb, theirs jsonb)
WHERE finding.finding_id = d.finding_id AND finding.outcome IS NULL
""",
)

END = Statement(
    Run,
    """
UPDATE reconciliation SET ended_at = coalesce(ended_at, now())
WHERE reconciliation_id = :reconciliation_id AND compared = bets
RETURNING *
""",
)

COUNTS = Statement(
    CountRow,
    """
SELECT kind, outcome, count(*) AS findings FROM finding
WHERE reconciliation_id = :reconciliation_id GROUP BY kind, outcome
""",
)

FINDINGS = Statement(
    FindingRow,
    """
SELECT finding.*, provider.name AS provider, provider_bet_id
FROM finding JOIN bet USING (bet_id) JOIN provider USING (provider_id)
WHERE reconciliation_id = :reconciliation_id AND finding_id > :after
ORDER BY finding_id LIMIT :limit
""",
)

WINDOW = Statement(
    WindowRow,
    """
SELECT casino_id, now() AS now,
       (SELECT count(*) FROM reconciliation r
        WHERE r.casino_id = casino.casino_id AND opened_from = :opened_from AND opened_to = :opened_to
          AND ended_at IS NOT NULL) AS times
FROM casino WHERE name = :casino
""",
)

# For each casino: the scheduled run that has not ended, else the window from the end of the last one, if it has bets.
DUE = Statement(
    DueRow,
    """
SELECT casino.casino_id, casino.name, unended.workflow_id,
       coalesce(unended.opened_from, fresh.opened_from) AS opened_from,
       coalesce(unended.opened_to, fresh.opened_to) AS opened_to
FROM casino
LEFT JOIN LATERAL (
    SELECT * FROM reconciliation r
    WHERE r.casino_id = casino.casino_id AND ended_at IS NULL AND starts_with(workflow_id, :scheduled)
    ORDER BY opened_to DESC LIMIT 1
) AS unended ON true
LEFT JOIN LATERAL (
    SELECT coalesce(max(last.opened_to), min(first.opened_at)) AS opened_from,
           now() - CAST(:margin AS interval) AS opened_to
    FROM (
        SELECT max(opened_to) AS opened_to FROM reconciliation r
        WHERE r.casino_id = casino.casino_id AND starts_with(workflow_id, :scheduled)
    ) AS last, LATERAL (
        SELECT min(opened_at) AS opened_at FROM bet
        WHERE bet.casino_id = casino.casino_id AND bet.opened_at >= coalesce(last.opened_to, '-infinity')
    ) AS first
    HAVING min(first.opened_at) < now() - CAST(:margin AS interval)
) AS fresh ON unended.workflow_id IS NULL
WHERE unended.workflow_id IS NOT NULL OR fresh.opened_from IS NOT NULL
ORDER BY casino.casino_id
""",
)
