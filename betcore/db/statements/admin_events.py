"""The statements behind ``betcore.db.admin_events``. Triggers write the rows, in the statement of each change."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class AdminEventRow:
    """A change of the configuration: the columns that have changed, before and after it."""

    event_id: int
    at: datetime
    operator: str | None
    role: str
    action: str
    subject: str
    name: str
    old: dict[str, object] | None
    new: dict[str, object] | None


# What is NULL does not filter: PostgreSQL drops its condition from the plan.
LISTED = Statement(
    AdminEventRow,
    """
SELECT * FROM admin_event
WHERE (CAST(:since AS timestamptz) IS NULL OR at >= :since)
  AND (CAST(:before AS bigint) IS NULL OR event_id < :before)
  AND (CAST(:name AS text) IS NULL OR name = :name OR starts_with(name, CAST(:name AS text) || '/'))
ORDER BY event_id DESC LIMIT :limit
""",
)

# For the rest of a transaction; a command names its operator for all of its connections.
NAME_OPERATOR = Statement(NoRow, "SELECT set_config('betcore.operator', :operator, true)")
