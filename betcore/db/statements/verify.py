"""The statements behind ``betcore.verify``: what must hold of every bet's rows, a range of bets at a time.

Nothing here writes or locks. Every write of the service is one statement, so that a bet's rows fit together in any
snapshot: what does not fit is wrong, however busy the system is.
"""

WHOLE = "SELECT count(*) FROM bet WHERE bet_id > :after"
# The BetId behind which are all bets that were opened then or later, and perhaps one or the other of the same second.
BEFORE = """
SELECT coalesce((SELECT min(bet_id) - 1 FROM bet WHERE opened_at >= :since),
                (SELECT coalesce(max(bet_id), 0) FROM bet))
"""
NEXT = """
SELECT count(*) AS bets, max(bet_id) AS upto
FROM (SELECT bet_id FROM bet WHERE bet_id > :after ORDER BY bet_id LIMIT :limit) AS page
"""

REACH = "SELECT coalesce(min(bet_id), 0), coalesce(max(bet_id), 0) FROM bet WHERE bet_id > :after"

# A bet with its movements beside each other, what time and messages have left behind, and its reversal.
_FACTS = """
WITH legs AS (
    SELECT bet_id, count(*) AS movements, count(DISTINCT transaction_type) AS kinds,
           max(state) FILTER (WHERE transaction_type = -1) AS stake_is,
           max(amount) FILTER (WHERE transaction_type = -1) AS stake_of,
           max(state) FILTER (WHERE transaction_type = 1) AS win_is,
           max(amount) FILTER (WHERE transaction_type = 1) AS win_of,
           max(state) FILTER (WHERE transaction_type = 2) AS return_is,
           max(amount) FILTER (WHERE transaction_type = 2) AS return_of,
           max(state) FILTER (WHERE transaction_type = -2) AS claw_back_is,
           max(amount) FILTER (WHERE transaction_type = -2) AS claw_back_of,
           count(*) FILTER (WHERE transaction_type = 4) AS others,
           bool_or(state = 'parked') AS parked,
           coalesce(sum(sign(transaction_type) * amount) FILTER (WHERE state IN ('done', 'paid_by_hand')), 0) AS moved,
           array_agg(transaction_type || ' ' || state || ' ' || amount ORDER BY transaction_type) AS told_of
    FROM movement WHERE bet_id > :after AND bet_id <= :upto
    GROUP BY bet_id
), backs AS (
    SELECT bet_id, count(*) AS reversals, max(reversal_id) AS reversal_id, max(state) AS reversal_is,
           max(closed_at) FILTER (WHERE state = 'reversed') AS reversed_at
    FROM reversal WHERE bet_id > :after AND bet_id <= :upto
    GROUP BY bet_id
), facts AS (
    SELECT bet.*, legs.*, backs.*, bet.bet_id AS number, accepted_at IS NOT NULL AS accepted,
           win_is IN ('done', 'paid_by_hand') AS paid, return_is IN ('done', 'paid_by_hand') AS returned,
           win_is IN ('sending', 'parked') AS paying, coalesce(return_is IN ('sending', 'parked'), true) AS may_return
    FROM bet LEFT JOIN legs ON legs.bet_id = bet.bet_id LEFT JOIN backs ON backs.bet_id = bet.bet_id
    WHERE bet.bet_id > :after AND bet.bet_id <= :upto
)
"""

# How the movements of a bet may stand in each state: the table in docs/verify.md.
_FITS = """
CASE
    WHEN others > 0 THEN false
    WHEN state = 'accepting' THEN
        stake_is IN ('sending', 'parked') AND num_nulls(win_is, return_is, claw_back_is, reversal_is) = 4
        AND NOT accepted
    WHEN state = 'acceptance' THEN
        stake_is = 'done' AND num_nulls(win_is, return_is, claw_back_is, reversal_is) = 4 AND accepted
    WHEN state = 'settling' THEN
        stake_is = 'done' AND paying AND num_nulls(return_is, claw_back_is, reversal_is) = 3 AND accepted
        AND withdrawn_at IS NULL
    WHEN state = 'refunding' THEN
        stake_is = 'done' AND return_is IS NOT NULL AND may_return
        AND num_nulls(win_is, claw_back_is, reversal_is) = 3 AND accepted AND withdrawn_at IS NOT NULL
    WHEN state = 'settled' THEN
        stake_is = 'done' AND paid AND accepted AND withdrawn_at IS NULL AND CASE
            WHEN reversal_is IS NULL THEN num_nulls(return_is, claw_back_is) = 2
            WHEN reversal_is = 'reversing' AND win = 0 THEN claw_back_is IS NULL AND may_return
            WHEN reversal_is = 'reversing' AND claw_back_is = 'done' THEN may_return
            WHEN reversal_is = 'reversing' THEN
                coalesce(claw_back_is IN ('sending', 'parked'), true) AND return_is IS NULL
            WHEN reversal_is = 'reversed' AND win = 0 THEN claw_back_is IS NULL AND returned
            WHEN reversal_is = 'reversed' THEN claw_back_is = 'done' AND returned
            ELSE claw_back_is = 'refused' AND return_is IS NULL END
    WHEN state = 'refunded' AND accepted THEN
        stake_is = 'done' AND returned AND num_nulls(win_is, claw_back_is, reversal_is) = 3
        AND withdrawn_at IS NOT NULL
    ELSE NOT accepted AND num_nulls(win_is, claw_back_is) = 2 AND CASE
        WHEN reversal_is IS NULL THEN
            coalesce(stake_is IN ('refused', 'absent'), true) AND return_is IS NULL
        WHEN reversal_is = 'reversing' THEN stake_is = 'done' AND may_return
        WHEN reversal_is = 'reversed' THEN stake_is = 'done' AND returned
        ELSE false END
END
"""

# What the bet says of the player's money, as a sum in minor units. A reversal that is under way has its win back when
# that movement is done: no row of its own says so.
_SAYS = """
CASE
    WHEN state = 'settled' AND reversal_is = 'reversed' THEN 0
    WHEN state = 'settled' THEN
        CASE WHEN reversal_is = 'reversing' AND claw_back_is = 'done' THEN -stake ELSE win - stake END
    WHEN state IN ('acceptance', 'settling', 'refunding') THEN -stake
    WHEN state IN ('refunded', 'refused') AND reversal_is = 'reversing' THEN
        CASE WHEN accepted THEN 0 ELSE -stake END
    ELSE 0
END
"""

# Whoever is told and whoever takes the bet back write the same row under its lock, and each looks at what the other
# wrote. The clocks of two statements may be crossed by as long as one of them waits for that lock.
FAULTS = f"""
{_FACTS}, said AS (
    SELECT bet_id, bool_or(kind = 'told') AS was_told, bool_or(kind = 'withdrawn') AS was_withdrawn
    FROM bet_event
    WHERE bet_id > :after AND bet_id <= :upto AND kind IN ('told', 'withdrawn')
    GROUP BY bet_id
), judged AS (
    SELECT number, provider_id, provider_bet_id, state, reversal_is, told_of, array_remove(ARRAY[
        CASE WHEN paid AND returned AND reversal_is IS NULL THEN 'two_outcomes'
             WHEN ({_FITS}) IS NOT TRUE THEN 'unfitting' END,
        CASE WHEN (state IN ('settled', 'refunded', 'refused')) <> (closed_at IS NOT NULL) THEN 'closed_at' END,
        CASE WHEN reversed_by IS DISTINCT FROM CASE WHEN reversal_is = 'reversed' THEN reversal_id END
             THEN 'reversed_by' END,
        CASE WHEN stake_of <> stake OR return_of <> stake OR win_of <> win OR claw_back_of <> win
             THEN 'amount' END,
        CASE WHEN coalesce(moved, 0) <> ({_SAYS}) THEN 'sum' END,
        CASE WHEN movements <> kinds THEN 'movement_twice' END,
        CASE WHEN reversals > 1 THEN 'reversal_twice' END,
        CASE WHEN accepted AND state IN ('refunding', 'refunded') AND reversals > 0 THEN 'return_twice' END,
        CASE WHEN number >= 9007199254740992 THEN 'too_large' END,
        CASE WHEN NOT EXISTS (
                 SELECT FROM session JOIN player USING (player_id)
                 WHERE session.session_id = facts.session_id AND session.provider_id = facts.provider_id
                   AND session.player_id = facts.player_id AND session.game_id = facts.game_id
                   AND session.currency = facts.currency AND player.casino_id = facts.casino_id)
             THEN 'strangers' END,
        CASE WHEN was_told AND told_at IS NULL THEN 'told_off_record' END,
        CASE WHEN told_at IS NOT NULL AND was_told IS NOT TRUE AND win_is IS NULL THEN 'told_unheard' END,
        CASE WHEN told_at IS NOT NULL AND (NOT accepted OR (one_step AND state <> 'settled')) THEN 'told_too_soon' END,
        CASE WHEN (told_at IS NOT NULL AND was_withdrawn)
                  OR told_at > least(withdrawn_at, reversed_at) + interval '30 seconds' THEN 'told_too_late' END,
        CASE WHEN state IN ('settling', 'settled') AND NOT one_step AND told_at IS NULL THEN 'settled_untold' END,
        CASE WHEN parked AND NOT EXISTS (
                 SELECT FROM incident WHERE incident.bet_id = number AND incident.kind = 'parked')
             THEN 'parked_untold' END
    ], NULL) AS faults
    FROM facts LEFT JOIN said ON said.bet_id = number
)
SELECT number AS bet_id, provider.name AS provider, provider_bet_id, state, reversal_is, told_of, faults
FROM judged LEFT JOIN provider USING (provider_id)
WHERE cardinality(faults) > 0
ORDER BY number
"""

# By player only where the two sides differ, by casino and currency always.
SUMS = f"""
{_FACTS}, counted AS (
    SELECT number, player_id, casino_id, currency, movements, coalesce(moved, 0) AS moved, ({_SAYS}) AS says,
           CASE WHEN stake_is = 'done' THEN stake_of END AS staked, CASE WHEN paid THEN win_of END AS paid,
           CASE WHEN returned THEN return_of END AS returned,
           CASE WHEN claw_back_is = 'done' THEN claw_back_of END AS clawed_back
    FROM facts
)
SELECT casino_id, player_id, currency, count(*) AS bets, coalesce(sum(movements), 0) AS movements,
       coalesce(sum(staked), 0) AS staked, coalesce(sum(paid), 0) AS paid, coalesce(sum(returned), 0) AS returned,
       coalesce(sum(clawed_back), 0) AS clawed_back, coalesce(sum(says), 0) AS says, sum(moved) AS moved
FROM counted
GROUP BY GROUPING SETS ((casino_id, currency), (casino_id, currency, player_id))
HAVING grouping(player_id) = 1 OR coalesce(sum(says), 0) <> sum(moved)
"""

# What keeps identities apart and decided things as they are. A trigger that is switched off guards nothing.
GUARDS = """
SELECT 'unique key ' || wanted.name AS lacking
FROM (VALUES ('movement', 'bet_id,transaction_type'), ('bet', 'provider_id,provider_bet_id'), ('bet', 'bet_id'),
             ('reversal', 'bet_id')) AS k (relation, columns),
     LATERAL (SELECT k.relation || ' (' || k.columns || ')' AS name) AS wanted
WHERE NOT EXISTS (
    SELECT FROM pg_index
    WHERE indrelid = to_regclass(k.relation) AND indisunique AND indisvalid AND indpred IS NULL
      AND k.columns = (
          SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(indkey) WITH ORDINALITY AS c (number, place)
          JOIN pg_attribute ON attrelid = indrelid AND attnum = number)
)
UNION ALL
SELECT 'trigger ' || g.name || ' of ' || g.relation
FROM (VALUES ('bet', 'guard_bet'), ('movement', 'guard_movement'), ('movement', 'guard_paid_by_hand'),
             ('reversal', 'guard_reversal'), ('bet_event', 'guard_event'), ('incident', 'guard_incident'))
     AS g (relation, name)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = to_regclass(g.relation) AND tgname = g.name AND tgenabled IN ('O', 'A')
)
"""
# Without that key a bet may be there twice; with it none can.
BETS_TWICE = """
SELECT max(bet_id) AS bet_id, provider.name AS provider, provider_bet_id
FROM bet LEFT JOIN provider USING (provider_id)
GROUP BY provider_id, provider.name, provider_bet_id HAVING count(*) > 1 LIMIT 1000
"""

# Open rows as the workflow that should carry each is found, and what they owe. ``due`` is what still has to be moved:
# a movement on its way, or one that is yet to begin. What has no owner yet waits for the minute's look.
_OPEN = """
SELECT bet.bet_id, 'bet' AS kind, bet.owner, bet.lives, bet.opened_at, counterparty_id, provider.name AS provider,
       provider_bet_id, bet.state IN ('accepting', 'settling', 'refunding') OR bet.withdrawn_at IS NOT NULL AS due,
       (SELECT bool_or(state = 'parked') FROM movement WHERE movement.bet_id = bet.bet_id) IS TRUE AS parked
FROM bet JOIN provider USING (provider_id) WHERE bet.closed_at IS NULL
"""
_REVERSING = """
SELECT bet_id, 'reversal' AS kind, reversal.owner, reversal.lives, reversal.opened_at, counterparty_id,
       provider.name AS provider, provider_bet_id, true AS due,
       (SELECT bool_or(movement.state = 'parked') FROM movement WHERE movement.bet_id = reversal.bet_id) IS TRUE
           AS parked
FROM reversal JOIN bet USING (bet_id) JOIN provider USING (provider_id) WHERE reversal.closed_at IS NULL
"""
OPEN_ROWS = {
    "bet": f"""{_OPEN} AND bet.bet_id > :after AND bet.opened_at < now() - CAST(:settled AS interval)
ORDER BY bet.bet_id LIMIT :limit""",
    "reversal": f"""{_REVERSING} AND bet_id > :after AND reversal.opened_at <
    now() - CASE WHEN reversal.owner IS NULL THEN CAST(:taken_on AS interval) ELSE CAST(:settled AS interval) END
ORDER BY bet_id LIMIT :limit""",
}
OPEN_STILL = {
    "bet": f"{_OPEN} AND bet.bet_id = ANY(CAST(:bet_ids AS bigint[]))",
    "reversal": f"{_REVERSING} AND bet_id = ANY(CAST(:bet_ids AS bigint[]))",
}
OPEN_COUNT = """
SELECT (SELECT count(*) FROM bet WHERE closed_at IS NULL) + (SELECT count(*) FROM reversal WHERE closed_at IS NULL)
"""

# The rows that workflows carry, in the order asked: the bet by its number or by its provider's words.
CARRIED = """
SELECT asked.workflow_id, bet.bet_id, provider.name AS provider, bet.provider_bet_id,
       CASE WHEN asked.reverses THEN reversal.closed_at ELSE bet.closed_at END < now() - CAST(:settled AS interval)
           AS ended
FROM unnest(CAST(:workflow_ids AS text[]), CAST(:reverses AS boolean[]), CAST(:numbers AS bigint[]),
            CAST(:counterparties AS uuid[]), CAST(:provider_bet_ids AS text[]))
     AS asked (workflow_id, reverses, number, counterparty, named)
LEFT JOIN LATERAL (
    SELECT bet_id FROM bet WHERE bet_id = asked.number
    UNION ALL
    SELECT bet_id FROM bet JOIN provider USING (provider_id)
    WHERE counterparty_id = asked.counterparty AND provider_bet_id = asked.named
    LIMIT 1
) AS found ON true
LEFT JOIN bet ON bet.bet_id = found.bet_id
LEFT JOIN provider ON provider.provider_id = bet.provider_id
LEFT JOIN reversal ON reversal.bet_id = bet.bet_id
"""

# The casinos' books
CASINOS = "SELECT casino_id, name, api_host FROM casino ORDER BY casino_id"
OF_CASINO = """
SELECT bet_id, provider_bet_id, provider.name AS provider FROM bet JOIN provider USING (provider_id)
WHERE casino_id = :casino_id AND bet_id > :after ORDER BY bet_id LIMIT :limit
"""
# What a casino's book must have of ours, as few columns as comparing takes. A free round that no casino was asked for
# is done without a word of it.
MADE = """
SELECT bet_id, transaction_type, amount, currency, partner_user_id, error_code
FROM movement JOIN bet USING (bet_id) JOIN player USING (player_id)
WHERE bet_id = ANY(CAST(:bet_ids AS bigint[])) AND bet.casino_id = :casino_id AND movement.state = 'done'
"""
# A sum over each share of the numbers that two lists of movements have in common only where they are the same.
SHARES = """
SELECT bet_id / CAST(:share AS bigint) AS share, count(*) AS made,
       sum(CAST(bet_id * 8 + transaction_type AS numeric)) AS first,
       sum(CAST(bet_id * 8 + transaction_type AS numeric) ^ 2) AS second
FROM movement JOIN bet USING (bet_id)
WHERE bet_id > :after AND bet_id <= :upto AND casino_id = :casino_id AND movement.state = 'done'
  AND NOT (amount = 0 AND error_code IS NULL)
GROUP BY 1
"""
NAMES = """
SELECT bet_id, casino_id, provider.name AS provider, provider_bet_id FROM bet JOIN provider USING (provider_id)
WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
"""

# What a provider has heard
PROVIDER_OF = """
SELECT provider_id, provider.name FROM session JOIN provider USING (provider_id) WHERE session_id = :session_id
"""
HEARD = """
SELECT bet.bet_id, bet.provider_bet_id, bet.state, refusal, stake, win, currency, one_step, told_at, withdrawn_at,
       accepted_at, reversed_by, reversal.state AS reversal_is,
       EXISTS (SELECT FROM movement WHERE movement.bet_id = bet.bet_id AND transaction_type = 2
               AND movement.state IN ('done', 'paid_by_hand')) AS returned
FROM bet LEFT JOIN reversal ON reversal.bet_id = bet.bet_id
WHERE provider_id = :provider_id AND provider_bet_id = ANY(CAST(:bet_ids AS text[]))
"""
