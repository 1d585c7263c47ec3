"""What bets win beside their winnings: amounts of providers, and pools of this service."""

from betcore.db.claims import claim_of, claimed
from betcore.db.database import Database
from betcore.db.row_mapping import as_json, record_of
from betcore.db.statements import bets, jackpots
from betcore.db.win_reviews import asked_in_row
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord
from betcore.domain.claims import Claim
from betcore.runtime import failpoints


class JackpotWins:
    """The jackpots of bets, as the bet's own workflow writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decide(self, pay: Pay) -> None:
        """Record the win with the jackpot beside it, and empty its pool; nothing changes if the row has decided.

        Raises LookupError if the row waits for the decision and it cannot be made: the pool does not exist.
        """
        jackpot = pay.jackpot
        if jackpot is None:
            return
        row = await self._database.one_row(
            jackpots.DECIDE,
            bet_id=pay.bet_id,
            owner=pay.owner,
            amount=pay.amount.minor,
            tax=pay.tax.minor if pay.tax else None,
            jackpot=jackpot.amount.minor if jackpot.amount else None,
            jackpot_id=jackpot.jackpot_id,
            asked=asked_in_row(pay),
        )
        if row is not None:
            await failpoints.reach("jackpot_decided")
            return
        [stands] = await self._database.all_rows(bets.AS_IT_STANDS, bet_id=pay.bet_id)
        waits = stands.owner == pay.owner and stands.state == "acceptance" and stands.withdrawn_at is None
        waits = waits and stands.review is None
        if waits and stands.jackpot is None:
            # Paid without it, the bet would end, and its jackpot would be lost.
            raise LookupError(f"bet {pay.bet_id} cannot win {jackpot}")

    async def begin(self, pay: Pay) -> Claim[BetRecord]:
        """Count a send of a jackpot whose win is paid. Nothing is counted if it is done, or the bet is not ours."""
        row = await claimed(
            self._database,
            jackpots.BEGIN,
            bet_id=pay.bet_id,
            owner=pay.owner,
            amount=pay.amount.minor,
            data=as_json({"type": int(pay.transaction_type), "amount": str(pay.amount)}),
        )
        if row is None:
            raise LookupError(f"no bet {pay.bet_id}")
        return claim_of(row, record_of(row.bet))
