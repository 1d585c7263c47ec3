"""Commands to workflows. A command carries all that its workflow needs to know of session, provider and casino."""

from datetime import timedelta

from temporalio.common import TypedSearchAttributes

from api.provider.call import Call
from api.provider.schemas import PayInBody, PayInOutBody, PayOutBody
from betcore.domain import live_rounds, stake_checks
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.jackpots import Jackpot
from betcore.domain.live_rounds import RoundState
from betcore.domain.messages import PayIn, PayOut, Refund, Reverse
from betcore.domain.money import Money
from betcore.domain.partners import Casino
from betcore.domain.policy import BetPolicy
from betcore.domain.sessions import Session
from betcore.domain.win_review import WinLimits
from betcore.temporal import visibility


def pay_in(
    call: Call,
    session: Session,
    casino: Casino,
    body: PayInBody | PayInOutBody,
    jackpot: Jackpot | None,
    round_state: RoundState | None,
    limits: WinLimits | None = None,
) -> PayIn:
    """Return the command to take a stake, with our own refusal of it if there is one.

    Raises Malformed for an amount that the session's currency does not have.
    """
    one_step = isinstance(body, PayInOutBody)
    round_closed = live_rounds.refuses_stake(round_state, one_step=one_step)
    provider, stake = call.provider, Money.parse(body.bet_amount, session.currency)
    return PayIn(
        provider_id=provider.provider_id,
        counterparty_id=provider.counterparty_id,
        provider_bet_id=body.bet_id,
        session_id=session.session_id,
        casino_id=session.casino_id,
        player_id=session.player_id,
        partner_user_id=session.partner_user_id,
        game_id=session.game_id,
        round_id=body.game_round_id,
        stake=stake,
        win=Money.parse(body.win_amount, session.currency) if isinstance(body, PayInOutBody) else None,
        refusal=stake_checks.refusal(provider, session, stake, round_closed=round_closed),
        answer_by=call.answer_by,
        settle_by=call.answer_by + timedelta(seconds=provider.profile.settle_within),
        policy=BetPolicy.of(provider.profile, casino.profile),
        tax=Money.parse(body.tax_amount or "0", session.currency) if casino.profile.send.tax else None,
        promo_code=body.promo_code if casino.profile.send.promo else None,
        jackpot=jackpot,
        proof=call.proof,
        limits=limits if one_step else None,
    )


def pay_out(
    call: Call,
    session: Session,
    body: PayOutBody,
    win: Money,
    tax: Money | None,
    jackpot: Jackpot | None,
    limits: WinLimits | None,
) -> PayOut:
    """Return the command to settle a bet."""
    return PayOut(
        player_id=session.player_id,
        round_id=body.game_round_id,
        win=win,
        answer_by=call.answer_by,
        bet=call.bet(body.bet_id),
        tax=tax,
        jackpot=jackpot,
        proof=call.proof,
        limits=limits,
    )


def refund(call: Call, session: Session, provider_bet_id: str) -> Refund:
    """Return the command to return a stake, with what the provider's profile lets it do to a settled bet."""
    return Refund(
        player_id=session.player_id,
        answer_by=call.answer_by,
        after_pay_out=call.provider.profile.refund_after_pay_out,
        bet=call.bet(provider_bet_id),
        proof=call.proof,
    )


def reverse(call: Call, session: Session, casino: Casino, provider_bet_id: str, record: BetRecord) -> Reverse:
    """Return the command to reverse a settled bet of the session's player, at the bet's own casino.

    Raises ValueError for a tombstone.
    """
    if record.stake is None:
        raise ValueError(f"bet {record.bet_id} is a tombstone: there is nothing to reverse")
    return Reverse(
        bet_id=record.bet_id,
        counterparty_id=call.provider.counterparty_id,
        provider_bet_id=provider_bet_id,
        casino_id=record.casino_id,
        partner_user_id=session.partner_user_id,
        stake=record.stake,
        win=record.win if record.state is BetState.SETTLED else None,
        answer_by=call.answer_by,
        policy=BetPolicy.of(call.provider.profile, casino.profile),
        proof=call.proof,
    )


def search_attributes(call: Call, session: Session, *, status: str = "open") -> TypedSearchAttributes:
    """Return the search attributes of the workflow that the call starts."""
    return visibility.at_start(
        casino=session.casino_name,
        provider=call.provider.name,
        player_ref=session.player_ref,
        game=session.provider_game_id,
        settle_by=call.answer_by + timedelta(seconds=call.provider.profile.settle_within),
        status=status,
    )
