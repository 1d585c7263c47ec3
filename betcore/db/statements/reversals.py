"""The statements behind ``betcore.db.reversals``. As in ``bet_sql``, each is one transaction, and rows travel between
its parts by RETURNING."""

from betcore.db.row_mapping import REVERSAL_COLUMNS
from betcore.db.statements.movements import CLAIMED, MAY_LEAVE, NO_OTHER_ACCEPT, PLAYER, STALE

# The reversal as it is after the statement, with its bet; no row where nothing was changed, as in ``bet_sql``.
_CHANGED = f"""
SELECT bet.*, {REVERSAL_COLUMNS}
FROM bet JOIN changed AS reversal USING (bet_id)
WHERE bet_id = :bet_id
"""
AS_IT_STANDS = f"""
SELECT bet.*, {REVERSAL_COLUMNS}
FROM bet JOIN reversal USING (bet_id)
WHERE bet_id = :bet_id
"""

OPEN = (
    """
WITH changed AS (
    INSERT INTO reversal (bet_id, owner)
    SELECT bet_id, :owner FROM bet WHERE bet_id = :bet_id AND state = 'settled'
    ON CONFLICT (bet_id) DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal', jsonb_build_object('reversal_id', reversal_id) FROM changed
)"""
    + _CHANGED
)

# Compare and set: of two who have seen the same owner, one takes the reversal over.
TAKE_OVER = (
    """
WITH changed AS (
    UPDATE reversal SET owner = :owner, lives = :life
    WHERE bet_id = :bet_id AND owner IS NOT DISTINCT FROM CAST(:seen_owner AS text) AND lives < :life
      AND closed_at IS NULL
    RETURNING *
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal_resumed', jsonb_build_object('life', lives) FROM changed
)"""
    + _CHANGED
)

_OWN = "SELECT * FROM reversal WHERE bet_id = :bet_id AND owner = :owner AND state = 'reversing'"

# Counts a send of the claw-back. Its last moment moves only once all sends of before are certainly absent.
BEGIN_CLAW_BACK = f"""
WITH changed AS ({_OWN}
), counted AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, not_after)
    SELECT changed.bet_id, -2, bet.win, 'sending', 1, :not_after
    FROM changed JOIN bet USING (bet_id) WHERE bet.state = 'settled'
    ON CONFLICT (bet_id, transaction_type) DO UPDATE SET
        attempts = movement.attempts + 1,
        not_after = CASE WHEN movement.absent_attempts = movement.attempts
                         THEN excluded.not_after ELSE movement.not_after END
    WHERE {MAY_LEAVE}
    RETURNING bet_id, attempts, absent_attempts, not_after
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'send', jsonb_build_object('type', -2, 'attempt', attempts) FROM counted
)
SELECT bet.*, {REVERSAL_COLUMNS}, {CLAIMED}, {STALE} AS stale, {PLAYER.format("bet")},
       coalesce(sent.not_after, standing.not_after) AS not_after,
       (SELECT state FROM movement WHERE bet_id = :bet_id AND transaction_type = -2) AS movement
FROM bet JOIN reversal USING (bet_id)
LEFT JOIN (SELECT bet_id, attempts - absent_attempts AS attempts, not_after FROM counted) AS sent USING (bet_id)
LEFT JOIN (
    SELECT bet_id, movement.state, attempts - absent_attempts AS attempts, not_after, error_code, awaited_until,
           accept_code, accept_transaction_id, accept_balance
    FROM movement JOIN changed USING (bet_id) WHERE transaction_type = -2 AND movement.state = 'sending'
) AS standing USING (bet_id)
WHERE bet_id = :bet_id
"""

CLAWED_BACK = (
    f"""
WITH changed AS ({_OWN}
), ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = -2
    RETURNING movement.bet_id
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', -2, 'progress', 'done', 'error_code', CAST(:error_code AS text))
    FROM ended
)"""
    + _CHANGED
    + " AND EXISTS (SELECT FROM ended)"
)

# The movement first: its row is locked and read anew, so that a send counted, or an Accept stored, meanwhile by another
# process is seen.
REFUSE_ONLY_SEND = (
    f"""
WITH ended AS (
    UPDATE movement SET state = 'refused', ended_at = now(), error_code = :error_code
    FROM ({_OWN}) AS own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = :standing
      AND (:standing = 'parked' OR attempts - absent_attempts = 1) AND {NO_OTHER_ACCEPT}
    RETURNING movement.bet_id, amount
), changed AS (
    UPDATE reversal SET state = 'refused', closed_at = now()
    FROM ended WHERE reversal.bet_id = ended.bet_id
    RETURNING reversal.*
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal_refused', jsonb_build_object('error_code', CAST(:error_code AS text)) FROM changed
), incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'reversal_refused', jsonb_build_object('type', -2, 'minor_units', amount),
           jsonb_build_object('error_code', CAST(:error_code AS text))
    FROM ended
)"""
    + _CHANGED
)

# Nothing of what was counted so far is at the casino, nor will be, unless an Accept says so that was not heard yet.
ABSENT = f"""
WITH changed AS ({_OWN}
), absent AS (
    UPDATE movement SET absent_attempts = attempts, awaited_until = NULL
    FROM changed
    WHERE movement.bet_id = changed.bet_id AND transaction_type = -2 AND movement.state = 'sending'
      AND accept_code IS NULL
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
    RETURNING movement.bet_id
), event AS (
    INSERT INTO bet_event (bet_id, kind) SELECT bet_id, 'claw_back_absent' FROM absent
)
SELECT bet.*, {REVERSAL_COLUMNS}, EXISTS (SELECT FROM absent) AS absent
FROM bet JOIN reversal USING (bet_id) WHERE bet_id = :bet_id
"""

PARK = (
    f"""
WITH changed AS ({_OWN}
), parked AS (
    UPDATE movement SET state = 'parked', error_code = :error_code
    FROM changed
    WHERE movement.bet_id = changed.bet_id AND transaction_type = :kind AND movement.state = 'sending'
    RETURNING movement.bet_id, amount
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'parked', jsonb_build_object('type', CAST(:kind AS int), 'error_code', CAST(:error_code AS text))
    FROM parked
), incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'parked', jsonb_build_object('type', CAST(:kind AS int), 'minor_units', amount),
           jsonb_build_object('error_code', CAST(:error_code AS text)) || CAST(:theirs AS jsonb)
    FROM parked
)"""
    + _CHANGED
    + " AND EXISTS (SELECT FROM parked)"
)

# The row is the last guard: no stake goes back while the player still has the win of it.
BEGIN_RETURN = f"""
WITH changed AS ({_OWN}
), counted AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
    SELECT bet.bet_id, 2, bet.stake, 'sending', 1
    FROM changed JOIN bet USING (bet_id)
    WHERE bet.state <> 'settled' OR bet.win = 0
       OR EXISTS (SELECT FROM movement WHERE bet_id = :bet_id AND transaction_type = -2 AND state = 'done')
    ON CONFLICT (bet_id, transaction_type) DO UPDATE SET attempts = movement.attempts + 1
    WHERE {MAY_LEAVE}
    RETURNING bet_id, attempts
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'send', jsonb_build_object('type', 2, 'attempt', attempts) FROM counted
)
SELECT bet.*, {REVERSAL_COLUMNS}, {CLAIMED}, {STALE} AS stale, {PLAYER.format("bet")}
FROM bet JOIN reversal USING (bet_id) LEFT JOIN counted AS sent USING (bet_id)
LEFT JOIN (
    SELECT movement.* FROM movement JOIN changed USING (bet_id)
    WHERE transaction_type = 2 AND movement.state = 'sending'
) AS standing USING (bet_id)
WHERE bet_id = :bet_id
"""

RETURNED = (
    """
WITH changed AS (
    UPDATE reversal SET state = 'reversed', closed_at = now(), closed_balance = :balance
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'reversing'
    RETURNING *
), ended AS (
    UPDATE movement SET state = :how, ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = 2
), told AS (
    UPDATE bet SET reversed_by = changed.reversal_id FROM changed WHERE bet.bet_id = changed.bet_id
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', 2, 'progress', CAST(:how AS text),
                                                'error_code', CAST(:error_code AS text))
    FROM changed
)"""
    + _CHANGED
)
