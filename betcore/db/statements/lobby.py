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


# Which games fit is decided by the index ``game_lobby_page``, in the order of the names: from where the page before has
# ended it is read until there are enough games, and then the rows of these games alone. A game with limits of the first
# schema alone, which have no currency, is played in none. The limits of each game are looked at until the page is full:
# a player in whose currency few games are played costs a look at all of them, 24 ms for 20,000.
PAGE = Statement(
    LobbyGameRow,
    """
SELECT game_id, game.name, provider.name AS provider, category, image_url, place,
       (SELECT array_agg(currency ORDER BY currency) FROM game_limit WHERE game_limit.game_id = game.game_id)
           AS currencies
FROM (
    SELECT game_id, lower(name) AS place FROM game
    WHERE gone_at IS NULL AND disabled_at IS NULL
      AND (lower(name), game_id) > (CAST(:after_place AS text), CAST(:after AS bigint))
      AND (CAST(:category AS text) IS NULL OR category = CAST(:category AS text))
      AND (CAST(:search AS text) IS NULL OR strpos(lower(name), lower(CAST(:search AS text))) > 0)
      AND provider_id IN (SELECT provider_id FROM provider WHERE disabled_at IS NULL AND suspended_at IS NULL)
      AND coalesce((SELECT bool_or(CAST(:currency AS text) IS NULL OR currency = CAST(:currency AS text))
                    FROM game_limit WHERE game_limit.game_id = game.game_id),
                   min_bet IS NULL AND max_bet IS NULL)
    ORDER BY lower(name), game_id
    LIMIT CAST(:limit AS bigint)
) AS listed
JOIN game USING (game_id)
JOIN provider USING (provider_id)
ORDER BY place, game_id
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
