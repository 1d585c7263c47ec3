"""States and expiry of sessions, sessions of anonymous visitors, and the launches by which sessions begin."""

from typing import Any

from alembic import op

revision = "0014"
down_revision = "0013"

SESSIONS = """
ALTER TABLE session
    ADD COLUMN state text NOT NULL DEFAULT 'open' CHECK (state IN ('launching', 'open', 'ended')),
    ADD COLUMN end_reason text,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN visited_casino_id bigint REFERENCES casino,
    ADD COLUMN tag_id bigint NOT NULL DEFAULT 0,
    ADD COLUMN language text,
    ADD COLUMN view_type text CHECK (view_type IN ('desktop', 'mobile')),
    ALTER player_id DROP NOT NULL;
UPDATE session SET state = 'ended', end_reason = 'closed' WHERE ended_at IS NOT NULL;
ALTER TABLE session
    ADD CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
    ADD CHECK ((state = 'ended') = (end_reason IS NOT NULL)),
    ADD CHECK (player_id IS NOT NULL OR (mode = 'demo' AND visited_casino_id IS NOT NULL));
COMMENT ON COLUMN session.state IS 'launching: its provider is being asked for the game; it counts as open';
COMMENT ON COLUMN session.expires_at IS 'no new stake from then on; null: it does not expire by this';
COMMENT ON COLUMN session.seen_at IS 'when a stake was last taken in it, to the minute; no new stake when it is idle';
COMMENT ON COLUMN session.visited_casino_id IS 'of a session without a player: a visitor of this casino plays a demo';
COMMENT ON COLUMN session.tag_id IS 'the casino''s TagId, 0 when there is none';
"""

# One row, so that of two launches at once, in two processes, one calls the provider and the other waits for it.
LAUNCHES = """
CREATE TABLE launch (
    player_id    bigint NOT NULL REFERENCES player,
    game_id      bigint NOT NULL REFERENCES game,
    currency     text NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('real', 'demo')),
    session_id   text NOT NULL REFERENCES session,
    launched_at  timestamptz NOT NULL DEFAULT now(),
    frame_uri    text,
    PRIMARY KEY (player_id, game_id, currency, mode)
);
COMMENT ON TABLE launch IS 'the last launch of a game by a player: within a minute the same launch gets its session';
COMMENT ON COLUMN launch.frame_uri IS 'encrypted: who has it plays as that player; null until the provider answers';
"""


def upgrade() -> None:
    """Add what is new; sessions that are there stay open or ended, and begin to be idle now."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (SESSIONS, LAUNCHES):
        connection.run_async(lambda driver, script=part: driver.execute(script))
