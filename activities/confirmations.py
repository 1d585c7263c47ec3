"""The Accepts with which a casino confirms or refuses a movement after its answer to make: waiting for one, reading it.

The API stores an Accept in the movement's row (``betcore/db/accepts.py``); the row alone counts.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta

from activities.pending_movement import ClaimedMovement, Outcome
from betcore.casino.accept_notifications import AcceptNotifications
from betcore.casino.movement import Movement
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.bets import Bets
from betcore.domain.casino_responses import DONE, DUPLICATE, UNKNOWN, classify
from betcore.domain.claims import Confirmation, ReadAccept
from betcore.domain.partners import Casino

# The kind of an answer that is an Accept, and the profile of a casino that confirms with one.
ACCEPT = "accept"
_NO_TIME = timedelta()


class Confirmations:
    """Waits for Accepts and reads them from the rows of movements."""

    def __init__(self, bets: Bets, notifications: AcceptNotifications) -> None:
        self._bets = bets
        self._notifications = notifications

    def expect(self, movement: Movement) -> AbstractAsyncContextManager[asyncio.Event]:
        """Return a block with an event that is set when the movement's Accept is stored."""
        return self._notifications.expect(movement.bet_id, movement.transaction_type)

    async def wait(
        self, casino: Casino, claimed: ClaimedMovement, stored: asyncio.Event, patience: timedelta
    ) -> ReadAccept | None:
        """Return the Accept in the row after at most ``patience``; None if there is none.

        After a send the row keeps back the next one for as long as the casino may take for its Accept.
        """
        if patience > _NO_TIME:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience.total_seconds()):
                    await stored.wait()
        within = timedelta(seconds=casino.profile.accept_within) if claimed.claim.counted else _NO_TIME
        return await self.fetch(claimed.movement, within)

    async def fetch(self, movement: Movement, within: timedelta = _NO_TIME) -> ReadAccept | None:
        """Return the Accept in a movement's row. If there is none, a later one is signalled to the bet's workflow, and
        nothing more is sent before ``within`` has passed."""
        return await self._bets.await_accept(
            movement.bet_id, movement.transaction_type, within, movement.amount.currency
        )

    async def fetch_success(self, casino: Casino, movement: Movement) -> Confirmation | None:
        """Return the Accept by which the casino says, however late, that it has made a movement.

        One that refuses is removed from the row: what payments/info lists is newer.
        """
        confirmation = await self.fetch(movement)
        if confirmation is None:
            return None
        if is_success(casino, movement, confirmation):
            return confirmation
        await self._bets.forget_refusal(movement.bet_id, movement.transaction_type, confirmation)
        return None

    async def success_of_ended(self, casino: Casino, movement: Movement) -> Confirmation | None:
        """Return the Accept that was stored just before a movement ended without it, if it confirms the movement."""
        confirmation = await self._bets.stored_accept(movement.bet_id, movement.transaction_type)
        return confirmation if confirmation and is_success(casino, movement, confirmation) else None


def is_success(casino: Casino, movement: Movement, confirmation: Confirmation) -> bool:
    """Return whether an Accept says that the casino has made the movement."""
    meaning = casino.profile.error_codes.get(confirmation.error_code or "")
    return classify(movement.transaction_type, meaning, 1) == DONE


def outcome_of(casino: Casino, claimed: ClaimedMovement, confirmation: ReadAccept) -> Outcome:
    """Return the outcome of a movement that was confirmed or refused by an Accept.

    Another attempt may have counted a send since the claim: the sends are those of the Accept.
    """
    meaning = casino.profile.error_codes.get(confirmation.error_code or "")
    classification = classify(claimed.movement.transaction_type, meaning, confirmation.sends)
    return Outcome(CasinoAnswer(meaning, ACCEPT, confirmation.error_code), classification, confirmation)


def is_decided_by_accept(casino: Casino, outcome: Outcome) -> bool:
    """Return whether the casino has taken a movement, and the Accept that decides about it is still to come.

    A repeat that the casino calls a duplicate may be one that it has not applied yet. What payments/info lists is done.
    """
    if casino.profile.confirmation != ACCEPT or outcome.listed:
        return False
    is_duplicate = outcome.answer.meaning == DUPLICATE
    return outcome.classification == DONE or (outcome.classification == UNKNOWN and is_duplicate)


def is_only_taken(casino: Casino, answer: CasinoAnswer) -> bool:
    """Return whether an answer to make only announces an Accept: the circuit breaker counts that Accept instead."""
    return casino.profile.confirmation == ACCEPT and answer.meaning in ("done", DUPLICATE)
