"""Credits of a bet or a reversal at the casino's wallet: the win, and the return of the stake.

What is owed to the player is sent until the casino has made it, or a person has to decide.
"""

from dataclasses import replace
from datetime import timedelta

from activities.admission import FAST, SLOW
from activities.casino_gateway import NO_CONFIRMATION, CasinoGateway, confirmation_of, now
from betcore.casino.client import LastMomentPassed, MakeAnswer, Movement, MovementDiffers
from betcore.db.bets import Bets, Claim, Confirmation
from betcore.db.partners import Casino
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import PAID_TWICE, FindCredit, Incident, Pay, Progress, Step
from betcore.domain.casino_responses import DUPLICATE, NOT_SENT, Classification
from betcore.domain.ids import TransactionType
from betcore.domain.messages import BetRecord, BetState
from betcore.runtime import failpoints

# So many sends without a definite answer, and the casino is asked whether it has made the credit.
_LOOKED_FOR_FROM = 3


class Credits:
    """Hold the credits, and the rows in which they are counted and recorded."""

    def __init__(self, gateway: CasinoGateway, bets: Bets, reversals: Reversals) -> None:
        self._gateway = gateway
        self._bets = bets
        self._reversals = reversals

    async def find(self, order: FindCredit) -> Step:
        """Look for a parked credit that was marked as paid by hand.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino's answer is unclear.
        """
        pay = order.pay
        casino, rows, kind = await self._gateway.casino(pay.casino_id), self._rows(pay), pay.transaction_type
        if word := await self._gateway.confirmed(casino, _credit_of(pay)):
            await self._paid_twice(pay, word)
            return _credited(await rows.credit_done(pay.bet_id, pay.owner, kind, word), pay, "confirmed by an Accept")
        try:
            found = await self._gateway.look(casino, _credit_of(pay), pay.retry, pay.attempt_timeout)
        except MovementDiffers as difference:
            record = await rows.park(pay.bet_id, pay.owner, kind, DUPLICATE, difference.theirs)
            return Step(progress=Progress.PARKED, detail=str(difference), record=record)
        if not found and not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        if found:
            await self._paid_twice(pay, NO_CONFIRMATION)
        how = "done" if found else "paid_by_hand"
        record = await rows.credit_done(pay.bet_id, pay.owner, kind, NO_CONFIRMATION, how)
        return _credited(record, pay, how.replace("_", " "))

    async def attempt(self, order: Pay) -> Step:
        """Send a credit once in the fast lane. Raises NotAdmitted if the casino does not answer anyway."""
        casino = await self._gateway.casino(order.casino_id)
        await self._gateway.admit(casino, _credit_of(order), self._gateway.admission.may_try_credit)
        with self._gateway.admission.slot(casino, FAST):
            return await self._credit(casino, order, order.attempt_timeout)

    async def pursue(self, order: Pay) -> Step:
        """Send a credit once in the slow lane, when its turn has come. Raises NotAdmitted."""
        casino = await self._gateway.casino(order.casino_id)
        with self._gateway.admission.slot(casino, SLOW):
            await self._gateway.admit(casino, _credit_of(order), self._gateway.admission.owed_turn)
            return await self._credit(casino, order)

    async def _paid_twice(self, pay: Pay, word: Confirmation) -> None:
        """Tell a person, before the credit counts as done, that the casino has made what was marked as paid by hand."""
        facts = _credit_of(pay).facts()
        theirs = facts | ({"partner_transaction_id": found} if (found := word.partner_transaction_id) else {})
        ours = facts | {"state": "marked as paid by hand"}
        await self._bets.file_incident(Incident(bet_id=pay.bet_id, kind=PAID_TWICE, ours=ours, theirs=theirs))

    async def _made(
        self, casino: Casino, movement: Movement, claim: Claim, within: timedelta, patience: timedelta
    ) -> tuple[MakeAnswer, Classification]:
        """Send a credit, or find that it was made: one that was parked is looked for before it is sent again, and any
        other one once its answers decide nothing. Raises LastMomentPassed."""
        looked = claim.counted and claim.was_parked
        if looked and (found := await self._gateway.find(casino, movement, within)):
            return found
        made, verdict = await self._gateway.make(casino, movement, claim, within, patience)
        wanted = not looked and _may_be_made(claim, made, verdict)
        if wanted and (found := await self._gateway.find(casino, movement, within)):
            return found
        return made, verdict

    def _rows(self, order: Pay) -> Bets | Reversals:
        return self._reversals if order.reverses else self._bets

    async def _credit(self, casino: Casino, order: Pay, patience: timedelta = timedelta()) -> Step:
        kind, owner, rows = order.transaction_type, order.owner, self._rows(order)
        claim = await rows.begin_credit(order)
        if claim.attempts is None:
            return _credited(claim.record, order)
        # No last moment for the credit, but one for this send: a worker that was frozen here must not pay minutes later
        # what a person has paid by hand meanwhile.
        not_after = now() + timedelta(seconds=casino.profile.message_lifetime)
        await failpoints.reach("credit_counted")
        if order.amount.minor == 0 and kind is TransactionType.BET_RETURN and not casino.profile.send.zero_stakes:
            record = await rows.credit_done(order.bet_id, owner, kind, NO_CONFIRMATION)
            return _credited(record, order, "a free round is not returned")
        movement = replace(_credit_of(order), not_after=not_after, partner_user_id=claim.partner_user_id)
        try:
            made, verdict = await self._made(casino, movement, claim, order.attempt_timeout, patience)
        except LastMomentPassed:
            return Step(progress=Progress.UNKNOWN, detail="too late for this send", record=claim.record)
        await failpoints.reach("credit_answered")
        match verdict.progress:
            case Progress.DONE:
                record = await rows.credit_done(order.bet_id, owner, kind, confirmation_of(made))
            case Progress.PARKED:
                record = await rows.park(order.bet_id, owner, kind, made.answer.error_code, made.theirs)
            case _:
                return await self._gateway.unknown(casino, claim, movement, made, verdict, order.retry)
        await failpoints.reach("credit_recorded")
        return _credited(record, order, made.answer.message)


def _may_be_made(claim: Claim, made: MakeAnswer, verdict: Classification) -> bool:
    """Whether the answer to a credit may hide that an earlier send of it was made: a casino may answer repeats in words
    of its own. A duplicate was looked for already, and a casino that was not reached has no list either."""
    sends = claim.attempts or 0
    if made.answer.meaning in (DUPLICATE, NOT_SENT):
        return False
    if verdict.progress is Progress.PARKED:
        return sends > 1
    return claim.counted and verdict.progress.is_open and sends >= _LOOKED_FOR_FROM


def _decided_otherwise(record: BetRecord, order: Pay) -> bool:
    """Whether the row of an open bet stands against a credit: it has the other outcome, or another win."""
    if order.transaction_type is not TransactionType.PAY_OUT:
        return record.state is BetState.SETTLING
    withdrawn = record.state is BetState.ACCEPTANCE and record.withdrawn_at is not None
    return withdrawn or record.state is BetState.REFUNDING or record.win not in (None, order.amount)


def _credited(record: BetRecord, order: Pay, detail: str = "") -> Step:
    """How a credit stands that has no send to make. Raises RuntimeError where it was never begun."""
    owned = record.reversal if order.reverses else record
    if owned is None or owned.owner != order.owner:
        progress = Progress.FOREIGN
    elif owned.closed_at is not None:
        progress = Progress.DONE
    elif not order.reverses and _decided_otherwise(record, order):
        progress = Progress.REFUSED
    elif record.reversal is not None or record.state in (BetState.SETTLING, BetState.REFUNDING):
        progress = Progress.PARKED
    else:
        raise RuntimeError(f"bet {record.bet_id} is {record.state}: nothing to credit")
    return Step(progress=progress, detail=detail, record=record)


def _credit_of(order: Pay) -> Movement:
    return Movement(order.bet_id, order.transaction_type, order.partner_user_id, order.amount)
