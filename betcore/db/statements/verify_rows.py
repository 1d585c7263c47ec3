"""The statements by which ``betcore.verify`` judges the rows: what must hold of every bet, a range of bets at a time.

Nothing here writes or locks. Every write of the service is one statement, so that a bet's rows fit together in any
snapshot: what does not fit is wrong, however busy the system is.
"""

from dataclasses import dataclass
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many bets there are."""

    bets: int


@dataclass(frozen=True, slots=True)
class BoundRow:
    """A BetId behind which bets are looked at."""

    bet_id: int


@dataclass(frozen=True, slots=True)
class PageRow:
    """How many bets a page has, and the last of them; None if it has none."""

    bets: int
    upto: int | None


@dataclass(frozen=True, slots=True)
class ReachRow:
    """The first and the last BetId."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A bet, what is wrong with it, and its facts; ``described`` is its movements as text, None without any."""

    bet_id: int
    provider: str | None
    provider_bet_id: str
    state: str
    reversal_is: str | None
    described: list[str] | None
    faults: list[str]


@dataclass(frozen=True, slots=True)
class SumRow:
    """Sums of bets in minor units, of a casino or of one of its players."""

    casino_id: int
    player_id: int | None
    currency: str
    bets: int
    movements: Decimal
    staked: Decimal
    paid: Decimal
    returned: Decimal
    clawed_back: Decimal
    jackpots: Decimal
    says: Decimal
    moved: Decimal


WHOLE = Statement(CountRow, "SELECT count(*) AS bets FROM bet WHERE bet_id > :after")
# The BetId behind which are all bets that were opened then or later, and perhaps one or the other of the same second.
BEFORE = Statement(
    BoundRow,
    """
WITH opened AS MATERIALIZED (SELECT bet_id FROM casino JOIN bet USING (casino_id) WHERE opened_at >= :since)
SELECT coalesce((SELECT min(bet_id) - 1 FROM opened), (SELECT coalesce(max(bet_id), 0) FROM bet)) AS bet_id
""",
)
NEXT = Statement(
    PageRow,
    """
SELECT count(*) AS bets, max(bet_id) AS upto
FROM (SELECT bet_id FROM bet WHERE bet_id > :after ORDER BY bet_id LIMIT :limit) AS page
""",
)
REACH = Statement(
    ReachRow,
    """
SELECT coalesce(min(bet_id), 0) AS first, coalesce(max(bet_id), 0) AS last FROM bet WHERE bet_id > :after
""",
)

# A bet with its movements beside each other, what time and messages have left behind, and its reversal. ``fits`` says
# whether its movements may stand so in its state: the table in docs/verify.md. ``says`` is what the bet says of the
# player's money, as a sum in minor units. A reversal that is under way has its win back when that movement is done: no
# row of its own says so.
_WEIGHED = """legs AS (
    SELECT bet_id, count(*) AS movements, count(DISTINCT transaction_type) AS kinds,
           max(state) FILTER (WHERE transaction_type = -1) AS stake_is,
           max(amount) FILTER (WHERE transaction_type = -1) AS stake_of,
           max(state) FILTER (WHERE transaction_type = 1) AS win_is,
           max(amount) FILTER (WHERE transaction_type = 1) AS win_of,
           max(state) FILTER (WHERE transaction_type = 2) AS return_is,
           max(amount) FILTER (WHERE transaction_type = 2) AS return_of,
           max(state) FILTER (WHERE transaction_type = -2) AS claw_back_is,
           max(amount) FILTER (WHERE transaction_type = -2) AS claw_back_of,
           max(state) FILTER (WHERE transaction_type = 4) AS jackpot_is,
           max(amount) FILTER (WHERE transaction_type = 4) AS jackpot_of,
           bool_or(state = 'parked') AS parked,
           coalesce(sum(sign(CAST(transaction_type AS numeric)) * amount)
                    FILTER (WHERE state IN ('done', 'paid_by_hand')), 0) AS moved,
           array_agg(transaction_type || ' ' || state || ' ' || amount ORDER BY transaction_type) AS described
    FROM movement WHERE bet_id > :after AND bet_id <= :upto
    GROUP BY bet_id
),
backs AS (
    SELECT bet_id, count(*) AS reversals, max(reversal_id) AS reversal_id, max(state) AS reversal_is,
           max(closed_at) FILTER (WHERE state = 'reversed') AS reversed_at
    FROM reversal WHERE bet_id > :after AND bet_id <= :upto
    GROUP BY bet_id
),
facts AS (
    SELECT bet.*, legs.*, backs.*, bet.bet_id AS number, accepted_at IS NOT NULL AS accepted,
           win_is IN ('done', 'paid_by_hand') AS paid, return_is IN ('done', 'paid_by_hand') AS returned,
           win_is IN ('sending', 'parked') AS paying, coalesce(return_is IN ('sending', 'parked'), true) AS may_return,
           jackpot_is IN ('done', 'paid_by_hand') AS jackpot_paid, coalesce(jackpot > 0, false) AS wins_jackpot
    FROM bet LEFT JOIN legs ON legs.bet_id = bet.bet_id LEFT JOIN backs ON backs.bet_id = bet.bet_id
    WHERE bet.bet_id > :after AND bet.bet_id <= :upto
),
weighed AS (
    SELECT facts.*,
        CASE
            WHEN jackpot_is IS NOT NULL AND (NOT wins_jackpot OR state NOT IN ('settling', 'settled')) THEN false
            WHEN (jackpot_is IS NOT NULL OR (wins_jackpot AND state = 'settled')) AND win_paid_at IS NULL THEN false
            WHEN state = 'accepting' THEN
                stake_is IN ('sending', 'parked') AND num_nulls(return_is, claw_back_is, reversal_is) = 3
                AND (win_is IS NULL OR (one_step AND win_is = 'sending')) AND NOT accepted
            WHEN state = 'acceptance' THEN
                stake_is = 'done' AND num_nulls(win_is, return_is, claw_back_is, reversal_is) = 4 AND accepted
            WHEN state = 'settling' THEN
                stake_is = 'done' AND num_nulls(return_is, claw_back_is, reversal_is) = 3 AND accepted
                AND withdrawn_at IS NULL AND CASE
                    WHEN win_paid_at IS NULL THEN paying
                    ELSE wins_jackpot AND paid AND coalesce(jackpot_is IN ('sending', 'parked'), true) END
            WHEN state = 'refunding' THEN
                stake_is = 'done' AND return_is IS NOT NULL AND may_return
                AND num_nulls(win_is, claw_back_is, reversal_is) = 3 AND accepted AND withdrawn_at IS NOT NULL
            WHEN state = 'settled' THEN
                stake_is = 'done' AND paid AND accepted AND withdrawn_at IS NULL
                AND (jackpot_paid IS TRUE) = wins_jackpot AND CASE
                    WHEN jackpot IS NOT NULL THEN num_nulls(return_is, claw_back_is, reversal_is) = 3
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
            ELSE NOT accepted AND (win_is IS NULL OR (one_step AND win_is = 'absent')) AND claw_back_is IS NULL AND CASE
                WHEN reversal_is IS NULL THEN
                    coalesce(stake_is IN ('refused', 'absent'), true) AND return_is IS NULL
                WHEN reversal_is = 'reversing' THEN stake_is = 'done' AND may_return
                WHEN reversal_is = 'reversed' THEN stake_is = 'done' AND returned
                ELSE false END
        END AS fits,
        CASE
            WHEN state = 'settled' AND reversal_is = 'reversed' THEN 0
            WHEN state = 'settled' THEN
                CASE WHEN reversal_is = 'reversing' AND claw_back_is = 'done' THEN -stake
                     ELSE win + coalesce(jackpot, 0) - stake END
            WHEN state = 'settling' AND win_paid_at IS NOT NULL THEN win - stake
            WHEN state IN ('acceptance', 'settling', 'refunding') THEN -stake
            WHEN state IN ('refunded', 'refused') AND reversal_is = 'reversing' THEN
                CASE WHEN accepted THEN 0 ELSE -stake END
            ELSE 0
        END AS says
    FROM facts
)"""

# The statement that sets told_at and the one that sets withdrawn_at write the same row under its lock, and each looks
# at what the other wrote. The clocks of two statements may be crossed by as long as one of them waits for that lock.
FAULTS = Statement(
    FaultRow,
    f"""
WITH {_WEIGHED},
answers AS (
    SELECT bet_id, bool_or(told) AS was_told, bool_or(withdrawn) AS was_withdrawn
    FROM (SELECT bet_id, kind = 'told' AS told, kind = 'withdrawn' AS withdrawn FROM bet_event
          WHERE bet_id > :after AND bet_id <= :upto AND kind IN ('told', 'withdrawn')
          UNION ALL
          SELECT bet_id, told, withdrawn FROM archived_bet WHERE bet_id > :after AND bet_id <= :upto) AS said
    GROUP BY bet_id
),
judged AS (
    SELECT number, provider_id, provider_bet_id, state, reversal_is, described, array_remove(ARRAY[
        CASE WHEN paid AND returned AND reversal_is IS NULL THEN 'two_outcomes'
             WHEN fits IS NOT TRUE THEN 'unfitting' END,
        CASE WHEN (state IN ('settled', 'refunded', 'refused')) <> (closed_at IS NOT NULL) THEN 'closed_at' END,
        CASE WHEN reversed_by IS DISTINCT FROM CASE WHEN reversal_is = 'reversed' THEN reversal_id END
             THEN 'reversed_by' END,
        CASE WHEN stake_of <> stake OR return_of <> stake OR win_of <> win OR claw_back_of <> win
                  OR jackpot_of <> jackpot
             THEN 'amount' END,
        CASE WHEN coalesce(moved, 0) <> says THEN 'sum' END,
        CASE WHEN movements <> kinds THEN 'movement_twice' END,
        CASE WHEN reversals > 1 THEN 'reversal_twice' END,
        CASE WHEN accepted AND state IN ('refunding', 'refunded') AND reversals > 0 THEN 'return_twice' END,
        CASE WHEN number >= 9007199254740992 THEN 'too_large' END,
        CASE WHEN NOT EXISTS (
                 SELECT FROM session JOIN player USING (player_id)
                 WHERE session.session_id = weighed.session_id AND session.provider_id = weighed.provider_id
                   AND session.player_id = weighed.player_id AND session.game_id = weighed.game_id
                   AND session.currency = weighed.currency AND player.casino_id = weighed.casino_id)
             THEN 'strangers' END,
        CASE WHEN was_told AND told_at IS NULL THEN 'told_off_record' END,
        CASE WHEN told_at IS NOT NULL AND was_told IS NOT TRUE AND win_is IS NULL AND review IS NULL
             THEN 'told_unheard' END,
        CASE WHEN told_at IS NOT NULL AND (NOT accepted OR (one_step AND state <> 'settled')) THEN 'told_too_soon' END,
        CASE WHEN (told_at IS NOT NULL AND was_withdrawn)
                  OR told_at > least(withdrawn_at, reversed_at) + interval '30 seconds' THEN 'told_too_late' END,
        CASE WHEN state IN ('settling', 'settled') AND NOT one_step AND told_at IS NULL THEN 'settled_untold' END,
        CASE WHEN parked AND NOT EXISTS (
                 SELECT FROM incident WHERE incident.bet_id = number AND incident.kind = 'parked')
             THEN 'parked_untold' END,
        CASE WHEN review ->> 'state' = 'in_review' AND (state <> 'acceptance' OR NOT EXISTS (
                 SELECT FROM incident WHERE incident.bet_id = number AND incident.kind = 'win_in_review'))
             THEN 'review_untold' END,
        CASE WHEN review ->> 'state' = 'refused' AND win_is IS NOT NULL
                  AND (review -> 'asked' -> 'win', review -> 'asked' -> 'jackpot', review -> 'asked' -> 'jackpot_id')
                      = (to_jsonb(win), coalesce(to_jsonb(jackpot), 'null'), coalesce(to_jsonb(jackpot_id), 'null'))
             THEN 'refused_paid' END
    ], NULL) AS faults
    FROM weighed LEFT JOIN answers ON answers.bet_id = number
)
SELECT number AS bet_id, provider.name AS provider, provider_bet_id, state, reversal_is, described, faults
FROM judged LEFT JOIN provider USING (provider_id)
WHERE cardinality(faults) > 0
ORDER BY number
""",
)

# A row for each casino and currency, and one for each player whose two sides differ.
SUMS = Statement(
    SumRow,
    f"""
WITH {_WEIGHED},
counted AS (
    SELECT number, player_id, casino_id, currency, movements, coalesce(moved, 0) AS moved, says,
           CASE WHEN stake_is = 'done' THEN stake_of END AS staked, CASE WHEN paid THEN win_of END AS paid,
           CASE WHEN returned THEN return_of END AS returned,
           CASE WHEN claw_back_is = 'done' THEN claw_back_of END AS clawed_back,
           CASE WHEN jackpot_paid THEN jackpot_of END AS jackpots
    FROM weighed
)
SELECT casino_id, player_id, currency, count(*) AS bets, coalesce(sum(movements), 0) AS movements,
       coalesce(sum(staked), 0) AS staked, coalesce(sum(paid), 0) AS paid, coalesce(sum(returned), 0) AS returned,
       coalesce(sum(clawed_back), 0) AS clawed_back, coalesce(sum(jackpots), 0) AS jackpots,
       coalesce(sum(says), 0) AS says, sum(moved) AS moved
FROM counted
GROUP BY GROUPING SETS ((casino_id, currency), (casino_id, currency, player_id))
HAVING grouping(player_id) = 1 OR coalesce(sum(says), 0) <> sum(moved)
""",
)
