"""BetIds from time: no restore, wipe or promoted replica gives one again."""

from typing import Any

from alembic import op

revision = "0004"
down_revision = "0003"

# The counter begins at a place of its own in each database and in each life of its server, so that two servers which
# give numbers in the same second, because one lags behind the other or has its clock set back, do not give the same
# ones. The clock of the caller counts too: a number is repeated only if both clocks are wrong.
NUMBERS = """
CREATE SEQUENCE bet_number MINVALUE 0;
SELECT setval('bet_number', floor(random() * 1048576)::bigint);
COMMENT ON SEQUENCE bet_number IS 'counts within a second: next_bet_id() takes it modulo 2^20';

CREATE FUNCTION next_bet_id(callers_clock timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
    SELECT (floor(extract(epoch FROM greatest(clock_timestamp(), callers_clock)
                                     - timestamptz '2026-01-01 00:00:00+00'))::bigint << 20)
         | ((nextval('bet_number') + floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint) & 1048575)
$$;
COMMENT ON FUNCTION next_bet_id IS
    'seconds since 2026-01-01 times 2^20 plus a counter; the BetId of bets, and of all else that casinos know by one';

ALTER TABLE bet ALTER bet_id DROP IDENTITY;
ALTER TABLE bet ALTER bet_id SET DEFAULT next_bet_id();
ALTER TABLE bet ADD CONSTRAINT bet_id_of_casinos CHECK (bet_id BETWEEN 1 AND 9007199254740991) NOT VALID;
COMMENT ON COLUMN bet.bet_id IS 'from next_bet_id(); bets of the first schema have small numbers, which stay valid';
"""


def upgrade() -> None:
    """Take new BetIds from time; those that were given stand."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(NUMBERS))
