"""The statements by which ``betcore.verify`` holds open rows against workflows. Nothing here writes or locks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many bets there are."""

    bets: int


@dataclass(frozen=True, slots=True)
class OpenStateRow:
    """An open row, what names the workflow that should carry it, and whether it owes.

    A cashback has no provider: its casino stands there, and the id of its first workflow for ``provider_bet_id``.
    """

    bet_id: int
    kind: str
    owner: str | None
    lives: int
    opened_at: datetime
    counterparty_id: UUID | None
    provider: str
    provider_bet_id: str
    due: bool
    parked: bool


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """The row that a workflow carries, if there is one; ``ended`` says whether it is closed for long enough."""

    workflow_id: str
    bet_id: int | None
    provider: str | None
    provider_bet_id: str | None
    ended: bool | None


# Open rows as the workflow that should carry each is found, and what they owe. ``due`` is what still has to be moved:
# a movement on its way, or one that is yet to begin. What has no owner yet waits for the minute's sweep.
_OPEN_BET = """open_bet AS (
    SELECT bet.bet_id, 'bet' AS kind, bet.owner, bet.lives, bet.opened_at, counterparty_id, provider.name AS provider,
           provider_bet_id, bet.state IN ('accepting', 'settling', 'refunding') OR bet.withdrawn_at IS NOT NULL AS due,
           (SELECT bool_or(state = 'parked') FROM movement WHERE movement.bet_id = bet.bet_id) IS TRUE AS parked
    FROM bet JOIN provider USING (provider_id) WHERE bet.closed_at IS NULL
)"""
_OPEN_REVERSAL = """open_reversal AS (
    SELECT bet_id, 'reversal' AS kind, reversal.owner, reversal.lives, reversal.opened_at, counterparty_id,
           provider.name AS provider, provider_bet_id, true AS due,
           (SELECT bool_or(movement.state = 'parked') FROM movement WHERE movement.bet_id = reversal.bet_id) IS TRUE
               AS parked
    FROM reversal JOIN bet USING (bet_id) JOIN provider USING (provider_id) WHERE reversal.closed_at IS NULL
)"""
OPEN_BETS = Statement(
    OpenStateRow,
    f"""
WITH {_OPEN_BET}
SELECT * FROM open_bet
WHERE bet_id > :after AND opened_at < now() - CAST(:settled AS interval)
ORDER BY bet_id LIMIT :limit
""",
)
OPEN_REVERSALS = Statement(
    OpenStateRow,
    f"""
WITH {_OPEN_REVERSAL}
SELECT * FROM open_reversal
WHERE bet_id > :after
  AND opened_at < now() - CASE WHEN owner IS NULL THEN CAST(:taken_on AS interval) ELSE CAST(:settled AS interval) END
ORDER BY bet_id LIMIT :limit
""",
)
# What no workflow has taken on yet waits for its turn.
_OPEN_CASHBACK = """open_cashback AS (
    SELECT cashback_id AS bet_id, 'cashback' AS kind, owner, lives, opened_at, CAST(NULL AS uuid) AS counterparty_id,
           casino.name AS provider, 'cashback:' || cashback_id AS provider_bet_id, true AS due,
           (SELECT bool_or(movement.state = 'parked') FROM movement WHERE movement.bet_id = cashback_id) IS TRUE
               AS parked
    FROM cashback JOIN casino USING (casino_id) WHERE closed_at IS NULL AND owner IS NOT NULL
)"""
OPEN_CASHBACKS = Statement(
    OpenStateRow,
    f"""
WITH {_OPEN_CASHBACK}
SELECT * FROM open_cashback
WHERE bet_id > :after AND opened_at < now() - CAST(:settled AS interval)
ORDER BY bet_id LIMIT :limit
""",
)
CASHBACKS_STILL_OPEN = Statement(
    OpenStateRow,
    f"""
WITH {_OPEN_CASHBACK}
SELECT * FROM open_cashback WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
""",
)
BETS_STILL_OPEN = Statement(
    OpenStateRow,
    f"""
WITH {_OPEN_BET}
SELECT * FROM open_bet WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
""",
)
REVERSALS_STILL_OPEN = Statement(
    OpenStateRow,
    f"""
WITH {_OPEN_REVERSAL}
SELECT * FROM open_reversal WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
""",
)
OPEN_COUNT = Statement(
    CountRow,
    """
SELECT (SELECT count(*) FROM bet WHERE closed_at IS NULL)
     + (SELECT count(*) FROM reversal WHERE closed_at IS NULL)
     + (SELECT count(*) FROM cashback WHERE closed_at IS NULL AND owner IS NOT NULL) AS bets
""",
)

# The rows that workflows carry, in the order asked: the bet by its number or by its provider's words.
ROWS_OF_WORKFLOWS = Statement(
    WorkflowRow,
    """
SELECT asked.workflow_id, coalesce(bet.bet_id, cashback_id) AS bet_id, provider.name AS provider,
       bet.provider_bet_id,
       CASE WHEN asked.reverses THEN reversal.closed_at ELSE coalesce(bet.closed_at, cashback.closed_at) END
           < now() - CAST(:settled AS interval) AS ended
FROM unnest(CAST(:workflow_ids AS text[]), CAST(:reverses AS boolean[]), CAST(:numbers AS bigint[]),
            CAST(:counterparties AS uuid[]), CAST(:provider_bet_ids AS text[]))
     AS asked (workflow_id, reverses, number, counterparty, named)
LEFT JOIN LATERAL (
    SELECT bet_id FROM bet WHERE bet_id = asked.number
    UNION ALL
    SELECT bet_id FROM bet JOIN provider USING (provider_id)
    WHERE counterparty_id = asked.counterparty AND provider_bet_id = asked.named
    LIMIT 1
) AS found ON true
LEFT JOIN bet ON bet.bet_id = found.bet_id
LEFT JOIN provider ON provider.provider_id = bet.provider_id
LEFT JOIN reversal ON reversal.bet_id = bet.bet_id
LEFT JOIN cashback ON cashback_id = asked.number
""",
)
