"""The statement behind ``betcore.db.held_wins``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class HeldWinRow:
    """A win in review; amounts in minor units. ``jackpot_id`` is that of a pool, whose amount is not known yet."""

    bet_id: int
    provider: str
    provider_bet_id: str
    game: str
    casino: str
    currency: str
    stake: Decimal
    win: Decimal
    jackpot: Decimal | None
    jackpot_id: int | None
    reasons: list[str]
    since: datetime


# By an index of the wins in review alone, however many bets there are. A win with a pool is beside every amount: what
# it pays is not known yet. ``bets`` are those that are asked for, NULL for all.
LISTED = Statement(
    HeldWinRow,
    """
WITH held AS (
    SELECT bet.*, CAST(review -> 'asked' ->> 'win' AS numeric(38,0)) AS asked_win,
           CAST(review -> 'asked' ->> 'jackpot' AS numeric(38,0)) AS asked_jackpot,
           CAST(review -> 'asked' ->> 'jackpot_id' AS bigint) AS asked_pool,
           CAST(review ->> 'since' AS timestamptz) AS since
    FROM bet
    WHERE review ->> 'state' = 'in_review'
      AND (CAST(:bets AS bigint[]) IS NULL OR bet_id = ANY (CAST(:bets AS bigint[])))
)
SELECT bet_id, provider.name AS provider, provider_bet_id, provider_game_id AS game, casino.name AS casino, currency,
       stake, asked_win AS win, asked_jackpot AS jackpot, asked_pool AS jackpot_id, review -> 'reasons' AS reasons,
       since
FROM held JOIN provider USING (provider_id) JOIN game USING (game_id) JOIN casino USING (casino_id)
WHERE (CAST(:provider AS text) IS NULL OR provider.name = :provider)
  AND (CAST(:game AS text) IS NULL OR provider_game_id = :game)
  AND (CAST(:casino AS text) IS NULL OR casino.name = :casino)
  AND (CAST(:reason AS text) IS NULL OR review -> 'reasons' = jsonb_build_array(CAST(:reason AS text)))
  AND (CAST(:since AS timestamptz) IS NULL OR since >= CAST(:since AS timestamptz))
  AND (CAST(:currency AS text) IS NULL OR currency = :currency)
  AND (CAST(:max_amount AS numeric(38,0)) IS NULL
       OR (asked_pool IS NULL AND asked_win + coalesce(asked_jackpot, 0) <= CAST(:max_amount AS numeric(38,0))))
ORDER BY bet_id LIMIT :limit
""",
)
