"""A player's session, and what a provider's request finds in the database when it comes."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.domain.bet import BetRecord
from betcore.domain.live_rounds import RoundState


@dataclass(frozen=True, slots=True)
class Session:
    """A player in a game of a provider, for real money. ``ended``: it was ended or has expired, and takes no new stake.

    Limits are major units of the session's currency: of the game's, the casino's and the session's own the strictest.
    """

    session_id: str
    currency: str
    ended: bool
    player_id: int
    player_ref: str
    partner_user_id: str
    player_blocked: bool
    casino_id: int
    casino_name: str
    casino_disabled: bool
    game_id: int
    provider_game_id: str
    game_disabled: bool
    min_bet: Decimal | None
    max_bet: Decimal | None
    # The casino's TagId, 0 if it gave none.
    tag_id: int = 0


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What stood in the database when the call came; ``seen_at`` is the database's clock.

    ``ids_since`` is since when no request id was lost: a call that was sent before may have been answered already.
    ``demo_currency`` is that of a demo: it has no session in which money could move. ``round_state`` is that of a
    stake's round, None unless it is known as one of a live game.
    """

    seen_at: datetime
    ids_since: datetime
    demo_currency: str | None
    session: Session | None
    record: BetRecord | None
    round_state: RoundState | None = None
