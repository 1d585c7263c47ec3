"""The statements by which ``betcore.verify`` judges archives: each has the bets and events that its row names."""

from dataclasses import dataclass
from decimal import Decimal

from betcore.db.statement import Statement
from betcore.db.statements.verify_rows import PageRow


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """An archive as its row has it; ``left`` is whether its events have left the database."""

    archive_id: int
    name: str
    bets: int
    events: int
    left: bool


@dataclass(frozen=True, slots=True)
class CountedRow:
    """What an archive has of a range of bets."""

    archive_id: int
    bets: int
    events: Decimal


WRITTEN = Statement(
    WrittenRow,
    "SELECT archive_id, name, bets, events, emptied_at IS NOT NULL AS left FROM archive ORDER BY archive_id",
)
NEXT = Statement(
    PageRow,
    """
SELECT count(*) AS bets, max(bet_id) AS upto
FROM (SELECT bet_id FROM archived_bet WHERE bet_id > :after ORDER BY bet_id LIMIT :limit) AS page
""",
)
COUNTED = Statement(
    CountedRow,
    """
SELECT archive_id, count(*) AS bets, CAST(sum(events) AS numeric) AS events
FROM archived_bet WHERE bet_id > :after AND bet_id <= :upto GROUP BY archive_id
""",
)
