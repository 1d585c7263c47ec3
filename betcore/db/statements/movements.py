"""What the statements of bets and of reversals say of a movement in the same words."""

# Another send may leave: the movement is open, no Accept of it waits to be read, and none is awaited just now.
MAY_LEAVE = """movement.state = 'sending' AND movement.accept_code IS NULL
        AND coalesce(movement.awaited_until <= now(), true)"""

# A statement sees what stood when it began, and an update in it what stands now: where the one shows a send to count
# and the other counts none, another transaction was faster, and the claim is made again.
STALE = f"""(sent.attempts IS NULL AND standing.state = 'sending'
        AND {MAY_LEAVE.replace("movement.", "standing.")}) IS TRUE"""

# What a claim tells of an open movement; ``sent`` is the send that it has counted, ``standing`` the row before it.
CLAIMED = """coalesce(sent.attempts, standing.attempts) AS attempts, sent.attempts IS NOT NULL AS counted,
       standing.accept_code, standing.accept_transaction_id, standing.accept_balance,
       standing.error_code IS NOT NULL AS was_parked, greatest(standing.awaited_until - now(), '0') AS waits"""

# Whose money it is: the player's own row says so, and not the workflow's argument.
PLAYER = "(SELECT partner_user_id FROM player WHERE player.player_id = {}.player_id) AS partner_user_id"

# No Accept stands in the movement but the one that ends it.
NO_OTHER_ACCEPT = "coalesce(accept_code = CAST(:error_code AS text), accept_code IS NULL)"

# A person has looked at it: it may be sent again, and the refusal that has parked it counts no more. Its owner is the
# bet's, or the reversal's where the bet has ended.
UNPARK = """
WITH tried AS (
    UPDATE movement SET state = 'sending', awaited_until = now(), duplicate_absent_since = NULL,
           refused_attempts = attempts,
           accept_code = nullif(accept_code, error_code),
           accept_at = CASE WHEN accept_code IS DISTINCT FROM error_code THEN accept_at END
    WHERE bet_id = :bet_id AND transaction_type = :kind AND state = 'parked'
      AND EXISTS (
          SELECT FROM bet LEFT JOIN reversal USING (bet_id)
          WHERE bet_id = :bet_id AND coalesce(reversal.owner, bet.owner) = :owner
      )
    RETURNING bet_id
)
INSERT INTO bet_event (bet_id, kind, data)
SELECT bet_id, 'tried_again', jsonb_build_object('type', CAST(:kind AS int)) FROM tried
"""

# The casino calls it a duplicate and does not list it: it may still come to list what it has. The first such moment
# stays, whatever crashes meanwhile; the answer says whether it lies far enough back that nothing will come.
DUPLICATE_ABSENT = """
UPDATE movement SET duplicate_absent_since = coalesce(duplicate_absent_since, now())
WHERE bet_id = :bet_id AND transaction_type = :kind AND state = 'sending'
  AND EXISTS (
      SELECT FROM bet LEFT JOIN reversal USING (bet_id)
      WHERE bet_id = :bet_id AND coalesce(reversal.owner, bet.owner) = :owner
  )
RETURNING duplicate_absent_since <= now() - CAST(:within AS interval) AS for_good
"""

# The Accept of a movement that we have sent. Where there is none yet, whoever asks stops waiting here: from now on an
# Accept is signalled, and until the time given nothing is sent. The row is locked: either the Accept is seen here, or
# whoever stores it sees that it is awaited.
HEAR = """
UPDATE movement SET awaited_until = CASE
    WHEN accept_code IS NULL THEN greatest(awaited_until, now() + CAST(:within AS interval)) ELSE awaited_until END
WHERE bet_id = :bet_id AND transaction_type = :kind AND state IN ('sending', 'parked')
RETURNING accept_code, accept_transaction_id, accept_balance
"""

# A refusal that did not end the movement: after the gap it may be sent again, and the casino may confirm that send. The
# gap stands in the row: no life of the bet, and no other process, sends sooner.
FORGET_REFUSAL = """
UPDATE movement SET accept_code = NULL, accept_transaction_id = NULL, accept_balance = NULL, accept_at = NULL,
       refused_attempts = attempts, awaited_until = now() + CAST(:gap AS interval)
WHERE bet_id = :bet_id AND transaction_type = :kind AND state = 'sending' AND accept_code = :error_code
"""
