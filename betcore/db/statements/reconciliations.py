"""The statements behind ``betcore.db.reconciliations``."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import NoRow, Statement
from betcore.domain.reconciliation import OpenFinding, Run


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
    """A finding, and its bet as the provider knows it; None if it is of a cashback."""

    finding_id: int
    bet_id: int
    provider: str | None
    provider_bet_id: str | None
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
# the window, so that older ones are not read through. Cashbacks, which are compared if the casino lists them, have
# numbers of the same sequence.
OPEN = Statement(
    Run,
    """
WITH numbered AS (
    SELECT bet_id FROM bet
    WHERE casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
      AND NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
    UNION ALL
    SELECT cashback_id FROM cashback
    WHERE casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
      AND EXISTS (SELECT FROM casino WHERE casino_id = :casino_id AND profile @> '{"cashback_info": true}')
      AND NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
),
wanted AS (
    SELECT count(*) AS bets, coalesce(min(bet_id) - 1, 0) AS before_them FROM numbered
),
opened AS (
    INSERT INTO reconciliation (casino_id, opened_from, opened_to, workflow_id, bets, last_bet_id, cashbacks)
    SELECT casino_id, :opened_from, :opened_to, :workflow_id, bets, before_them, profile @> '{"cashback_info": true}'
    FROM wanted CROSS JOIN casino
    WHERE casino_id = :casino_id AND NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
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
FROM finding LEFT JOIN bet USING (bet_id) LEFT JOIN provider USING (provider_id)
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

# For each casino: the scheduled run that has not ended, else the window from the end of the last one, if it has bets or
# cashbacks.
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
        SELECT least(
            (SELECT min(opened_at) FROM bet
             WHERE bet.casino_id = casino.casino_id AND opened_at >= coalesce(last.opened_to, '-infinity')),
            (SELECT min(opened_at) FROM cashback
             WHERE cashback.casino_id = casino.casino_id AND opened_at >= coalesce(last.opened_to, '-infinity')
               AND profile @> '{"cashback_info": true}')) AS opened_at
    ) AS first
    HAVING min(first.opened_at) < now() - CAST(:margin AS interval)
) AS fresh ON unended.workflow_id IS NULL
WHERE unended.workflow_id IS NOT NULL OR fresh.opened_from IS NOT NULL
ORDER BY casino.casino_id
""",
)
