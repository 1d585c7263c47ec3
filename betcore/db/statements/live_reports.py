"""The statements behind ``betcore.db.live_reports``: what changes rounds, in one transaction for each change."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import NoRow, Statement
from betcore.db.statements.live_rounds import RoundRow


@dataclass(frozen=True, slots=True)
class LockedGameRow:
    """A live game, with what its provider's profile says."""

    provider_id: int
    counterparty_id: str
    disabled_at: datetime | None
    provider_profile: dict[str, object]


@dataclass(frozen=True, slots=True)
class EditionRow:
    """The number of a round."""

    edition: int


@dataclass(frozen=True, slots=True)
class StandingRow:
    """A first operator's proposal to cancel a round."""

    operator: str
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class CancelledRow:
    """A cancelled round whose open bets are to be refunded."""

    game_type: int
    round_id: str
    finished_at: datetime


# All that changes a game's rounds waits here for its turn.
LOCK_GAME = Statement(
    LockedGameRow,
    """
SELECT live_game.provider_id, counterparty_id::text AS counterparty_id, live_game.disabled_at,
       provider.profile AS provider_profile
FROM live_game JOIN provider USING (provider_id)
WHERE game_type = CAST(:game_type AS smallint)
FOR NO KEY UPDATE OF live_game
""",
)
# A statement of its own: one that has waited for the lock would not see the round that was added meanwhile.
NEXT = Statement(
    EditionRow,
    """
SELECT coalesce(max(edition), 0) + 1 AS edition FROM live_round WHERE game_type = CAST(:game_type AS smallint)
""",
)
# Of its provider, whichever game it is of: bets name the round alone.
FOUND = Statement(RoundRow, "SELECT * FROM live_round WHERE round_id = :round_id AND provider_id = :provider_id")
RUNNING = Statement(
    RoundRow,
    """
SELECT * FROM live_round WHERE game_type = CAST(:game_type AS smallint) AND state IN ('awaiting', 'active')
""",
)
WRITE = Statement(
    NoRow,
    """
INSERT INTO live_round (game_type, edition, provider_id, round_id, state, play_status, announced_at, started_at,
                        betting_closes_at, results_due_at, finished_at, results, commitment, seed, algorithm, reason,
                        refunds)
VALUES (:game_type, :edition, :provider_id, :round_id, :state, :play_status, :announced_at, :started_at,
        :betting_closes_at, :results_due_at, :finished_at, CAST(:results AS jsonb), :commitment, :seed, :algorithm,
        :reason, :refunds)
ON CONFLICT (game_type, edition) DO UPDATE SET
    state = excluded.state, play_status = excluded.play_status, started_at = excluded.started_at,
    betting_closes_at = excluded.betting_closes_at, results_due_at = excluded.results_due_at,
    finished_at = excluded.finished_at, results = excluded.results, commitment = excluded.commitment,
    seed = excluded.seed, algorithm = excluded.algorithm, reason = excluded.reason, refunds = excluded.refunds,
    changed_at = now()
""",
)

NOTE = Statement(
    NoRow,
    """
INSERT INTO live_event (game_type, edition, kind, data)
VALUES (CAST(:game_type AS smallint), :edition, :kind, CAST(:data AS jsonb))
""",
)

# Two operators within the hour, as for money.
PROPOSAL = Statement(
    StandingRow,
    """
SELECT operator, reason, until FROM live_proposal
WHERE game_type = CAST(:game_type AS smallint) AND edition = :edition AND until > :now
""",
)
PROPOSE = Statement(
    NoRow,
    """
INSERT INTO live_proposal (game_type, edition, operator, reason, until)
VALUES (:game_type, :edition, :operator, :reason, :until)
ON CONFLICT (game_type, edition) DO UPDATE
SET operator = excluded.operator, reason = excluded.reason, until = excluded.until
""",
)

# What the sweep looks for: games whose round runs, and rounds whose refunds are not done.
RUNNING_GAMES = Statement(RoundRow, "SELECT * FROM live_round WHERE state IN ('awaiting', 'active') ORDER BY game_type")
OWED = Statement(
    CancelledRow,
    """
SELECT game_type, round_id, finished_at FROM live_round WHERE refunds = 'owed' ORDER BY game_type, edition
""",
)
