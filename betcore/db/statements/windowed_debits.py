"""What the claw-back of a reversal and the cancel of a cashback do with their debit in the same way.

A part is a whole CTE. Each reads ``own`` (bet_id): the reversal or the cashback, if it is the owner's and still open.
What else a part reads its comment names.
"""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statements.movements import SendRow


@dataclass(frozen=True, slots=True)
class DebitRow(SendRow):
    """A claim on a debit: the last moment of its window, and its state before."""

    not_after: datetime | None
    movement: str | None


# Counts a send of the debit in ``due`` (bet_id, amount), or none; ``sent`` and ``standing`` are for ``claim``. The last
# moment moves only once all earlier sends are certainly absent.
DEBIT_SENT = """counted AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, not_after)
    SELECT bet_id, -2, amount, 'sending', 1, :not_after FROM due
    ON CONFLICT (bet_id, transaction_type) DO UPDATE SET
        attempts = movement.attempts + 1,
        not_after = CASE WHEN movement.absent_attempts = movement.attempts
                         THEN excluded.not_after ELSE movement.not_after END
    WHERE movement.state = 'sending' AND movement.accept_code IS NULL
      AND coalesce(movement.awaited_until <= now(), true)
    RETURNING bet_id, attempts, absent_attempts, not_after
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'send', jsonb_build_object('type', -2, 'attempt', attempts) FROM counted
),
sent AS (
    SELECT bet_id, attempts - absent_attempts AS attempts, not_after FROM counted
),
standing AS (
    SELECT bet_id, movement.state, attempts - absent_attempts AS attempts, not_after, error_code, awaited_until,
           accept_code, accept_transaction_id, accept_balance
    FROM movement JOIN own USING (bet_id) WHERE transaction_type = -2 AND movement.state = 'sending'
),
debit AS (
    SELECT coalesce(sent.not_after, standing.not_after) AS not_after,
           (SELECT state FROM movement WHERE bet_id = :bet_id AND transaction_type = -2) AS movement
    FROM (VALUES (1)) AS one LEFT JOIN sent ON true LEFT JOIN standing ON true
)"""

DEBIT_DONE = """ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM own WHERE movement.bet_id = own.bet_id AND transaction_type = -2
    RETURNING movement.bet_id
)"""

# Ends the debit without the money, as ``movement`` says: the casino has refused it, or certainly never took it. The row
# is locked and read anew, so that a send counted, or an Accept stored, meanwhile by another process is seen. A worker
# that was frozen may come with what it knows of an earlier window, when the present one has a send on its way.
DEBIT_NOT_DONE = """ended AS (
    UPDATE movement SET state = :movement, ended_at = now(), error_code = :error_code,
           absent_attempts = CASE WHEN CAST(:movement AS text) = 'absent' THEN attempts ELSE absent_attempts END
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = :standing
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
      AND (:standing = 'parked' OR movement.not_after <= CAST(:not_after AS timestamptz))
      AND coalesce(accept_code = CAST(:error_code AS text), accept_code IS NULL)
    RETURNING movement.bet_id, movement.amount
)"""

# Nothing of what was counted so far is at the casino, nor will be, unless an Accept says so that was not read yet. A
# worker that was frozen may say so of an earlier window: what was sent since then is not absent.
DEBIT_ABSENT = """noted AS (
    UPDATE movement SET absent_attempts = attempts, awaited_until = NULL
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = 'sending'
      AND accept_code IS NULL AND movement.not_after <= :not_after
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
    RETURNING movement.bet_id
)"""
