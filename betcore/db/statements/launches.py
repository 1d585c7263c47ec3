"""The statements behind ``betcore.db.launches``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A game with its limits and those of the casino in one currency, and whether the player is blocked.

    ``limited`` is whether the game has limits in any currency, ``named`` whether it has them in this one.
    """

    game_id: int
    provider_game_id: str
    name: str
    max_odd: Decimal | None
    offered: bool
    counterparty_id: str
    limited: bool
    named: bool
    game_min: Decimal | None
    game_max: Decimal | None
    casino_min: Decimal | None
    casino_max: Decimal | None
    blocked: bool


@dataclass(frozen=True, slots=True)
class OpenedRow:
    """A session that is being launched; ``player_ref`` is None for a visitor."""

    session_id: str
    expires_at: datetime
    player_ref: UUID | None


@dataclass(frozen=True, slots=True)
class StandingRow:
    """The last launch of a game by a player. ``lost`` is whether the process that began it is probably gone."""

    session_id: str
    end_reason: str | None
    expires_at: datetime
    frame_uri: str | None
    lost: bool


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session whose state has changed."""

    session_id: str


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider whose list of games is to be read again."""

    counterparty_id: str


FIND = Statement(
    FoundRow,
    """
SELECT game.game_id, provider_game_id, game.name, max_odd, game.disabled_at IS NULL AND gone_at IS NULL AS offered,
       CAST(counterparty_id AS text) AS counterparty_id,
       game.min_bet IS NOT NULL OR game.max_bet IS NOT NULL
           OR EXISTS (SELECT FROM game_limit AS any_limit WHERE any_limit.game_id = game.game_id) AS limited,
       game_limit.game_id IS NOT NULL AS named,
       game_limit.min_bet AS game_min, game_limit.max_bet AS game_max,
       casino_limit.min_bet AS casino_min, casino_limit.max_bet AS casino_max,
       blocked_at IS NOT NULL AS blocked
FROM game
JOIN provider USING (provider_id)
LEFT JOIN game_limit ON game_limit.game_id = game.game_id AND game_limit.currency = :currency
LEFT JOIN casino_limit ON casino_limit.casino_id = :casino_id AND casino_limit.currency = :currency
LEFT JOIN player ON player.casino_id = :casino_id AND partner_user_id = :partner_user_id
WHERE game.game_id = :game_id
""",
)

# A new player is registered; of two at once the second gets the row of the first. The row of ``launch`` is locked and
# read anew, so that of two launches at once, in two processes, one opens a session and the other gets no row. A launch
# that is a minute old, whose session has ended, or whose process is gone, is no reason to wait.
OPEN = Statement(
    OpenedRow,
    """
WITH registered AS (
    INSERT INTO player (casino_id, partner_user_id)
    SELECT :casino_id, CAST(:partner_user_id AS text)
    WHERE CAST(:partner_user_id AS text) IS NOT NULL
      AND NOT EXISTS (SELECT FROM player WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id)
    ON CONFLICT (casino_id, partner_user_id) DO UPDATE SET partner_user_id = excluded.partner_user_id
    RETURNING player_id, player_ref
),
playing AS (
    SELECT player_id, player_ref FROM player WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id
    UNION ALL
    SELECT player_id, player_ref FROM registered
),
claimed AS (
    INSERT INTO launch AS last (player_id, game_id, currency, mode, session_id)
    SELECT player_id, :game_id, :currency, :mode, :session_id FROM playing
    ON CONFLICT (player_id, game_id, currency, mode) DO UPDATE
    SET session_id = excluded.session_id, launched_at = now(), frame_uri = NULL
    WHERE last.launched_at < now() - interval '1 minute'
       OR (last.frame_uri IS NULL AND last.launched_at < now() - CAST(:lost_after AS interval))
       OR EXISTS (SELECT FROM session WHERE session.session_id = last.session_id AND state = 'ended')
    RETURNING player_id
),
of_whom AS (
    SELECT player_id, CAST(NULL AS bigint) AS visited_casino_id FROM claimed
    UNION ALL
    SELECT NULL, :casino_id WHERE CAST(:partner_user_id AS text) IS NULL
),
opened AS (
    INSERT INTO session (session_id, provider_id, player_id, visited_casino_id, game_id, currency, mode, brand,
                         min_bet, max_bet, state, expires_at, tag_id, language, view_type)
    SELECT :session_id, :provider_id, player_id, visited_casino_id, :game_id, :currency, :mode, :brand,
           CAST(:min_bet AS numeric), CAST(:max_bet AS numeric), 'launching', now() + CAST(:lifetime AS interval),
           :tag_id, :language, :view_type
    FROM of_whom
    RETURNING session_id, player_id, expires_at
)
SELECT session_id, expires_at, player_ref FROM opened LEFT JOIN playing USING (player_id)
""",
)

STANDING = Statement(
    StandingRow,
    """
SELECT session_id, end_reason, expires_at, frame_uri,
       state = 'launching' AND launched_at < now() - CAST(:lost_after AS interval) AS lost
FROM player
JOIN launch USING (player_id)
JOIN session USING (session_id)
WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id
  AND launch.game_id = :game_id AND launch.currency = :currency AND launch.mode = :mode
""",
)

# No row if the session was ended in between.
LAUNCHED = Statement(
    SessionRow,
    """
WITH opened AS (
    UPDATE session SET state = 'open', seen_at = now() WHERE session_id = :session_id AND state = 'launching'
    RETURNING session_id, player_id, game_id, currency, mode
),
kept AS (
    UPDATE launch SET frame_uri = :frame_uri FROM opened
    WHERE (launch.player_id, launch.game_id, launch.currency, launch.mode)
          = (opened.player_id, opened.game_id, opened.currency, opened.mode)
      AND launch.session_id = opened.session_id
)
SELECT session_id FROM opened
""",
)

ENDED = Statement(
    NoRow,
    """
UPDATE session SET state = 'ended', end_reason = :reason, ended_at = now()
WHERE session_id = :session_id AND state = 'launching'
""",
)

# The provider does not know a game that its list has: the next sync reads the whole list, whatever its ETag. It is due
# at once, unless there was one within the minute: the launches of such a game must not make it send its list each time.
ENDED_AS_UNKNOWN = Statement(
    ProviderRow,
    """
WITH ended AS (
    UPDATE session SET state = 'ended', end_reason = :reason, ended_at = now()
    WHERE session_id = :session_id AND state = 'launching'
    RETURNING provider_id
),
doubted AS (
    UPDATE catalogue_sync SET etag = NULL FROM ended
    WHERE catalogue_sync.provider_id = ended.provider_id AND tried_at < now() - interval '1 minute'
    RETURNING catalogue_sync.provider_id
)
SELECT CAST(counterparty_id AS text) AS counterparty_id FROM provider JOIN doubted USING (provider_id)
""",
)
