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
class CashbackSumRow:
    """Sums of cashbacks in minor units, of a casino or of one of its players."""

    casino_id: int
    player_id: int | None
    currency: str
    cashbacks: int
    movements: Decimal
    issued: Decimal
    cancelled: Decimal
    says: Decimal
    moved: Decimal


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

# The cashbacks of a page with their movements beside each other. Each row is looked up by its key: as a join, or by
# EXISTS, PostgreSQL may read the whole table instead, or all the movements of bets between two cashbacks.
_WEIGHED = """facts AS (
    SELECT cashback.*, legs.*, issue_is IN ('done', 'paid_by_hand') AS paid
    FROM cashback CROSS JOIN LATERAL (
        SELECT max(movement.state) FILTER (WHERE transaction_type = 1) AS issue_is,
               max(movement.state) FILTER (WHERE transaction_type = -2) AS cancel_is,
               count(*) FILTER (WHERE transaction_type NOT IN (1, -2)) AS others, count(*) AS movements,
               bool_or(movement.state = 'parked') AS parked, count(DISTINCT movement.amount) AS amounts,
               max(movement.amount) AS moves,
               coalesce(sum(sign(CAST(transaction_type AS numeric)) * movement.amount)
                        FILTER (WHERE movement.state IN ('done', 'paid_by_hand')), 0) AS moved,
               array_agg(transaction_type || ' ' || movement.state || ' ' || movement.amount
                         ORDER BY transaction_type) AS described
        FROM movement WHERE bet_id = cashback_id
    ) AS legs
    WHERE cashback_id > :after AND cashback_id <= :upto
      AND (CAST(:since AS timestamptz) IS NULL OR opened_at >= CAST(:since AS timestamptz))
)"""

FAULTS = Statement(
    FaultRow,
    f"""
WITH {_WEIGHED},
judged AS (
    SELECT cashback_id, casino_id, state, described, array_remove(ARRAY[
        CASE WHEN others > 0 OR CASE state
                 WHEN 'issuing' THEN coalesce(issue_is IN ('sending', 'parked'), true) AND cancel_is IS NULL
                 WHEN 'issued' THEN paid AND coalesce(cancel_is IN ('refused', 'absent'), true)
                 WHEN 'cancelling' THEN paid AND coalesce(cancel_is IN ('sending', 'parked'), true)
                 ELSE paid AND cancel_is = 'done' END IS NOT TRUE THEN 'unfitting' END,
        CASE WHEN amounts > 1 OR moves <> amount THEN 'amount' END,
        CASE WHEN (SELECT player.casino_id FROM player WHERE player.player_id = facts.player_id)
                  IS DISTINCT FROM casino_id
             THEN 'strangers' END,
        CASE WHEN 0 < (SELECT count(*) FROM bet WHERE bet.bet_id = cashback_id) THEN 'number_twice' END,
        CASE WHEN parked AND 0 = (
                 SELECT count(*) FROM incident WHERE incident.bet_id = cashback_id AND kind = 'parked')
             THEN 'parked_untold' END,
        CASE WHEN source = 'rule' AND 0 = (
                 SELECT count(*) FROM cashback_rule_run AS run
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

# A row for each casino and currency, and one for each player whose two sides differ.
SUMS = Statement(
    CashbackSumRow,
    f"""
WITH {_WEIGHED},
counted AS (
    SELECT casino_id, player_id, currency, movements, moved, CASE WHEN paid THEN amount ELSE 0 END AS issued,
           CASE WHEN cancel_is = 'done' THEN amount ELSE 0 END AS cancelled,
           CASE WHEN state IN ('issued', 'cancelling') THEN amount ELSE 0 END AS says
    FROM facts
)
SELECT casino_id, player_id, currency, count(*) AS cashbacks, sum(movements) AS movements, sum(issued) AS issued,
       sum(cancelled) AS cancelled, sum(says) AS says, sum(moved) AS moved
FROM counted
GROUP BY GROUPING SETS ((casino_id, currency), (casino_id, currency, player_id))
HAVING grouping(player_id) = 1 OR sum(says) <> sum(moved)
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
