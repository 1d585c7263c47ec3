"""The statements by which ``betcore.verify`` judges pools: their journals, and the stakes that contribute to them.

An entry never changes, nor does a stake that it has booked: what is read of a pool up to one of its entries fits
together, however busy it is meanwhile.
"""

from dataclasses import dataclass
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool as its row has it; amounts in minor units."""

    jackpot_id: int
    share: Decimal
    entries: int
    amount: Decimal
    stakes: Decimal
    contributed: Decimal


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of a pool's journal."""

    number: int
    kind: str
    amount: Decimal
    balance: Decimal
    stakes: Decimal


@dataclass(frozen=True, slots=True)
class StakeFaultRow:
    """A bet, a pool, and what is wrong between them."""

    bet_id: int
    provider: str | None
    provider_bet_id: str | None
    jackpot_id: int
    faults: list[str]


@dataclass(frozen=True, slots=True)
class StakesRow:
    """Stakes of a range of bets that a pool has booked."""

    jackpot_id: int
    entry: int
    staked: Decimal


POOLS = Statement(PoolRow, "SELECT * FROM jackpot ORDER BY jackpot_id")
JOURNAL = Statement(
    EntryRow,
    """
SELECT number, kind, amount, balance, stakes FROM jackpot_entry
WHERE jackpot_id = :jackpot_id AND number > :after AND number <= :upto ORDER BY number LIMIT :limit
""",
)

# A stake should contribute if its bet was settled while the pool was there. A minute on either side is left out: the
# statement that settles may not see the pool, or the change of a game's category, that is being written at the moment.
STAKE_FAULTS = Statement(
    StakeFaultRow,
    """
WITH wanted AS (
    SELECT bet.bet_id, jackpot.jackpot_id, stake
    FROM bet JOIN jackpot USING (casino_id, provider_id, currency) JOIN game ON game.game_id = bet.game_id
    WHERE bet.bet_id > :after AND bet.bet_id <= :upto AND state = 'settled' AND stake > 0
      AND closed_at > jackpot.created_at + interval '1 minute'
      AND coalesce(closed_at < jackpot.disabled_at - interval '1 minute', true)
      AND (jackpot.game_id = bet.game_id
           OR (jackpot.category = game.category AND closed_at > game.updated_at + interval '1 minute'))
),
found AS (
    SELECT bet_id, jackpot_id, max(amount) FILTER (WHERE NOT reversed) AS added,
           max(amount) FILTER (WHERE reversed) AS taken_back
    FROM jackpot_stake WHERE bet_id > :after AND bet_id <= :upto
    GROUP BY bet_id, jackpot_id
),
won AS (
    SELECT bet_id, jackpot_id, -amount AS won FROM jackpot_entry WHERE bet_id > :after AND bet_id <= :upto
),
winners AS (
    SELECT bet_id, jackpot_id, jackpot AS wins FROM bet
    WHERE bet_id > :after AND bet_id <= :upto AND jackpot_id IS NOT NULL AND jackpot IS NOT NULL
),
pairs AS (
    SELECT * FROM wanted FULL JOIN found USING (bet_id, jackpot_id) FULL JOIN won USING (bet_id, jackpot_id)
    FULL JOIN winners USING (bet_id, jackpot_id)
),
judged AS (
    SELECT pairs.bet_id, pairs.jackpot_id, provider.name AS provider, provider_bet_id, array_remove(ARRAY[
        CASE WHEN pairs.stake IS NOT NULL AND added IS NULL THEN 'stake_missing' END,
        CASE WHEN coalesce(added, taken_back) IS NOT NULL
                  AND (bet.state = 'settled' AND bet.stake = added
                       AND (bet.casino_id, bet.currency) = (jackpot.casino_id, jackpot.currency)) IS NOT TRUE
             THEN 'stake_of_another' END,
        CASE WHEN added IS NOT NULL
                  AND coalesce(taken_back, 0) <> CASE WHEN reversed_by IS NULL THEN 0 ELSE -added END
             THEN 'stake_taken_back' END,
        CASE WHEN won IS DISTINCT FROM wins THEN 'won_another' END
    ], NULL) AS faults
    FROM pairs LEFT JOIN bet ON bet.bet_id = pairs.bet_id LEFT JOIN provider USING (provider_id)
    LEFT JOIN jackpot ON jackpot.jackpot_id = pairs.jackpot_id
)
SELECT * FROM judged WHERE cardinality(faults) > 0 ORDER BY bet_id, jackpot_id
""",
)

STAKES = Statement(
    StakesRow,
    """
SELECT jackpot_id, entry, sum(amount) AS staked FROM jackpot_stake
WHERE bet_id > :after AND bet_id <= :upto AND entry IS NOT NULL
GROUP BY jackpot_id, entry
""",
)
