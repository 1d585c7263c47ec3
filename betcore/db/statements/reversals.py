"""The statements behind ``betcore.db.reversals``. As in ``bets``, each is one transaction, rows travel between its
parts by RETURNING, and a statement that has changed nothing returns no row."""

from dataclasses import dataclass

from betcore.db.row_mapping import BetRow, ReversalRow
from betcore.db.statement import Statement
from betcore.db.statements.jackpots import CONTRIBUTED_BACK
from betcore.db.statements.movements import CLAIM, PARKED, SENT, ClaimRow
from betcore.db.statements.windowed_debits import DEBIT_ABSENT, DEBIT_DONE, DEBIT_NOT_DONE, DEBIT_SENT, DebitRow


@dataclass(frozen=True, slots=True)
class ReversedBetRow:
    """A bet, and its reversal."""

    bet: BetRow
    reversal: ReversalRow


@dataclass(frozen=True, slots=True)
class ReturnRow(ClaimRow):
    """A claim on the return of the stake, and the reversal that it belongs to."""

    reversal: ReversalRow


@dataclass(frozen=True, slots=True)
class ClawBackRow(DebitRow):
    """A claim on the claw-back, with the bet and its reversal."""

    bet: BetRow
    reversal: ReversalRow


@dataclass(frozen=True, slots=True)
class AbsentRow(ReversedBetRow):
    """Whether the claw-back is noted as absent."""

    absent: bool


# The columns of reversals by names of their own, to be joined to their bets.
REVERSAL = """its_reversal AS (
    SELECT bet_id AS reversed_bet_id, reversal_id, owner AS reversal_owner, state AS reversal_state,
           lives AS reversal_lives, closed_at AS reversal_closed_at, closed_balance AS reversal_closed_balance
    FROM reversal
)"""

# The reversal as it is after the statement, with its bet.
_CHANGED = """SELECT bet.*, reversal_id, changed.owner AS reversal_owner, changed.state AS reversal_state,
       changed.lives AS reversal_lives, changed.closed_at AS reversal_closed_at,
       changed.closed_balance AS reversal_closed_balance
FROM bet JOIN changed USING (bet_id)
WHERE bet_id = :bet_id"""

_OWN = """own AS (
    SELECT * FROM reversal WHERE bet_id = :bet_id AND owner = :owner AND state = 'reversing'
)"""

AS_IT_STANDS = Statement(
    ReversedBetRow,
    f"""
WITH {REVERSAL}
SELECT * FROM bet JOIN its_reversal ON reversed_bet_id = bet_id WHERE bet_id = :bet_id
""",
)

OPEN = Statement(
    ReversedBetRow,
    f"""
WITH changed AS (
    INSERT INTO reversal (bet_id, owner)
    SELECT bet_id, :owner FROM bet WHERE bet_id = :bet_id AND state = 'settled' AND jackpot IS NULL
    ON CONFLICT (bet_id) DO NOTHING
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal', jsonb_build_object('reversal_id', reversal_id) || CAST(:proof AS jsonb) FROM changed
)
{_CHANGED}
""",
)

# Compare and set: of two workflows that have seen the same owner, one takes the reversal over.
TAKE_OVER = Statement(
    ReversedBetRow,
    f"""
WITH changed AS (
    UPDATE reversal SET owner = :owner, lives = :life
    WHERE bet_id = :bet_id AND owner IS NOT DISTINCT FROM CAST(:seen_owner AS text) AND lives < :life
      AND closed_at IS NULL
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal_resumed', jsonb_build_object('life', lives) FROM changed
)
{_CHANGED}
""",
)

BEGIN_CLAW_BACK = Statement(
    ClawBackRow,
    f"""
WITH {_OWN},
due AS (
    SELECT own.bet_id, bet.win AS amount FROM own JOIN bet USING (bet_id) WHERE bet.state = 'settled'
),
{DEBIT_SENT},
{CLAIM},
{REVERSAL}
SELECT bet.*, its_reversal.*, partner_user_id, session.tag_id, claim.*, debit.*
FROM bet JOIN its_reversal ON reversed_bet_id = bet_id JOIN player USING (player_id) JOIN session USING (session_id)
CROSS JOIN claim CROSS JOIN debit
WHERE bet_id = :bet_id
""",
)

CLAWED_BACK = Statement(
    ReversedBetRow,
    f"""
WITH {_OWN},
{DEBIT_DONE},
changed AS (
    SELECT own.* FROM own JOIN ended USING (bet_id)
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', -2, 'progress', 'done', 'error_code', CAST(:error_code AS text))
    FROM ended
)
{_CHANGED}
""",
)

REFUSE_ONLY_SEND = Statement(
    ReversedBetRow,
    f"""
WITH {_OWN},
{DEBIT_NOT_DONE},
changed AS (
    UPDATE reversal SET state = 'refused', closed_at = now()
    FROM ended WHERE reversal.bet_id = ended.bet_id
    RETURNING reversal.*
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal_refused', jsonb_build_object('error_code', CAST(:error_code AS text)) FROM changed
),
incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'reversal_refused', jsonb_build_object('type', -2, 'minor_units', amount),
           jsonb_build_object('error_code', CAST(:error_code AS text))
    FROM ended
)
{_CHANGED}
""",
)

ABSENT = Statement(
    AbsentRow,
    f"""
WITH {_OWN},
{DEBIT_ABSENT},
event AS (
    INSERT INTO bet_event (bet_id, kind) SELECT bet_id, 'claw_back_absent' FROM noted
),
{REVERSAL}
SELECT bet.*, its_reversal.*, EXISTS (SELECT FROM noted) AS absent
FROM bet JOIN its_reversal ON reversed_bet_id = bet_id WHERE bet_id = :bet_id
""",
)

PARK = Statement(
    ReversedBetRow,
    f"""
WITH {_OWN},
{PARKED}
{_CHANGED}
""",
)

# The row is the last guard: no stake goes back while the player still has the win of it.
BEGIN_RETURN = Statement(
    ReturnRow,
    f"""
WITH {_OWN},
due AS (
    SELECT bet.bet_id, 2 AS transaction_type, bet.stake AS amount
    FROM own JOIN bet USING (bet_id)
    WHERE bet.state <> 'settled' OR bet.win = 0
       OR EXISTS (SELECT FROM movement WHERE bet_id = :bet_id AND transaction_type = -2 AND state = 'done')
),
{SENT},
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'send', jsonb_build_object('type', 2, 'attempt', attempts) FROM sent
),
standing AS (
    SELECT movement.* FROM movement JOIN own USING (bet_id)
    WHERE transaction_type = 2 AND movement.state = 'sending'
),
{CLAIM},
{REVERSAL}
SELECT bet.*, its_reversal.*, partner_user_id, session.tag_id, claim.*
FROM bet JOIN its_reversal ON reversed_bet_id = bet_id JOIN player USING (player_id) JOIN session USING (session_id)
CROSS JOIN claim
WHERE bet_id = :bet_id
""",
)

RETURNED = Statement(
    ReversedBetRow,
    f"""
WITH changed AS (
    UPDATE reversal SET state = 'reversed', closed_at = now(), closed_balance = :balance
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'reversing'
    RETURNING *
),
ended AS (
    UPDATE movement SET state = :how, ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = 2
),
told AS (
    UPDATE bet SET reversed_by = changed.reversal_id FROM changed WHERE bet.bet_id = changed.bet_id
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', 2, 'progress', CAST(:how AS text),
                                                'error_code', CAST(:error_code AS text))
    FROM changed
),
{CONTRIBUTED_BACK}
{_CHANGED}
""",
)
