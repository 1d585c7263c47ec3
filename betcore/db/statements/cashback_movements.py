"""The statements behind ``betcore.db.cashback_movements``. As in ``bets``, each is one transaction, rows travel between
its parts by RETURNING, and a statement that has changed nothing returns no row."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.row_mapping import CashbackRow
from betcore.db.statement import Statement
from betcore.db.statements.movements import CLAIM, PARKED, SENT, SendRow


@dataclass(frozen=True, slots=True)
class IssueRow(SendRow):
    """A claim on the credit of a cashback."""

    cashback: CashbackRow


@dataclass(frozen=True, slots=True)
class CancelRow(IssueRow):
    """A claim on the debit of a cashback: the last moment of its window, and its state before."""

    not_after: datetime | None
    movement: str | None


@dataclass(frozen=True, slots=True)
class AbsentRow:
    """A cashback, and whether its debit is noted as absent."""

    cashback: CashbackRow
    absent: bool


# A cashback of this owner whose debit is to be made.
_CANCELLING = """own AS (
    SELECT *, cashback_id AS bet_id FROM cashback
    WHERE cashback_id = :bet_id AND owner = :owner AND state = 'cancelling'
)"""

AS_IT_STANDS = Statement(CashbackRow, "SELECT * FROM cashback WHERE cashback_id = :bet_id")

# Compare and set: of two workflows that have seen the same owner, one takes the cashback on. Life 0 is the first.
TAKE_ON = Statement(
    CashbackRow,
    """
WITH changed AS (
    UPDATE cashback SET owner = :owner, lives = :life
    WHERE cashback_id = :bet_id AND owner IS NOT DISTINCT FROM CAST(:seen_owner AS text) AND closed_at IS NULL
      AND (lives < :life OR (lives = 0 AND :life = 0 AND owner IS NULL))
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT cashback_id, 'resumed', jsonb_build_object('life', lives) FROM changed WHERE lives > 0
)
SELECT * FROM changed
""",
)

BEGIN_ISSUE = Statement(
    IssueRow,
    f"""
WITH own AS (
    SELECT *, cashback_id AS bet_id FROM cashback
    WHERE cashback_id = :bet_id AND owner = :owner AND state = 'issuing'
),
due AS (
    SELECT bet_id, CAST(1 AS smallint) AS transaction_type, amount FROM own
),
{SENT},
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'send', jsonb_build_object('type', 1, 'attempt', attempts) FROM sent
),
standing AS (
    SELECT movement.* FROM movement JOIN own USING (bet_id)
    WHERE transaction_type = 1 AND movement.state = 'sending'
),
{CLAIM}
SELECT cashback.*, partner_user_id, 0 AS tag_id, claim.*
FROM cashback JOIN player USING (player_id) CROSS JOIN claim
WHERE cashback_id = :bet_id
""",
)

# A cancel that was asked for meanwhile comes next, under the same owner.
ISSUED = Statement(
    CashbackRow,
    """
WITH changed AS (
    UPDATE cashback SET state = CASE WHEN cancel_asked_at IS NULL THEN 'issued' ELSE 'cancelling' END,
           issued_at = now(), issued_balance = :balance,
           closed_at = CASE WHEN cancel_asked_at IS NULL THEN now() END
    WHERE cashback_id = :bet_id AND owner = :owner AND state = 'issuing'
    RETURNING *
),
ended AS (
    UPDATE movement SET state = :how, ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = cashback_id AND transaction_type = 1
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT cashback_id, 'answer', jsonb_build_object('type', 1, 'progress', CAST(:how AS text),
                                                     'error_code', CAST(:error_code AS text))
    FROM changed
)
SELECT * FROM changed
""",
)

# Counts a send of the debit. Its last moment moves only once all earlier sends are certainly absent.
BEGIN_CANCEL = Statement(
    CancelRow,
    f"""
WITH {_CANCELLING},
counted AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, not_after)
    SELECT bet_id, -2, amount, 'sending', 1, :not_after FROM own
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
{CLAIM}
SELECT cashback.*, partner_user_id, 0 AS tag_id, claim.*,
       coalesce(sent.not_after, standing.not_after) AS not_after,
       (SELECT state FROM movement WHERE bet_id = :bet_id AND transaction_type = -2) AS movement
FROM cashback JOIN player USING (player_id) CROSS JOIN claim LEFT JOIN sent ON true LEFT JOIN standing ON true
WHERE cashback_id = :bet_id
""",
)

CANCELLED = Statement(
    CashbackRow,
    f"""
WITH {_CANCELLING},
ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM own WHERE movement.bet_id = own.bet_id AND transaction_type = -2
    RETURNING movement.bet_id
),
changed AS (
    UPDATE cashback SET state = 'cancelled', closed_at = now(), cancelled_balance = :balance
    FROM ended WHERE cashback_id = ended.bet_id
    RETURNING cashback.*
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT cashback_id, 'answer', jsonb_build_object('type', -2, 'progress', 'done',
                                                     'error_code', CAST(:error_code AS text))
    FROM changed
)
SELECT * FROM changed
""",
)

# The cashback stays issued: the casino has refused the debit, or certainly never took it. The movement first: its row
# is locked and read anew, so that a send counted, or an Accept stored, meanwhile by another process is seen. A worker
# that was frozen may come with what it knows of an earlier window, when the present one has a send on its way.
NOT_CANCELLED = Statement(
    CashbackRow,
    f"""
WITH {_CANCELLING},
ended AS (
    UPDATE movement SET state = :movement, ended_at = now(), error_code = :error_code,
           absent_attempts = CASE WHEN CAST(:movement AS text) = 'absent' THEN attempts ELSE absent_attempts END
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = :standing
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
      AND (:standing = 'parked' OR movement.not_after <= CAST(:not_after AS timestamptz))
      AND coalesce(accept_code = CAST(:error_code AS text), accept_code IS NULL)
    RETURNING movement.bet_id, movement.amount
),
changed AS (
    UPDATE cashback SET state = 'issued', closed_at = now()
    FROM ended WHERE cashback_id = ended.bet_id
    RETURNING cashback.*
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT cashback_id, 'not_cancelled', jsonb_strip_nulls(jsonb_build_object(
               'movement', CAST(:movement AS text), 'error_code', CAST(:error_code AS text)))
    FROM changed
),
incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'cashback_not_cancelled', jsonb_build_object('type', -2, 'minor_units', amount),
           jsonb_strip_nulls(jsonb_build_object('movement', CAST(:movement AS text),
                                                'error_code', CAST(:error_code AS text)))
    FROM ended
)
SELECT * FROM changed
""",
)

# Nothing of what was counted so far is at the casino, nor will be, unless an Accept says so that was not read yet.
ABSENT = Statement(
    AbsentRow,
    f"""
WITH {_CANCELLING},
noted AS (
    UPDATE movement SET absent_attempts = attempts, awaited_until = NULL
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = 'sending'
      AND accept_code IS NULL AND movement.not_after <= :not_after
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
    RETURNING movement.bet_id
)
SELECT cashback.*, EXISTS (SELECT FROM noted) AS absent FROM cashback WHERE cashback_id = :bet_id
""",
)

PARK = Statement(
    CashbackRow,
    f"""
WITH own AS (
    SELECT *, cashback_id AS bet_id FROM cashback
    WHERE cashback_id = :bet_id AND owner = :owner AND closed_at IS NULL
),
{PARKED}
SELECT * FROM changed
""",
)
