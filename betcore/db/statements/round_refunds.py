"""The statements behind ``betcore.db.round_refunds``."""

from dataclasses import dataclass

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A cancelled round whose open bets are to be refunded: its provider, and that one's profile."""

    provider_id: int
    counterparty_id: str
    provider_profile: dict[str, object]


@dataclass(frozen=True, slots=True)
class RoundBetRow:
    """An open bet of a round, and what names its workflow."""

    bet_id: int
    lives: int
    provider_bet_id: str
    player_id: int
    state: str
    one_step: bool


ROUND = Statement(
    RoundRow,
    """
SELECT live_round.provider_id, counterparty_id::text AS counterparty_id, provider.profile AS provider_profile
FROM live_round JOIN provider USING (provider_id)
WHERE game_type = CAST(:game_type AS smallint) AND round_id = :round_id AND refunds = 'owed'
""",
)
OPEN_BETS = Statement(
    RoundBetRow,
    """
SELECT bet_id, lives, provider_bet_id, player_id, state, one_step FROM bet
WHERE provider_id = :provider_id AND round_id = :round_id AND closed_at IS NULL AND bet_id > :after
ORDER BY bet_id LIMIT :limit
""",
)
REFUNDED = Statement(
    NoRow,
    """
UPDATE live_round SET refunds = 'done', changed_at = now()
WHERE game_type = CAST(:game_type AS smallint) AND round_id = :round_id AND refunds = 'owed'
""",
)
