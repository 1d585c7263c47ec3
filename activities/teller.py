"""One send of one movement, and what its answer means; for every activity that moves money."""

import random
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from betcore.clients.casino import CasinoClient, MakeAnswer, Movement, MovementDiffers
from betcore.db.bets import Bets, CasinoWord
from betcore.db.partners import Casino, Partners
from betcore.errors import Code
from betcore.judgement import DUPLICATE, PARKED, Verdict, judge, judge_duplicate
from betcore.messages import BetRecord, Retry
from betcore.orders import Incident, Progress, Step


class Teller:
    """The counter at which movements are handed to casinos."""

    def __init__(self, bets: Bets, partners: Partners, casinos: CasinoClient) -> None:
        self._bets = bets
        self._partners = partners
        self._casinos = casinos

    async def casino(self, casino_id: int) -> Casino:
        """The casino as it is known now: every attempt goes to the address of the moment."""
        return await self._partners.casino(casino_id)

    async def make(
        self, casino: Casino, movement: Movement, attempts: int, within: timedelta
    ) -> tuple[MakeAnswer, Verdict]:
        """Send a movement whose send was counted, and judge the answer. Raises LastMomentPassed where it may not leave.

        ``attempts`` are the sends that may have left this house, this one included.
        """
        made = await self._casinos.make(casino, movement, within)
        if made.answer.meaning != DUPLICATE:
            return made, judge(movement.transaction_type, made.answer.meaning, attempts)
        try:
            listed = await self._casinos.has(casino, movement, within)
        except MovementDiffers:
            return made, PARKED
        return made, judge_duplicate(listed, attempts)

    async def look(self, casino: Casino, movement: Movement, policy_retry: Retry, within: timedelta) -> bool:
        """Whether payments/info lists the movement as ours.

        Raises MovementDiffers where another one stands in its place, and ApplicationError(outcome_unknown), to be
        retried, where the answer is unclear.
        """
        found = await self._casinos.has(casino, movement, within)
        if found is None:
            raise again("payments/info gave no clear answer", policy_retry)
        await self._bets.note(movement.bet_id, "looked", type=int(movement.transaction_type), found=found)
        return found

    async def taken_after_the_end(self, record: BetRecord, movement: Movement) -> None:
        """The casino has made a debit that the rows have ended without: a person must know."""
        sides = {"ours": record.facts(), "theirs": movement.facts()}
        await self._bets.file_incident(Incident(bet_id=record.bet_id, kind="debited_after_the_end", **sides))

    async def close(self, casino: Casino, bet_id: int, within: timedelta, *, closed: bool) -> None:
        """Close a bet at the casino, or open it again. Raises ApplicationError, to be retried, until that is done."""
        if not await self._casinos.close(casino, bet_id, within, closed=closed):
            raise ApplicationError("the casino did not confirm the close", type=Code.OUTCOME_UNKNOWN)

    async def unknown(self, record: BetRecord, movement: Movement, made: MakeAnswer) -> Step:
        """Write down an answer that decides nothing."""
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


# What a movement that is not sent leaves in its row.
NO_WORD = CasinoWord(None, None, None)


def word_of(made: MakeAnswer) -> CasinoWord:
    """What the casino's answer adds to the row."""
    return CasinoWord(made.answer.error_code, made.partner_transaction_id, made.balance)


def again(detail: str, retry: Retry) -> ApplicationError:
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


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
