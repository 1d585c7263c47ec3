"""The statements behind ``betcore.db.cashbacks``."""

from dataclasses import dataclass
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class StandingRow:
    """The cashback that stands under the key of an order."""

    cashback_id: int
    player_id: int
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OrderedRow:
    """An order by its place, whether its player is one of the casino, and whether it has opened a cashback.

    ``standing`` is None if no cashback comes back.
    """

    place: int
    known: bool
    fresh: bool
    standing: StandingRow | None


@dataclass(frozen=True, slots=True)
class PlayerRow:
    """A player by the casino's id."""

    partner_user_id: str
    player_id: int


PLAYERS = Statement(
    PlayerRow,
    """
SELECT partner_user_id, player_id FROM player
WHERE casino_id = :casino_id AND partner_user_id = ANY(CAST(:partner_user_ids AS text[]))
""",
)

# A key that stands is not opened again. One that another transaction has inserted meanwhile is in neither part of what
# comes back: the statement is run again then.
OPEN = Statement(
    OrderedRow,
    """
WITH asked AS (
    SELECT given.*, player.player_id IS NOT NULL AS known
    FROM unnest(CAST(:sources AS text[]), CAST(:keys AS text[]), CAST(:player_ids AS bigint[]),
                CAST(:currencies AS text[]), CAST(:amounts AS numeric[]), CAST(:reasons AS text[]),
                CAST(:promo_codes AS text[]), CAST(:operators AS text[]), CAST(:rule_version_ids AS bigint[]),
                CAST(:periods_from AS timestamptz[]), CAST(:periods_to AS timestamptz[])) WITH ORDINALITY
         AS given (source, key, asked_player_id, currency, amount, reason, promo_code, operator, rule_version_id,
                   period_from, period_to, place)
    LEFT JOIN player ON player.player_id = asked_player_id AND player.casino_id = :casino_id
),
fresh AS (
    INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, promo_code, source, key, reason,
                          rule_version_id, period_from, period_to)
    SELECT next_bet_id(:callers_clock), :casino_id, asked_player_id, currency, amount, promo_code, source, key, reason,
           rule_version_id, period_from, period_to
    FROM asked WHERE known ORDER BY place
    ON CONFLICT (casino_id, key) DO NOTHING
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT cashback_id, 'cashback', jsonb_strip_nulls(jsonb_build_object(
               'source', fresh.source, 'minor_units', fresh.amount, 'currency', fresh.currency,
               'reason', fresh.reason, 'operator', asked.operator))
    FROM fresh JOIN (SELECT DISTINCT ON (key) key, operator FROM asked WHERE known ORDER BY key, place) AS asked
        USING (key)
),
standing AS (
    SELECT cashback_id, key, player_id, currency, amount, true AS fresh FROM fresh
    UNION ALL
    SELECT cashback_id, key, player_id, currency, amount, false FROM cashback
    WHERE casino_id = :casino_id AND key = ANY(CAST(:keys AS text[]))
)
SELECT place, known, coalesce(standing.fresh, false) AS fresh, cashback_id, player_id, standing.currency,
       standing.amount
FROM asked LEFT JOIN standing USING (key)
ORDER BY place
""",
)
