"""What a bet's row says of an outcome: since when it is recorded, the balance then, and why a call was refused."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from betcore.domain import answers, stake_checks
from betcore.domain.bet import BetRecord
from betcore.domain.errors import Code
from betcore.domain.messages import PayIn, PayOut, Refund
from betcore.domain.money import Money
from betcore.domain.sessions import Session


class Outcome(NamedTuple):
    """Since when the outcome has been recorded, and the balance that the casino reported with it."""

    since: datetime | None = None
    balance: Money | None = None


def opened(record: BetRecord | None) -> Outcome:
    """Return the outcome of a PayIn, or of a PayInOut, whose outcome is the end of its bet."""
    if record is None:
        return Outcome()
    if record.one_step:
        return Outcome(record.closed_at, record.closed_balance)
    return Outcome(record.accepted_at, record.accepted_balance)


def ended(record: BetRecord | None) -> Outcome:
    """Return the outcome of a PayOut or Refund: the end of the bet, or of the reversal after it."""
    last = record and (record.reversal or record)
    return Outcome(last.closed_at, last.closed_balance) if last else Outcome()


def pays_out(command: PayIn | PayOut | Refund) -> bool:
    """Return whether the call brings winnings."""
    return isinstance(command, PayOut) or (isinstance(command, PayIn) and command.win is not None)


def explanation(
    answer: Code | None, record: BetRecord | None, command: PayIn | PayOut | Refund, session: Session
) -> str:
    """Return the field or the limit that a refusal is about, "" if its code says everything. No personal data."""
    if answer is Code.DIFFERENT_DATA and record is not None:
        return "; ".join(_differences(record, command))
    return stake_checks.broken_limit(answer, session, command.stake) if isinstance(command, PayIn) else ""


def _differences(record: BetRecord, command: PayIn | PayOut | Refund) -> Iterator[str]:
    if record.player_id != command.player_id:
        # The other differences would reveal data of another player.
        yield "the session's player is not that of the bet"
        return
    if isinstance(command, PayIn):
        yield from _differences_of_stake(record, command)
    if isinstance(command, PayOut) and record.one_step:
        yield "the bet was opened by PayInOut"
    if isinstance(command, PayIn | PayOut):
        yield from _differences_of_win(record, command)


def _differences_of_stake(record: BetRecord, command: PayIn) -> Iterator[str]:
    one_step = command.win is not None
    if record.one_step != one_step:
        yield f"the bet was not opened by {'PayInOut' if one_step else 'PayIn'}"
    if record.game_id != command.game_id:
        yield "the session's game is not that of the bet"
    if record.stake != command.stake:
        yield "betAmount is not that of the bet"


def _differences_of_win(record: BetRecord, command: PayIn | PayOut) -> Iterator[str]:
    if record.round_id not in (None, command.round_id):
        yield "gameRoundId is not that of the bet"
    if command.win is None or record.win is None:
        return
    if command.win != record.win:
        yield "winAmount is not that of the bet"
    if not answers.names_jackpot_of(record, command.jackpot):
        yield "the jackpot is not that of the bet"
