"""One send of one movement, and what its answer means; for every activity that moves money."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.admission import AdmissionControl, NotAdmitted
from betcore.casino.accept_notifications import AcceptNotifications
from betcore.casino.client import CasinoAnswer, CasinoClient, Look, MakeAnswer, Movement, MovementDiffers
from betcore.db.bets import Bets, Claim, Confirmation
from betcore.db.partners import Casino, Partners
from betcore.domain.activity_inputs import Incident, Progress, Step
from betcore.domain.casino_responses import (
    AWAITED,
    DONE,
    DUPLICATE,
    PARKED,
    UNKNOWN,
    Classification,
    classify,
    classify_duplicate,
)
from betcore.domain.casino_values import short
from betcore.domain.errors import Code
from betcore.domain.messages import BetRecord, Retry

_NO_TIME, _WHILE_BUSY = timedelta(), timedelta(seconds=30)
_ACCEPT, _LISTED = "accept", "listed"


class CasinoGateway:
    """The counter at which movements are handed to casinos."""

    def __init__(
        self,
        bets: Bets,
        partners: Partners,
        casinos: CasinoClient,
        hints: AcceptNotifications,
        admission: AdmissionControl,
    ) -> None:
        self._bets = bets
        self._partners = partners
        self._casinos = casinos
        self._hints = hints
        self.admission = admission

    async def casino(self, casino_id: int) -> Casino:
        """The casino as it is known now: every attempt goes to the address of the moment."""
        return await self._partners.casino(casino_id)

    async def make(
        self, casino: Casino, movement: Movement, claim: Claim, within: timedelta, patience: timedelta = _NO_TIME
    ) -> tuple[MakeAnswer, Classification]:
        """Send a movement whose send was counted, and judge what the casino says of it.

        ``within`` is how long the answer may take; where the casino confirms with Accept, ``patience`` is how long
        that is waited for here. Raises LastMomentPassed where the movement may not leave.
        """
        async with self._hints.expect(movement.bet_id, movement.transaction_type) as told:
            if claim.counted:
                made, verdict, listed = await self._send(casino, movement, claim, within)
                final = casino.profile.confirmation == "reply" or listed
                if final or not _is_taken(made, verdict):
                    return made, verdict
            word = claim.accept or await self._accept(casino, movement, told, claim.counted, patience)
        if word is None:
            return MakeAnswer(CasinoAnswer(None, "awaited", message="its Accept is awaited")), AWAITED
        meaning = casino.profile.error_codes.get(word.error_code or "")
        answer = CasinoAnswer(meaning, _ACCEPT, word.error_code)
        made = MakeAnswer(answer, word.partner_transaction_id, word.balance)
        verdict = classify(movement.transaction_type, meaning, claim.attempts or 0)
        # A refusal that decides nothing is a failure, as an error in the answer to make is.
        decides = verdict.progress is not Progress.UNKNOWN
        await self.admission.record_result(casino, answer if decides else replace(answer, meaning=None))
        return made, verdict

    async def _send(
        self, casino: Casino, movement: Movement, claim: Claim, within: timedelta
    ) -> tuple[MakeAnswer, Classification, bool]:
        """The answer, the verdict on it, and whether payments/info has shown the movement."""
        made = await self._casinos.make(casino, movement, within)
        if not _only_taken(casino, made.answer):
            await self.admission.record_result(casino, made.answer)
        if made.answer.meaning != DUPLICATE:
            return made, classify(movement.transaction_type, made.answer.meaning, claim.attempts or 0), False
        # What was parked may be another movement under our identity: then our own sends since prove nothing.
        attempts = 1 if claim.was_parked else claim.attempts or 0
        is_done = casino.profile.duplicate_is_done
        if is_done and attempts > 1:
            return made, classify_duplicate(None, attempts, is_done=True), False
        try:
            listed = (await self._looked(casino, movement, within)).found
        except MovementDiffers as difference:
            return replace(made, theirs=difference.theirs), PARKED, False
        if listed:
            await self.admission.record_result(casino, made.answer)
        verdict = classify_duplicate(listed, attempts, is_done=is_done)
        if listed is False and verdict == UNKNOWN and await self._is_absent_for_good(casino, movement, claim):
            verdict = PARKED
        return made, verdict, bool(listed)

    async def _is_absent_for_good(self, casino: Casino, movement: Movement, claim: Claim) -> bool:
        """Return whether a credit that the casino calls a duplicate is not listed though it had the time to be; a debit
        is looked for when its last moment has passed."""
        if movement.transaction_type.is_debit:
            return False
        owned = claim.record.reversal or claim.record
        within = timedelta(seconds=casino.profile.effect_within)
        return await self._bets.duplicate_absent(movement.bet_id, owned.owner or "", movement.transaction_type, within)

    async def find(
        self, casino: Casino, movement: Movement, within: timedelta
    ) -> tuple[MakeAnswer, Classification] | None:
        """Look for a credit that may have been made; None if payments/info does not list it, or is unclear."""
        try:
            found = (await self._looked(casino, movement, within)).found
        except MovementDiffers as difference:
            answer = CasinoAnswer(None, _LISTED, DUPLICATE, str(difference))
            return MakeAnswer(answer, theirs=difference.theirs), PARKED
        if found is None:
            return None
        await self._bets.note(movement.bet_id, "looked", type=int(movement.transaction_type), found=found)
        listed = MakeAnswer(CasinoAnswer("done", _LISTED, message="payments/info lists it"))
        return (listed, DONE) if found else None

    async def _accept(
        self, casino: Casino, movement: Movement, told: asyncio.Event, sent: bool, patience: timedelta
    ) -> Confirmation | None:
        if patience > _NO_TIME:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience.total_seconds()):
                    await told.wait()
        within = timedelta(seconds=casino.profile.accept_within) if sent else _NO_TIME
        return await self._heard(movement, within)

    async def admit(self, casino: Casino, movement: Movement, gate: Callable[[Casino], Awaitable[None]]) -> None:
        """Pass a gate with something owed. Raises NotAdmitted, unless an Accept waits in the row: it is only read."""
        try:
            await gate(casino)
        except NotAdmitted:
            if casino.profile.confirmation != _ACCEPT or not await self.was_told(movement):
                raise

    async def confirmed(self, casino: Casino, movement: Movement) -> Confirmation | None:
        """The Accept by which the casino says that it has made a movement, however late. One that refuses is forgotten:
        what payments/info says is newer."""
        word = await self._heard(movement, _NO_TIME)
        if word is None:
            return None
        meaning = casino.profile.error_codes.get(word.error_code or "")
        if classify(movement.transaction_type, meaning, 1) == DONE:
            return word
        await self._bets.forget_refusal(movement.bet_id, movement.transaction_type, word.error_code)
        return None

    async def was_told(self, movement: Movement) -> bool:
        """Whether an Accept waits in the movement's row."""
        return await self._heard(movement, _NO_TIME) is not None

    async def _heard(self, movement: Movement, within: timedelta) -> Confirmation | None:
        return await self._bets.await_accept(
            movement.bet_id, movement.transaction_type, within, movement.amount.currency
        )

    async def look(self, casino: Casino, movement: Movement, policy_retry: Retry, within: timedelta) -> bool:
        """Whether payments/info lists the movement as ours.

        Raises MovementDiffers where another one stands in its place, and ApplicationError(outcome_unknown), to be
        retried, where the answer is unclear.
        """
        looked = await self._looked(casino, movement, within)
        if looked.found is None:
            raise again(f"payments/info gave no clear answer: {looked.kind}", policy_retry)
        await self._bets.note(movement.bet_id, "looked", type=int(movement.transaction_type), found=looked.found)
        return looked.found

    async def _looked(self, casino: Casino, movement: Movement, within: timedelta) -> Look:
        """Look at payments/info, and write down, once for each reason, why it is not believed, or is not ours."""
        kind = int(movement.transaction_type)
        try:
            looked = await self._casinos.look(casino, movement, within)
        except MovementDiffers as difference:
            await self._bets.note_once(movement.bet_id, "looked", {"type": kind, **difference.theirs})
            raise
        if looked.found is None:
            await self._bets.note_once(movement.bet_id, "looked", {"type": kind, "unclear": looked.kind})
        return looked

    async def taken_after_the_end(self, record: BetRecord, movement: Movement) -> None:
        """The casino has made a debit that the rows have ended without: a person must know."""
        sides = {"ours": record.facts(), "theirs": movement.facts()}
        await self._bets.file_incident(Incident(bet_id=record.bet_id, kind="debited_after_the_end", **sides))

    async def close(self, casino: Casino, bet_id: int, within: timedelta, *, closed: bool) -> None:
        """Close a bet at the casino, or open it again. Raises ApplicationError, to be retried, until that is done."""
        if not await self._casinos.close(casino, bet_id, within, closed=closed):
            raise ApplicationError("the casino did not confirm the close", type=Code.OUTCOME_UNKNOWN)

    async def unknown(
        self, casino: Casino, claim: Claim, movement: Movement, made: MakeAnswer, verdict: Classification, retry: Retry
    ) -> Step:
        """Write down an answer that decides nothing, and after a refusing Accept when the next send may leave."""
        answer, kind, record = made.answer, movement.transaction_type, claim.record
        wait = None if claim.counted else claim.waits
        await self._bets.note(
            record.bet_id,
            "answer",
            type=int(kind),
            progress=verdict.progress,
            kind=answer.kind,
            error_code=answer.error_code,
        )
        if answer.kind == _ACCEPT:
            wait = retry.gap(claim.attempts or 1)
            await self._bets.forget_refusal(record.bet_id, kind, answer.error_code, wait)
        elif verdict.progress is Progress.UNKNOWN and casino.profile.confirmation == "accept":
            # The answer is lost, the Accept may still come: from now on it is signalled.
            await self._heard(movement, _NO_TIME)
        detail = f"{answer.kind} {answer.error_code or ''} {answer.message}".strip()
        return Step(progress=verdict.progress, detail=detail, record=record, wait=wait)


def _only_taken(casino: Casino, answer: CasinoAnswer) -> bool:
    """Return whether the answer to make only says that an Accept will follow: that one tells how well the casino is."""
    return casino.profile.confirmation == _ACCEPT and answer.meaning in ("done", DUPLICATE)


def _is_taken(made: MakeAnswer, verdict: Classification) -> bool:
    """Whether a casino that confirms with Accept has the movement, and its Accept is still to come: a repeat that it
    calls a duplicate may be one that it has not applied yet."""
    return verdict == DONE or (verdict == UNKNOWN and made.answer.meaning == DUPLICATE)


# What a movement that is not sent leaves in its row.
NO_CONFIRMATION = Confirmation(None, None, None)


def confirmation_of(made: MakeAnswer) -> Confirmation:
    """What the casino's answer adds to the row."""
    return Confirmation(made.answer.error_code, made.partner_transaction_id, made.balance)


async def at_once(send: Callable[[], Awaitable[Step]], sends: int, until: datetime | None = None) -> Step:
    """The fast lane: as many sends as are allowed, until one is answered, or the row says that the next one waits."""
    try:
        step = await send()
        for _ in range(sends - 1):
            over = step.progress is not Progress.UNKNOWN or step.wait is not None
            if over or (until is not None and now() >= until):
                break
            step = await send()
    except NotAdmitted as busy:
        return Step(progress=Progress.UNKNOWN, detail=str(busy))
    return step


async def pursued(
    send: Callable[[], Awaitable[Step]], retry: Retry, accept_within: timedelta | None, until: datetime | None = None
) -> Step:
    """One attempt of the slow lane.

    Raises ApplicationError(outcome_unknown), to be retried, while there may be another one.
    """
    try:
        step = await send()
    except NotAdmitted as busy:
        # It comes back soon enough to be the probe, or to be among the first when the casino is back.
        often = retry.model_copy(update={"cap": min(retry.cap, _WHILE_BUSY)})
        raise again(str(busy), often, busy.wait) from None
    if not step.progress.is_open:
        return step
    gap = accept_within if step.progress is Progress.AWAITED and accept_within else _NO_TIME
    gap = gap if step.wait is None else step.wait
    if until is not None and now() + gap >= until:
        return step
    raise again(step.detail, retry, gap)


def again(detail: str, retry: Retry, least: timedelta = _NO_TIME) -> ApplicationError:
    """The failure of one attempt in the slow lane, with the gap to the next and jitter, so that a casino that comes
    back is not met by everybody at once."""
    gap = retry.gap(activity.info().attempt)
    return ApplicationError(
        short(detail),
        type=Code.OUTCOME_UNKNOWN,
        next_retry_delay=max(gap * random.uniform(0.8, 1.2), least),  # noqa: S311  a spread, not a secret
        category=ApplicationErrorCategory.BENIGN,
    )


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
