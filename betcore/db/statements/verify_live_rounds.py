"""The statements by which ``betcore.verify`` judges rounds of live games."""

from dataclasses import dataclass

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class RoundFaultRow:
    """A round, and what is wrong with it; ``open_bet`` is one that should have been refunded by now."""

    game_type: int
    edition: int
    round_id: str
    provider: str
    open_bet: int | None
    provider_bet_id: str | None
    faults: list[str]


@dataclass(frozen=True, slots=True)
class PageRow:
    """The last of a page of rounds, and how many it has."""

    game_type: int | None
    edition: int | None
    rounds: int


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A finished round that has published a commitment."""

    game_type: int
    round_id: str
    provider: str
    commitment: str
    seed: str | None
    algorithm: str | None
    results: list[int | str]


# Pages of rounds in the order of the primary key.
NEXT = Statement(
    PageRow,
    """
WITH page AS (
    SELECT game_type, edition FROM live_round
    WHERE (game_type, edition) > (CAST(:game_type AS smallint), CAST(:edition AS bigint))
    ORDER BY game_type, edition LIMIT :limit
),
last AS (SELECT game_type, edition FROM page ORDER BY game_type DESC, edition DESC LIMIT 1)
SELECT (SELECT game_type FROM last) AS game_type, (SELECT edition FROM last) AS edition,
       (SELECT count(*) FROM page) AS rounds
""",
)

# A casino that does not answer may hold refunds up for hours.
FAULTS = Statement(
    RoundFaultRow,
    """
WITH page AS (
    SELECT * FROM live_round
    WHERE (game_type, edition) > (CAST(:game_type AS smallint), CAST(:edition AS bigint))
    ORDER BY game_type, edition LIMIT :limit
),
judged AS (
    SELECT page.game_type, edition, page.round_id, provider.name AS provider, late.bet_id AS open_bet,
           late.provider_bet_id, array_remove(ARRAY[
        CASE WHEN (state = 'finished') <> (results IS NOT NULL AND results <> '[]') THEN 'results' END,
        CASE WHEN state IN ('finished', 'cancelled') AND finished_at IS NULL THEN 'no_end' END,
        CASE WHEN page.provider_id <> live_game.provider_id THEN 'another_provider' END,
        CASE WHEN late.bet_id IS NOT NULL THEN 'open_bet' END,
        CASE WHEN refunds = 'owed' AND finished_at < now() - interval '1 day' THEN 'refunds_owed' END
    ], NULL) AS faults
    FROM page JOIN live_game USING (game_type) JOIN provider ON provider.provider_id = page.provider_id
    LEFT JOIN LATERAL (
        SELECT bet_id, provider_bet_id FROM bet
        WHERE refunds = 'done' AND bet.provider_id = page.provider_id AND bet.round_id = page.round_id
          AND closed_at IS NULL
        ORDER BY bet_id LIMIT 1
    ) AS late ON true
)
SELECT * FROM judged WHERE cardinality(faults) > 0 ORDER BY game_type, edition
""",
)

PROOFS = Statement(
    ProofRow,
    """
WITH page AS (
    SELECT * FROM live_round
    WHERE (game_type, edition) > (CAST(:game_type AS smallint), CAST(:edition AS bigint))
    ORDER BY game_type, edition LIMIT :limit
)
SELECT game_type, round_id, provider.name AS provider, commitment, seed, algorithm, results
FROM page JOIN provider USING (provider_id)
WHERE state = 'finished' AND commitment IS NOT NULL
""",
)
