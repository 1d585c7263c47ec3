"""The statements behind ``betcore.db.jackpot_pools``: pools of this service, and the journal that each of them is.

Each statement that writes an entry locks the pool's row first and numbers the entry by it; the row then holds what the
entry says. Stakes are booked in batches by a schedule, because a row that every bet of a game writes would make all
bets of that game wait for each other.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool with the names of what it belongs to; amounts in minor units."""

    jackpot_id: int
    casino: str
    name: str
    provider: str
    provider_game_id: str | None
    category: str | None
    currency: str
    share: Decimal
    seed: Decimal
    amount: Decimal
    stakes: Decimal
    contributed: Decimal
    entries: int
    created_at: datetime
    changed_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class PoolIdRow:
    """A pool."""

    jackpot_id: int


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A line of a pool's journal; ``balance`` is the pool after it, ``stakes`` all stakes booked up to it."""

    number: int
    kind: str
    amount: Decimal
    balance: Decimal
    stakes: Decimal
    bet_id: int | None
    reason: str | None
    operators: list[str] | None
    at: datetime


@dataclass(frozen=True, slots=True)
class UnbookedRow:
    """Stakes that a pool has still to book."""

    stakes: int


@dataclass(frozen=True, slots=True)
class BookedRow:
    """What one entry has booked: how many stakes, and what they add to the pool."""

    stakes: int
    added: Decimal


@dataclass(frozen=True, slots=True)
class AdjustedRow:
    """What has become of an adjustment, and the pool after it."""

    verdict: str
    until: datetime | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A pool as casinos' pages show it; amounts in minor units."""

    jackpot_id: int
    name: str
    game_type: str | None
    currency: str
    amount: Decimal
    seed: Decimal
    changed_at: datetime


ADD = Statement(
    PoolIdRow,
    """
WITH made AS (
    INSERT INTO jackpot (casino_id, provider_id, name, currency, game_id, category, share, seed, entries, amount)
    SELECT casino_id, provider_id, :name, :currency, game_id, CAST(:category AS text), CAST(:share AS numeric),
           CAST(:seed AS numeric(38,0)), CASE WHEN CAST(:seed AS numeric(38,0)) > 0 THEN 1 ELSE 0 END,
           CAST(:seed AS numeric(38,0))
    FROM casino CROSS JOIN provider
    LEFT JOIN (SELECT provider_id, game_id FROM game WHERE provider_game_id = CAST(:provider_game_id AS text)) AS one
         USING (provider_id)
    WHERE casino.name = :casino AND provider.name = :provider
      AND (CAST(:provider_game_id AS text) IS NULL) = (game_id IS NULL)
    ON CONFLICT (casino_id, name) DO NOTHING
    RETURNING jackpot_id, amount
),
entry AS (
    INSERT INTO jackpot_entry (jackpot_id, number, kind, amount, balance, stakes)
    SELECT jackpot_id, 1, 'seed', amount, amount, 0 FROM made WHERE amount > 0
)
SELECT jackpot_id FROM made
""",
)

# The games of a category may change: what counts is the category of the bet's game now.
CAN_WIN = Statement(
    PoolIdRow,
    """
SELECT jackpot_id FROM jackpot JOIN game USING (provider_id)
WHERE jackpot_id = :jackpot_id AND casino_id = :casino_id AND currency = :currency AND game.game_id = :game_id
  AND (jackpot.game_id = game.game_id OR jackpot.category = game.category)
""",
)

_POOL = """pool AS (
    SELECT jackpot.*, casino.name AS casino, provider.name AS provider, provider_game_id
    FROM jackpot JOIN casino USING (casino_id) JOIN provider USING (provider_id)
    LEFT JOIN game ON game.game_id = jackpot.game_id
)"""
LIST = Statement(
    PoolRow,
    f"""
WITH {_POOL}
SELECT * FROM pool WHERE CAST(:casino AS text) IS NULL OR casino = :casino ORDER BY jackpot_id
""",
)
SHOW = Statement(
    PoolRow,
    f"""
WITH {_POOL}
SELECT * FROM pool WHERE jackpot_id = :jackpot_id
""",
)
ENTRIES = Statement(
    EntryRow,
    """
SELECT * FROM jackpot_entry WHERE jackpot_id = :jackpot_id ORDER BY number DESC LIMIT :limit
""",
)
UNBOOKED = Statement(
    UnbookedRow, "SELECT count(*) AS stakes FROM jackpot_stake WHERE jackpot_id = :jackpot_id AND entry IS NULL"
)

# For good: what would be enabled again could not show in its journal which stakes it has missed.
DISABLE = Statement(
    PoolIdRow,
    """
UPDATE jackpot SET disabled_at = coalesce(disabled_at, now()), changed_at = now() WHERE jackpot_id = :jackpot_id
RETURNING jackpot_id
""",
)

ANY = Statement(PoolIdRow, "SELECT jackpot_id FROM jackpot LIMIT 1")
# One that was disabled too: stakes of before may still be to be booked.
DUE = Statement(
    PoolIdRow,
    """
SELECT jackpot_id FROM jackpot
WHERE EXISTS (SELECT FROM jackpot_stake WHERE jackpot_stake.jackpot_id = jackpot.jackpot_id AND entry IS NULL)
ORDER BY jackpot_id
""",
)

# The contribution is that of all stakes so far less what was booked before: no fraction of a minor unit is lost, in
# whatever batches stakes come. The condition on a stake stands twice: what another transaction has booked, while this
# one waited for the pool's row, is not booked again.
BOOK = Statement(
    BookedRow,
    """
WITH pool AS (
    SELECT jackpot_id, entries, amount, stakes, contributed, share FROM jackpot WHERE jackpot_id = :jackpot_id
    FOR NO KEY UPDATE
),
due AS (
    SELECT bet_id, reversed, pool.jackpot_id, entries + 1 AS number
    FROM pool JOIN jackpot_stake USING (jackpot_id) WHERE entry IS NULL LIMIT :limit
),
taken AS (
    UPDATE jackpot_stake SET entry = number
    FROM due
    WHERE jackpot_stake.bet_id = due.bet_id AND jackpot_stake.jackpot_id = due.jackpot_id
      AND jackpot_stake.reversed = due.reversed AND entry IS NULL
    RETURNING jackpot_stake.amount
),
total AS (
    SELECT count(*) AS taken, sum(amount) AS staked FROM taken HAVING count(*) > 0
),
next AS (
    SELECT jackpot_id, entries + 1 AS number, taken, stakes + staked AS stakes,
           floor(share * (stakes + staked)) AS contributed,
           floor(share * (stakes + staked)) - contributed AS added, amount
    FROM pool CROSS JOIN total
),
grown AS (
    UPDATE jackpot SET entries = number, stakes = next.stakes, contributed = next.contributed,
           amount = next.amount + added, changed_at = now()
    FROM next WHERE jackpot.jackpot_id = next.jackpot_id
),
entry AS (
    INSERT INTO jackpot_entry (jackpot_id, number, kind, amount, balance, stakes)
    SELECT jackpot_id, number, 'contribution', added, amount + added, stakes FROM next
)
SELECT taken AS stakes, added FROM next
""",
)

# Two operators name the same amount within the hour; then the pool changes, and not below nothing.
ADJUST = Statement(
    AdjustedRow,
    """
WITH pool AS (
    SELECT jackpot_id, entries, amount, stakes FROM jackpot WHERE jackpot_id = :jackpot_id FOR NO KEY UPDATE
),
standing AS (
    SELECT jackpot_proposal.* FROM pool JOIN jackpot_proposal USING (jackpot_id)
    WHERE until > now() AND jackpot_proposal.amount = CAST(:amount AS numeric(38,0))
    FOR UPDATE OF jackpot_proposal
),
judged AS (
    SELECT pool.*, standing.operator AS proposed_by, standing.reason AS first_reason, standing.until AS stands_until,
           CASE WHEN pool.amount + CAST(:amount AS numeric(38,0)) < least(pool.amount, 0) THEN 'below_zero'
                WHEN standing.operator IS NULL THEN 'proposed'
                WHEN lower(btrim(standing.operator)) = lower(btrim(:operator)) THEN 'asked_before'
                ELSE 'done' END AS verdict
    FROM pool LEFT JOIN standing ON true
),
proposed AS (
    INSERT INTO jackpot_proposal (jackpot_id, amount, reason, operator, until)
    SELECT jackpot_id, CAST(:amount AS numeric(38,0)), :reason, :operator, now() + CAST(:proposed_for AS interval)
    FROM judged WHERE verdict = 'proposed'
    ON CONFLICT (jackpot_id) DO UPDATE SET amount = excluded.amount, reason = excluded.reason,
        operator = excluded.operator, until = excluded.until
    RETURNING until
),
ended AS (
    UPDATE jackpot_proposal SET until = now() FROM judged
    WHERE jackpot_proposal.jackpot_id = judged.jackpot_id AND verdict = 'done'
),
changed AS (
    UPDATE jackpot SET entries = judged.entries + 1, amount = judged.amount + CAST(:amount AS numeric(38,0)),
           changed_at = now()
    FROM judged WHERE jackpot.jackpot_id = judged.jackpot_id AND verdict = 'done'
    RETURNING jackpot.amount
),
entry AS (
    INSERT INTO jackpot_entry (jackpot_id, number, kind, amount, balance, stakes, reason, operators)
    SELECT jackpot_id, entries + 1, 'adjustment', CAST(:amount AS numeric(38,0)),
           amount + CAST(:amount AS numeric(38,0)), stakes, first_reason || '; ' || CAST(:reason AS text),
           ARRAY[proposed_by, CAST(:operator AS text)]
    FROM judged WHERE verdict = 'done'
)
SELECT verdict, coalesce((SELECT until FROM proposed), stands_until) AS until,
       coalesce((SELECT amount FROM changed), amount) AS amount
FROM judged
""",
)

# Refunds may have taken back more than a pool has left after a win: it shows nothing then, and grows again.
ACCUMULATED = Statement(
    ShownRow,
    """
SELECT jackpot_id, jackpot.name, coalesce(jackpot.category, game.category) AS game_type, currency,
       greatest(amount, 0) AS amount, seed, changed_at
FROM jackpot LEFT JOIN game USING (game_id)
WHERE casino_id = :casino_id AND jackpot.disabled_at IS NULL
  AND (CAST(:currency AS text) IS NULL OR currency = :currency)
  AND (CAST(:game_type AS text) IS NULL OR coalesce(jackpot.category, game.category) = :game_type)
ORDER BY jackpot_id
""",
)
