"""A bet's own rows, apart from movements of money: withdrawal, take-over, the log of operators, incidents."""

from temporalio import activity

from betcore.db.bets import Bets
from betcore.db.win_reviews import WinReviews
from betcore.domain.activity_inputs import DecideReview, Incident, Operation, TakeOver, Unpark, Withdraw
from betcore.domain.bet import BetRecord
from betcore.runtime import failpoints


class BetRecords:
    """The activities of a bet at the database alone."""

    def __init__(self, bets: Bets, reviews: WinReviews) -> None:
        self._bets = bets
        self._reviews = reviews

    @activity.defn(name="withdraw")
    async def withdraw(self, order: Withdraw) -> BetRecord:
        """Withdraw the bet if no success was reported to its provider; the record says whether it is withdrawn."""
        record = await self._bets.withdraw(order.bet_id, order.owner)
        if record.withdrawn_at is not None:
            await failpoints.reach("withdrawn")
        return record

    @activity.defn(name="take_over")
    async def take_over(self, order: TakeOver) -> BetRecord:
        """Take over a bet whose workflow is gone; the record's owner says whether that succeeded."""
        return await self._bets.take_over(order.resumed, order.owner)

    @activity.defn(name="decide_review")
    async def decide_review(self, order: DecideReview) -> BetRecord:
        """Record that operators release or refuse a win; the record is the bet as it stands then."""
        record = await self._reviews.decide(order.bet_id, order.owner, order.verdict)
        await failpoints.reach("review_decided")
        return record

    @activity.defn(name="unpark")
    async def unpark(self, order: Unpark) -> None:
        """Let a parked movement be sent again."""
        info = activity.info()
        name = f"{info.workflow_run_id}/{info.activity_id}"
        await self._bets.unpark(order.bet_id, order.owner, order.transaction_type, name)

    @activity.defn(name="note_operation")
    async def note_operation(self, operation: Operation) -> None:
        """Record what an operator has asked for."""
        await self._bets.note_once(operation.bet_id, "operate", operation.model_dump(mode="json", exclude={"bet_id"}))

    @activity.defn(name="file_incident")
    async def file_incident(self, incident: Incident) -> None:
        """File an incident: two sides contradict each other, and a person has to look."""
        await self._bets.file_incident(incident)
