"""The statements behind ``betcore.db.bets``: each changes the row, counts or ends its movement and writes the event.

All parts of one statement see the same snapshot: a part that reads a table does not see what another part writes to
it, which is why the rows travel between the parts by RETURNING.

A statement returns no row if it has changed nothing. The row as it stands is then a statement of its own: the snapshot
of the first one may be older than what another transaction, for whose lock it has waited, has made of the row.
"""

from dataclasses import dataclass

from betcore.db.row_mapping import BetRow
from betcore.db.statement import Statement
from betcore.db.statements.jackpots import CONTRIBUTED
from betcore.db.statements.movements import CLAIM, PARKED, SENT, ClaimRow
from betcore.db.statements.one_step import ENDS_WITHOUT_STAKE, SENT_WITH_STAKE, WIN_WITHOUT_STAKE
from betcore.db.statements.sessions import USED


@dataclass(frozen=True, slots=True)
class OpenedRow:
    """The bet that was opened or found, and whether its session, player, casino and game belong together.

    ``claim`` is None if no bet comes back.
    """

    known: bool
    claim: ClaimRow | None


AS_IT_STANDS = Statement(BetRow, "SELECT * FROM bet WHERE bet_id = :bet_id")

# Fresh: insert, count the first send. Own row with an open debit: count one more. Any other row: as it stands.
# A bet is opened only for a session, player, casino and game that belong together in their own rows: an operator who
# starts a workflow by hand may name any. No bet comes back then, nor one inserted since; ``known`` separates the two.
OPEN = Statement(
    OpenedRow,
    f"""
WITH known AS (
    SELECT brand, seen_at, max_win, session.max_odd FROM session JOIN player USING (player_id) JOIN game USING (game_id)
    WHERE session_id = :session_id AND session.provider_id = :provider_id AND session.player_id = :player_id
      AND session.game_id = :game_id AND currency = :currency AND mode = 'real'
      AND player.casino_id = :casino_id AND game.provider_id = :provider_id
),
fresh AS (
    INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id,
                     currency, brand, stake, one_step, win, stake_tax, win_tax, promo_code, state, refusal, owner,
                     withdrawn_at, closed_at, jackpot, jackpot_id, session_max_win, session_max_odd)
    SELECT next_bet_id(:callers_clock), :provider_id, :provider_bet_id, :casino_id, :player_id, :game_id, :session_id,
            :round_id, :currency, brand, :stake, CAST(:win AS numeric(38,0)) IS NOT NULL,
            CAST(:win AS numeric(38,0)), CAST(:stake_tax AS numeric(38,0)), CAST(:win_tax AS numeric(38,0)),
            :promo_code, :state, :refusal, :owner, CASE WHEN CAST(:state AS text) = 'refunded' THEN now() END,
            CASE WHEN CAST(:state AS text) <> 'accepting' THEN now() END, CAST(:jackpot AS numeric(38,0)),
            CAST(:jackpot_id AS bigint), max_win, max_odd
    FROM known
    ON CONFLICT (provider_id, provider_bet_id) DO NOTHING
    RETURNING *
),
{USED},
first_send AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, not_after)
    SELECT bet_id, -1, stake, 'sending', 1, :not_after FROM fresh WHERE state = 'accepting'
    RETURNING bet_id, attempts
),
{SENT_WITH_STAKE},
found AS (
    SELECT * FROM bet WHERE provider_id = :provider_id AND provider_bet_id = :provider_bet_id
),
next_send AS (
    UPDATE movement SET attempts = movement.attempts + 1
    FROM found
    WHERE movement.bet_id = found.bet_id AND transaction_type = -1
      AND movement.state = 'sending' AND movement.accept_code IS NULL
      AND coalesce(movement.awaited_until <= now(), true)
      AND found.owner = :owner AND found.state = 'accepting'
    RETURNING movement.bet_id, movement.attempts
),
sent AS (SELECT * FROM first_send UNION ALL SELECT * FROM next_send),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, kind, data FROM (
        SELECT 1 AS place, bet_id, CAST(:event_type AS text) AS kind, CAST(:data AS jsonb) AS data FROM fresh
        UNION ALL
        SELECT 2, bet_id, 'send', jsonb_build_object('type', -1, 'attempt', attempts) FROM sent
        UNION ALL
        SELECT 3, bet_id, 'send', jsonb_build_object('type', 1, 'attempt', attempts) FROM first_win
    ) AS events
    ORDER BY place
),
standing AS (
    SELECT movement.*
    FROM found JOIN movement ON movement.bet_id = found.bet_id
    WHERE transaction_type = -1 AND movement.state = 'sending' AND found.owner = :owner AND found.state = 'accepting'
),
{CLAIM},
stands AS (SELECT * FROM fresh UNION ALL SELECT * FROM found)
SELECT stands.*, partner_user_id, session.tag_id, claim.*, EXISTS (SELECT FROM known) AS known
FROM claim LEFT JOIN stands ON true LEFT JOIN player USING (player_id) LEFT JOIN session USING (session_id)
""",
)

# A bet whose win has left with its stake owes it from now on: nothing can return the stake any more.
ACCEPT = Statement(
    BetRow,
    """
WITH changed AS (
    UPDATE bet SET accepted_at = now(), accepted_balance = :balance, state = CASE WHEN EXISTS (
        SELECT FROM movement WHERE movement.bet_id = bet.bet_id AND transaction_type = 1
    ) THEN 'settling' ELSE 'acceptance' END
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'accepting'
    RETURNING *
),
ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = -1
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', -1, 'progress', 'done', 'error_code', CAST(:error_code AS text))
    FROM changed
)
SELECT * FROM changed
""",
)

# The movement first: its row is locked and read anew, so that a send counted, or an Accept stored, meanwhile by another
# process is seen. An Accept that this end does not come from leaves the stake open: it may say that the money is taken.
END_WITHOUT_STAKE = Statement(
    BetRow,
    f"""
WITH {WIN_WITHOUT_STAKE},
ended AS (
    UPDATE movement SET state = :movement, ended_at = now(), error_code = :error_code
    FROM bet
    WHERE movement.bet_id = :bet_id AND transaction_type = -1 AND movement.state = :standing
      AND (CAST(:attempts AS integer) IS NULL OR attempts = CAST(:attempts AS integer))
      AND coalesce(accept_code = CAST(:error_code AS text), accept_code IS NULL)
      AND bet.bet_id = movement.bet_id AND bet.owner = :owner AND bet.state = 'accepting'
      AND NOT EXISTS (SELECT FROM made_win)
    RETURNING movement.bet_id
),
{ENDS_WITHOUT_STAKE},
changed AS (
    UPDATE bet SET state = :state, refusal = :refusal, closed_at = now(),
           withdrawn_at = CASE WHEN :state = 'refunded' THEN coalesce(withdrawn_at, now()) ELSE withdrawn_at END
    FROM ended WHERE bet.bet_id = ended.bet_id
    RETURNING bet.*
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, CASE state WHEN 'refunded' THEN 'refunded_without_debit' ELSE 'refused' END,
           jsonb_strip_nulls(jsonb_build_object('refusal', refusal, 'error_code', CAST(:error_code AS text)))
               || CAST(:proof AS jsonb)
    FROM changed
)
SELECT * FROM changed
""",
)

# The row decides: a bet that was withdrawn is not paid out, nor another win than the one that stands; a payout that has
# begun goes on. The condition stands twice: it is judged on the row as it is once it is locked, and ``overtaken`` says
# that the snapshot would have let the credit begin. A bet of one step is over when its outcome is known: the API sets
# its told_at when it answers.
BEGIN_CREDIT = Statement(
    ClaimRow,
    f"""
WITH changed AS (
    UPDATE bet SET state = :state,
           win = CASE WHEN :pays_out THEN CAST(:amount AS numeric(38,0)) ELSE win END,
           win_tax = CASE WHEN :pays_out AND win IS NULL THEN CAST(:tax AS numeric(38,0)) ELSE win_tax END,
           told_at = CASE WHEN :pays_out AND NOT one_step THEN coalesce(told_at, now()) ELSE told_at END,
           withdrawn_at = CASE WHEN :pays_out THEN withdrawn_at ELSE coalesce(withdrawn_at, now()) END
    WHERE bet_id = :bet_id
      AND bet.owner = :owner AND bet.state IN ('acceptance', :state) AND review_allows(review, :pays_out, :asked)
      AND (NOT CAST(:pays_out AS boolean) OR ((bet.withdrawn_at IS NULL OR bet.state = 'settling')
           AND coalesce(bet.win = CAST(:amount AS numeric(38,0)), true)))
    RETURNING *
),
due AS (
    SELECT bet_id, CAST(:transaction_type AS smallint) AS transaction_type, CAST(:amount AS numeric(38,0)) AS amount
    FROM changed
),
{SENT},
event AS (
    INSERT INTO bet_event (bet_id, at, kind, data)
    SELECT bet_id, at, kind, data FROM (
        SELECT 1 AS place, bet_id, CAST(:filed_at AS timestamptz) AS at, CAST(:message AS text) AS kind,
               CAST(:data AS jsonb) || CAST(:proof AS jsonb) AS data
        FROM sent WHERE attempts = 1 AND CAST(:message AS text) IS NOT NULL
        UNION ALL
        SELECT 2, bet_id, clock_timestamp(), 'send', CAST(:data AS jsonb) || jsonb_build_object('attempt', attempts)
        FROM sent
    ) AS events
    ORDER BY place
),
standing AS (
    SELECT movement.*
    FROM changed JOIN movement ON movement.bet_id = changed.bet_id
    WHERE transaction_type = :transaction_type AND movement.state = 'sending'
),
{CLAIM},
stands AS (
    SELECT *, false AS overtaken FROM changed
    UNION ALL
    SELECT *, (
        bet.owner = :owner AND bet.state IN ('acceptance', :state) AND review_allows(review, :pays_out, :asked)
        AND (NOT CAST(:pays_out AS boolean) OR ((bet.withdrawn_at IS NULL OR bet.state = 'settling')
             AND coalesce(bet.win = CAST(:amount AS numeric(38,0)), true)))
    ) IS TRUE
    FROM bet WHERE bet_id = :bet_id AND NOT EXISTS (SELECT FROM changed)
)
SELECT stands.*, partner_user_id, session.tag_id, attempts, counted, accept_code, accept_transaction_id,
       accept_balance, was_parked, waits, stale OR overtaken AS stale
FROM stands JOIN player USING (player_id) JOIN session USING (session_id) CROSS JOIN claim
""",
)

# A bet whose jackpot is still to be paid stays open after its win; its jackpot, and nothing else, ends it then.
CREDIT_DONE = Statement(
    BetRow,
    f"""
WITH changed AS (
    UPDATE bet SET closed_balance = :balance,
           state = CASE WHEN jackpot > 0 AND CAST(:transaction_type AS int) = 1 THEN state ELSE :state END,
           closed_at = CASE WHEN jackpot > 0 AND CAST(:transaction_type AS int) = 1 THEN NULL ELSE now() END,
           win_paid_at = CASE WHEN jackpot > 0 AND CAST(:transaction_type AS int) = 1 THEN now() ELSE win_paid_at END
    WHERE bet_id = :bet_id AND owner = :owner AND state IN ('settling', 'refunding')
      AND (win_paid_at IS NOT NULL) = (CAST(:transaction_type AS int) = 4)
    RETURNING *
),
ended AS (
    UPDATE movement SET state = :how, ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = :transaction_type
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', CAST(:transaction_type AS int), 'progress', CAST(:how AS text),
                                                'error_code', CAST(:error_code AS text)) FROM changed
),
{CONTRIBUTED}
SELECT * FROM changed
""",
)

PARK = Statement(
    BetRow,
    f"""
WITH own AS (
    SELECT * FROM bet WHERE bet_id = :bet_id AND owner = :owner AND closed_at IS NULL
),
{PARKED}
SELECT * FROM changed
""",
)

# The casino has made a debit whose bet has ended without it: the money is owed back. The reversal that is opened here
# has no owner yet; the minute's sweep finds it and starts the workflow that returns the stake.
TAKEN_AFTER_THE_END = Statement(
    BetRow,
    """
WITH taken AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM bet
    WHERE movement.bet_id = :bet_id AND transaction_type = -1 AND movement.state <> 'done'
      AND bet.bet_id = movement.bet_id AND bet.closed_at IS NOT NULL AND bet.accepted_at IS NULL
    RETURNING movement.bet_id
),
owed AS (
    INSERT INTO reversal (bet_id) SELECT bet_id FROM taken ON CONFLICT (bet_id) DO NOTHING
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'debited_after_the_end', jsonb_build_object('type', -1, 'error_code', CAST(:error_code AS text))
    FROM taken
),
incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'debited_after_the_end', CAST(:ours AS jsonb), CAST(:theirs AS jsonb) FROM taken
)
SELECT bet.* FROM bet WHERE bet_id = :bet_id
""",
)

WITHDRAW = Statement(
    BetRow,
    """
WITH changed AS (
    UPDATE bet SET withdrawn_at = now()
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'acceptance' AND told_at IS NULL AND withdrawn_at IS NULL
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind) SELECT bet_id, 'withdrawn' FROM changed
)
SELECT * FROM changed
""",
)
