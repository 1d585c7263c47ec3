"""The statements behind ``betcore.db.incidents``."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident, and its bet or cashback if there is one; ``bet_id`` and ``bet_state`` may be a cashback's."""

    incident_id: int
    at: datetime
    kind: str
    ours: dict[str, object]
    theirs: dict[str, object]
    bet_id: int | None
    provider_bet_id: str | None
    bet_state: str | None
    provider: str | None
    casino: str | None


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many incidents there are of a kind."""

    kind: str
    incidents: int


@dataclass(frozen=True, slots=True)
class ProviderNameRow:
    """A provider's name."""

    name: str


# What is filed before the bet has a row names the bet in its data, and so do both of its keys there.
_FILED = """filed AS (
    SELECT i.incident_id, i.at, i.kind, i.ours, i.theirs, coalesce(bet.bet_id, cashback_id) AS bet_id,
           bet.provider_bet_id, coalesce(bet.state, cashback.state) AS bet_state, provider.name AS provider,
           casino.name AS casino
    FROM wanted i
    LEFT JOIN LATERAL (
        SELECT bet.* FROM bet WHERE bet.bet_id = i.bet_id
        UNION ALL
        SELECT bet.* FROM provider named JOIN bet USING (provider_id)
        WHERE i.bet_id IS NULL
          AND named.counterparty_id::text = coalesce(i.ours ->> 'counterparty_id', i.theirs ->> 'counterparty_id')
          AND provider_bet_id = coalesce(i.ours ->> 'provider_bet_id', i.theirs ->> 'provider_bet_id')
    ) AS bet ON true
    LEFT JOIN provider ON provider.provider_id = bet.provider_id
    LEFT JOIN cashback ON cashback_id = i.bet_id
    LEFT JOIN casino ON casino.casino_id = coalesce(bet.casino_id, cashback.casino_id)
)"""
# What is NULL does not filter: PostgreSQL drops its condition from the plan.
_FITTING = """fitting AS (
    SELECT * FROM filed
    WHERE (CAST(:kind AS text) IS NULL OR kind = CAST(:kind AS text))
      AND (CAST(:provider AS text) IS NULL OR provider = CAST(:provider AS text))
      AND (CAST(:since AS timestamptz) IS NULL OR at >= CAST(:since AS timestamptz))
      AND (CAST(:before AS bigint) IS NULL OR incident_id < CAST(:before AS bigint))
)"""

LISTED = Statement(
    IncidentRow,
    f"""
WITH wanted AS (
    SELECT * FROM incident
),
{_FILED},
{_FITTING}
SELECT * FROM fitting ORDER BY incident_id DESC LIMIT :limit
""",
)
# Of bets: one by its number, or those of several providers that have the same id.
OF_BETS = Statement(
    IncidentRow,
    f"""
WITH named AS (
    SELECT bet_id, provider_bet_id FROM bet
    WHERE bet_id = :bet_id
      AND (CAST(:provider_bet_id AS text) IS NULL OR provider_bet_id = CAST(:provider_bet_id AS text))
    UNION
    SELECT bet_id, provider_bet_id FROM provider JOIN bet USING (provider_id)
    WHERE CAST(:bet_id AS bigint) IS NULL AND provider_bet_id = :provider_bet_id
    UNION
    SELECT cashback_id, NULL FROM cashback WHERE cashback_id = :bet_id AND CAST(:provider_bet_id AS text) IS NULL
),
wanted AS (
    SELECT incident.* FROM incident JOIN named USING (bet_id)
    UNION ALL
    SELECT incident.* FROM incident
    WHERE bet_id IS NULL AND coalesce(ours ->> 'provider_bet_id', theirs ->> 'provider_bet_id') IN (
        SELECT provider_bet_id FROM named
    )
),
{_FILED},
{_FITTING}
SELECT * FROM fitting WHERE bet_id IN (SELECT bet_id FROM named) ORDER BY incident_id DESC LIMIT :limit
""",
)
SHOWN = Statement(
    IncidentRow,
    f"""
WITH wanted AS (
    SELECT * FROM incident WHERE incident_id = :incident_id
),
{_FILED}
SELECT * FROM filed
""",
)
COUNTS = Statement(CountRow, "SELECT kind, incidents FROM incident_count")
PROVIDER = Statement(ProviderNameRow, "SELECT name FROM provider WHERE name = :name")
