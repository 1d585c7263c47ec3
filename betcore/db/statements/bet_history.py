"""The statements behind ``betcore.db.bet_history``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.row_mapping import BetRow
from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class NamedBetRow:
    """A bet, and what people call its partners, its player and its game."""

    bet: BetRow
    provider: str
    casino: str
    player_ref: UUID
    provider_game_id: str
    brand: str | None


@dataclass(frozen=True, slots=True)
class MovementRow:
    """A movement's row."""

    transaction_type: int
    amount: Decimal
    state: str
    attempts: int
    error_code: str | None
    partner_transaction_id: str | None
    accept_code: str | None
    first_sent_at: datetime
    not_after: datetime | None
    accept_at: datetime | None
    awaited_until: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of a bet."""

    event_id: int
    at: datetime
    kind: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class ArchivedRow:
    """Events of a bet that an archive has; ``left`` is whether they have left the database."""

    archive_id: int
    name: str
    events: int
    left: bool


@dataclass(frozen=True, slots=True)
class ReversalOfBetRow:
    """The reversal of a bet."""

    reversal_id: int
    state: str
    lives: int
    opened_at: datetime
    closed_at: datetime | None
    closed_balance: Decimal | None


@dataclass(frozen=True, slots=True)
class FiledRow:
    """An incident of a bet."""

    incident_id: int
    at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class ConcernRow:
    """Whose bet it is, how much is under way or at stake, and since when."""

    provider: str
    provider_bet_id: str
    casino: str
    currency: str
    amount: Decimal | None
    since: datetime


@dataclass(frozen=True, slots=True)
class FoundBetRow:
    """How a bet and its reversal stand, and what names their workflows."""

    bet_id: int
    state: str
    refusal: str | None
    currency: str
    lives: int
    closed_at: datetime | None
    counterparty_id: UUID
    provider_bet_id: str
    reversal_lives: int | None
    reversal_state: str | None
    reversal_closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasinoNameRow:
    """A casino's name."""

    name: str


BET = Statement(
    NamedBetRow,
    """
SELECT bet.*, provider.name AS provider, casino.name AS casino, player_ref, provider_game_id
FROM bet
JOIN provider USING (provider_id)
JOIN casino ON casino.casino_id = bet.casino_id
JOIN player ON player.player_id = bet.player_id
JOIN game ON game.game_id = bet.game_id
WHERE bet_id = :bet_id
""",
)
MOVEMENTS = Statement(
    MovementRow, "SELECT * FROM movement WHERE bet_id = :bet_id ORDER BY first_sent_at, transaction_type"
)
EVENTS = Statement(EventRow, "SELECT event_id, at, kind, data FROM bet_event WHERE bet_id = :bet_id ORDER BY event_id")
ARCHIVED = Statement(
    ArchivedRow,
    """
SELECT archive_id, name, archived_bet.events, emptied_at IS NOT NULL AS left
FROM archived_bet JOIN archive USING (archive_id) WHERE bet_id = :bet_id ORDER BY archive_id
""",
)
REVERSAL = Statement(ReversalOfBetRow, "SELECT * FROM reversal WHERE bet_id = :bet_id")
INCIDENTS = Statement(
    FiledRow, "SELECT incident_id, at, kind FROM incident WHERE bet_id = :bet_id ORDER BY incident_id"
)
CASINO = Statement(CasinoNameRow, "SELECT name FROM casino WHERE name = :name")

# What is under way, or waits for a person, says how much it is about and since when; else the stake, since it came.
CONCERNS = Statement(
    ConcernRow,
    """
SELECT provider.name AS provider, provider_bet_id, casino.name AS casino, bet.currency,
       coalesce(moving.amount, stake) AS amount, coalesce(moving.first_sent_at, bet.opened_at) AS since
FROM bet
JOIN provider USING (provider_id)
JOIN casino ON casino.casino_id = bet.casino_id
LEFT JOIN LATERAL (
    SELECT amount, first_sent_at FROM movement
    WHERE movement.bet_id = bet.bet_id AND movement.state IN ('sending', 'parked')
    ORDER BY first_sent_at DESC, transaction_type LIMIT 1
) AS moving ON true
WHERE bet.bet_id = :bet_id
""",
)

_FOUND = """found AS (
    SELECT bet.bet_id, bet.state, bet.refusal, bet.currency, bet.lives, bet.closed_at, provider_bet_id,
           counterparty_id, provider.name AS provider,
           reversal.lives AS reversal_lives, reversal.state AS reversal_state, reversal.closed_at AS reversal_closed_at
    FROM bet JOIN provider USING (provider_id) LEFT JOIN reversal USING (bet_id)
)"""
BY_NUMBER = Statement(
    FoundBetRow,
    f"""
WITH {_FOUND}
SELECT * FROM found WHERE bet_id = :bet_id
""",
)
BY_PROVIDER = Statement(
    FoundBetRow,
    f"""
WITH {_FOUND}
SELECT * FROM found WHERE provider = :provider AND provider_bet_id = :provider_bet_id
""",
)
BY_COUNTERPARTY = Statement(
    FoundBetRow,
    f"""
WITH {_FOUND}
SELECT * FROM found WHERE counterparty_id::text = :counterparty_id AND provider_bet_id = :provider_bet_id
""",
)
