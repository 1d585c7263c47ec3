"""The statements behind ``betcore.db.live_rounds``: live games, and their rounds as they stand."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A round that waits for a person, and since when."""

    game_type: int
    provider: str
    round_id: str
    since: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class RoundRow:
    """The columns of ``live_round`` that a message has."""

    edition: int
    game_type: int
    round_id: str
    state: str
    play_status: str | None
    announced_at: datetime
    started_at: datetime | None
    betting_closes_at: datetime | None
    results_due_at: datetime | None
    finished_at: datetime | None
    results: list[int | str] | None
    commitment: str | None
    seed: str | None
    algorithm: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A live game as the feed shows it, and one of its newest rounds."""

    game_type: int
    name_key: str
    betting_seconds: int
    in_maintenance: bool
    last_finished_id: str | None
    round: RoundRow | None


@dataclass(frozen=True, slots=True)
class LiveGameRow:
    """A live game as its operator sees it."""

    game_type: int
    provider: str
    provider_game_id: str | None
    name_key: str
    betting_seconds: int
    in_maintenance: bool
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class GameTypeRow:
    """The number of a live game that was added or changed."""

    game_type: int


@dataclass(frozen=True, slots=True)
class RefundsRow:
    """How the refunds of a round stand, and how many of its bets are open."""

    refunds: str | None
    open_bets: int


# The feed's poll: a look-up or two for each game, however many rounds there were.
SHOWN = Statement(
    ShownRow,
    """
SELECT live_game.game_type, name_key, betting_seconds, in_maintenance, last.round_id AS last_finished_id,
       newest.edition, newest.round_id, state, play_status, announced_at, started_at, betting_closes_at,
       results_due_at, finished_at, results, commitment, seed, algorithm, reason
FROM live_game
LEFT JOIN LATERAL (
    SELECT round_id FROM live_round
    WHERE live_round.game_type = live_game.game_type AND state = 'finished'
    ORDER BY finished_at DESC, edition DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT * FROM live_round WHERE live_round.game_type = live_game.game_type ORDER BY edition DESC LIMIT :limit
) AS newest ON true
WHERE disabled_at IS NULL
ORDER BY live_game.game_type, newest.edition DESC
""",
)

# Two providers may have a round of the same id, each in a game of its own.
ROUND = Statement(
    RoundRow,
    """
SELECT * FROM live_round
WHERE round_id = :round_id AND (CAST(:game_type AS smallint) IS NULL OR game_type = :game_type)
ORDER BY game_type
""",
)

# Newest first. The cursor is the round that was read last.
RESULTS = Statement(
    RoundRow,
    """
SELECT * FROM live_round
WHERE game_type = CAST(:game_type AS smallint) AND state = 'finished'
  AND finished_at >= coalesce(CAST(:finished_from AS timestamptz), '-infinity')
  AND finished_at < coalesce(CAST(:finished_to AS timestamptz), 'infinity')
  AND (finished_at, edition) <
      (coalesce(CAST(:before AS timestamptz), 'infinity'), coalesce(CAST(:before_edition AS bigint), 0))
ORDER BY finished_at DESC, edition DESC LIMIT :limit
""",
)

NEWEST = Statement(
    RoundRow,
    """
SELECT * FROM live_round WHERE game_type = CAST(:game_type AS smallint) ORDER BY edition DESC LIMIT :limit
""",
)

REFUNDS = Statement(
    RefundsRow,
    """
SELECT refunds, count(bet_id) AS open_bets
FROM live_round LEFT JOIN bet
     ON bet.provider_id = live_round.provider_id AND bet.round_id = live_round.round_id AND closed_at IS NULL
WHERE game_type = CAST(:game_type AS smallint) AND live_round.round_id = :round_id
GROUP BY refunds
""",
)

IN_REVIEW = Statement(
    ReviewRow,
    """
SELECT game_type, provider.name AS provider, round_id, changed_at AS since, reason
FROM live_round JOIN provider USING (provider_id)
WHERE state = 'review' ORDER BY game_type, edition LIMIT :limit
""",
)

GAMES = Statement(
    LiveGameRow,
    """
SELECT game_type, provider.name AS provider, provider_game_id, name_key, betting_seconds, in_maintenance,
       live_game.disabled_at
FROM live_game JOIN provider USING (provider_id) LEFT JOIN game USING (game_id)
WHERE CAST(:game_type AS smallint) IS NULL OR game_type = :game_type
ORDER BY game_type
""",
)

OF_PROVIDER = Statement(
    GameTypeRow,
    """
SELECT game_type FROM live_game WHERE game_type = CAST(:game_type AS smallint) AND provider_id = :provider_id
""",
)

ADD_GAME = Statement(
    GameTypeRow,
    """
INSERT INTO live_game (game_type, provider_id, game_id, name_key, betting_seconds)
SELECT CAST(:game_type AS smallint), provider.provider_id, game_id, CAST(:name AS text),
       CAST(:betting_seconds AS integer)
FROM provider
LEFT JOIN game ON game.provider_id = provider.provider_id AND provider_game_id = CAST(:provider_game_id AS text)
WHERE provider.name = :provider AND (game_id IS NOT NULL OR CAST(:provider_game_id AS text) IS NULL)
ON CONFLICT DO NOTHING
RETURNING game_type
""",
)

SET_MAINTENANCE = Statement(
    GameTypeRow,
    """
UPDATE live_game SET in_maintenance = :in_maintenance WHERE game_type = CAST(:game_type AS smallint)
RETURNING game_type
""",
)

DISABLE_GAME = Statement(
    GameTypeRow,
    """
UPDATE live_game SET disabled_at = coalesce(disabled_at, now()) WHERE game_type = CAST(:game_type AS smallint)
RETURNING game_type
""",
)
