"""The statements behind ``betcore.db.jackpots``: what a bet wins beside its winnings.

A pool's row is locked by whatever changes it: the newest entry of its journal stands there. No bet that only
contributes locks it.
"""

from betcore.db.row_mapping import BetRow
from betcore.db.statement import Statement
from betcore.db.statements.movements import CLAIM, SENT, ClaimRow

# What a bet in ``changed`` that is settled adds to the pools of its game: booked later, so that bets share no row.
CONTRIBUTED = """contributed AS (
    INSERT INTO jackpot_stake (bet_id, jackpot_id, reversed, amount)
    SELECT bet_id, jackpot.jackpot_id, false, stake
    FROM changed JOIN jackpot USING (casino_id, provider_id, currency)
    WHERE changed.state = 'settled' AND stake > 0 AND disabled_at IS NULL
      AND (jackpot.game_id = changed.game_id
           OR category = (SELECT category FROM game WHERE game.game_id = changed.game_id))
)"""

# The same taken back, for the reversal in ``changed``.
CONTRIBUTED_BACK = """contributed_back AS (
    INSERT INTO jackpot_stake (bet_id, jackpot_id, reversed, amount)
    SELECT bet_id, jackpot_id, true, -amount FROM changed JOIN jackpot_stake USING (bet_id) WHERE NOT reversed
)"""

# Decides a bet with its jackpot, by the conditions of BEGIN_CREDIT, which counts the send of the win afterwards. A pool
# is emptied in the same statement: of two bets that win it at once the second waits for its row, and finds the seed
# there. A pool that was disabled, or has nothing, is not seeded again. It has to be one of the bet's own game: a PayOut
# that overtook its PayIn was judged by the game of its session, which may be another one.
DECIDE = Statement(
    BetRow,
    """
WITH own AS (
    SELECT bet_id, casino_id, provider_id, currency, game_id FROM bet
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'acceptance' AND withdrawn_at IS NULL AND jackpot IS NULL
      AND coalesce(win = CAST(:amount AS numeric(38,0)), true)
      AND (NOT one_step OR jackpot_id = CAST(:jackpot_id AS bigint))
      AND review_allows(review, true, :asked)
    FOR NO KEY UPDATE
),
pool AS (
    SELECT jackpot_id, entries, amount, stakes, seed, disabled_at FROM jackpot
    WHERE jackpot_id = CAST(:jackpot_id AS bigint)
      AND (casino_id, provider_id, currency) = (SELECT casino_id, provider_id, currency FROM own)
      AND (game_id = (SELECT game_id FROM own)
           OR category = (SELECT game.category FROM game JOIN own USING (game_id)))
    FOR NO KEY UPDATE
),
taken AS (
    SELECT jackpot_id, entries, stakes, amount - greatest(amount, 0) AS rest, greatest(amount, 0) AS won,
           CASE WHEN amount > 0 AND disabled_at IS NULL THEN seed ELSE 0 END AS seeded
    FROM pool
),
changed AS (
    UPDATE bet SET state = 'settling', win = CAST(:amount AS numeric(38,0)),
           win_tax = CASE WHEN win IS NULL THEN CAST(:tax AS numeric(38,0)) ELSE win_tax END,
           told_at = CASE WHEN one_step THEN told_at ELSE coalesce(told_at, now()) END,
           jackpot = coalesce(CAST(:jackpot AS numeric(38,0)), won), jackpot_id = taken.jackpot_id
    FROM own LEFT JOIN taken ON true
    WHERE bet.bet_id = own.bet_id AND (CAST(:jackpot AS numeric(38,0)) IS NULL) = (taken.jackpot_id IS NOT NULL)
    RETURNING bet.*
),
entry AS (
    INSERT INTO jackpot_entry (jackpot_id, number, kind, amount, balance, stakes, bet_id)
    SELECT taken.jackpot_id, entries + 1, 'win', -won, rest, stakes, bet_id FROM taken, changed
    UNION ALL
    SELECT taken.jackpot_id, entries + 2, 'seed', seeded, rest + seeded, stakes, NULL FROM taken, changed
    WHERE seeded > 0
),
emptied AS (
    UPDATE jackpot SET entries = taken.entries + CASE WHEN seeded > 0 THEN 2 ELSE 1 END, amount = rest + seeded,
           changed_at = now()
    FROM taken, changed WHERE jackpot.jackpot_id = taken.jackpot_id
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'jackpot', jsonb_strip_nulls(jsonb_build_object('minor_units', jackpot, 'jackpot_id', jackpot_id))
    FROM changed
)
SELECT * FROM changed
""",
)

# Counts a send of the jackpot, once the win is paid. As in BEGIN_CREDIT the condition stands twice.
BEGIN = Statement(
    ClaimRow,
    f"""
WITH changed AS (
    SELECT * FROM bet
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'settling' AND win_paid_at IS NOT NULL
      AND jackpot = CAST(:amount AS numeric(38,0))
    FOR NO KEY UPDATE
),
due AS (
    SELECT bet_id, CAST(4 AS smallint) AS transaction_type, jackpot AS amount FROM changed
),
{SENT},
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'send', CAST(:data AS jsonb) || jsonb_build_object('attempt', attempts) FROM sent
),
standing AS (
    SELECT movement.*
    FROM changed JOIN movement ON movement.bet_id = changed.bet_id
    WHERE transaction_type = 4 AND movement.state = 'sending'
),
{CLAIM},
stands AS (
    SELECT *, false AS overtaken FROM changed
    UNION ALL
    SELECT *, (bet.owner = :owner AND bet.state = 'settling' AND bet.win_paid_at IS NOT NULL
               AND bet.jackpot = CAST(:amount AS numeric(38,0))) IS TRUE
    FROM bet WHERE bet_id = :bet_id AND NOT EXISTS (SELECT FROM changed)
)
SELECT stands.*, partner_user_id, session.tag_id, attempts, counted, accept_code, accept_transaction_id,
       accept_balance, was_parked, waits, stale OR overtaken AS stale
FROM stands JOIN player USING (player_id) JOIN session USING (session_id) CROSS JOIN claim
""",
)
