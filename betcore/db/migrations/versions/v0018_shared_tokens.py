"""Frames that were opened with one token share its successor, and a call of users/auth names its player.

The release before runs on: it writes none of the new columns, and a frame without ``token_hash`` is renewed alone.
"""

from typing import Any

from alembic import op

revision = "0018"
down_revision = "0017"

CHANGES = """
ALTER TABLE frame_session ADD COLUMN token_hash text;
CREATE INDEX frame_session_token ON frame_session (token_hash) WHERE token_hash IS NOT NULL;
COMMENT ON COLUMN frame_session.token_hash IS 'SHA-256 of refresh_token: which frames hold the same one';

ALTER TABLE player_authentication ADD COLUMN player_id bigint REFERENCES player;
COMMENT ON COLUMN player_authentication.result IS 'player, currency and next token, encrypted; kept for seconds';
"""


def upgrade() -> None:
    """Add what is new."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(CHANGES))
