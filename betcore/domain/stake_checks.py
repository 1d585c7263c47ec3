"""Our own checks of a new stake, made before the casino gets any message about it. Pure."""

from decimal import Decimal

from betcore.domain.errors import Code
from betcore.domain.money import Money
from betcore.domain.partners import Provider
from betcore.domain.sessions import Session


def refusal(provider: Provider, session: Session, stake: Money, *, round_closed: bool = False) -> Code | None:
    """Return why a new stake is refused, None if it is not. ``round_closed``: its round takes no stakes any more."""
    if session.ended:
        return Code.SESSION_ENDED
    if provider.disabled or session.game_disabled or session.casino_disabled:
        return Code.GAME_DISABLED
    if session.player_blocked:
        return Code.PLAYER_BLOCKED
    if round_closed:
        return Code.ROUND_CLOSED
    if _below_minimum(session, stake):
        return Code.BELOW_MIN_BET
    if _above_maximum(session, stake):
        return Code.ABOVE_MAX_BET
    return None


def broken_limit(refused: Code | None, session: Session, stake: Money) -> str:
    """Return the limit that a refused stake breaks, in words, "" if it breaks none now.

    A repeat is answered with the first refusal, and the limit may have changed since.
    """
    if refused is Code.BELOW_MIN_BET and _below_minimum(session, stake):
        return f"below the minimum of {stake.currency} {session.min_bet:f}"
    if refused is Code.ABOVE_MAX_BET and _above_maximum(session, stake):
        return f"above the maximum of {stake.currency} {session.max_bet:f}"
    return ""


# A limit may have more decimals than the currency: it is compared, never made Money.


def _below_minimum(session: Session, stake: Money) -> bool:
    # A free round, whose stake is 0, has no minimum.
    return session.min_bet is not None and stake.minor > 0 and Decimal(str(stake)) < session.min_bet


def _above_maximum(session: Session, stake: Money) -> bool:
    return session.max_bet is not None and Decimal(str(stake)) > session.max_bet
