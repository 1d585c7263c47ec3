"""The statements behind ``betcore.db.win_reviews``. Those that begin a credit ask ``review_allows`` of the schema."""

from dataclasses import dataclass

from betcore.db.row_mapping import BetRow
from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A bet whose win waits from now on, and the limits that it is beyond."""

    bet_id: int
    reasons: list[str]


# Puts a win that is beyond the limits into review, or counts it for the hour. It comes before the statement that begins
# the credit, and changes nothing once that has begun: so a win is judged once, and counted again only if a worker dies
# between the two. The sum of the hour has what was committed when the statement began: of wins that are judged at the
# same moment none sees the others. A pool is weighed as it stands. A PayOut counts as told, as when it is paid.
HOLD = Statement(
    HeldRow,
    """
WITH own AS (
    SELECT bet_id, provider_id, game_id, currency, stake, one_step FROM bet
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'acceptance' AND withdrawn_at IS NULL
      AND coalesce(win = CAST(:amount AS numeric(38,0)), true)
      AND (review IS NULL OR (review ->> 'state' = 'refused' AND review -> 'asked' <> CAST(:asked AS jsonb)))
    FOR NO KEY UPDATE
),
asked AS (
    SELECT own.*, game.max_odd, CAST(:amount AS numeric(38,0)) AS win,
           CAST(:amount AS numeric(38,0))
               + coalesce(CAST(:jackpot AS numeric(38,0)), greatest(pool.amount, 0), 0) AS pays
    FROM own JOIN game USING (game_id) LEFT JOIN jackpot pool ON jackpot_id = CAST(:jackpot_id AS bigint)
),
paid AS (
    SELECT coalesce(sum(amount), 0) AS of_hour FROM asked JOIN paid_minute USING (provider_id, currency)
    WHERE CAST(:per_hour AS numeric(38,0)) IS NOT NULL
      AND minute >= date_trunc('minute', now()) - interval '1 hour'
),
judged AS (
    SELECT asked.*, array_remove(ARRAY[
        CASE WHEN pays > CAST(:max_win AS numeric(38,0)) THEN 'max_win' END,
        CASE WHEN stake > 0 AND win > stake * CAST(:max_odd AS numeric) THEN 'max_odd' END,
        CASE WHEN stake > 0 AND win > stake * max_odd AND CAST(:game_max_odd AS boolean) THEN 'game_max_odd' END,
        CASE WHEN of_hour + pays > CAST(:per_hour AS numeric(38,0)) THEN 'per_hour' END], NULL) AS reasons, of_hour
    FROM asked CROSS JOIN paid WHERE pays > 0
),
held AS (
    UPDATE bet SET told_at = CASE WHEN judged.one_step THEN told_at ELSE coalesce(told_at, now()) END,
           review = jsonb_build_object('state', 'in_review', 'asked', CAST(:asked AS jsonb),
                                       'tax', CAST(:tax AS numeric(38,0)), 'reasons', reasons, 'since', now())
    FROM judged WHERE bet.bet_id = judged.bet_id AND cardinality(reasons) > 0
    RETURNING bet.bet_id, reasons, judged.stake, judged.max_odd AS odd, of_hour
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'in_review', CAST(:data AS jsonb) || jsonb_build_object('reasons', reasons) FROM held
),
incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'win_in_review',
           CAST(:limits AS jsonb) || jsonb_build_object('reasons', array_to_string(reasons, ', '), 'stake', stake)
               || jsonb_strip_nulls(jsonb_build_object('game_odd', odd, 'paid_in_the_hour', of_hour)),
           CAST(:data AS jsonb)
    FROM held
),
counted AS (
    INSERT INTO paid_minute (provider_id, currency, slot, shard, minute, amount)
    SELECT provider_id, currency, CAST(floor(extract(epoch FROM now()) / 60) AS bigint) % 61, bet_id % 16,
           date_trunc('minute', now()), pays
    FROM judged WHERE cardinality(reasons) = 0 AND CAST(:per_hour AS numeric(38,0)) IS NOT NULL
    ON CONFLICT (provider_id, currency, slot, shard) DO UPDATE SET minute = excluded.minute,
        amount = excluded.amount
                 + CASE WHEN paid_minute.minute = excluded.minute THEN paid_minute.amount ELSE 0 END
)
SELECT bet_id, reasons FROM held
""",
)

# What two operators have decided. A repeat finds it decided, and changes nothing.
DECIDE = Statement(
    BetRow,
    """
WITH changed AS (
    UPDATE bet SET review = review || jsonb_build_object('state', CAST(:verdict AS text), 'decided_at', now())
    WHERE bet_id = :bet_id AND owner = :owner AND review ->> 'state' = 'in_review'
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reviewed', jsonb_build_object('verdict', CAST(:verdict AS text)) || (review -> 'asked') FROM changed
)
SELECT * FROM changed
""",
)
