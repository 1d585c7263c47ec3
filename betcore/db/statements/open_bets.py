"""The statements behind ``betcore.db.open_bets``."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from betcore.db.row_mapping import BetRow
from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class OpenBetRow:
    """A bet or a reversal, and what names the workflow that should be carrying it."""

    bet_id: int
    owner: str | None
    lives: int
    counterparty_id: UUID
    provider_bet_id: str


@dataclass(frozen=True, slots=True)
class QuietRow:
    """A quiet bet of a page, or the only row of a page without one; ``upto`` is None if there is no open bet left."""

    upto: int | None
    bet: OpenBetRow | None


@dataclass(frozen=True, slots=True)
class CursorRow:
    """Where a part of the sweep goes on."""

    after: int


@dataclass(frozen=True, slots=True)
class ResumptionRow:
    """A bet with its partners, its player and its game; ``not_after`` is the last moment of the debit asked for."""

    bet: BetRow
    counterparty_id: UUID
    provider_name: str
    provider_profile: dict[str, int]
    casino_name: str
    casino_profile: dict[str, object]
    partner_user_id: str
    player_ref: UUID
    provider_game_id: str
    not_after: datetime | None
    now: datetime


# A tombstone has no owner and is never open. The workflow of a bet opened a moment ago is still being started.
OPEN_BETS = Statement(
    OpenBetRow,
    """
SELECT bet.bet_id, bet.owner, bet.lives, counterparty_id, provider_bet_id
FROM bet JOIN provider USING (provider_id)
WHERE bet.closed_at IS NULL AND bet.bet_id > :after AND bet.opened_at < now() - interval '5 seconds'
ORDER BY bet.bet_id LIMIT :limit
""",
)
OPEN_REVERSALS = Statement(
    OpenBetRow,
    """
SELECT bet_id, reversal.owner, reversal.lives, counterparty_id, provider_bet_id
FROM reversal JOIN bet USING (bet_id) JOIN provider USING (provider_id)
WHERE reversal.closed_at IS NULL AND bet_id > :after
ORDER BY bet_id LIMIT :limit
""",
)

# Owed, and without an event for a while: its workflow may have lost the message that began the credit. A page of open
# bets is read, most of which owe nothing; ``upto`` is the last of them.
QUIET = Statement(
    QuietRow,
    """
WITH page AS MATERIALIZED (
    SELECT bet_id, owner, lives, state, provider_id, provider_bet_id FROM bet
    WHERE closed_at IS NULL AND bet_id > :after
    ORDER BY bet_id LIMIT :limit
),
quiet AS (
    SELECT bet_id, owner, lives, counterparty_id, provider_bet_id FROM page JOIN provider USING (provider_id)
    WHERE state IN ('settling', 'refunding') AND NOT EXISTS (
        SELECT FROM bet_event WHERE bet_event.bet_id = page.bet_id AND at > now() - CAST(:quiet AS interval))
)
SELECT upto, quiet.* FROM (SELECT max(bet_id) AS upto FROM page) AS last LEFT JOIN quiet ON true ORDER BY bet_id
""",
)

# How far a part of the sweep has come.
CURSOR = Statement(CursorRow, "SELECT after FROM sweep_cursor WHERE part = :part")
SET_CURSOR = Statement(
    NoRow,
    """
INSERT INTO sweep_cursor (part, after) VALUES (:part, :after)
ON CONFLICT (part) DO UPDATE SET after = excluded.after
""",
)

# The first workflow of a bet names the provider's id of it, a later one the BetId.
ENDED = Statement(
    OpenBetRow,
    """
WITH asked AS (
    SELECT bet_id FROM bet WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
    UNION
    SELECT bet_id
    FROM unnest(CAST(:counterparties AS uuid[]), CAST(:provider_bet_ids AS text[])) AS key (counterparty, bet)
    JOIN provider ON counterparty_id = key.counterparty
    JOIN bet ON bet.provider_id = provider.provider_id AND provider_bet_id = key.bet
)
SELECT bet.bet_id, bet.owner, bet.lives, counterparty_id, provider_bet_id
FROM asked JOIN bet USING (bet_id) JOIN provider USING (provider_id)
WHERE bet.closed_at < now() - CAST(:quiet AS interval)
""",
)

RESUMPTION = Statement(
    ResumptionRow,
    """
SELECT bet.*, counterparty_id, provider.name AS provider_name, provider.profile AS provider_profile,
       casino.name AS casino_name, casino.profile AS casino_profile, partner_user_id, player_ref, provider_game_id,
       (SELECT not_after FROM movement WHERE movement.bet_id = bet.bet_id AND transaction_type = :debit) AS not_after,
       now() AS now
FROM bet
JOIN provider USING (provider_id)
JOIN casino ON casino.casino_id = bet.casino_id
JOIN player ON player.player_id = bet.player_id
JOIN game ON game.game_id = bet.game_id
WHERE bet_id = :bet_id
""",
)

# Compare and set: of two workflows that have seen the same owner, one takes the bet over.
TAKE_OVER = Statement(
    BetRow,
    """
WITH changed AS (
    UPDATE bet SET owner = :owner, lives = :life
    WHERE bet_id = :bet_id AND owner = :seen_owner AND lives < :life AND closed_at IS NULL
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'resumed', jsonb_build_object('life', lives) FROM changed
)
SELECT * FROM changed
""",
)
