"""The statements behind ``betcore.db.cashback_rules``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import Statement
from betcore.domain.cashback_rules import RuleRun


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a casino's rule, the end of the rule's last window, and the time."""

    version_id: int
    casino_id: int
    casino: str
    name: str
    rule: dict[str, object]
    time_zone: str
    created_at: datetime
    retired_at: datetime | None
    paid_to: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class LossesRow:
    """What the bets of a player have moved in a window and a currency."""

    player_id: int
    currency: str
    is_blocked: bool
    stakes: Decimal
    returns: Decimal
    payouts: Decimal
    jackpots: Decimal
    claw_backs: Decimal


@dataclass(frozen=True, slots=True)
class PageRow:
    """The last player of a page, how many it has, and the losses of one of them; None if no one has lost anything."""

    upto: int | None
    players: int
    losses: LossesRow | None


@dataclass(frozen=True, slots=True)
class OriginRow:
    """Where a cashback comes from; ``casino`` is its name, and ``rule`` is None if no rule has ordered it."""

    cashback_id: int
    casino: str
    partner_user_id: str
    currency: str
    amount: Decimal
    state: str
    source: str
    key: str
    reason: str
    opened_at: datetime
    version_id: int | None
    rule: dict[str, object] | None
    time_zone: str | None
    period_from: datetime | None
    period_to: datetime | None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A bet that has ended in a window, or was taken back in it, and what that has moved."""

    bet_id: int
    at: datetime
    is_reversal: bool
    provider: str
    provider_bet_id: str
    game: str
    stakes: Decimal
    returns: Decimal
    payouts: Decimal
    jackpots: Decimal
    claw_backs: Decimal


@dataclass(frozen=True, slots=True)
class RunShownRow:
    """A run, the name of its casino, and what its cashbacks in one currency add up to; none has no currency."""

    run: RuleRun
    casino: str
    share: str
    currency: str | None
    cashbacks: int
    amount: Decimal | None


# The bets of each player in ``wanted`` that have ended in the window of the same row. A bet counts with all that it has
# moved when it ends, a reversal when the reversal ends: no movement has to wait for a later window. What ended without
# its stake counts for nothing, even if the stake turns out to have been taken: it goes back whole.
# Each part is read by its index, a player at a time: joined, PostgreSQL may rather read the whole table of bets.
_CASES = """cases AS (
    SELECT wanted.player_id, wanted.currency, ended.bet_id, ended.at, ended.is_reversal,
           moved.stakes, moved.returns, moved.payouts, moved.jackpots, moved.claw_backs
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT bet_id, game_id, closed_at AS at, false AS is_reversal,
               CASE state WHEN 'refunded' THEN ARRAY[-1, 2] ELSE ARRAY[-1, 1, 4] END AS types
        FROM bet
        WHERE bet.player_id = wanted.player_id AND bet.currency = wanted.currency AND refusal IS NULL
          AND bet.closed_at >= wanted.period_from AND bet.closed_at < wanted.period_to AND accepted_at IS NOT NULL
        UNION ALL
        SELECT bet.bet_id, game_id, reversal.closed_at, true, ARRAY[-2, 2]
        FROM reversal JOIN bet USING (bet_id)
        WHERE reversed_player_id = wanted.player_id AND reversed_currency = wanted.currency
          AND reversal.closed_at >= wanted.period_from AND reversal.closed_at < wanted.period_to
          AND reversal.state = 'reversed' AND bet.state = 'settled'
    ) AS ended
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount) FILTER (WHERE transaction_type = -1), 0) AS stakes,
               coalesce(sum(amount) FILTER (WHERE transaction_type = 2), 0) AS returns,
               coalesce(sum(amount) FILTER (WHERE transaction_type = 1), 0) AS payouts,
               coalesce(sum(amount) FILTER (WHERE transaction_type = 4), 0) AS jackpots,
               coalesce(sum(amount) FILTER (WHERE transaction_type = -2), 0) AS claw_backs
        FROM movement
        WHERE movement.bet_id = ended.bet_id AND transaction_type = ANY(ended.types)
          AND movement.state IN ('done', 'paid_by_hand')
    ) AS moved
    WHERE ended.game_id <> ALL(wanted.excluded_games)
)"""

VERSIONS = Statement(
    VersionRow,
    """
SELECT version.*, casino.name AS casino, now() AS now,
       (SELECT max(period_to) FROM cashback_rule_run AS run
        WHERE run.casino_id = version.casino_id AND run.name = version.name) AS paid_to
FROM cashback_rule_version AS version JOIN casino USING (casino_id)
WHERE disabled_at IS NULL AND (casino.name = :casino OR CAST(:casino AS text) IS NULL)
ORDER BY version.casino_id, version.name, version.created_at
""",
)

# A window that has a run keeps it, with the version and the games by which it was begun.
OPEN = Statement(
    RuleRun,
    """
WITH opened AS (
    INSERT INTO cashback_rule_run (casino_id, name, version_id, period_from, period_to, excluded_games)
    SELECT casino_id, name, version_id, :period_from, :period_to,
           ARRAY(SELECT game_id FROM game WHERE rule -> 'excluded_categories' ? category ORDER BY game_id)
    FROM cashback_rule_version WHERE version_id = :version_id
    ON CONFLICT (casino_id, name, period_to) DO NOTHING
    RETURNING *
)
SELECT * FROM opened
UNION ALL
SELECT run.* FROM cashback_rule_run AS run JOIN cashback_rule_version AS version USING (casino_id, name)
WHERE version.version_id = :version_id AND period_to = :period_to AND NOT EXISTS (SELECT FROM opened)
""",
)

RUN = Statement(RuleRun, "SELECT * FROM cashback_rule_run WHERE run_id = :run_id")
LAST = Statement(
    RuleRun,
    """
SELECT run.* FROM cashback_rule_run AS run JOIN casino USING (casino_id)
WHERE casino.name = :casino AND run.name = :name ORDER BY period_to DESC LIMIT 1
""",
)
UNENDED = Statement(
    RuleRun,
    """
SELECT run.* FROM cashback_rule_run AS run JOIN casino USING (casino_id)
WHERE ended_at IS NULL AND casino.disabled_at IS NULL ORDER BY run_id
""",
)
RULE_OF = Statement(
    VersionRow,
    """
SELECT version.*, casino.name AS casino, now() AS now, CAST(NULL AS timestamptz) AS paid_to
FROM cashback_rule_version AS version JOIN casino USING (casino_id) WHERE version_id = :version_id
""",
)

# One row at least: without players its ``upto`` is NULL, and the run is at its end.
PAGE = Statement(
    PageRow,
    f"""
WITH page AS (
    SELECT player_id, blocked_at IS NOT NULL AS is_blocked FROM player
    WHERE casino_id = (SELECT casino_id FROM cashback_rule_run WHERE run_id = :run_id) AND player_id > :after
    ORDER BY player_id LIMIT :limit
),
wanted AS (
    SELECT page.player_id, found.currency, run.period_from, run.period_to, run.excluded_games
    FROM cashback_rule_run AS run CROSS JOIN page CROSS JOIN LATERAL (
        WITH RECURSIVE known AS (
            SELECT min(currency) AS currency FROM bet WHERE bet.player_id = page.player_id
            UNION ALL
            SELECT (SELECT min(bet.currency) FROM bet
                    WHERE bet.player_id = page.player_id AND bet.currency > known.currency)
            FROM known WHERE known.currency IS NOT NULL
        )
        SELECT currency FROM known WHERE currency IS NOT NULL
    ) AS found
    WHERE run.run_id = :run_id
),
{_CASES},
losses AS (
    SELECT player_id, currency, sum(stakes) AS stakes, sum(returns) AS returns, sum(payouts) AS payouts,
           sum(jackpots) AS jackpots, sum(claw_backs) AS claw_backs
    FROM cases GROUP BY player_id, currency
),
ended AS (
    SELECT max(player_id) AS upto, count(*) AS players FROM page
)
SELECT upto, players, losses.*, is_blocked
FROM ended LEFT JOIN (losses JOIN page USING (player_id)) ON true
ORDER BY player_id, currency
""",
)

# The statement names the place that it has seen: of two attempts at once one counts a page.
ADVANCE = Statement(
    RuleRun,
    """
UPDATE cashback_rule_run
SET last_player_id = :upto, players = players + :players, opened = opened + :opened, blocked = blocked + :blocked,
    unread = unread + :unread, contradicted = contradicted + :contradicted
WHERE run_id = :run_id AND times = :times AND last_player_id = :after AND ended_at IS NULL
RETURNING *
""",
)
END = Statement(
    RuleRun,
    """
UPDATE cashback_rule_run SET ended_at = now()
WHERE run_id = :run_id AND times = :times AND last_player_id = :after AND ended_at IS NULL
RETURNING *
""",
)
AGAIN = Statement(
    RuleRun,
    """
UPDATE cashback_rule_run
SET times = times + 1, last_player_id = 0, players = 0, opened = 0, blocked = 0, unread = 0, contradicted = 0,
    ended_at = NULL
WHERE run_id = :run_id AND ended_at IS NOT NULL
RETURNING *
""",
)

SHOWN = Statement(
    RunShownRow,
    """
SELECT run.*, casino.name AS casino, rule ->> 'share' AS share, paid.currency, coalesce(paid.cashbacks, 0) AS cashbacks,
       paid.amount
FROM (SELECT run.* FROM cashback_rule_run AS run JOIN casino USING (casino_id)
      WHERE casino.name = :casino AND (run.name = :name OR CAST(:name AS text) IS NULL)
      ORDER BY period_to DESC, run_id DESC LIMIT :limit) AS run
JOIN casino USING (casino_id) JOIN cashback_rule_version AS version USING (version_id)
LEFT JOIN LATERAL (
    SELECT currency, count(*) AS cashbacks, sum(amount) AS amount FROM cashback
    WHERE rule_version_id = run.version_id AND cashback.period_to = run.period_to GROUP BY currency
) AS paid ON true
ORDER BY run.period_to DESC, run.run_id DESC, paid.currency
""",
)

ORIGIN = Statement(
    OriginRow,
    """
SELECT cashback.*, casino.name AS casino, partner_user_id, version_id, rule, time_zone
FROM cashback JOIN casino USING (casino_id) JOIN player USING (player_id)
LEFT JOIN cashback_rule_version AS version ON version_id = rule_version_id
WHERE cashback_id = :cashback_id
""",
)
# The rows that a cashback was computed from, oldest first: behind one of them, a page at a time.
CASES = Statement(
    CaseRow,
    f"""
WITH wanted AS (
    SELECT player_id, currency, greatest(cashback.period_from, :after) AS period_from, cashback.period_to,
           excluded_games
    FROM cashback JOIN cashback_rule_version AS version ON version_id = rule_version_id
    JOIN cashback_rule_run AS run
      ON run.casino_id = version.casino_id AND run.name = version.name AND run.period_to = cashback.period_to
    WHERE cashback_id = :cashback_id
),
{_CASES}
SELECT cases.*, provider.name AS provider, provider_bet_id, game.name AS game
FROM cases JOIN bet USING (bet_id) JOIN provider USING (provider_id) JOIN game ON game.game_id = bet.game_id
WHERE (at, bet_id) > (:after, :after_bet_id)
ORDER BY at, bet_id LIMIT :limit
""",
)
