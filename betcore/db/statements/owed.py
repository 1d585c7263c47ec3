"""The statement behind ``betcore.db.owed``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class OwedRow:
    """What a casino's players are owed in a currency, of one age."""

    casino: str
    currency: str
    age: int
    bets: int
    amount: Decimal
    oldest: datetime


# A bet that was taken back owes its stake before the return of it has begun. A reversal owes the stake once the win is
# back, or if there was none to take back. Open rows are read once, whatever the number of casinos.
OWED = Statement(
    OwedRow,
    """
WITH owed AS MATERIALIZED (
    SELECT casino_id, currency, CASE WHEN state <> 'settling' THEN stake
               ELSE CASE WHEN win_paid_at IS NULL THEN win ELSE 0 END + coalesce(jackpot, 0) END AS amount,
           coalesce(
               (SELECT first_sent_at FROM movement
                WHERE movement.bet_id = bet.bet_id AND transaction_type IN (1, 2, 4)
                ORDER BY first_sent_at DESC LIMIT 1),
               withdrawn_at, opened_at) AS since
    FROM bet
    WHERE closed_at IS NULL
      AND (state IN ('settling', 'refunding') OR (state = 'acceptance' AND withdrawn_at IS NOT NULL))
    UNION ALL
    SELECT casino_id, currency, stake, reversal.opened_at
    FROM reversal JOIN bet USING (bet_id)
    WHERE reversal.closed_at IS NULL
      AND (bet.state <> 'settled' OR bet.win = 0 OR EXISTS (
              SELECT FROM movement
              WHERE movement.bet_id = bet.bet_id AND transaction_type = -2 AND movement.state = 'done'))
    UNION ALL
    SELECT casino_id, currency, amount, opened_at FROM cashback
    WHERE closed_at IS NULL AND owner IS NOT NULL AND state = 'issuing'
    UNION ALL
    SELECT casino_id, currency, amount, opened_at FROM cashback
    WHERE closed_at IS NULL AND owner IS NULL AND state = 'issuing'
),
aged AS (
    SELECT *, CASE WHEN since > now() - interval '1 minute' THEN 1 WHEN since > now() - interval '10 minutes' THEN 2
                   WHEN since > now() - interval '1 hour' THEN 3 WHEN since > now() - interval '1 day' THEN 4
                   ELSE 5 END AS age
    FROM owed
)
SELECT casino.name AS casino, currency, age, count(*) AS bets, sum(amount) AS amount, min(since) AS oldest
FROM aged JOIN casino USING (casino_id)
WHERE CAST(:casino AS text) IS NULL OR casino.name = :casino
GROUP BY casino.name, currency, age ORDER BY casino.name, currency, age DESC
""",
)
