"""Sessions of the frame, the calls of users/auth that casinos have answered, and the balances that the frame shows."""

from typing import Any

from alembic import op

revision = "0016"
down_revision = "0015"

FRAMES = """
CREATE TABLE frame_session (
    bearer_hash       text PRIMARY KEY,
    casino_id         bigint NOT NULL REFERENCES casino,
    player_id         bigint REFERENCES player,
    currency          text,
    refresh_token     text,
    language          text NOT NULL,
    view_type         text NOT NULL CHECK (view_type IN ('desktop', 'mobile')),
    tag_id            bigint NOT NULL,
    authenticated_at  timestamptz NOT NULL DEFAULT now(),
    expires_at        timestamptz NOT NULL,
    CHECK ((player_id IS NULL) = (currency IS NULL) AND (player_id IS NULL) = (refresh_token IS NULL))
);
CREATE INDEX frame_session_expires_at ON frame_session (expires_at);
COMMENT ON COLUMN frame_session.bearer_hash IS 'SHA-256: who reads the table can act as no page';
COMMENT ON COLUMN frame_session.player_id IS 'null: a visitor who is not logged in';
COMMENT ON COLUMN frame_session.refresh_token IS 'encrypted; the casino takes it once, for another one';

CREATE TABLE player_authentication (
    casino_id   bigint NOT NULL REFERENCES casino,
    token_hash  text NOT NULL,
    flight      uuid NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    outcome     text,
    result      text,
    PRIMARY KEY (casino_id, token_hash)
);
CREATE INDEX player_authentication_started_at ON player_authentication (started_at);
COMMENT ON TABLE player_authentication IS 'calls of users/auth: of several with one token at once, one is sent';
COMMENT ON COLUMN player_authentication.result IS 'the player and the next token, encrypted; kept for seconds';

CREATE TABLE shown_balance (
    player_id  bigint NOT NULL REFERENCES player,
    currency   text NOT NULL,
    asked_at   timestamptz NOT NULL,
    balance    numeric(38,0),
    balance_at timestamptz,
    PRIMARY KEY (player_id, currency)
);
COMMENT ON COLUMN shown_balance.balance_at IS 'when users/data was asked for the balance that stands here';

-- For the lobby: games that may be played, in the order of their names, and their categories.
CREATE INDEX game_lobby ON game (lower(name), game_id) WHERE gone_at IS NULL AND disabled_at IS NULL;
CREATE INDEX game_category ON game (category) WHERE gone_at IS NULL AND disabled_at IS NULL;
"""


def upgrade() -> None:
    """Add what is new."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(FRAMES))
