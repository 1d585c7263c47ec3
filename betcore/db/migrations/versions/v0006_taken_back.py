"""What operators can take back at once: a provider's calls, a casino's access tokens, a signing key."""

from typing import Any

from alembic import op

revision = "0006"
down_revision = "0005"

COLUMNS = """
ALTER TABLE provider ADD suspended_at timestamptz;
COMMENT ON COLUMN provider.suspended_at IS 'none of its calls is heard; its open bets go on';
ALTER TABLE casino ADD token_generation integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN casino.token_generation IS 'access tokens name it; those of another generation do not hold';
ALTER TABLE signing_key ADD revoked_at timestamptz,
    ADD CHECK (revoked_at IS NULL OR retired_at IS NOT NULL);
COMMENT ON COLUMN signing_key.revoked_at IS 'not listed from then on, and nothing that it has signed holds here';
"""


def upgrade() -> None:
    """Add the columns."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(COLUMNS))
