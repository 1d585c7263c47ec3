"""The statements behind ``betcore.db.accepts``.

``found`` locks the movement's row and reads it anew, so that of two Accepts at once the second one sees the first.
What is joined to it (the bet, the reversal) is as old as the statement: only what never changes is judged by, and a
bet's state is read off its movement instead.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from betcore.db.row_mapping import BetRow
from betcore.db.statement import NoRow, Statement
from betcore.db.statements.movements import AcceptRow


@dataclass(frozen=True, slots=True)
class PlayedRow:
    """What of a bet or a cashback that was sent never changes: its currency, its player at the casino, and the
    taxes."""

    currency: str
    partner_user_id: str
    stake_tax: Decimal | None
    win_tax: Decimal | None


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """What became of an Accept."""

    verdict: str
    reason: str
    movement_state: str
    awaited: bool
    judged_before: bool


@dataclass(frozen=True, slots=True)
class StoredRow(JudgedRow):
    """What became of the Accept of a bet, and what names the workflow that waits for it."""

    bet: BetRow
    counterparty_id: UUID
    reversal_id: int | None
    reversal_lives: int | None


@dataclass(frozen=True, slots=True)
class StoredForCashbackRow(JudgedRow):
    """What became of the Accept of a cashback, and what names the workflow that waits for it."""

    cashback_id: int
    lives: int


@dataclass(frozen=True, slots=True)
class ReadRow:
    """The Accept in a movement's row, and the currency of its balance."""

    currency: str
    accept: AcceptRow | None


# None of it ever changes, so it may be asked before the row is locked. No row: nothing that this casino may know of.
PLAYED = Statement(
    PlayedRow,
    """
SELECT currency, partner_user_id, stake_tax, win_tax FROM bet JOIN player USING (player_id)
WHERE bet_id = :bet_id AND bet.casino_id = :casino_id
""",
)

# The order of the verdicts matters. A stake that is refused or absent has ended its bet in the same statement: a
# success after that means money to give back, whatever the casino has reported before. A parked movement takes a
# success whatever is stored there. While a stored refusal waits to be processed a success is not taken: sent again, it
# meets a stake that has ended, or a movement that is sent once more. A refusal after which nothing was sent is the one
# that was processed.
_JUDGED = """judged AS (
    SELECT found.*, CASE
        WHEN :differs OR :other_tax OR amount <> :amount OR partner_user_id <> :partner_user_id THEN 'contradicted'
        WHEN :success AND transaction_type = -1 AND state IN ('refused', 'absent') THEN 'ended'
        WHEN accept_code = ANY(:alike)
             AND coalesce(accept_transaction_id = CAST(:partner_transaction_id AS text), true) THEN 'repeated'
        WHEN :success AND state = 'parked' AND accept_code <> ALL(:alike) THEN 'stored'
        WHEN :success AND state = 'sending' AND accept_code <> ALL(:alike) THEN 'later'
        WHEN NOT :success AND state = 'sending' AND accept_code IS NULL AND refused_attempts = attempts THEN 'repeated'
        WHEN accept_code IS NOT NULL THEN 'contradicted'
        WHEN :success AND state IN ('refused', 'absent', 'paid_by_hand') THEN 'contradicted'
        WHEN NOT :success AND state IN ('done', 'paid_by_hand') THEN 'contradicted'
        ELSE 'stored' END AS verdict,
        :success AND state = 'paid_by_hand' AND NOT :differs AND NOT :other_tax
            AND amount = :amount AND partner_user_id = :partner_user_id AS twice,
        CASE WHEN amount <> :amount THEN 'other_amount'
             WHEN partner_user_id <> :partner_user_id THEN 'other_player'
             WHEN :differs THEN 'other_transaction'
             WHEN :other_tax THEN 'other_tax'
             ELSE 'other_outcome' END AS reason
    FROM found
),
stored AS (
    UPDATE movement SET accept_code = :error_code, accept_transaction_id = :partner_transaction_id,
           accept_balance = :balance, accept_at = now(),
           error_code = CASE WHEN judged.state = 'parked' AND NOT :success THEN :error_code
                             ELSE movement.error_code END
    FROM judged
    WHERE movement.bet_id = judged.bet_id AND movement.transaction_type = judged.transaction_type
      AND verdict IN ('stored', 'ended')
    RETURNING movement.bet_id
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'accept', CAST(:event AS jsonb) FROM stored
),
sides AS (
    SELECT bet_id, CASE WHEN twice THEN 'paid_twice' ELSE 'accept_contradicts' END AS incident,
           jsonb_strip_nulls(jsonb_build_object(
               'type', transaction_type, 'minor_units', amount, 'player', 'the player of the bet',
               'error_code', coalesce(accept_code, error_code),
               'partner_transaction_id', coalesce(accept_transaction_id, partner_transaction_id),
               'transaction_id', bet_id || ':' || transaction_type,
               'state', CASE WHEN state IN ('refused', 'absent', 'paid_by_hand') THEN state END)) AS ours,
           CAST(:theirs AS jsonb) || jsonb_build_object(
               'reason', reason, 'player', CASE WHEN partner_user_id = :partner_user_id
                              THEN 'the player of the bet' ELSE 'another one' END) AS theirs
    FROM judged WHERE verdict = 'contradicted'
),
incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, incident, ours, theirs FROM sides
    WHERE NOT EXISTS (
        SELECT FROM incident AS filed
        WHERE filed.bet_id = sides.bet_id AND filed.kind = sides.incident
          AND filed.ours = sides.ours AND filed.theirs = sides.theirs
    )
)"""

STORE = Statement(
    StoredRow,
    f"""
WITH found AS (
    SELECT movement.*, player.partner_user_id
    FROM movement JOIN bet USING (bet_id) JOIN player USING (player_id)
    WHERE movement.bet_id = :bet_id AND transaction_type = :transaction_type
    FOR UPDATE OF movement
),
{_JUDGED}
SELECT bet.*, judged.verdict, judged.reason, judged.state AS movement_state,
       judged.awaited_until IS NOT NULL AS awaited,
       judged.verdict = 'repeated' AND judged.accept_code IS NULL AS judged_before,
       provider.counterparty_id, reversal.reversal_id, reversal.lives AS reversal_lives
FROM judged JOIN bet USING (bet_id) JOIN provider USING (provider_id) LEFT JOIN reversal USING (bet_id)
""",
)

PLAYED_CASHBACK = Statement(
    PlayedRow,
    """
SELECT currency, partner_user_id, CAST(NULL AS numeric) AS stake_tax, CAST(NULL AS numeric) AS win_tax
FROM cashback JOIN player USING (player_id)
WHERE cashback_id = :bet_id AND cashback.casino_id = :casino_id
""",
)

STORE_FOR_CASHBACK = Statement(
    StoredForCashbackRow,
    f"""
WITH found AS (
    SELECT movement.*, player.partner_user_id
    FROM movement JOIN cashback ON cashback_id = movement.bet_id JOIN player USING (player_id)
    WHERE movement.bet_id = :bet_id AND transaction_type = :transaction_type
    FOR UPDATE OF movement
),
{_JUDGED}
SELECT cashback_id, lives, judged.verdict, judged.reason, judged.state AS movement_state,
       judged.awaited_until IS NOT NULL AS awaited,
       judged.verdict = 'repeated' AND judged.accept_code IS NULL AS judged_before
FROM judged JOIN cashback ON cashback_id = judged.bet_id
""",
)

READ = Statement(
    ReadRow,
    """
SELECT accept_code, accept_transaction_id, accept_balance, coalesce(bet.currency, cashback.currency) AS currency
FROM movement LEFT JOIN bet USING (bet_id) LEFT JOIN cashback ON cashback_id = movement.bet_id
WHERE movement.bet_id = :bet_id AND transaction_type = :transaction_type
""",
)

# Once for the same facts, however often the casino sends the Accept.
RECORD_UNREADABLE = Statement(
    NoRow,
    """
WITH its AS (
    SELECT bet_id FROM bet WHERE bet_id = :bet_id AND casino_id = :casino_id
    UNION ALL
    SELECT cashback_id FROM cashback WHERE cashback_id = :bet_id AND casino_id = :casino_id
),
known AS (
    SELECT bet_id FROM its WHERE NOT EXISTS (
        SELECT FROM incident
        WHERE incident.bet_id = :bet_id AND kind = 'accept_unreadable' AND theirs = CAST(:facts AS jsonb)
    )
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'accept_unread', CAST(:facts AS jsonb) FROM known
)
INSERT INTO incident (bet_id, kind, ours, theirs)
SELECT bet_id, 'accept_unreadable', '{}', CAST(:facts AS jsonb) FROM known
""",
)
