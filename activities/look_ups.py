"""Looking up a movement in the casino's own list of a bet (payments/info); the bet's events note what the list says."""

from datetime import timedelta

from activities.pending_movement import ClaimedMovement, Outcome
from betcore.casino.client import CasinoClient, Look, MovementDiffers
from betcore.casino.movement import MakeAnswer, Movement
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.bets import Bets
from betcore.domain.activity_inputs import Progress
from betcore.domain.casino_responses import DONE, DUPLICATE, NOT_SENT, PARKED, UNKNOWN, classify_duplicate
from betcore.domain.claims import Claim
from betcore.domain.partners import Casino
from betcore.domain.records import Record

_LISTED = "listed"
# From this send of a credit on, the casino is asked for its list after each answer that decides nothing.
_LOOKED_UP_FROM_SEND = 3
_IN_THE_LIST = Outcome(CasinoAnswer("done", _LISTED, message="payments/info lists it"), DONE, listed=True)


class LookUps:
    """Asks casinos for their lists."""

    def __init__(self, bets: Bets, casinos: CasinoClient) -> None:
        self._bets = bets
        self._casinos = casinos

    async def find(self, casino: Casino, movement: Movement, within: timedelta) -> Outcome | None:
        """Return the outcome of a movement by the casino's list; None if the list does not have it, or if there is
        none.

        It is done if the list has it, parked if another movement stands in its place, unknown if the list is unclear.
        """
        if not has_list(casino, movement):
            return None
        try:
            look = await self._ask(casino, movement, within)
        except MovementDiffers as difference:
            answer = CasinoAnswer(None, _LISTED, DUPLICATE, str(difference))
            return Outcome(answer, PARKED, theirs=difference.theirs)
        if look.found is None:
            return Outcome(CasinoAnswer(None, look.kind), UNKNOWN)
        await self._bets.note(movement.bet_id, "looked", type=int(movement.transaction_type), found=look.found)
        return _IN_THE_LIST if look.found else None

    async def find_credit(self, casino: Casino, movement: Movement, within: timedelta) -> Outcome | None:
        """Return the outcome of a credit that an earlier send may have made; None if the list does not show it."""
        outcome = await self.find(casino, movement, within)
        return None if outcome is None or outcome.progress.is_open else outcome

    async def classify_duplicate(
        self, casino: Casino, claimed: ClaimedMovement, made: MakeAnswer, within: timedelta
    ) -> Outcome:
        """Return the outcome of "duplicate transaction": the list decides whose movement it is.

        A casino without a list (``duplicate_is_done``, or for cashbacks) is believed on a repeat.
        """
        is_listed = has_list(casino, claimed.movement)
        is_done = casino.profile.duplicate_is_done or not is_listed
        # A movement that was parked may be another one under our identity: our own sends since then prove nothing.
        sends = 1 if claimed.claim.was_parked else claimed.sends
        if (is_done and sends > 1) or not is_listed:
            return Outcome.of_answer(made, classify_duplicate(None, sends, is_done=True))
        try:
            listed = (await self._ask(casino, claimed.movement, within)).found
        except MovementDiffers as difference:
            return Outcome.of_answer(made, PARKED, theirs=difference.theirs)
        classification = classify_duplicate(listed, sends, is_done=is_done)
        if listed is False and classification == UNKNOWN and await self._is_absent_for_good(casino, claimed):
            classification = PARKED
        return Outcome.of_answer(made, classification, listed=bool(listed))

    async def _is_absent_for_good(self, casino: Casino, claimed: ClaimedMovement) -> bool:
        """Return whether a credit that the casino calls a duplicate is still not listed after ``effect_within``.

        A debit is looked for when its last moment has passed.
        """
        movement, record = claimed.movement, claimed.claim.record
        if movement.transaction_type.is_debit:
            return False
        within, owner = timedelta(seconds=casino.profile.effect_within), record.carrier or ""
        return await self._bets.duplicate_absent(movement.bet_id, owner, movement.transaction_type, within)

    async def _ask(self, casino: Casino, movement: Movement, within: timedelta) -> Look:
        """Ask for the list, and note, once for each reason, why it is not believed or has another movement.

        Raises MovementDiffers.
        """
        transaction_type = int(movement.transaction_type)
        try:
            look = await self._casinos.look(casino, movement, within)
        except MovementDiffers as difference:
            await self._bets.note_once(movement.bet_id, "looked", {"type": transaction_type, **difference.theirs})
            raise
        if look.found is None:
            await self._bets.note_once(movement.bet_id, "looked", {"type": transaction_type, "unclear": look.kind})
        return look


def has_list(casino: Casino, movement: Movement) -> bool:
    """Return whether the casino has a list in which the movement would be: of bets always, of cashbacks by profile."""
    return not movement.cashback or casino.profile.cashback_info


def may_be_made(claim: Claim[Record], outcome: Outcome) -> bool:
    """Return whether a credit may have been made by an earlier send although its answer does not say so.

    Some casinos answer repeats with codes of their own. A duplicate was looked up already, and a casino that was not
    reached has no list either.
    """
    sends = claim.attempts or 0
    if outcome.answer.meaning in (DUPLICATE, NOT_SENT):
        return False
    if outcome.progress is Progress.PARKED:
        return sends > 1
    return claim.counted and outcome.progress.is_open and sends >= _LOOKED_UP_FROM_SEND
