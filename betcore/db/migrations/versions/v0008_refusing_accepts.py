"""Which sends of a movement a refusing Accept was judged for."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add what is new; of older movements the casino's next refusal is judged once more."""
    op.execute("ALTER TABLE movement ADD COLUMN refused_attempts integer NOT NULL DEFAULT 0")
    op.execute(
        "COMMENT ON COLUMN movement.refused_attempts IS "
        "'sends counted when a refusing Accept was last judged without an end of the movement: the casino repeats that "
        "refusal until another send is counted'"
    )
