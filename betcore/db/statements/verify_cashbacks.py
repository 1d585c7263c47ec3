"""The statements by which ``betcore.verify`` judges cashbacks and holds them against casinos' journals.

Nothing here writes or locks.
"""

from dataclasses import dataclass
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class PageRow:
    """How many cashbacks a page has, and the last of them; None if it has none."""

    cashbacks: int
    upto: int | None


@dataclass(frozen=True, slots=True)
class ReachRow:
    """The first and the last CashbackId."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A cashback, what is wrong with it, and its movements as text, None without any."""

    cashback_id: int
    casino: str
    state: str
    described: list[str] | None
    faults: list[str]


@dataclass(frozen=True, slots=True)
class OurRow:
    """A movement of a cashback."""

    cashback_id: int
    transaction_type: int
    amount: Decimal
    currency: str
    partner_user_id: str
    state: str


NEXT = Statement(
    PageRow,
    """
SELECT count(*) AS cashbacks, max(cashback_id) AS upto
FROM (SELECT cashback_id FROM cashback WHERE cashback_id > :after ORDER BY cashback_id LIMIT :limit) AS page
""",
)

REACH = Statement(
    ReachRow,
    "SELECT coalesce(min(cashback_id), 0) AS first, coalesce(max(cashback_id), 0) AS last FROM cashback",
)

FAULTS = Statement(
    FaultRow,
    """
WITH legs AS (
    SELECT bet_id, max(movement.state) FILTER (WHERE transaction_type = 1) AS issue_is,
           max(movement.state) FILTER (WHERE transaction_type = -2) AS cancel_is,
           count(*) FILTER (WHERE transaction_type NOT IN (1, -2)) AS others,
           bool_or(movement.state = 'parked') AS parked, count(DISTINCT amount) AS amounts, max(amount) AS moved,
           array_agg(transaction_type || ' ' || movement.state || ' ' || amount ORDER BY transaction_type) AS described
    FROM movement WHERE bet_id > :after AND bet_id <= :upto GROUP BY bet_id
),
facts AS (
    SELECT cashback.*, legs.*, issue_is IN ('done', 'paid_by_hand') AS paid
    FROM cashback LEFT JOIN legs ON bet_id = cashback_id
    WHERE cashback_id > :after AND cashback_id <= :upto
      AND (CAST(:since AS timestamptz) IS NULL OR opened_at >= CAST(:since AS timestamptz))
),
judged AS (
    SELECT cashback_id, casino_id, state, described, array_remove(ARRAY[
        CASE WHEN others > 0 OR CASE state
                 WHEN 'issuing' THEN coalesce(issue_is IN ('sending', 'parked'), true) AND cancel_is IS NULL
                 WHEN 'issued' THEN paid AND coalesce(cancel_is IN ('refused', 'absent'), true)
                 WHEN 'cancelling' THEN paid AND coalesce(cancel_is IN ('sending', 'parked'), true)
                 ELSE paid AND cancel_is = 'done' END IS NOT TRUE THEN 'unfitting' END,
        CASE WHEN amounts > 1 OR moved <> amount THEN 'amount' END,
        CASE WHEN NOT EXISTS (
                 SELECT FROM player WHERE player.player_id = facts.player_id AND player.casino_id = facts.casino_id)
             THEN 'strangers' END,
        CASE WHEN EXISTS (SELECT FROM bet WHERE bet.bet_id = cashback_id) THEN 'number_twice' END,
        CASE WHEN parked AND NOT EXISTS (
                 SELECT FROM incident WHERE incident.bet_id = cashback_id AND kind = 'parked')
             THEN 'parked_untold' END,
        CASE WHEN source = 'rule' AND NOT EXISTS (
                 SELECT FROM cashback_rule_run AS run
                 WHERE run.casino_id = facts.casino_id AND run.version_id = facts.rule_version_id
                   AND run.period_from = facts.period_from AND run.period_to = facts.period_to)
             THEN 'without_run' END
    ], NULL) AS faults
    FROM facts
)
SELECT cashback_id, casino.name AS casino, state, described, faults
FROM judged JOIN casino USING (casino_id)
WHERE cardinality(faults) > 0
ORDER BY cashback_id
""",
)

OURS = Statement(
    OurRow,
    """
SELECT cashback_id, transaction_type, movement.amount, currency, partner_user_id, movement.state
FROM cashback JOIN movement ON movement.bet_id = cashback_id JOIN player USING (player_id)
WHERE cashback_id = ANY(CAST(:cashback_ids AS bigint[])) AND cashback.casino_id = :casino_id
""",
)
# What a casino's journal must have of ours.
MADE_BEHIND = Statement(
    OurRow,
    """
WITH page AS (
    SELECT cashback_id, player_id, currency FROM cashback
    WHERE casino_id = :casino_id AND cashback_id > :after ORDER BY cashback_id LIMIT :limit
)
SELECT cashback_id, transaction_type, movement.amount, currency, partner_user_id, movement.state
FROM page JOIN movement ON movement.bet_id = cashback_id JOIN player USING (player_id)
WHERE movement.state = 'done'
ORDER BY cashback_id, transaction_type
""",
)
