"""The statements behind ``betcore.db.bets``: each changes the row, counts or ends its movement and writes the event.

All parts of one statement see the same snapshot: a part that reads a table does not see what another part writes to
it, which is why the rows travel between the parts by RETURNING.
"""

from betcore.db.statements.movements import CLAIMED, MAY_LEAVE, NO_OTHER_ACCEPT, PLAYER, STALE

# No row where nothing was changed. The row as it stands is then a statement of its own: the snapshot of this one may be
# older than what another transaction, for whose lock it has waited, has made of it.
_CHANGED = """
SELECT * FROM changed
"""
AS_IT_STANDS = "SELECT * FROM bet WHERE bet_id = :bet_id"

# Fresh: insert, count the first send. Own row with an open debit: count one more. Any other row: as it stands.
# A bet is opened only for a session, player, casino and game that belong together in their own rows: whoever starts a
# workflow by hand says what he likes. No bet comes back then, nor if another transaction has inserted the bet but this
# snapshot is older than its commit; ``known`` tells which.
OPEN = f"""
WITH known AS (
    SELECT FROM session JOIN player USING (player_id) JOIN game USING (game_id)
    WHERE session_id = :session_id AND session.provider_id = :provider_id AND session.player_id = :player_id
      AND session.game_id = :game_id AND currency = :currency AND mode = 'real'
      AND player.casino_id = :casino_id AND game.provider_id = :provider_id
), fresh AS (
    INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id,
                     currency, stake, one_step, win, state, refusal, owner, withdrawn_at, closed_at)
    SELECT next_bet_id(:callers_clock), :provider_id, :provider_bet_id, :casino_id, :player_id, :game_id, :session_id,
            :round_id, :currency, :stake, CAST(:win AS numeric(38,0)) IS NOT NULL, CAST(:win AS numeric(38,0)), :state,
            :refusal, :owner,
            CASE WHEN CAST(:state AS text) = 'refunded' THEN now() END,
            CASE WHEN CAST(:state AS text) <> 'accepting' THEN now() END
    FROM known
    ON CONFLICT (provider_id, provider_bet_id) DO NOTHING
    RETURNING *
), first_send AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, not_after)
    SELECT bet_id, -1, stake, 'sending', 1, :not_after FROM fresh WHERE state = 'accepting'
    RETURNING bet_id, attempts
), found AS (
    SELECT * FROM bet WHERE provider_id = :provider_id AND provider_bet_id = :provider_bet_id
), next_send AS (
    UPDATE movement SET attempts = movement.attempts + 1
    FROM found
    WHERE movement.bet_id = found.bet_id AND transaction_type = -1 AND {MAY_LEAVE}
      AND found.owner = :owner AND found.state = 'accepting'
    RETURNING movement.bet_id, movement.attempts
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, kind, data FROM (
        SELECT 1 AS place, bet_id, CAST(:kind AS text) AS kind,
               CAST(:data AS jsonb) AS data
        FROM fresh
        UNION ALL
        SELECT 2, bet_id, 'send', jsonb_build_object('type', -1, 'attempt', attempts)
        FROM (SELECT * FROM first_send UNION ALL SELECT * FROM next_send) AS sends
    ) AS events
    ORDER BY place
), stands AS (
    SELECT fresh.*, {CLAIMED}, {STALE} AS stale
    FROM fresh LEFT JOIN first_send AS sent USING (bet_id) LEFT JOIN movement AS standing ON false
    UNION ALL
    SELECT found.*, {CLAIMED}, {STALE} AS stale
    FROM found LEFT JOIN next_send AS sent USING (bet_id)
    LEFT JOIN movement AS standing ON standing.bet_id = found.bet_id AND standing.transaction_type = -1
          AND standing.state = 'sending' AND found.owner = :owner AND found.state = 'accepting'
)
SELECT stands.*, EXISTS (SELECT FROM known) AS known, {PLAYER.format("stands")}
FROM (VALUES (1)) AS one LEFT JOIN stands ON true
"""

ACCEPT = (
    """
WITH changed AS (
    UPDATE bet SET state = 'acceptance', accepted_at = now(), accepted_balance = :balance
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'accepting'
    RETURNING *
), ended AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = -1
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', -1, 'progress', 'done', 'error_code', CAST(:error_code AS text))
    FROM changed
)"""
    + _CHANGED
)

# The movement first: its row is locked and read anew, so that a send counted, or an Accept stored, meanwhile by another
# process is seen. An Accept that this end does not come from leaves the stake open: it may say that the money is taken.
END_WITHOUT_STAKE = (
    f"""
WITH ended AS (
    UPDATE movement SET state = :movement, ended_at = now(), error_code = :error_code
    FROM bet
    WHERE movement.bet_id = :bet_id AND transaction_type = -1 AND movement.state = :standing
      AND (CAST(:attempts AS integer) IS NULL OR attempts = CAST(:attempts AS integer))
      AND {NO_OTHER_ACCEPT}
      AND bet.bet_id = movement.bet_id AND bet.owner = :owner AND bet.state = 'accepting'
    RETURNING movement.bet_id
), changed AS (
    UPDATE bet SET state = :state, refusal = :refusal, closed_at = now(),
           withdrawn_at = CASE WHEN :state = 'refunded' THEN coalesce(withdrawn_at, now()) ELSE withdrawn_at END
    FROM ended WHERE bet.bet_id = ended.bet_id
    RETURNING bet.*
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, CASE state WHEN 'refunded' THEN 'refunded_without_debit' ELSE 'refused' END,
           jsonb_strip_nulls(jsonb_build_object('refusal', refusal, 'error_code', CAST(:error_code AS text)))
    FROM changed
)"""
    + _CHANGED
)

# The row decides: a bet that was withdrawn is not paid out, nor another win than the one that stands; a payout that has
# begun goes on.
_MAY_BEGIN = """bet.owner = :owner AND bet.state IN ('acceptance', :state)
      AND (NOT CAST(:pays_out AS boolean) OR ((bet.withdrawn_at IS NULL OR bet.state = 'settling')
           AND coalesce(bet.win = CAST(:amount AS numeric(38,0)), true)))"""

# A bet of one step is over when it is known: telling is left to the answer that tells it.
BEGIN_CREDIT = f"""
WITH changed AS (
    UPDATE bet SET state = :state,
           win = CASE WHEN :pays_out THEN CAST(:amount AS numeric(38,0)) ELSE win END,
           told_at = CASE WHEN :pays_out AND NOT one_step THEN coalesce(told_at, now()) ELSE told_at END,
           withdrawn_at = CASE WHEN :pays_out THEN withdrawn_at ELSE coalesce(withdrawn_at, now()) END
    WHERE bet_id = :bet_id AND {_MAY_BEGIN}
    RETURNING *
), counted AS (
    INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
    SELECT bet_id, :kind, :amount, 'sending', 1 FROM changed
    ON CONFLICT (bet_id, transaction_type) DO UPDATE SET attempts = movement.attempts + 1
    WHERE {MAY_LEAVE}
    RETURNING bet_id, attempts
), event AS (
    INSERT INTO bet_event (bet_id, at, kind, data)
    SELECT bet_id, at, kind, data FROM (
        SELECT 1 AS place, bet_id, CAST(:filed_at AS timestamptz) AS at, CAST(:message AS text) AS kind,
               CAST(:data AS jsonb) AS data
        FROM counted WHERE attempts = 1 AND CAST(:message AS text) IS NOT NULL
        UNION ALL
        SELECT 2, bet_id, clock_timestamp(), 'send', CAST(:data AS jsonb) || jsonb_build_object('attempt', attempts)
        FROM counted
    ) AS events
    ORDER BY place
)
SELECT changed.*, {CLAIMED}, {STALE} AS stale, {PLAYER.format("changed")}
FROM changed LEFT JOIN counted AS sent USING (bet_id)
LEFT JOIN movement AS standing ON standing.bet_id = changed.bet_id AND standing.transaction_type = :kind
      AND standing.state = 'sending'
UNION ALL
SELECT bet.*, {CLAIMED}, {_MAY_BEGIN} AS stale, {PLAYER.format("bet")}
FROM bet LEFT JOIN counted AS sent ON false LEFT JOIN movement AS standing ON false
WHERE bet.bet_id = :bet_id AND NOT EXISTS (SELECT FROM changed)
"""

CREDIT_DONE = (
    """
WITH changed AS (
    UPDATE bet SET state = :state, closed_at = now(), closed_balance = :balance
    WHERE bet_id = :bet_id AND owner = :owner AND state IN ('settling', 'refunding')
    RETURNING *
), ended AS (
    UPDATE movement SET state = :how, ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM changed WHERE movement.bet_id = changed.bet_id AND transaction_type = :kind
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'answer', jsonb_build_object('type', CAST(:kind AS int), 'progress', CAST(:how AS text),
                                                'error_code', CAST(:error_code AS text))
    FROM changed
)"""
    + _CHANGED
)

PARK = (
    """
WITH changed AS (
    SELECT * FROM bet WHERE bet_id = :bet_id AND owner = :owner AND closed_at IS NULL
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
    + "SELECT changed.* FROM changed JOIN parked USING (bet_id)"
)

# The casino has made a debit whose bet has ended without it: the money is owed back. The reversal that is opened here
# has no owner yet; the minute's sweep finds it and starts the workflow that returns the stake.
TAKEN_AFTER_THE_END = """
WITH taken AS (
    UPDATE movement SET state = 'done', ended_at = now(), error_code = :error_code,
           partner_transaction_id = :partner_transaction_id
    FROM bet
    WHERE movement.bet_id = :bet_id AND transaction_type = -1 AND movement.state <> 'done'
      AND bet.bet_id = movement.bet_id AND bet.closed_at IS NOT NULL AND bet.accepted_at IS NULL
    RETURNING movement.bet_id
), owed AS (
    INSERT INTO reversal (bet_id) SELECT bet_id FROM taken ON CONFLICT (bet_id) DO NOTHING
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'debited_after_the_end', jsonb_build_object('type', -1, 'error_code', CAST(:error_code AS text))
    FROM taken
), incident AS (
    INSERT INTO incident (bet_id, kind, ours, theirs)
    SELECT bet_id, 'debited_after_the_end', CAST(:ours AS jsonb), CAST(:theirs AS jsonb) FROM taken
)
SELECT bet.* FROM bet WHERE bet_id = :bet_id
"""

# Compare and set: of two who have seen the same owner, one takes the bet over.
TAKE_OVER = (
    """
WITH changed AS (
    UPDATE bet SET owner = :owner, lives = :life
    WHERE bet_id = :bet_id AND owner = :seen_owner AND lives < :life AND closed_at IS NULL
    RETURNING *
), event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'resumed', jsonb_build_object('life', lives) FROM changed
)"""
    + _CHANGED
)

WITHDRAW = (
    """
WITH changed AS (
    UPDATE bet SET withdrawn_at = now()
    WHERE bet_id = :bet_id AND owner = :owner AND state = 'acceptance' AND told_at IS NULL AND withdrawn_at IS NULL
    RETURNING *
), event AS (
    INSERT INTO bet_event (bet_id, kind) SELECT bet_id, 'withdrawn' FROM changed
)"""
    + _CHANGED
)

# The same words at the same time are the same event, however often they are written.
NOTE_ONCE = """
INSERT INTO bet_event (bet_id, kind, data)
SELECT CAST(:bet_id AS bigint), CAST(:kind AS text), CAST(:data AS jsonb)
WHERE NOT EXISTS (SELECT FROM bet_event WHERE bet_id = :bet_id AND kind = :kind AND data = CAST(:data AS jsonb))
"""
NOTE = "INSERT INTO bet_event (bet_id, kind, data) VALUES (:bet_id, :kind, CAST(:data AS jsonb))"

FILE_INCIDENT = """
INSERT INTO incident (bet_id, kind, ours, theirs)
SELECT CAST(:bet_id AS bigint), CAST(:kind AS text), CAST(:ours AS jsonb), CAST(:theirs AS jsonb)
WHERE NOT EXISTS (
    SELECT FROM incident WHERE bet_id = :bet_id AND kind = :kind
       AND ours = CAST(:ours AS jsonb) AND theirs = CAST(:theirs AS jsonb)
)
"""
