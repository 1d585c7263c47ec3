"""Reconciliation with a casino: compares our rows with the casino's lists, and acts on what differs.

It moves no money itself: it asks the workflow that does, books a return, or files an incident.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError

from activities.book_comparison import BookComparison, Differences, Read
from activities.heartbeat import heartbeat, raise_if_worker_stops
from betcore.casino.client import CasinoClient
from betcore.db.bets import Bets
from betcore.db.partners import Partners
from betcore.db.reconciliations import Reconciliations
from betcore.domain.activity_inputs import PAID_TWICE, Incident
from betcore.domain.claims import Confirmation
from betcore.domain.compared_rows import OurBet, UnreadBet
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Action, Operate, Operated
from betcore.domain.reconciliation import (
    Difference,
    Kind,
    OpenFinding,
    Outcome,
    Reconcile,
    Reconciled,
    Run,
    SecondLook,
    Wanted,
    moving,
)
from betcore.runtime import failpoints
from betcore.temporal.schedules import start_reconciliation

_log = structlog.get_logger()
# Bets in one read and one write.
_BATCH = 100
# Characters of an error that an incident keeps.
_LONGEST_ERROR = 300
_LONGEST_GAP = timedelta(minutes=5)
# The schedule compares only bets that are older than this: newer ones may still be in flight.
_MARGIN = timedelta(minutes=10)
_FOR_AN_UPDATE = timedelta(seconds=5)
_OPERATOR = "reconciliation"
_MISSING, _LISTED = "it is owed, and the casino does not list it", "the casino lists it as made"


class Reconciler:
    """The activities of reconciliation."""

    def __init__(
        self, client: Client, reconciliations: Reconciliations, bets: Bets, partners: Partners, casinos: CasinoClient
    ) -> None:
        self._client = client
        self._runs = reconciliations
        self._bets = bets
        self._partners = partners
        self._casinos = casinos

    @activity.defn(name="start_reconciliations")
    async def start_reconciliations(self) -> int:
        """Start the scheduled run of every casino that is due; return how many were started. One that runs goes on."""
        started = 0
        async with heartbeat():
            for wanted in await self._runs.due(_MARGIN):
                # The row comes first: the schedule may fire again before the workflow has begun, and finds it then.
                await self._runs.open(wanted)
                started += await start_reconciliation(self._client, wanted)
        return started

    @activity.defn(name="open_reconciliation")
    async def open_reconciliation(self, order: Reconcile) -> int:
        """Open the run of this workflow, or find it; return its number."""
        workflow_id = activity.info().workflow_id
        if workflow_id is None:
            raise RuntimeError("a run belongs to a workflow")
        return (await self._runs.open(Wanted(order, workflow_id))).reconciliation_id

    @activity.defn(name="compare_books")
    async def compare_books(self, reconciliation_id: int) -> SecondLook:
        """Compare every bet and cashback of the run, from the one at which the last attempt stopped.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino gives no clear answer.
        """
        run = await self._runs.run(reconciliation_id)
        casino = await self._partners.casino(run.casino_id)
        comparison, began = BookComparison(self._casinos, self._runs, casino), run.compared
        async with heartbeat():
            while bets := await self._runs.behind(run, _BATCH):
                found = await comparison.compare(bets)
                clear = list(takewhile(lambda one: one is not None, found))
                if clear:
                    run = await self._record(run, bets[: len(clear)], clear)
                    await failpoints.reach("books_compared")
                if len(clear) < len(bets):
                    raise _unclear(bets[len(clear)].bet_id, progressed=run.compared > began)
                raise_if_worker_stops()
        waits = await self._runs.any_open(reconciliation_id)
        return SecondLook(wanted=waits, after=timedelta(seconds=casino.profile.effect_within))

    @activity.defn(name="look_again")
    async def look_again(self, reconciliation_id: int) -> None:
        """Compare a second time what findings are of that wait for it, and act on those that stand.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino gives no clear answer.
        """
        run = await self._runs.run(reconciliation_id)
        casino = await self._partners.casino(run.casino_id)
        comparison, after, decided = BookComparison(self._casinos, self._runs, casino), 0, False
        async with heartbeat():
            while findings := await self._runs.open_findings(reconciliation_id, after, _BATCH):
                bets = await self._runs.named(sorted({finding.bet_id for finding in findings}))
                found = await comparison.compare(bets)
                clear = {bet.bet_id: (bet, one) for bet, one in zip(bets, found, strict=True) if one is not None}
                for finding in findings:
                    if finding.bet_id in clear:
                        await self._decide(run, finding, *clear[finding.bet_id])
                        decided = True
                unclear = [bet.bet_id for bet in bets if bet.bet_id not in clear]
                if unclear:
                    raise _unclear(unclear[0], progressed=decided)
                after = findings[-1].finding_id
                raise_if_worker_stops()

    @activity.defn(name="end_reconciliation")
    async def end_reconciliation(self, reconciliation_id: int) -> Reconciled:
        """End the run and return its summary: every bet is compared, and every finding has its outcome."""
        await self._runs.end(reconciliation_id)
        return await self._runs.summary(reconciliation_id)

    async def _record(self, run: Run, bets: Sequence[Read], found: Sequence[Differences]) -> Run:
        pairs = [(bet, one) for bet, differences in zip(bets, found, strict=True) for one in differences or ()]
        for bet in bets:
            if isinstance(bet, UnreadBet):
                await self._pass_over(bet)
        written = []
        for bet, difference in pairs:
            asks = difference.remedy is Outcome.ASKED_THE_BET
            written.append((bet.bet_id, await self._ask_workflow(run, bet, difference) if asks else difference))
        moved = await self._runs.compared(run, bets, written)
        # None if another attempt was faster: go on from where that one stands.
        return moved or await self._runs.run(run.reconciliation_id)

    async def _pass_over(self, bet: UnreadBet) -> None:
        """File an incident for a bet that cannot be read: it is passed over, else all bets behind it would wait."""
        _log.error("unreadable", bet_id=bet.bet_id, error=bet.why)
        await self._bets.file_incident(
            Incident(bet_id=bet.bet_id, kind="unreadable", ours={"why": bet.why[:_LONGEST_ERROR]}, theirs={})
        )

    async def _decide(self, run: Run, finding: OpenFinding, bet: Read, found: Sequence[Difference]) -> None:
        standing = next((one for one in found if one.transaction_type == finding.transaction_type), None)
        outcome = await self._act_on(run, bet, standing) if standing else _outcome_if_gone(bet, finding)
        await failpoints.reach("difference_healed")
        await self._runs.decide([(finding.finding_id, outcome, standing)])

    async def _act_on(self, run: Run, bet: Read, difference: Difference) -> Outcome:
        match difference.remedy:
            case Outcome.RETURNED if isinstance(bet, OurBet):
                confirmation = Confirmation(None, difference.theirs.get("partner_transaction_id"), None)
                await self._bets.taken_after_the_end(bet.record, confirmation, difference.theirs)
                return Outcome.RETURNED
            case Outcome.ASKED_THE_BET:
                return (await self._ask_workflow(run, bet, difference)).remedy
            case Outcome.INCIDENT:
                await self._bets.file_incident(
                    Incident(
                        bet_id=bet.bet_id,
                        kind=incident_kind(difference),
                        ours=difference.ours,
                        theirs=difference.theirs,
                    )
                )
        return difference.remedy

    async def _ask_workflow(self, run: Run, bet: Read, difference: Difference) -> Difference:
        """Ask the bet's workflow to send or find the movement now; if that fails, leave the bet to itself."""
        if isinstance(bet, UnreadBet):
            return difference
        workflow_id = bet.workflow_id
        reason = _LISTED if difference.theirs else _MISSING
        try:
            await self._client.get_workflow_handle(workflow_id).execute_update(
                "operate",
                Operate(action=Action.RETRY, operator=_OPERATOR, reason=reason, bet_id=bet.bet_id),
                # The update id makes a batch that is compared again ask for nothing new.
                id=f"{_OPERATOR}-{run.reconciliation_id}-{difference.transaction_type}",
                result_type=Operated,
                rpc_timeout=_FOR_AN_UPDATE,
            )
        except (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            _log.info("left to the bet", bet_id=bet.bet_id, workflow_id=workflow_id, error=str(error.cause or error))
            return moving([difference])[0]
        return difference


def incident_kind(difference: Difference) -> str:
    """Return the kind of the incident that is filed for a difference."""
    twice = difference.kind is Kind.STATUS and difference.ours.get("state") == "paid_by_hand"
    return PAID_TWICE if twice else f"reconciliation_{difference.kind}"


def _outcome_if_gone(bet: Read, finding: OpenFinding) -> Outcome:
    """Return the outcome of a finding that the second look does not meet: an attempt that died may have acted on it."""
    if not isinstance(bet, OurBet):
        return Outcome.NOTED
    returned = bet.ended_without_its_stake and finding.transaction_type == TransactionType.ACCEPT_BET
    return Outcome.RETURNED if returned and bet.record.reversal is not None else Outcome.NOTED


def _unclear(bet_id: int, *, progressed: bool) -> ApplicationError:
    """Return the failure of an attempt that came to a bet for which the casino gives no clear answer."""
    seconds = 1 if progressed else min(2 ** min(activity.info().attempt, 20), int(_LONGEST_GAP.total_seconds()))
    return ApplicationError(
        f"payments/info gave no clear answer for bet {bet_id}",
        type=Code.OUTCOME_UNKNOWN,
        next_retry_delay=timedelta(seconds=seconds),
        category=ApplicationErrorCategory.BENIGN,
    )
