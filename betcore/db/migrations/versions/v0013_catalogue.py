"""What providers list of their games, the syncs of it, and the order in which games have changed."""

from typing import Any

from alembic import op

revision = "0013"
down_revision = "0012"

COLUMNS = """
ALTER TABLE game
    ADD COLUMN category text,
    ADD COLUMN max_odd numeric,
    ADD COLUMN image_url text,
    ADD COLUMN extra jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN gone_at timestamptz,
    ADD COLUMN updated_at timestamptz;
COMMENT ON COLUMN game.extra IS 'fields of the provider''s list that the service does not know, as they were sent';
COMMENT ON COLUMN game.gone_at IS
    'since when the provider''s list lacks it: no new session, no new stake; a sync sets and clears it';
COMMENT ON COLUMN game.disabled_at IS 'an operator has switched it off; no sync changes that';
COMMENT ON COLUMN game.updated_at IS
    'unique, and in the order in which changes are committed: who has seen all up to one misses none by going on there';
UPDATE game SET updated_at = now() + game_id * interval '1 microsecond';
ALTER TABLE game ALTER updated_at SET NOT NULL;
CREATE UNIQUE INDEX game_updated_at ON game (updated_at);

CREATE TABLE catalogue_sync (
    provider_id  bigint PRIMARY KEY REFERENCES provider,
    tried_at     timestamptz NOT NULL DEFAULT now(),
    synced_at    timestamptz,
    outcome      text,
    reason       text,
    etag         text
);
COMMENT ON TABLE catalogue_sync IS 'the last sync of each provider''s games; its row is locked while one is written';
COMMENT ON COLUMN catalogue_sync.etag IS 'of the list that is applied as a whole';
"""

# Of two transactions that change games the second waits for the first, so that times and commits have one order. The
# lock comes before any row's: taken for each row, two transactions could wait for each other.
TOUCH = """
CREATE FUNCTION lock_games() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('betcore.game', 0));
    RETURN NULL;
END $$;
CREATE TRIGGER lock_games BEFORE INSERT OR UPDATE ON game FOR EACH STATEMENT EXECUTE FUNCTION lock_games();

CREATE FUNCTION touch_game() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := greatest(clock_timestamp(), (SELECT max(updated_at) + interval '1 microsecond' FROM game));
    RETURN NEW;
END $$;
CREATE TRIGGER touch_game BEFORE INSERT OR UPDATE ON game FOR EACH ROW EXECUTE FUNCTION touch_game();

CREATE FUNCTION touch_game_of_limit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE game SET updated_at = now() WHERE game_id = NEW.game_id;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_game_of_limit AFTER INSERT OR UPDATE ON game_limit FOR EACH ROW
    EXECUTE FUNCTION touch_game_of_limit();

CREATE FUNCTION touch_games_of_provider() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE game SET updated_at = now() WHERE provider_id = NEW.provider_id;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_games_of_provider AFTER UPDATE ON provider FOR EACH ROW
    WHEN ((OLD.disabled_at IS NULL, OLD.suspended_at IS NULL)
          IS DISTINCT FROM (NEW.disabled_at IS NULL, NEW.suspended_at IS NULL))
    EXECUTE FUNCTION touch_games_of_provider();
"""


def upgrade() -> None:
    """Add what is new; games that are there were added by hand, and are offered until a sync lacks them."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (COLUMNS, TOUCH):
        connection.run_async(lambda driver, script=part: driver.execute(script))
