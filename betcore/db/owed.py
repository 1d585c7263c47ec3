"""What is owed to players: by casino, currency and age. Sums are made in the database, of whole minor units."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.bet_history import known_casino
from betcore.db.row_mapping import amount_text

Json = dict[str, Any]

# A bet that was taken back owes its stake before the return of it has begun. A reversal owes the stake once the win is
# back, or where there was none to take back.
_OWED = """
WITH owed AS (
    SELECT casino_id, currency, CASE WHEN state = 'settling' THEN win ELSE stake END AS amount,
           coalesce(
               (SELECT first_sent_at FROM movement
                WHERE movement.bet_id = bet.bet_id AND transaction_type IN (1, 2)
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
), aged AS (
    SELECT *, CASE WHEN since > now() - interval '1 minute' THEN 1 WHEN since > now() - interval '10 minutes' THEN 2
                   WHEN since > now() - interval '1 hour' THEN 3 WHEN since > now() - interval '1 day' THEN 4
                   ELSE 5 END AS age
    FROM owed
)
SELECT casino.name AS casino, currency, age, count(*) AS bets, sum(amount) AS amount, min(since) AS oldest
FROM aged JOIN casino USING (casino_id)
WHERE CAST(:casino AS text) IS NULL OR casino.name = :casino
GROUP BY casino.name, currency, age ORDER BY casino.name, currency, age DESC
"""

AGES = {1: "under a minute", 2: "under 10 minutes", 3: "under an hour", 4: "under a day", 5: "older"}


class Owed:
    """Reads what is owed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def listed(self, casino: str | None = None) -> list[Json]:
        """Number and sum (major units) of what is owed for each casino, currency and age; the oldest first.

        Raises NotFound for a casino that there is not.
        """
        if casino is not None:
            await known_casino(self._engine, casino)
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(_OWED), {"casino": casino})
            return [
                {
                    "casino": row.casino,
                    "age": AGES[row.age],
                    "bets": row.bets,
                    "currency": row.currency,
                    "amount": amount_text(row.amount, row.currency),
                    "oldest_at": row.oldest.isoformat(),
                }
                for row in rows
            ]
