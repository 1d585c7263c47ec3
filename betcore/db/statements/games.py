"""The statements behind ``betcore.db.games``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class GameRow:
    """A game as casinos see it.

    ``limits`` has ``currency``, ``min_bet`` and ``max_bet`` as texts; it is None for a game without any. ``unnamed`` is
    whether the game has limits of an older release, whose currency is not known.
    """

    game_id: int
    provider: str
    name: str
    category: str | None
    max_odd: Decimal | None
    image_url: str | None
    enabled: bool
    limits: list[dict[str, str | None]] | None
    unnamed: bool
    updated_at: datetime


# In the order of the changes: a page ends where the next one begins, whatever changes in between.
PAGE = Statement(
    GameRow,
    """
SELECT game.game_id, provider.name AS provider, game.name, category, max_odd, image_url, updated_at, limits,
       gone_at IS NULL AND game.disabled_at IS NULL AND provider.disabled_at IS NULL
           AND provider.suspended_at IS NULL AS enabled,
       min_bet IS NOT NULL OR max_bet IS NOT NULL AS unnamed
FROM game
JOIN provider USING (provider_id)
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('currency', currency, 'min_bet', CAST(limited.min_bet AS text),
                                        'max_bet', CAST(limited.max_bet AS text)) ORDER BY currency) AS limits
    FROM game_limit AS limited WHERE limited.game_id = game.game_id
) AS of_game ON true
WHERE updated_at > CAST(:changed_after AS timestamptz)
  AND (CAST(:category AS text) IS NULL OR category = CAST(:category AS text))
  AND (CAST(:provider AS text) IS NULL OR provider.name = CAST(:provider AS text))
ORDER BY updated_at LIMIT CAST(:limit AS bigint)
""",
)
