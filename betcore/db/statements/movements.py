"""What the statements of bets, reversals and cashbacks do with a movement in the same way: parts that they share, and
those that need no more than the movement.

A part is a whole CTE. It reads the CTEs that its comment names.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from betcore.db.row_mapping import BetRow
from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class AcceptRow:
    """The Accept that is stored in a movement's row."""

    accept_code: str
    accept_transaction_id: str | None
    accept_balance: Decimal | None


@dataclass(frozen=True, slots=True)
class AwaitedRow:
    """A movement that was sent, its Accept, and the sends that may have reached the casino."""

    accept: AcceptRow | None
    sends: int


@dataclass(frozen=True, slots=True)
class DuplicateRow:
    """Whether the casino has called the movement a duplicate without listing it for long enough."""

    for_good: bool


@dataclass(frozen=True, slots=True)
class SendRow:
    """Whose money it is, the TagId of the bet's session, and the columns of ``claim``."""

    partner_user_id: str
    tag_id: int
    attempts: int | None
    counted: bool
    accept: AcceptRow | None
    was_parked: bool
    waits: timedelta
    stale: bool


@dataclass(frozen=True, slots=True)
class ClaimRow(SendRow):
    """A claim on a movement of a bet."""

    bet: BetRow


# Counts a send of the movement in ``due`` (bet_id, transaction_type, amount), or none. Another send may leave if the
# movement is open, no Accept of it waits to be read, and none is awaited just now.
SENT = """sent AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
    SELECT bet_id, transaction_type, amount, 'sending', 1 FROM due
    ON CONFLICT (bet_id, transaction_type) DO UPDATE SET attempts = movement.attempts + 1
    WHERE movement.state = 'sending' AND movement.accept_code IS NULL
      AND coalesce(movement.awaited_until <= now(), true)
    RETURNING bet_id, attempts
)"""

# What a claim returns of an open movement, in one row: ``sent`` is the send that it has counted, ``standing`` the row
# before it. A statement sees what stood when it began, and an update in it what stands now: if the one shows a send to
# count and the other counts none, another transaction was faster, and the claim is stale: it is made again.
CLAIM = """claim AS (
    SELECT coalesce(sent.attempts, standing.attempts) AS attempts, sent.attempts IS NOT NULL AS counted,
           standing.accept_code, standing.accept_transaction_id, standing.accept_balance,
           standing.error_code IS NOT NULL AS was_parked, greatest(standing.awaited_until - now(), '0') AS waits,
           (sent.attempts IS NULL AND standing.state = 'sending' AND standing.accept_code IS NULL
            AND coalesce(standing.awaited_until <= now(), true)) IS TRUE AS stale
    FROM (VALUES (1)) AS one LEFT JOIN sent ON true LEFT JOIN standing ON true
)"""

# The bet or the cashback whose money the owner may move: a bet that has ended is its reversal's.
OWNED = """owned AS (
    SELECT bet_id FROM bet LEFT JOIN reversal USING (bet_id)
    WHERE bet_id = :bet_id AND coalesce(reversal.owner, bet.owner) = :owner
    UNION ALL
    SELECT cashback_id FROM cashback WHERE cashback_id = :bet_id AND owner = :owner
)"""

# Leaves an open movement to a person: ``own`` is the bet, the reversal or the cashback that it belongs to, ``changed``
# is the same if the movement was parked. The attempt that parks it may have been slow: by now an operator may have let
# it be sent again, or the casino may have confirmed it. So another send, or an Accept that was not read, keeps it open.
PARKED = """parked AS (
    UPDATE movement SET state = 'parked', error_code = :error_code
    FROM own
    WHERE movement.bet_id = own.bet_id AND transaction_type = :transaction_type AND movement.state = 'sending'
      AND (CAST(:sends AS integer) IS NULL OR attempts - absent_attempts = CAST(:sends AS integer))
      AND coalesce(accept_code = CAST(:error_code AS text), accept_code IS NULL)
    RETURNING movement.bet_id, movement.amount
),
changed AS (
    SELECT own.* FROM own JOIN parked USING (bet_id)
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'parked', jsonb_build_object('type', CAST(:transaction_type AS int),
                                                'error_code', CAST(:error_code AS text))
    FROM parked
),
incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'parked', jsonb_build_object('type', CAST(:transaction_type AS int), 'minor_units', amount),
           jsonb_build_object('error_code', CAST(:error_code AS text)) || CAST(:theirs AS jsonb)
    FROM parked
)"""

# A person has looked at it: it may be sent again, and the refusal that has parked it counts no more. An activity that
# comes late, after a later attempt of it has done this, must not do it again: by then the movement may have been sent,
# refused and parked once more, and wait for the next decision.
UNPARK = Statement(
    NoRow,
    f"""
WITH {OWNED},
tried AS (
    UPDATE movement SET state = 'sending', awaited_until = now(), duplicate_absent_since = NULL,
           refused_attempts = attempts,
           accept_code = nullif(accept_code, error_code),
           accept_at = CASE WHEN accept_code IS DISTINCT FROM error_code THEN accept_at END
    WHERE bet_id = :bet_id AND transaction_type = :transaction_type AND state = 'parked'
      AND EXISTS (SELECT FROM owned)
      AND NOT EXISTS (SELECT FROM bet_event WHERE bet_event.bet_id = :bet_id AND kind = 'tried_again'
                      AND data ->> 'activity' = CAST(:activity AS text))
    RETURNING bet_id
)
INSERT INTO bet_event (bet_id, kind, data)
SELECT bet_id, 'tried_again', jsonb_build_object('type', CAST(:transaction_type AS int),
                                                 'activity', CAST(:activity AS text))
FROM tried
""",
)

# The casino calls it a duplicate and does not list it: it may still come to list what it has. The first such moment
# stays, whatever crashes meanwhile; the row says whether it lies far enough back that nothing will come.
DUPLICATE_ABSENT = Statement(
    DuplicateRow,
    f"""
WITH {OWNED}
UPDATE movement SET duplicate_absent_since = coalesce(duplicate_absent_since, now())
WHERE bet_id = :bet_id AND transaction_type = :transaction_type AND state = 'sending'
  AND EXISTS (SELECT FROM owned)
RETURNING duplicate_absent_since <= now() - CAST(:within AS interval) AS for_good
""",
)

# The Accept of a movement that we have sent. If there is none yet, the caller stops waiting here: from now on an Accept
# is signalled, and until the time given nothing is sent. The row is locked: either the Accept is seen here, or the
# statement that stores it sees that it is awaited.
AWAIT_ACCEPT = Statement(
    AwaitedRow,
    """
UPDATE movement SET awaited_until = CASE
    WHEN accept_code IS NULL THEN greatest(awaited_until, now() + CAST(:within AS interval)) ELSE awaited_until END
WHERE bet_id = :bet_id AND transaction_type = :transaction_type AND state IN ('sending', 'parked')
RETURNING accept_code, accept_transaction_id, accept_balance, attempts - absent_attempts AS sends
""",
)

# A refusal that did not end the movement: after the gap it may be sent again, and the casino may confirm that send. The
# gap stands in the row: no life of the bet, and no other process, sends sooner. An attempt may be slow between reading
# the refusal and this: the next send may be refused in the same words by then. That refusal has a longer gap, which a
# statement that did not count the sends would make as short as its own.
FORGET_REFUSAL = Statement(
    NoRow,
    """
UPDATE movement SET accept_code = NULL, accept_transaction_id = NULL, accept_balance = NULL, accept_at = NULL,
       refused_attempts = attempts, awaited_until = now() + CAST(:gap AS interval)
WHERE bet_id = :bet_id AND transaction_type = :transaction_type AND state = 'sending' AND accept_code = :error_code
  AND attempts - absent_attempts = :sends
""",
)
