"""Winnings in providers' calls, and jackpots beside them. The player of a known bet may have won: what cannot be read
is an incident."""

from api.provider.call import Call
from api.provider.schemas import PayInOutBody, PayOutBody
from betcore.db.bets import Bets
from betcore.db.jackpot_pools import JackpotPools
from betcore.domain.activity_inputs import Incident
from betcore.domain.errors import JackpotUnknown, Malformed
from betcore.domain.jackpots import Jackpot
from betcore.domain.money import Money
from betcore.domain.partners import Casino
from betcore.domain.sessions import RequestContext, Session
from betcore.domain.win_review import WinLimits

# The longest text of an incident about winnings.
_LONGEST_SENT = 100


class Winnings:
    """Reads winnings."""

    def __init__(self, bets: Bets, pools: JackpotPools) -> None:
        self._bets = bets
        self._pools = pools

    async def read(self, context: RequestContext, session: Session, name: str, amount: str) -> Money:
        """Return an amount, which the field ``name`` has, in the session's currency.

        Raises Malformed, after an incident, for an amount that the currency does not have.
        """
        try:
            return Money.parse(amount, session.currency)
        except Malformed:
            await self.file_unreadable(context, session, f"{name} {amount}"[:_LONGEST_SENT])
            raise

    async def read_tax(
        self, context: RequestContext, session: Session, casino: Casino, body: PayOutBody | PayInOutBody
    ) -> Money | None:
        """Return the tax in winnings, 0 if the call names none; None if the casino asks for none. Raises Malformed."""
        if not casino.profile.send.tax:
            return None
        return await self.read(context, session, "taxAmount", body.tax_amount or "0")

    async def read_jackpot(
        self, context: RequestContext, session: Session, body: PayOutBody | PayInOutBody
    ) -> Jackpot | None:
        """Return what the call asks to pay beside the winnings, None for nothing.

        Raises Malformed for an amount that the currency does not have, or one beside a pool; JackpotUnknown for a pool
        that the bet cannot win. Both after an incident. A bet that has won its pool is not asked again.
        """
        if not (body.jackpot_id or body.jackpot_amount):
            return None
        if not body.jackpot_id:
            amount = await self.read(context, session, "jackpotAmount", body.jackpot_amount)
            return Jackpot(amount=amount) if amount.minor else None
        if body.jackpot_amount:
            await self.file_unreadable(context, session, "jackpotAmount and jackpotId")
            raise Malformed("jackpotAmount is a provider's own jackpot, jackpotId a pool: a bet wins one of them")
        jackpot, record = Jackpot(jackpot_id=int(body.jackpot_id)), context.record
        if record is not None and record.jackpot_id == jackpot.jackpot_id:
            return jackpot
        bet = record or session
        if not await self._pools.can_win(int(body.jackpot_id), bet.casino_id, bet.game_id, bet.currency):
            await self.file_unreadable(context, session, f"jackpotId {body.jackpot_id}")
            raise JackpotUnknown("jackpotId is no jackpot that this bet can win")
        return jackpot

    def limits(self, call: Call, session: Session) -> WinLimits | None:
        """Return the limits beyond which a win waits for two operators, by the provider's profile as it is now."""
        return WinLimits.of(call.provider.profile, session.currency)

    async def file_unreadable(self, context: RequestContext, session: Session, sent: str) -> None:
        """File an incident if the bet is known; ``sent`` is what could not be read."""
        if context.record is None:
            return
        record, theirs = context.record, {"sent": sent, "session_id": session.session_id}
        incident = Incident(bet_id=record.bet_id, kind="unreadable_win", ours=record.facts(), theirs=theirs)
        await self._bets.file_incident(incident)
