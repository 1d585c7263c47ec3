"""The statements behind ``betcore.db.lobby``."""

from dataclasses import dataclass

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class LobbyGameRow:
    """A game that can be played now; ``currencies`` is None if it has no limits, and is played in any currency."""

    game_id: int
    name: str
    provider: str
    category: str | None
    image_url: str | None
    currencies: list[str] | None
    place: str


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """A category that has games."""

    category: str


@dataclass(frozen=True, slots=True)
class CurrencyRow:
    """A currency in which a game is played."""

    currency: str


# By the index in the order of the names, from where the page before has ended: only games that do not fit are read in
# vain. A game with limits of the first schema alone, which have no currency, is played in none.
PAGE = Statement(
    LobbyGameRow,
    """
SELECT game.game_id, game.name, provider.name AS provider, category, image_url, currencies, lower(game.name) AS place
FROM game
JOIN provider USING (provider_id)
LEFT JOIN LATERAL (
    SELECT array_agg(currency ORDER BY currency) AS currencies FROM game_limit WHERE game_limit.game_id = game.game_id
) AS limited ON true
WHERE gone_at IS NULL AND game.disabled_at IS NULL
  AND provider.disabled_at IS NULL AND provider.suspended_at IS NULL
  AND (lower(game.name), game.game_id) > (CAST(:after_place AS text), CAST(:after AS bigint))
  AND (CAST(:category AS text) IS NULL OR category = CAST(:category AS text))
  AND (CAST(:search AS text) IS NULL OR strpos(lower(game.name), lower(CAST(:search AS text))) > 0)
  AND (currencies IS NOT NULL OR (game.min_bet IS NULL AND game.max_bet IS NULL))
  AND (CAST(:currency AS text) IS NULL OR currencies IS NULL OR CAST(:currency AS text) = ANY (currencies))
ORDER BY lower(game.name), game.game_id
LIMIT CAST(:limit AS bigint)
""",
)

# From one category to the next by the index: the games between them are not read.
CATEGORIES = Statement(
    CategoryRow,
    """
WITH RECURSIVE listed AS (
    (SELECT category FROM game JOIN provider USING (provider_id)
     WHERE gone_at IS NULL AND game.disabled_at IS NULL AND category IS NOT NULL
       AND provider.disabled_at IS NULL AND suspended_at IS NULL
     ORDER BY category LIMIT 1)
    UNION ALL
    SELECT (SELECT game.category FROM game JOIN provider USING (provider_id)
            WHERE gone_at IS NULL AND game.disabled_at IS NULL AND game.category > listed.category
              AND provider.disabled_at IS NULL AND suspended_at IS NULL
            ORDER BY game.category LIMIT 1)
    FROM listed WHERE listed.category IS NOT NULL
)
SELECT category FROM listed WHERE category IS NOT NULL
""",
)

# For a visitor, who has no currency of his own.
DEMO_CURRENCY = Statement(
    CurrencyRow,
    """
SELECT currency FROM game_limit WHERE game_id = :game_id ORDER BY currency = 'EUR' DESC, currency LIMIT 1
""",
)
