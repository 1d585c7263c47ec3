"""The statements behind ``betcore.db.reversals``. As in ``bet_sql``, each is one transaction, rows travel between its
parts by RETURNING, and a statement that has changed nothing returns no row."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.row_mapping import BetRow, ReversalRow
from betcore.db.statement import Statement
from betcore.db.statements.jackpots import CONTRIBUTED_BACK
from betcore.db.statements.movements import CLAIM, PARKED, SENT, ClaimRow


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
class ClawBackRow(ReturnRow):
    """A claim on the claw-back: the last moment of its window, and its state before."""

    not_after: datetime | None
    movement: str | None


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
    SELECT bet_id, 'reversal', jsonb_build_object('reversal_id', reversal_id) FROM changed
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

# Counts a send of the claw-back. Its last moment moves only once all earlier sends are certainly absent.
BEGIN_CLAW_BACK = Statement(
    ClawBackRow,
    f"""
WITH {_OWN},
counted AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, not_after)
    SELECT own.bet_id, -2, bet.win, 'sending', 1, :not_after
    FROM own JOIN bet USING (bet_id) WHERE bet.state = 'settled'
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
{CLAIM},
{REVERSAL}
SELECT bet.*, its_reversal.*, partner_user_id, session.tag_id, claim.*,
       coalesce(sent.not_after, standing.not_after) AS not_after,
       (SELECT state FROM movement WHERE bet_id = :bet_id AND transaction_type = -2) AS movement
FROM bet JOIN its_reversal ON reversed_bet_id = bet_id JOIN player USING (player_id) JOIN session USING (session_id)
CROSS JOIN claim
LEFT JOIN sent USING (bet_id) LEFT JOIN standing USING (bet_id)
WHERE bet_id = :bet_id
""",
)

CLAWED_BACK = Statement(
    ReversedBetRow,
    f"""
WITH {_OWN},
ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM own WHERE movement.bet_id = own.bet_id AND transaction_type = -2
    RETURNING movement.bet_id
),
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

# The movement first: its row is locked and read anew, so that a send counted, or an Accept stored, meanwhile by another
# process is seen. A worker that was frozen may come with the refusal of an earlier window, when the only send of the
# present one is on its way to the casino.
REFUSE_ONLY_SEND = Statement(
    ReversedBetRow,
    f"""
WITH {_OWN},
ended AS (
    UPDATE movement SET state = 'refused', ended_at = now(), error_code = :error_code
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = :standing
      AND (:standing = 'parked'
           OR (attempts - absent_attempts = 1 AND movement.not_after <= CAST(:not_after AS timestamptz)))
      AND coalesce(accept_code = CAST(:error_code AS text), accept_code IS NULL)
    RETURNING movement.bet_id, amount
),
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

# Nothing of what was counted so far is at the casino, nor will be, unless an Accept says so that was not read yet. A
# worker that was frozen may say so of an earlier window: what was sent since then is not absent.
ABSENT = Statement(
    AbsentRow,
    f"""
WITH {_OWN},
noted AS (
    UPDATE movement SET absent_attempts = attempts, awaited_until = NULL
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = -2 AND movement.state = 'sending'
      AND accept_code IS NULL AND movement.not_after <= :not_after
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
    RETURNING movement.bet_id
),
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
