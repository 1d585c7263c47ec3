"""The statements behind ``betcore.db.cashbacks``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.row_mapping import CashbackRow
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


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A cashback as people read it; ``cancel_is`` is the state of its debit, None if there is none."""

    cashback: CashbackRow
    casino: str
    player_ref: UUID
    source: str
    key: str
    reason: str
    cancel_reason: str | None
    opened_at: datetime
    cancel_is: str | None


@dataclass(frozen=True, slots=True)
class CasinoIdRow:
    """A casino's number."""

    casino_id: int


@dataclass(frozen=True, slots=True)
class ProposedRow:
    """What has become of an operator's order that needs two: who has proposed it before, why, and until when."""

    verdict: str
    first: str | None
    first_reason: str | None
    until: datetime | None


CASINO = Statement(CasinoIdRow, "SELECT casino_id FROM casino WHERE name = :casino")

PLAYERS = Statement(
    PlayerRow,
    """
SELECT partner_user_id, player_id FROM player
WHERE casino_id = :casino_id AND partner_user_id = ANY(CAST(:partner_user_ids AS text[]))
""",
)

# Each key is looked up by itself: as a list, PostgreSQL may read all of a casino's cashbacks instead, as long as it has
# not noticed how many there are.
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
    SELECT found.*, false FROM (SELECT DISTINCT key FROM asked) AS given CROSS JOIN LATERAL (
        SELECT cashback_id, key, player_id, currency, amount FROM cashback
        WHERE casino_id = :casino_id AND key = given.key LIMIT 1
    ) AS found
)
SELECT place, known, coalesce(standing.fresh, false) AS fresh, cashback_id, player_id, standing.currency,
       standing.amount
FROM asked LEFT JOIN standing USING (key)
ORDER BY place
""",
)

# Two operators order the same within the hour; an order that stands already is not asked about again.
PROPOSE = Statement(
    ProposedRow,
    """
WITH standing AS (
    SELECT * FROM cashback_proposal
    WHERE casino_id = :casino_id AND key = :key AND until > now()
      AND (player_id, currency, amount) = (:player_id, :currency, CAST(:amount AS numeric(38,0)))
    FOR UPDATE
),
judged AS (
    SELECT standing.operator AS first, standing.reason AS first_reason, standing.until AS stands_until,
           CASE WHEN EXISTS (SELECT FROM cashback WHERE casino_id = :casino_id AND key = :key) THEN 'opened'
                WHEN standing.operator IS NULL THEN 'proposed'
                WHEN lower(btrim(standing.operator)) = lower(btrim(:operator)) THEN 'asked_before'
                ELSE 'agreed' END AS verdict
    FROM (VALUES (1)) AS one LEFT JOIN standing ON true
),
proposed AS (
    INSERT INTO cashback_proposal (casino_id, key, player_id, currency, amount, reason, operator, until)
    SELECT :casino_id, :key, :player_id, :currency, CAST(:amount AS numeric(38,0)), :reason, :operator,
           now() + CAST(:proposed_for AS interval)
    FROM judged WHERE verdict = 'proposed'
    ON CONFLICT (casino_id, key) DO UPDATE SET player_id = excluded.player_id, currency = excluded.currency,
        amount = excluded.amount, reason = excluded.reason, operator = excluded.operator, until = excluded.until
    RETURNING until
)
SELECT verdict, first, first_reason, coalesce((SELECT until FROM proposed), stands_until) AS until FROM judged
""",
)

# A cancel is asked for once. It can be asked for again only after the one before certainly never reached the casino:
# its movement is the same one, and gets another window. A cashback at rest is begun again by a new workflow, which has
# to take it on; one that is being issued goes on with its own.
CANCEL = Statement(
    CashbackRow,
    """
WITH asked AS (
    UPDATE cashback SET cancel_asked_at = now(), cancel_reason = :reason, closed_at = NULL,
           state = CASE WHEN state = 'issued' THEN 'cancelling' ELSE state END,
           owner = CASE WHEN state = 'issued' THEN NULL ELSE owner END
    WHERE cashback_id = :bet_id
      AND ((state = 'issuing' AND cancel_asked_at IS NULL)
           OR (state = 'issued' AND NOT EXISTS (
                   SELECT FROM movement
                   WHERE bet_id = :bet_id AND transaction_type = -2 AND movement.state <> 'absent')))
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT cashback_id, 'cancel_asked', jsonb_build_object('operator', CAST(:operator AS text),
                                                           'reason', CAST(:reason AS text))
    FROM asked
)
SELECT * FROM asked
""",
)

_LISTED = """listed AS (
    SELECT wanted.*, casino.name AS casino, player_ref,
           (SELECT movement.state FROM movement WHERE bet_id = cashback_id AND transaction_type = -2) AS cancel_is
    FROM wanted JOIN casino ON casino.casino_id = wanted.casino_id JOIN player USING (player_id)
)"""
SHOWN = Statement(
    ListedRow,
    f"""
WITH wanted AS (
    SELECT * FROM cashback WHERE cashback_id = :bet_id
),
{_LISTED}
SELECT * FROM listed
""",
)
# Newest first.
OF_CASINO = Statement(
    ListedRow,
    f"""
WITH wanted AS (
    SELECT * FROM cashback
    WHERE casino_id = :casino_id AND cashback_id < coalesce(CAST(:before AS bigint), 9007199254740992)
    ORDER BY cashback_id DESC LIMIT :limit
),
{_LISTED}
SELECT * FROM listed ORDER BY cashback_id DESC
""",
)
OF_PLAYER = Statement(
    ListedRow,
    f"""
WITH wanted AS (
    SELECT * FROM cashback
    WHERE player_id = :player_id AND casino_id = :casino_id
      AND cashback_id < coalesce(CAST(:before AS bigint), 9007199254740992)
    ORDER BY cashback_id DESC LIMIT :limit
),
{_LISTED}
SELECT * FROM listed ORDER BY cashback_id DESC
""",
)
OPEN_OF_CASINO = Statement(
    ListedRow,
    f"""
WITH wanted AS (
    SELECT * FROM (
        SELECT * FROM cashback WHERE casino_id = :casino_id AND closed_at IS NULL AND owner IS NULL
        UNION ALL
        SELECT * FROM cashback WHERE casino_id = :casino_id AND closed_at IS NULL AND owner IS NOT NULL
    ) AS open
    WHERE cashback_id < coalesce(CAST(:before AS bigint), 9007199254740992)
    ORDER BY cashback_id DESC LIMIT :limit
),
{_LISTED}
SELECT * FROM listed ORDER BY cashback_id DESC
""",
)
