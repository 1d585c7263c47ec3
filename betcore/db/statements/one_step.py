"""The win of a PayInOut that leaves in one list with its stake: parts of the statements that open and end the bet, and
the statement that ends it if both were made at once.

Until the stake is known the win is ``sending`` under a bet that is ``accepting``: counted, and not owed.
"""

from betcore.db.row_mapping import BetRow
from betcore.db.statement import Statement
from betcore.db.statements.jackpots import CONTRIBUTED

# Counts the only send of the win that can exist while its stake is in doubt. It reads ``fresh``, the bet that opens.
SENT_WITH_STAKE = """first_win AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
    SELECT bet_id, 1, win, 'sending', 1 FROM fresh
    WHERE state = 'accepting' AND CAST(:with_win AS boolean)
      AND num_nonnulls(session_max_win, session_max_odd) = 0
    RETURNING bet_id, attempts
)"""

# The win of a bet that is to end without its stake, if an Accept says that the casino has made it. Its row is locked
# and read anew: the Accept may have been stored meanwhile.
WIN_WITHOUT_STAKE = """made_win AS (
    SELECT FROM movement
    WHERE bet_id = :bet_id AND transaction_type = 1 AND accept_code = ANY(CAST(:done_codes AS text[]))
    FOR UPDATE
)"""

# A win whose stake was not taken is not owed. ``ended`` is the stake that has ended so.
ENDS_WITHOUT_STAKE = """unpaid AS (
    UPDATE movement SET state = 'absent', ended_at = now()
    FROM ended WHERE movement.bet_id = ended.bet_id AND transaction_type = 1
)"""

# The casino has made both. A bet without a row of its win has sent none.
SETTLE_WITH_STAKE = Statement(
    BetRow,
    f"""
WITH changed AS (
    UPDATE bet SET state = 'settled', accepted_at = now(), accepted_balance = :balance, closed_at = now(),
           closed_balance = :win_balance
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'accepting' AND jackpot IS NULL
      AND EXISTS (SELECT FROM movement WHERE movement.bet_id = bet.bet_id AND transaction_type = 1)
    RETURNING *
),
made AS (
    SELECT bet_id, -1 AS transaction_type, CAST(:error_code AS text) AS error_code,
           CAST(:partner_transaction_id AS text) AS partner_transaction_id
    FROM changed
    UNION ALL
    SELECT bet_id, 1, CAST(:win_error_code AS text), CAST(:win_partner_transaction_id AS text) FROM changed
),
ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = made.error_code,
           partner_transaction_id = made.partner_transaction_id
    FROM made WHERE movement.bet_id = made.bet_id AND movement.transaction_type = made.transaction_type
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', transaction_type, 'progress', 'done', 'error_code', error_code)
    FROM made ORDER BY transaction_type
),
{CONTRIBUTED}
SELECT * FROM changed
""",
)
