"""The statements behind ``betcore.db.open_cashbacks``."""

from dataclasses import dataclass
from uuid import UUID

from betcore.db.row_mapping import CashbackRow
from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class OpenCashbackRow:
    """A cashback whose money is to move, and what names the workflow that should be carrying it."""

    cashback_id: int
    owner: str | None
    lives: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A casino with cashbacks that wait for a workflow, and how many a workflow carries."""

    casino_id: int
    profile: dict[str, object]
    carried: int


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A cashback with its casino and its player."""

    cashback: CashbackRow
    casino_name: str
    casino_profile: dict[str, object]
    partner_user_id: str
    player_ref: UUID


# What no workflow has taken on yet waits for its turn: an import of a million lines is no storm.
CARRIED = Statement(
    OpenCashbackRow,
    """
SELECT cashback_id, owner, lives FROM cashback
WHERE closed_at IS NULL AND owner IS NOT NULL AND cashback_id > :after
ORDER BY cashback_id LIMIT :limit
""",
)

# What is parked waits for a person, and keeps nothing else waiting.
WAITING_CASINOS = Statement(
    WaitingRow,
    """
SELECT casino_id, profile,
       (SELECT count(*) FROM cashback
        WHERE cashback.casino_id = casino.casino_id AND closed_at IS NULL AND owner IS NOT NULL
          AND NOT EXISTS (SELECT FROM movement WHERE bet_id = cashback_id AND movement.state = 'parked')) AS carried
FROM casino
WHERE EXISTS (
    SELECT FROM cashback WHERE cashback.casino_id = casino.casino_id AND closed_at IS NULL AND owner IS NULL)
""",
)

WAITING = Statement(
    OpenCashbackRow,
    """
SELECT cashback_id, owner, lives FROM cashback
WHERE casino_id = :casino_id AND closed_at IS NULL AND owner IS NULL AND cashback_id > :after
ORDER BY cashback_id LIMIT :limit
""",
)

OPEN_ROW = Statement(
    OpenCashbackRow,
    "SELECT cashback_id, owner, lives FROM cashback WHERE cashback_id = :bet_id AND closed_at IS NULL",
)

ORDER = Statement(
    OrderRow,
    """
SELECT cashback.*, casino.name AS casino_name, casino.profile AS casino_profile, partner_user_id, player_ref
FROM cashback JOIN casino ON casino.casino_id = cashback.casino_id JOIN player USING (player_id)
WHERE cashback_id = :bet_id AND closed_at IS NULL
""",
)
