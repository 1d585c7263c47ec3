"""Movements of money at the casino's wallet.

Each movement has two activities. ``try_...`` is the fast lane: one or two sends inside the provider's deadline, and
"unknown" as an answer. ``pursue_...`` is the slow lane: one send an attempt, and a failure that Temporal retries and
shows. Both may run again from any point: every send is counted in the movement's row before it leaves.
"""

import random
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from betcore import failpoints
from betcore.clients.casino import (
    CasinoClient,
    LastMomentPassed,
    MakeAnswer,
    Movement,
    MovementDiffers,
)
from betcore.db.bets import Bets, CasinoWord
from betcore.db.partners import Casino, Partners
from betcore.errors import Code
from betcore.ids import TransactionType
from betcore.judgement import DUPLICATE, PARKED, Verdict, judge, judge_duplicate
from betcore.messages import (
    BetRecord,
    BetState,
    CloseAtCasino,
    FindStake,
    Incident,
    Pay,
    PayIn,
    Progress,
    Retry,
    Step,
    TakeStake,
)


class Wallet:
    """The casinos' wallets, and the rows in which their movements are counted and recorded."""

    def __init__(self, bets: Bets, partners: Partners, casinos: CasinoClient) -> None:
        self._bets = bets
        self._partners = partners
        self._casinos = casinos

    @activity.defn
    async def try_stake(self, order: TakeStake) -> Step:
        """Open the bet and debit its stake, with what sends the provider's deadline allows."""
        step = await self._take_stake(order)
        for _ in range(order.pay_in.policy.fast_attempts - 1):
            if step.progress is not Progress.UNKNOWN or _now() >= order.pay_in.answer_by:
                break
            step = await self._take_stake(order)
        return step

    @activity.defn
    async def pursue_stake(self, order: TakeStake) -> Step:
        """Repeat the debit until it has a definite answer or may not be sent any more.

        Raises ApplicationError(outcome_unknown), to be retried, while it may.
        """
        step = await self._take_stake(order)
        if step.progress is Progress.UNKNOWN and _now() < order.pay_in.not_after:
            raise _again(step.detail, order.pay_in.policy.retry)
        return step

    @activity.defn
    async def find_stake(self, order: FindStake) -> Step:
        """Decide by payments/info whether the casino holds a stake that may not be sent any more.

        Raises ApplicationError(outcome_unknown), to be retried, where the casino's answer is unclear.
        """
        pay_in, bet_id, owner = order.pay_in, order.bet_id, order.owner
        casino = await self._partners.casino(pay_in.casino_id)
        try:
            found = await self._casinos.has(casino, _debit(pay_in, bet_id), pay_in.policy.attempt_timeout)
        except MovementDiffers as difference:
            record = await self._bets.park(bet_id, owner, TransactionType.ACCEPT_BET, DUPLICATE)
            return Step(progress=_standing(record), detail=str(difference), record=record)
        if found is None:
            raise _again("payments/info gave no clear answer", pay_in.policy.retry)
        await self._bets.note(bet_id, "looked", found=found)
        if found:
            record = await self._bets.accept(bet_id, owner, CasinoWord(None, None, None))
            return Step(progress=Progress.DONE, record=record)
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        if order.refund_filed:
            record = await self._bets.refund_without_debit(bet_id, owner)
        else:
            record = await self._bets.refuse_absent(bet_id, owner, Code.CASINO_UNAVAILABLE)
        return Step(progress=Progress.REFUSED, detail="the casino never took it", record=record)

    @activity.defn
    async def try_credit(self, order: Pay) -> Step:
        """Credit the player, with as many sends as the order allows."""
        step = await self._credit(order)
        for _ in range(order.sends - 1):
            if step.progress is not Progress.UNKNOWN:
                break
            step = await self._credit(order)
        return step

    @activity.defn
    async def pursue_credit(self, order: Pay) -> Step:
        """Credit the player, for as long as it takes. Raises ApplicationError(outcome_unknown), to be retried."""
        step = await self._credit(order)
        if step.progress is Progress.UNKNOWN:
            raise _again(step.detail, order.retry)
        return step

    @activity.defn
    async def close_at_casino(self, order: CloseAtCasino) -> None:
        """Tell the casino that the bet is over. Raises ApplicationError, to be retried, until it has understood."""
        casino = await self._partners.casino(order.casino_id)
        if not await self._casinos.close(casino, order.bet_id, order.attempt_timeout):
            raise ApplicationError("the casino did not confirm the close", type=Code.OUTCOME_UNKNOWN)

    async def _take_stake(self, order: TakeStake) -> Step:
        pay_in, owner = order.pay_in, order.owner
        claim = await self._bets.open(pay_in, owner, *_opening(order))
        record = claim.record
        if record.owner != owner:
            return Step(progress=Progress.FOREIGN, record=record)
        if claim.attempts is None:
            return Step(progress=_standing(record), record=record)
        casino = await self._partners.casino(pay_in.casino_id)
        if pay_in.stake.minor == 0 and not casino.profile.send.zero_stakes:
            record = await self._bets.accept(record.bet_id, owner, CasinoWord(None, None, None))
            return Step(progress=Progress.DONE, detail="a free round is not sent", record=record)
        if claim.attempts == 1 and _now() > pay_in.answer_by:
            return await self._never_sent(record.bet_id, owner)
        return await self._debit(casino, pay_in, owner, record, claim.attempts)

    async def _debit(self, casino: Casino, pay_in: PayIn, owner: str, record: BetRecord, attempts: int) -> Step:
        bet_id = record.bet_id
        movement = _debit(pay_in, bet_id)
        try:
            made = await self._casinos.make(casino, movement, pay_in.policy.attempt_timeout)
        except LastMomentPassed:
            if attempts == 1:
                return await self._never_sent(bet_id, owner)
            return Step(progress=Progress.UNKNOWN, detail="its last moment has passed", record=record)
        failpoints.reach("debit_answered")
        verdict = await self._verdict(casino, movement, made, attempts, pay_in.policy.attempt_timeout)
        match verdict.progress:
            case Progress.DONE:
                record = await self._bets.accept(bet_id, owner, _word(made))
                if record.accepted_at is None:
                    return await self._taken_after_its_end(record, movement)
            case Progress.REFUSED:
                refusal = verdict.refusal or Code.CASINO_REFUSED
                record = await self._bets.refuse_only_send(
                    bet_id, owner, refusal, movement="refused", error_code=made.answer.error_code
                )
                return _refused(record, made.answer.message)
            case Progress.PARKED:
                record = await self._bets.park(bet_id, owner, movement.transaction_type, made.answer.error_code)
            case _:
                return await self._unknown(record, movement, made)
        return Step(progress=_standing(record), detail=made.answer.message, record=record)

    async def _never_sent(self, bet_id: int, owner: str) -> Step:
        """The one send that was counted did not leave: nothing can be at the casino."""
        record = await self._bets.refuse_only_send(bet_id, owner, Code.CASINO_UNAVAILABLE, movement="absent")
        return _refused(record, "too late to send")

    async def _taken_after_its_end(self, record: BetRecord, movement: Movement) -> Step:
        """The casino took a stake whose bet has ended without it: a person must give it back."""
        taken = {"transaction_id": movement.transaction_id, "amount": f"{movement.amount.currency} {movement.amount}"}
        await self._bets.file_incident(
            Incident(bet_id=record.bet_id, kind="debited_after_the_end", ours=record.facts(), theirs=taken)
        )
        return Step(progress=_standing(record), detail="debited after the end", record=record)

    async def _credit(self, order: Pay) -> Step:
        kind, owner = order.transaction_type, order.owner
        claim = await self._bets.begin_credit(order)
        if claim.record.owner != owner:
            return Step(progress=Progress.FOREIGN, record=claim.record)
        if claim.attempts is None:
            return _credited(claim.record)
        casino = await self._partners.casino(order.casino_id)
        if order.amount.minor == 0 and kind is TransactionType.BET_RETURN and not casino.profile.send.zero_stakes:
            record = await self._bets.credit_done(order.bet_id, owner, kind, CasinoWord(None, None, None))
            return Step(progress=Progress.DONE, detail="a free round is not returned", record=record)
        movement = Movement(order.bet_id, kind, order.partner_user_id, order.amount)
        made = await self._casinos.make(casino, movement, order.attempt_timeout)
        failpoints.reach("credit_answered")
        verdict = await self._verdict(casino, movement, made, claim.attempts, order.attempt_timeout)
        match verdict.progress:
            case Progress.DONE:
                record = await self._bets.credit_done(order.bet_id, owner, kind, _word(made))
            case Progress.PARKED:
                record = await self._bets.park(order.bet_id, owner, kind, made.answer.error_code)
            case _:
                return await self._unknown(claim.record, movement, made)
        return _credited(record, made.answer.message)

    async def _verdict(
        self, casino: Casino, movement: Movement, made: MakeAnswer, attempts: int, within: timedelta
    ) -> Verdict:
        if made.answer.meaning != DUPLICATE:
            return judge(movement.transaction_type, made.answer.meaning, attempts)
        try:
            listed = await self._casinos.has(casino, movement, within)
        except MovementDiffers:
            return PARKED
        return judge_duplicate(listed, attempts)

    async def _unknown(self, record: BetRecord, movement: Movement, made: MakeAnswer) -> Step:
        answer = made.answer
        await self._bets.note(
            record.bet_id,
            "answer",
            type=int(movement.transaction_type),
            progress=Progress.UNKNOWN,
            kind=answer.kind,
            error_code=answer.error_code,
        )
        detail = f"{answer.kind} {answer.error_code or ''} {answer.message}".strip()
        return Step(progress=Progress.UNKNOWN, detail=detail, record=record)


def _opening(order: TakeStake) -> tuple[BetState, Code | None]:
    """The state that a fresh row begins in: no stake is sent late, refused by ourselves, or once a Refund is filed."""
    if order.pay_in.refusal is not None:
        return BetState.REFUSED, order.pay_in.refusal
    if order.refund_filed:
        return BetState.REFUNDED, None
    if _now() > order.pay_in.answer_by:
        return BetState.REFUSED, Code.CASINO_UNAVAILABLE
    return BetState.ACCEPTING, None


def _standing(record: BetRecord) -> Progress:
    """How the debit of an own row stands that has no send to make."""
    match record.state:
        case BetState.ACCEPTING:
            return Progress.PARKED
        case BetState.REFUSED:
            return Progress.REFUSED
        case BetState.REFUNDED if record.accepted_at is None:
            return Progress.REFUSED
        case _:
            return Progress.DONE


def _refused(record: BetRecord, detail: str) -> Step:
    """A refusal, unless another process has counted a send meanwhile: then nobody knows yet."""
    return Step(
        progress=Progress.REFUSED if record.state is BetState.REFUSED else Progress.UNKNOWN,
        detail=detail,
        record=record,
    )


def _credited(record: BetRecord, detail: str = "") -> Step:
    """How a credit stands that has no send to make. Raises RuntimeError where it was never begun."""
    if record.state.is_terminal:
        return Step(progress=Progress.DONE, detail=detail, record=record)
    if record.state in (BetState.SETTLING, BetState.REFUNDING):
        return Step(progress=Progress.PARKED, detail=detail, record=record)
    raise RuntimeError(f"bet {record.bet_id} is {record.state}: nothing to credit")


def _debit(pay_in: PayIn, bet_id: int) -> Movement:
    return Movement(bet_id, TransactionType.ACCEPT_BET, pay_in.partner_user_id, pay_in.stake, pay_in.not_after)


def _word(made: MakeAnswer) -> CasinoWord:
    return CasinoWord(made.answer.error_code, made.partner_transaction_id, made.balance)


def _again(detail: str, retry: Retry) -> ApplicationError:
    """The failure of one attempt in the slow lane, with the gap to the next and jitter, so that a casino that comes
    back is not met by everybody at once."""
    exponent = min(activity.info().attempt - 1, 30)
    gap = min(retry.first * retry.factor**exponent, retry.cap)
    return ApplicationError(
        detail,
        type=Code.OUTCOME_UNKNOWN,
        next_retry_delay=gap * random.uniform(0.8, 1.2),  # noqa: S311  a spread, not a secret
        category=ApplicationErrorCategory.BENIGN,
    )


def _now() -> datetime:
    return datetime.now(UTC)
