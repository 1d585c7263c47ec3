"""The statements behind ``betcore.db.launches``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.statement import NoRow, Statement
from betcore.db.statements.player_authentications import CLAIMED, KEPT, REGISTERED, AuthenticationRow


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A game with its limits and those of a casino, by currency: the least and the greatest stake as texts.

    ``limited`` is whether the game has limits in any currency.
    """

    game_id: int
    provider_game_id: str
    name: str
    max_odd: Decimal | None
    offered: bool
    provider_enabled: bool
    counterparty_id: str
    limited: bool
    game_limits: dict[str, list[str | None]]
    casino_limits: dict[str, list[str | None]]


@dataclass(frozen=True, slots=True)
class FoundByTokenRow(FoundRow):
    """A game, and the call that stands for a token at its casino's users/auth."""

    authentication: AuthenticationRow | None


@dataclass(frozen=True, slots=True)
class OpenedRow:
    """A session that is being launched, or none; ``player_ref`` is None for a visitor."""

    session_id: str | None
    expires_at: datetime | None
    player_ref: UUID | None
    blocked: bool


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


# A game as one casino has it.
_FOUND = """found AS (
    SELECT game.game_id, provider_game_id, game.name, max_odd, game.disabled_at IS NULL AND gone_at IS NULL AS offered,
           provider.disabled_at IS NULL AND suspended_at IS NULL AS provider_enabled,
           CAST(counterparty_id AS text) AS counterparty_id,
           game.min_bet IS NOT NULL OR game.max_bet IS NOT NULL OR of_game.limits IS NOT NULL AS limited,
           coalesce(of_game.limits, '{}') AS game_limits, coalesce(of_casino.limits, '{}') AS casino_limits
    FROM game
    JOIN provider USING (provider_id)
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(currency, ARRAY[CAST(min_bet AS text), CAST(max_bet AS text)]) AS limits
        FROM game_limit WHERE game_limit.game_id = game.game_id
    ) AS of_game
    CROSS JOIN (
        SELECT jsonb_object_agg(currency, ARRAY[CAST(min_bet AS text), CAST(max_bet AS text)]) AS limits
        FROM casino_limit WHERE casino_id = :casino_id
    ) AS of_casino
    WHERE game.game_id = :game_id
)"""

# Opens a session for the player in ``named``, or for a visitor if none is named. The row of ``launch`` is locked and
# read anew, so that of two launches at once, in two processes, one opens a session and the other gets none. A launch
# that is a minute old, whose session has ended, or whose process is gone, is no reason to wait.
_OPENED = """claimed AS (
    INSERT INTO launch AS last (player_id, game_id, currency, mode, session_id)
    SELECT player_id, :game_id, :currency, :mode, :session_id FROM named WHERE NOT blocked
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
                         min_bet, max_bet, max_win, max_odd, state, expires_at, tag_id, language, view_type)
    SELECT :session_id, :provider_id, player_id, visited_casino_id, :game_id, :currency, :mode, :brand,
           CAST(:min_bet AS numeric), CAST(:max_bet AS numeric), CAST(:max_win AS numeric), CAST(:max_odd AS numeric),
           'launching', now() + CAST(:lifetime AS interval), :tag_id, :language, :view_type
    FROM of_whom
    RETURNING session_id, player_id, expires_at
)"""
_AS_OPENED = """SELECT session_id, expires_at, player_ref, coalesce(blocked, false) AS blocked
FROM opened FULL JOIN named USING (player_id)"""

FIND = Statement(
    FoundRow,
    f"""
WITH {_FOUND}
SELECT * FROM found
""",
)

# For a game that cannot be launched no token is claimed: the casino must not be asked, and the token stays good.
FIND_BY_TOKEN = Statement(
    FoundByTokenRow,
    f"""
WITH {_FOUND},
due AS (
    SELECT FROM found WHERE offered AND provider_enabled
),
{CLAIMED}
SELECT * FROM found LEFT JOIN standing ON true
""",
)

OPEN = Statement(
    OpenedRow,
    f"""
WITH {REGISTERED},
{_OPENED}
{_AS_OPENED}
""",
)

# Keeps what the casino has given for the player's token, whether or not a session is opened.
OPEN_BY_TOKEN = Statement(
    OpenedRow,
    f"""
WITH {REGISTERED},
{KEPT},
{_OPENED}
{_AS_OPENED}
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
