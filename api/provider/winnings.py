"""Amounts of winnings in providers' calls. The player of a known bet may have won: one that cannot be read is an
incident."""

from betcore.db.bets import Bets
from betcore.domain.activity_inputs import Incident
from betcore.domain.errors import Malformed
from betcore.domain.money import Money
from betcore.domain.sessions import RequestContext, Session

# The longest text of an incident about winnings.
_LONGEST_SENT = 100


class Winnings:
    """Reads amounts of winnings."""

    def __init__(self, bets: Bets) -> None:
        self._bets = bets

    async def read(self, context: RequestContext, session: Session, name: str, amount: str) -> Money:
        """Return an amount, which the field ``name`` has, in the session's currency.

        Raises Malformed, after an incident, for an amount that the currency does not have.
        """
        try:
            return Money.parse(amount, session.currency)
        except Malformed:
            await self.file_unreadable(context, session, f"{name} {amount}"[:_LONGEST_SENT])
            raise

    async def file_unreadable(self, context: RequestContext, session: Session, sent: str) -> None:
        """File an incident if the bet is known; ``sent`` is what could not be read."""
        if context.record is None:
            return
        record, theirs = context.record, {"sent": sent, "session_id": session.session_id}
        incident = Incident(bet_id=record.bet_id, kind="unreadable_win", ours=record.facts(), theirs=theirs)
        await self._bets.file_incident(incident)
