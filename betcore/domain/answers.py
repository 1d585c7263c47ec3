"""The answer to a provider's call, given the bet's row. Pure: the API and the workflow both answer from here.

``None`` means done, ``Code.OUTCOME_UNKNOWN`` that the row does not decide it yet; any other code is a refusal.
"""

from betcore.domain.bet import BetRecord, BetState, ReversalState
from betcore.domain.errors import Code
from betcore.domain.jackpots import Jackpot
from betcore.domain.messages import PayIn, PayOut, Refund


def to_pay_in(record: BetRecord, call: PayIn) -> Code | None:
    """Return the answer to a PayIn or PayInOut. The API sends "done" only after it has recorded ``told_at``."""
    if record.stake is not None and not _is_of(record, call):
        return Code.DIFFERENT_DATA
    if record.state is BetState.REFUSED:
        return Code.BET_REFUSED if record.refusal in (None, Code.NEVER_SEEN) else record.refusal
    if record.state is BetState.ACCEPTING:
        return Code.OUTCOME_UNKNOWN
    if record.told_at is None and (record.withdrawn_at is not None or record.reversed_by is not None):
        return Code.ALREADY_REFUNDED
    if record.one_step and record.state in (BetState.ACCEPTANCE, BetState.SETTLING):
        return Code.OUTCOME_UNKNOWN
    return None


def _is_of(record: BetRecord, call: PayIn) -> bool:
    """Return whether a call repeats the one that opened the bet. A PayIn's win arrives later, in another call."""
    ours = (record.player_id, record.game_id, record.round_id, record.stake, record.one_step)
    theirs = (call.player_id, call.game_id, call.round_id, call.stake, call.win is not None)
    tax = record.win_tax if record.one_step else record.stake_tax
    extras = _may_be_same(tax, call.tax) and _may_be_same(record.promo_code, call.promo_code)
    same_win = call.win is None or (call.win == record.win and names_jackpot_of(record, call.jackpot))
    return ours == theirs and extras and same_win


def names_jackpot_of(record: BetRecord, jackpot: Jackpot | None) -> bool:
    """Return whether a call names the jackpot that the bet wins: its pool, or the provider's amount; or rightly none.

    The amount of a pool is not asked for: it is what the bet has taken.
    """
    amount = record.jackpot if record.jackpot_id is None else None
    asked = jackpot or Jackpot()
    return (asked.amount, asked.jackpot_id) == (amount, record.jackpot_id)


def _may_be_same(ours: object, theirs: object) -> bool:
    """Return whether two values are the same, as far as both were asked for: a profile may have changed between."""
    return ours is None or theirs is None or ours == theirs


def to_pay_out(record: BetRecord, call: PayOut) -> Code | None:
    """Return the answer to a PayOut. A provider may send it in a newer session than the bet's own."""
    if contradicts(record, call):
        return Code.DIFFERENT_DATA
    match record.state:
        case BetState.ACCEPTANCE if record.withdrawn_at is not None:
            # No pay-out can begin any more: the stake goes back.
            return Code.ALREADY_REFUNDED
        case BetState.ACCEPTANCE if is_refused(record, call):
            return Code.WIN_REFUSED
        case BetState.REFUSED:
            return Code.NEVER_SEEN if record.refusal is Code.NEVER_SEEN else Code.BET_REFUSED
        case BetState.REFUNDING | BetState.REFUNDED:
            return Code.ALREADY_REFUNDED
        case BetState.SETTLED:
            # A reversal has debited the win again.
            return Code.ALREADY_REFUNDED if record.reversed_by is not None else None
        case _:
            return Code.OUTCOME_UNKNOWN


def is_refused(record: BetRecord, call: PayOut) -> bool:
    """Return whether operators have refused to pay what a call asks for. Another win may still be right."""
    return record.review is not None and record.review.refuses(call.win, call.jackpot)


def is_in_review(record: BetRecord | None, call: PayIn | PayOut) -> bool:
    """Return whether what a call asks to pay waits for operators: no repeat of it changes anything."""
    return record is not None and record.review is not None and record.review.holds(call.win, call.jackpot)


def to_refund(record: BetRecord, call: Refund) -> Code | None:
    """Return the answer to a Refund: done only when the player has the stake again."""
    if record.player_id != call.player_id:
        return Code.DIFFERENT_DATA
    match record.state:
        case BetState.REFUSED:
            return Code.BET_REFUSED
        case BetState.SETTLING if wants_reversal(record, call):
            return Code.OUTCOME_UNKNOWN
        case BetState.SETTLED if wants_reversal(record, call):
            return _to_reversal(record)
        case BetState.SETTLING | BetState.SETTLED:
            return Code.ALREADY_SETTLED
        case BetState.REFUNDED if record.reversal is not None:
            # The casino confirmed the stake after the bet had ended without it: a reversal returns it.
            return _to_reversal(record)
        case BetState.REFUNDED:
            return None
        case _:
            return Code.OUTCOME_UNKNOWN


def wants_reversal(record: BetRecord, call: Refund) -> bool:
    """Return whether a Refund reverses a settled bet: always for a PayInOut, else if the profile allows it.

    A jackpot is never taken back, and so the bet that has won it is not.
    """
    if record.has_jackpot:
        return False
    return record.one_step or record.reversal is not None or call.after_pay_out == "reverse"


def _to_reversal(record: BetRecord) -> Code | None:
    match record.reversal and record.reversal.state:
        case ReversalState.REVERSED:
            return None
        case ReversalState.REFUSED:
            return Code.CASINO_REFUSED
        case _:
            return Code.OUTCOME_UNKNOWN


def is_of_another_bet(bet: PayIn, record: BetRecord | None, call: PayOut | Refund) -> bool:
    """Return whether a call names another bet, or contradicts this one. A call of an older release names none."""
    if call.bet is not None and call.bet != (bet.counterparty_id, bet.provider_bet_id):
        return True
    return contradicts(record or bet, call)


def contradicts(bet: BetRecord | PayIn, call: PayOut | Refund) -> bool:
    """Return whether a call names another player, currency, round or win than the bet has, or does not fit it."""
    if bet.player_id != call.player_id:
        return True
    if isinstance(call, Refund):
        return False
    if isinstance(bet, PayIn):
        one_step, currency = bet.win is not None, bet.stake.currency
    else:
        one_step, currency = bet.one_step, bet.currency
    if one_step:
        return True
    if currency != call.win.currency or bet.round_id not in (None, call.round_id):
        return True
    if isinstance(bet, PayIn) or bet.win is None:
        return False
    if not names_jackpot_of(bet, call.jackpot):
        return True
    return bet.win != call.win or not _may_be_same(bet.win_tax, call.tax)


def conflicts(filed: PayOut | Refund, call: PayOut | Refund) -> bool:
    """Return whether a call after the deciding one asks for money that it will not get."""
    if not isinstance(call, PayOut):
        return False
    if not isinstance(filed, PayOut):
        return call.win.minor > 0 or call.jackpot is not None
    return (call.win, call.jackpot) != (filed.win, filed.jackpot) or not _may_be_same(filed.tax, call.tax)
