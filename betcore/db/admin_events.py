"""What persons have changed of the configuration: providers, casinos, games, limits, players, keys, jackpots."""

from datetime import datetime

from betcore.db.database import Database
from betcore.db.row_mapping import time_text
from betcore.db.statements import admin_events
from betcore.db.statements.admin_events import AdminEventRow

Json = dict[str, object]


class AdminEvents:
    """Reads the table ``admin_event``, which triggers write and nothing changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, *, since: datetime | None, of: str | None, before: int | None, limit: int) -> list[Json]:
        """Return the newest changes, newest first; ``of`` is the name of what was changed, or of its owner.

        ``before`` is the event to go on from.
        """
        given = {"since": since, "name": of, "before": before, "limit": limit}
        return [_shown(row) for row in await self._database.all_rows(admin_events.LISTED, **given)]


def _shown(row: AdminEventRow) -> Json:
    return {
        "event_id": row.event_id,
        "at": time_text(row.at),
        "operator": row.operator,
        "role": row.role,
        "action": row.action,
        "subject": row.subject,
        "name": row.name,
        "old": row.old,
        "new": row.new,
    }
