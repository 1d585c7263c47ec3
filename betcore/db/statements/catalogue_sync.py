"""The statements behind ``betcore.db.catalogue_sync``."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class CounterpartyRow:
    """A provider whose games are synced."""

    counterparty_id: str


@dataclass(frozen=True, slots=True)
class SyncRow:
    """How the last sync of a provider has ended; all None before the first one."""

    outcome: str | None
    reason: str | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class ShownSyncRow:
    """When the last sync of a provider was tried and how it has ended, and when one has last succeeded."""

    outcome: str | None
    reason: str | None
    tried_at: datetime
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class MissingRow:
    """How many games of a provider are offered, and how many of them its list lacks."""

    offered: int
    missing: int


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """How many games were added, and how many changed or came back."""

    added: int
    changed: int


COUNTERPARTIES = Statement(
    CounterpartyRow, "SELECT CAST(counterparty_id AS text) AS counterparty_id FROM provider ORDER BY provider_id"
)
# A game that was added by hand since then is compared with the list: its ETag does not stand for that game.
LAST = Statement(
    SyncRow,
    """
SELECT outcome, reason,
       CASE WHEN NOT EXISTS (SELECT FROM game WHERE game.provider_id = :provider_id AND created_at > synced_at)
            THEN etag END AS etag
FROM catalogue_sync WHERE provider_id = :provider_id
""",
)

SHOWN = Statement(
    ShownSyncRow,
    """
SELECT outcome, reason, tried_at, synced_at FROM catalogue_sync JOIN provider USING (provider_id) WHERE name = :name
""",
)

# The row's lock lets one sync of a provider write at a time.
BEGIN = Statement(
    SyncRow,
    """
INSERT INTO catalogue_sync (provider_id) VALUES (:provider_id)
ON CONFLICT (provider_id) DO UPDATE SET tried_at = now()
RETURNING outcome, reason, etag
""",
)

# From its sixth run on a connection PostgreSQL would keep a plan that expects ten listed games: of 20,000 each would be
# compared with each game, for minutes. So the statements of this transaction are planned for the list that they get.
PLAN_FOR_THIS_LIST = Statement(NoRow, "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")

MISSING = Statement(
    MissingRow,
    """
SELECT count(*) AS offered, count(*) FILTER (WHERE listed.game_id IS NULL) AS missing
FROM game LEFT JOIN unnest(CAST(:game_ids AS text[])) AS listed (game_id) ON listed.game_id = provider_game_id
WHERE provider_id = :provider_id AND gone_at IS NULL
""",
)

# Only what differs is written: a game's ``updated_at`` says to casinos that it has changed. A field that PostgreSQL
# cannot keep, such as text with NUL, costs the fields that the service does not know, and not the game.
WRITE = Statement(
    WrittenRow,
    """
WITH listed AS (
    SELECT game_id, name, category, max_odd, image_url,
           CASE WHEN pg_input_is_valid(entry, 'jsonb') THEN CAST(entry AS jsonb) - CAST(:known AS text[])
                ELSE '{}' END AS extra
    FROM unnest(CAST(:game_ids AS text[]), CAST(:names AS text[]), CAST(:categories AS text[]),
                CAST(:max_odds AS numeric[]), CAST(:image_urls AS text[]), CAST(:entries AS text[]))
         AS l (game_id, name, category, max_odd, image_url, entry)
),
changed AS (
    UPDATE game
    SET name = listed.name, category = listed.category, max_odd = listed.max_odd, image_url = listed.image_url,
        extra = listed.extra, gone_at = NULL
    FROM listed
    WHERE game.provider_id = :provider_id AND provider_game_id = listed.game_id
      AND (gone_at IS NOT NULL
           OR (game.name, game.category, game.max_odd, game.image_url, game.extra)
              IS DISTINCT FROM (listed.name, listed.category, listed.max_odd, listed.image_url, listed.extra))
    RETURNING game.game_id
),
added AS (
    INSERT INTO game (provider_id, provider_game_id, name, category, max_odd, image_url, extra)
    SELECT :provider_id, game_id, name, category, max_odd, image_url, extra FROM listed
    WHERE NOT EXISTS (SELECT FROM game WHERE provider_id = :provider_id AND provider_game_id = listed.game_id)
    ON CONFLICT (provider_id, provider_game_id) DO NOTHING
    RETURNING game_id
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM changed) AS changed
""",
)

MARK_GONE = Statement(
    NoRow,
    """
UPDATE game SET gone_at = now()
WHERE provider_id = :provider_id AND gone_at IS NULL
  AND NOT EXISTS (SELECT FROM unnest(CAST(:game_ids AS text[])) AS listed (game_id) WHERE game_id = provider_game_id)
""",
)

END = Statement(
    NoRow,
    """
UPDATE catalogue_sync
SET outcome = :outcome, reason = :reason, tried_at = now(),
    synced_at = CASE WHEN CAST(:outcome AS text) = 'failed' THEN synced_at ELSE now() END,
    etag = CASE CAST(:outcome AS text) WHEN 'synced' THEN CAST(:etag AS text) WHEN 'held' THEN NULL ELSE etag END
WHERE provider_id = :provider_id
""",
)

INCIDENT = Statement(
    NoRow,
    """
INSERT INTO incident (kind, ours, theirs)
SELECT CAST(:kind AS text), jsonb_build_object('provider', name) || CAST(:ours AS jsonb), CAST(:theirs AS jsonb)
FROM provider WHERE provider_id = :provider_id
""",
)
