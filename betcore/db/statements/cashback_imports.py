"""The statements behind ``betcore.db.cashback_imports``."""

from dataclasses import dataclass
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class CasinoRow:
    """A casino by its name."""

    casino_id: int
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class NamedPlayerRow:
    """A player by the casino's id."""

    partner_user_id: str
    player_id: int
    is_blocked: bool


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The cashback that stands under a key."""

    key: str
    cashback_id: int
    player_id: int
    currency: str
    amount: Decimal


CASINO = Statement(
    CasinoRow, "SELECT casino_id, disabled_at IS NOT NULL AS is_disabled FROM casino WHERE name = :casino"
)
# Each name and key is looked up by itself. As a list, PostgreSQL may read all of a casino's rows instead, as long as it
# has not noticed how many there are.
PLAYERS = Statement(
    NamedPlayerRow,
    """
SELECT found.* FROM unnest(CAST(:partner_user_ids AS text[])) AS given (name)
CROSS JOIN LATERAL (
    SELECT partner_user_id, player_id, blocked_at IS NOT NULL AS is_blocked FROM player
    WHERE casino_id = :casino_id AND partner_user_id = given.name LIMIT 1
) AS found
""",
)
STANDING = Statement(
    KeyRow,
    """
SELECT found.* FROM unnest(CAST(:keys AS text[])) AS given (name)
CROSS JOIN LATERAL (
    SELECT key, cashback_id, player_id, currency, amount FROM cashback
    WHERE casino_id = :casino_id AND key = given.name LIMIT 1
) AS found
""",
)
