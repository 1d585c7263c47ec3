"""The statements behind ``betcore.db.metric_snapshots``: what metrics say of all open rows, added up now and then.

Each part is a row of ``metric_snapshot``. One statement takes the turn, adds up and stores: at any number of processes
that are scraped, each part is added up once in an interval.
"""

from dataclasses import dataclass

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A part as it was added up last; ``age`` in seconds. ``found`` has an object for each line."""

    part: str
    found: list[dict[str, object]]
    age: int


# Nothing is added up unless the turn is taken: not within ``every`` of the last time, and not while another does it.
_TURN = """turn AS MATERIALIZED (
    SELECT FROM metric_snapshot
    WHERE part = :part AND taken_at < now() - CAST(:every AS interval) FOR UPDATE SKIP LOCKED
)"""
_STORE = """UPDATE metric_snapshot
SET taken_at = now(), found = (SELECT coalesce(jsonb_agg(to_jsonb(line)), '[]') FROM line)
WHERE part = :part AND EXISTS (SELECT FROM turn)"""

# Each open row is in one status: parked, else unknown (a debit that left more than ten seconds ago has no definite
# answer), else owed as `ops owed` has it, else overdue, else open. Only a bet that waits for its result, as most do,
# needs no look at its movements.
OPEN = Statement(
    NoRow,
    f"""
WITH {_TURN},
moving AS MATERIALIZED (
    SELECT 'bet' AS subject, bet_id, casino_id, provider_id, currency, stake, opened_at,
           CASE WHEN state <> 'settling' THEN stake
                ELSE CASE WHEN win_paid_at IS NULL THEN win ELSE 0 END + coalesce(jackpot, 0) END AS owed,
           stake AS debit, state IN ('settling', 'refunding') AS is_owed, withdrawn_at AS owed_since
    FROM bet WHERE closed_at IS NULL AND state <> 'acceptance'
    UNION ALL
    SELECT 'reversal', bet_id, casino_id, provider_id, currency, stake, reversal.opened_at,
           stake, win + coalesce(jackpot, 0),
           bet.state <> 'settled' OR win = 0 OR EXISTS (
               SELECT FROM movement
               WHERE movement.bet_id = bet.bet_id AND transaction_type = -2 AND movement.state = 'done'), NULL
    FROM reversal JOIN bet USING (bet_id) WHERE reversal.closed_at IS NULL
    UNION ALL
    SELECT 'cashback', cashback_id, casino_id, NULL, currency, amount, opened_at, amount, amount,
           state = 'issuing', NULL
    FROM cashback WHERE closed_at IS NULL AND owner IS NOT NULL
    UNION ALL
    SELECT 'cashback', cashback_id, casino_id, NULL, currency, amount, opened_at, amount, amount,
           state = 'issuing', NULL
    FROM cashback WHERE closed_at IS NULL AND owner IS NULL
),
standing AS (
    SELECT subject, casino_id, provider_id, currency,
           CASE WHEN sent.state = 'parked' THEN 'parked' WHEN is_owed THEN 'owed'
                WHEN sent.first_sent_at < now() - interval '10 seconds' THEN 'unknown' ELSE 'open' END AS status,
           CASE WHEN is_owed THEN owed WHEN sent.state IS NOT NULL THEN debit ELSE stake END AS amount,
           coalesce(sent.first_sent_at, owed_since, opened_at) AS since
    FROM moving LEFT JOIN LATERAL (
        SELECT state, first_sent_at FROM movement
        WHERE movement.bet_id = moving.bet_id AND state IN ('sending', 'parked') AND (transaction_type > 0) = is_owed
        ORDER BY first_sent_at DESC LIMIT 1) AS sent ON true
    UNION ALL
    SELECT 'bet', casino_id, provider_id, currency,
           CASE WHEN withdrawn_at IS NOT NULL THEN 'owed' WHEN due < now() THEN 'overdue' ELSE 'open' END, stake,
           CASE WHEN withdrawn_at IS NOT NULL THEN withdrawn_at WHEN due < now() THEN due ELSE opened_at END
    FROM (
        SELECT bet.*, opened_at + make_interval(secs => CAST(provider.profile ->> 'settle_within' AS float8)) AS due
        FROM bet JOIN provider USING (provider_id) WHERE closed_at IS NULL AND state = 'acceptance') AS waiting
),
line AS (
    SELECT subject, coalesce(provider.name, '') AS provider, casino.name AS casino, currency, status,
           count(*) AS count, sum(amount) AS amount,
           CAST(extract(epoch FROM now() - min(since)) AS bigint) AS oldest
    FROM standing JOIN casino USING (casino_id) LEFT JOIN provider USING (provider_id)
    GROUP BY 1, 2, 3, 4, 5
)
{_STORE}
""",
)

JACKPOTS = Statement(
    NoRow,
    f"""
WITH {_TURN},
line AS (
    SELECT casino.name AS casino, jackpot.name AS jackpot, currency, amount,
           (SELECT count(*) FROM jackpot_stake WHERE jackpot_stake.jackpot_id = jackpot.jackpot_id AND entry IS NULL)
               AS unbooked
    FROM jackpot JOIN casino USING (casino_id) WHERE jackpot.disabled_at IS NULL
)
{_STORE}
""",
)

LIVE_ROUNDS = Statement(
    NoRow,
    f"""
WITH {_TURN},
line AS (
    SELECT game_type, count(*) AS count, CAST(extract(epoch FROM now() - min(changed_at)) AS bigint) AS oldest
    FROM live_round WHERE state = 'review' GROUP BY game_type
)
{_STORE}
""",
)

SHOWN = Statement(
    SnapshotRow,
    """
SELECT part, found, CAST(extract(epoch FROM now() - taken_at) AS bigint) AS age
FROM metric_snapshot WHERE taken_at > 'epoch' ORDER BY part
""",
)
