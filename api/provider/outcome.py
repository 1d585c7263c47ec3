"""What an answer is taken from: the moment and the balance that stand in the bet's row, and why a call was refused."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from betcore.db.provider_requests import Session
from betcore.domain.bet import BetRecord
from betcore.domain.errors import Code
from betcore.domain.messages import PayIn, PayOut, Refund
from betcore.domain.money import Money


class Outcome(NamedTuple):
    """Since when what is answered has stood in the row, and the balance that the casino named then."""

    since: datetime | None = None
    balance: Money | None = None


def opened(record: BetRecord | None) -> Outcome:
    """What a PayIn is answered from; a PayInOut, from the end of its bet."""
    if record is None:
        return Outcome()
    if record.one_step:
        return Outcome(record.closed_at, record.closed_balance)
    return Outcome(record.accepted_at, record.accepted_balance)


def ended(record: BetRecord | None) -> Outcome:
    """What a PayOut or Refund is answered from: the end of the bet, or of the reversal after it."""
    last = record and (record.reversal or record)
    return Outcome(last.closed_at, last.closed_balance) if last else Outcome()


def words(answer: Code | None, record: BetRecord | None, order: PayIn | PayOut | Refund, session: Session) -> str:
    """Name the field or the limit that a refusal is about; empty if its code says all. No personal data."""
    if answer is Code.DIFFERENT_DATA and record is not None:
        return "; ".join(_differences(record, order))
    if isinstance(order, PayIn) and answer in (Code.BELOW_MIN_BET, Code.ABOVE_MAX_BET):
        return _limit(answer, order.stake, session)
    return ""


def _limit(answer: Code, stake: Money, session: Session) -> str:
    """A repeat hears the first refusal, though the limit may have changed since: then it is not named."""
    asked = Decimal(str(stake))
    if answer is Code.BELOW_MIN_BET and session.min_bet is not None and asked < session.min_bet:
        return f"below the minimum of {stake.currency} {session.min_bet:f}"
    if answer is Code.ABOVE_MAX_BET and session.max_bet is not None and asked > session.max_bet:
        return f"above the maximum of {stake.currency} {session.max_bet:f}"
    return ""


def _differences(record: BetRecord, order: PayIn | PayOut | Refund) -> Iterator[str]:
    if record.player_id != order.player_id:
        # All else may be another player's, and is not said.
        yield "the session's player is not that of the bet"
        return
    if isinstance(order, PayIn):
        one_step = order.win is not None
        if record.one_step != one_step:
            yield f"the bet was not opened by {'PayInOut' if one_step else 'PayIn'}"
        if record.game_id != order.game_id:
            yield "the session's game is not that of the bet"
        if record.stake != order.stake:
            yield "betAmount is not that of the bet"
    if isinstance(order, PayOut) and record.one_step:
        yield "the bet was opened by PayInOut"
    if isinstance(order, PayIn | PayOut):
        if record.round_id not in (None, order.round_id):
            yield "gameRoundId is not that of the bet"
        if order.win is not None and record.win is not None and order.win != record.win:
            yield "winAmount is not that of the bet"
