"""The statements behind ``betcore.db.cashback_movements``. As in ``bets``, each is one transaction, rows travel between
its parts by RETURNING, and a statement that has changed nothing returns no row."""

from dataclasses import dataclass

from betcore.db.row_mapping import CashbackRow
from betcore.db.statement import Statement
from betcore.db.statements.movements import CLAIM, PARKED, SENT, SendRow
from betcore.db.statements.windowed_debits import DEBIT_ABSENT, DEBIT_DONE, DEBIT_NOT_DONE, DEBIT_SENT, DebitRow


@dataclass(frozen=True, slots=True)
class IssueRow(SendRow):
    """A claim on the credit of a cashback."""

    cashback: CashbackRow


@dataclass(frozen=True, slots=True)
class CancelRow(DebitRow):
    """A claim on the debit of a cashback."""

    cashback: CashbackRow


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

BEGIN_CANCEL = Statement(
    CancelRow,
    f"""
WITH {_CANCELLING},
due AS (
    SELECT bet_id, amount FROM own
),
{DEBIT_SENT},
{CLAIM}
SELECT cashback.*, partner_user_id, 0 AS tag_id, claim.*, debit.*
FROM cashback JOIN player USING (player_id) CROSS JOIN claim CROSS JOIN debit
WHERE cashback_id = :bet_id
""",
)

CANCELLED = Statement(
    CashbackRow,
    f"""
WITH {_CANCELLING},
{DEBIT_DONE},
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

# The cashback stays issued.
NOT_CANCELLED = Statement(
    CashbackRow,
    f"""
WITH {_CANCELLING},
{DEBIT_NOT_DONE},
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

ABSENT = Statement(
    AbsentRow,
    f"""
WITH {_CANCELLING},
{DEBIT_ABSENT}
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
