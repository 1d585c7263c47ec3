"""A row by which it is noticed that request ids were lost."""

from alembic import op

revision = "0009"
down_revision = "0008"

# Nothing was lost before the first one.
SENTINEL = "INSERT INTO request_id (provider_id, request_id, seen_at) VALUES (0, 'sentinel', timestamptz 'epoch')"


def upgrade() -> None:
    """Put the row there; a database without it has lost its request ids."""
    op.execute(SENTINEL)
