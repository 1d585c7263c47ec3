"""Credits that a casino calls duplicate and does not list."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the moment from which such a credit is given its time."""
    op.execute("ALTER TABLE movement ADD COLUMN duplicate_absent_since timestamptz")
    op.execute(
        "COMMENT ON COLUMN movement.duplicate_absent_since IS "
        "'when the casino first called it a duplicate and payments/info did not list it'"
    )
