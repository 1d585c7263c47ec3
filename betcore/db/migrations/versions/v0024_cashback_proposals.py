"""Large cashbacks that a first operator has proposed."""

from typing import Any

from alembic import op

revision = "0024"
down_revision = "0023"

TABLE = """
CREATE TABLE cashback_proposal (
    casino_id  bigint NOT NULL REFERENCES casino,
    key        text NOT NULL,
    player_id  bigint NOT NULL REFERENCES player,
    currency   text NOT NULL,
    amount     numeric(38,0) NOT NULL,
    reason     text NOT NULL,
    operator   text NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (casino_id, key)
);
COMMENT ON TABLE cashback_proposal IS 'a large cashback that a first operator has proposed';
COMMENT ON COLUMN cashback_proposal.key IS 'that of the cashback which the second operator opens';
COMMENT ON COLUMN cashback_proposal.amount IS 'minor units';
"""


def upgrade() -> None:
    """Add the table."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(TABLE))
