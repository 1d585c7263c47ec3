"""Limits of the wins of one session, and the bet's own copy of them."""

from typing import Any

from alembic import op

revision = "0031"
down_revision = "0030"

# Both tables are large: a new column without a default is no rewrite, and a constraint that is NOT VALID reads no row.
COLUMNS = """
ALTER TABLE session ADD COLUMN max_win numeric, ADD COLUMN max_odd numeric;
ALTER TABLE session ADD CONSTRAINT session_win_limits_check CHECK (max_win > 0 AND max_odd > 0) NOT VALID;
COMMENT ON COLUMN session.max_win IS 'major units; a win above it waits for two operators';
COMMENT ON COLUMN session.max_odd IS 'a win of more than this many times its stake waits for two operators';

ALTER TABLE bet ADD COLUMN session_max_win numeric, ADD COLUMN session_max_odd numeric;
COMMENT ON COLUMN bet.session_max_win IS 'of its session, when the bet was opened; major units';
COMMENT ON COLUMN bet.session_max_odd IS 'of its session, when the bet was opened';

CREATE FUNCTION guard_bet_win_limits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bet %: the limits of its win stand', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_bet_win_limits BEFORE UPDATE ON bet FOR EACH ROW
    WHEN ((OLD.session_max_win, OLD.session_max_odd) IS DISTINCT FROM (NEW.session_max_win, NEW.session_max_odd))
    EXECUTE FUNCTION guard_bet_win_limits();
"""


def upgrade() -> None:
    """Add the columns and what keeps them. Sessions and bets that are there have no such limits."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(COLUMNS))
