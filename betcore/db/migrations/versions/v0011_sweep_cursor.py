"""Where each part of the sweep goes on."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table."""
    op.execute("CREATE TABLE sweep_cursor (part text PRIMARY KEY, after bigint NOT NULL)")
    op.execute(
        "COMMENT ON TABLE sweep_cursor IS "
        "'how far each part of the sweep has come in its round; the next sweep goes on from there'"
    )
