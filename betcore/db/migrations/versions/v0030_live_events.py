"""What providers and operators have made of the rounds of live games, with the proof of each report."""

from typing import Any

from alembic import op

revision = "0030"
down_revision = "0029"

TABLE = """
CREATE TABLE live_event (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    game_type  smallint NOT NULL,
    edition    bigint NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind       text NOT NULL CHECK (kind IN ('reported', 'cancel_proposed', 'cancelled')),
    data       jsonb NOT NULL,
    FOREIGN KEY (game_type, edition) REFERENCES live_round
);
CREATE INDEX live_event_of_round ON live_event (game_type, edition, event_id);
COMMENT ON TABLE live_event IS 'what has changed a round: reports with their proof, and operators; never updated';

CREATE FUNCTION guard_live_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what has changed a round stands' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_live_event BEFORE UPDATE OR DELETE ON live_event
    FOR EACH ROW EXECUTE FUNCTION guard_live_event();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON live_event FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate();
"""


def upgrade() -> None:
    """Add the table. What has changed earlier rounds is not known."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(TABLE))
