"""The statements behind ``betcore.db.reconciliations``."""

from betcore.db.row_mapping import REVERSAL_COLUMNS

# A run that is there already stays as it is: whoever comes again goes on with it. The cursor begins just before the
# first bet of the window, so that older ones are not read through.
OPEN = """
WITH wanted AS (
    SELECT count(*) AS bets, coalesce(min(bet_id) - 1, 0) AS before_them FROM bet
    WHERE casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
      AND NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
), opened AS (
    INSERT INTO reconciliation (casino_id, opened_from, opened_to, workflow_id, bets, last_bet_id)
    SELECT :casino_id, :opened_from, :opened_to, :workflow_id, bets, before_them FROM wanted
    WHERE NOT EXISTS (SELECT FROM reconciliation WHERE workflow_id = :workflow_id)
    ON CONFLICT (workflow_id) DO NOTHING
    RETURNING *
)
SELECT * FROM opened
UNION ALL
SELECT * FROM reconciliation WHERE workflow_id = :workflow_id AND NOT EXISTS (SELECT FROM opened)
"""

RUN = "SELECT * FROM reconciliation WHERE reconciliation_id = :reconciliation_id"
RUN_OF = "SELECT * FROM reconciliation WHERE workflow_id = :workflow_id"

_BETS = f"""
SELECT bet.*, partner_user_id, counterparty_id, provider_bet_id AS named, {REVERSAL_COLUMNS},
       movement.transaction_type AS m_type, movement.amount AS m_amount, movement.state AS m_state,
       movement.error_code AS m_error_code, movement.first_sent_at AS m_first_sent_at,
       movement.not_after AS m_not_after
FROM wanted AS bet
JOIN player USING (player_id)
JOIN provider ON provider.provider_id = bet.provider_id
LEFT JOIN reversal ON reversal.bet_id = bet.bet_id
LEFT JOIN movement ON movement.bet_id = bet.bet_id
ORDER BY bet.bet_id, movement.transaction_type
"""

BETS_BEHIND = f"""
WITH wanted AS (
    SELECT * FROM bet
    WHERE bet_id > :after AND casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
    ORDER BY bet_id LIMIT :limit
)
{_BETS}
"""

BETS_NAMED = f"""
WITH wanted AS (SELECT * FROM bet WHERE bet_id = ANY(:bet_ids))
{_BETS}
"""

# The cursor names where it stood: of two attempts that run beside each other one moves it, and the other one's findings
# are not written.
COMPARED = """
WITH moved AS (
    UPDATE reconciliation
    SET compared = compared + :bets, bets = greatest(bets, compared + :bets), last_bet_id = :last_bet_id
    WHERE reconciliation_id = :reconciliation_id AND last_bet_id = :seen AND ended_at IS NULL
    RETURNING *
), found AS (
    INSERT INTO finding (reconciliation_id, bet_id, transaction_type, kind, ours, theirs, outcome)
    SELECT reconciliation_id, f.bet_id, f.transaction_type, f.kind, f.ours, f.theirs, f.outcome
    FROM moved, jsonb_to_recordset(CAST(:findings AS jsonb))
         AS f(bet_id bigint, transaction_type smallint, kind text, ours jsonb, theirs jsonb, outcome text)
)
SELECT * FROM moved
"""

OPEN_FINDINGS = """
SELECT finding_id, bet_id, transaction_type FROM finding
WHERE reconciliation_id = :reconciliation_id AND outcome IS NULL AND finding_id > :after
ORDER BY finding_id LIMIT :limit
"""
ANY_OPEN = "SELECT EXISTS (SELECT FROM finding WHERE reconciliation_id = :reconciliation_id AND outcome IS NULL)"

# What is there to be told of a finding that has gone stays as it was at the first look.
DECIDED = """
UPDATE finding
SET outcome = d.outcome, kind = coalesce(d.kind, finding.kind), ours = coalesce(d.ours, finding.ours),
    theirs = coalesce(d.theirs, finding.theirs)
FROM jsonb_to_recordset(CAST(:decided AS jsonb))
     AS d(finding_id bigint, outcome text, kind text, ours jsonb, theirs jsonb)
WHERE finding.finding_id = d.finding_id AND finding.outcome IS NULL
"""

END = """
UPDATE reconciliation SET ended_at = coalesce(ended_at, now())
WHERE reconciliation_id = :reconciliation_id AND compared = bets
RETURNING *
"""

COUNTS = """
SELECT kind, outcome, count(*) AS findings FROM finding
WHERE reconciliation_id = :reconciliation_id GROUP BY kind, outcome
"""

FINDINGS = """
SELECT finding.*, provider.name AS provider, provider_bet_id
FROM finding JOIN bet USING (bet_id) JOIN provider USING (provider_id)
WHERE reconciliation_id = :reconciliation_id AND finding_id > :after
ORDER BY finding_id LIMIT :limit
"""

WINDOW = """
SELECT casino_id, now() AS now,
       (SELECT count(*) FROM reconciliation r
        WHERE r.casino_id = casino.casino_id AND opened_from = :opened_from AND opened_to = :opened_to
          AND ended_at IS NOT NULL) AS times
FROM casino WHERE name = :casino
"""

# For each casino: the scheduled run that has not ended, or else the window that begins where the last one has ended and
# has bets in it.
DUE = """
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
"""
