"""Temporal's schedules, one set for the whole service, and the start of a reconciliation.

Every worker keeps the schedules; the first one creates them.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from betcore.db.catalogue_sync import CatalogueSyncs
from betcore.db.database import DatabaseError
from betcore.db.jackpot_pools import JackpotPools
from betcore.domain.cashback_rules import RuleRun
from betcore.domain.catalogue import SyncCatalogue, Synced
from betcore.domain.ids import BETS_QUEUE, cashback_rule_workflow_id, catalogue_workflow_id
from betcore.domain.reconciliation import Wanted
from betcore.temporal.releases import rollout

SWEEP, RECONCILE, JACKPOTS = "sweep", "reconcile", "jackpots"
CASHBACKS, CASHBACK_RULES = "cashbacks", "cashback-rules"
# A run that only a release without workers can end would hold up all later ones.
_LONGEST = timedelta(minutes=15)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often each kind of schedule fires. 0 deletes the schedules of a kind, but for the sweep's."""

    sweep: timedelta
    reconcile: timedelta
    catalogue: timedelta
    cashback_rules: timedelta
    jackpots: timedelta


async def keep_schedules(
    client: Client, every: Intervals, syncs: CatalogueSyncs, pools: JackpotPools, release: str | None = None
) -> None:
    """Create the schedules or update them, and create them again if Temporal has lost them, until cancelled.

    Each provider has one of its own, by which its games are synced; a new provider gets it within ``every.sweep``. So
    does the first pool get the one by which stakes are booked; without a pool there is none.

    A ``release`` keeps them while it is the current one. If it were ramped or waited for its turn, what it schedules
    could be for workflows that the current one does not have.
    """
    fixed = {
        SWEEP: _schedule(SWEEP, "Sweep", every.sweep),
        CASHBACKS: _schedule(CASHBACKS, "CashbackStarts", every.sweep),
        RECONCILE: _schedule(RECONCILE, "Reconciliations", every.reconcile) if every.reconcile else None,
        CASHBACK_RULES: _schedule(CASHBACK_RULES, "CashbackRules", every.cashback_rules)
        if every.cashback_rules
        else None,
    }
    up_to_date: set[str] = set()
    while True:
        if await _is_current(client, release):
            found = await _of_providers(syncs, every.catalogue) | await _of_pools(pools, every.jackpots)
            for name, schedule in (fixed | found).items():
                try:
                    await _ensure(client, name, schedule, up_to_date=name in up_to_date)
                    up_to_date.add(name)
                except RPCError as error:
                    _log.warning("a schedule could not be looked after", schedule=name, error=str(error))
        else:
            # Another release may change them: this one puts them right if it becomes the current one again.
            up_to_date.clear()
        await asyncio.sleep(every.sweep.total_seconds())


async def _is_current(client: Client, release: str | None) -> bool:
    if release is None:
        return True
    try:
        return (await rollout(client)).current == release
    except RPCError as error:
        _log.warning("the schedules could not be looked after", error=str(error))
        return False


async def _of_providers(syncs: CatalogueSyncs, every: timedelta) -> dict[str, Schedule | None]:
    try:
        counterparties = await syncs.counterparties()
    except DatabaseError as error:
        _log.warning("the schedules of catalogues could not be looked after", error=str(error))
        return {}
    return {catalogue_workflow_id(one): _of_provider(one, every) if every else None for one in counterparties}


async def _of_pools(pools: JackpotPools, every: timedelta) -> dict[str, Schedule | None]:
    try:
        wanted = await pools.exist()
    except DatabaseError as error:
        _log.warning("the schedule of jackpots could not be looked after", error=str(error))
        return {}
    return {JACKPOTS: _schedule(JACKPOTS, "JackpotBookings", every)} if wanted else {}


def _of_provider(counterparty_id: str, every: timedelta) -> Schedule:
    name, order = catalogue_workflow_id(counterparty_id), SyncCatalogue(counterparty_id=counterparty_id)
    # Without jitter all providers would be asked, and all lists written, at the same moment.
    return _schedule(name, "CatalogueSync", every, order, jitter=every / 3)


def _schedule(
    name: str, workflow: str, every: timedelta, *arguments: object, jitter: timedelta | None = None
) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            workflow, args=arguments, id=name, task_queue=BETS_QUEUE, execution_timeout=_LONGEST
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)], jitter=jitter),
        # A run that takes longer than the interval would overlap with the next one: that one is skipped. After a down
        # time of Temporal one run makes up for all that were missed.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )


async def _ensure(client: Client, name: str, schedule: Schedule | None, *, up_to_date: bool) -> None:
    if schedule is None:
        if not up_to_date:
            await _delete(client, name)
        return

    def brought_up_to_date(now: ScheduleUpdateInput) -> ScheduleUpdate:
        # An update would start a schedule again that an operator has paused: its state is kept.
        return ScheduleUpdate(schedule=replace(schedule, state=now.description.schedule.state))

    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        if not up_to_date:
            await client.get_schedule_handle(name).update(brought_up_to_date)


async def _delete(client: Client, name: str) -> None:
    try:
        await client.get_schedule_handle(name).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def sync_catalogue(client: Client, order: SyncCatalogue, name: str) -> Synced:
    """Sync a provider's games now, beside its schedule; ``name`` is of this run alone. Return what that has done."""
    done: Synced = await client.execute_workflow(
        "CatalogueSync",
        order,
        id=f"{catalogue_workflow_id(order.counterparty_id)}:{name}",
        task_queue=BETS_QUEUE,
        result_type=Synced,
    )
    return done


async def request_sync(client: Client, counterparty_id: str) -> None:
    """Let a provider's schedule sync its games now, and return at once. Without a schedule the next command does it."""
    try:
        await client.get_schedule_handle(catalogue_workflow_id(counterparty_id)).trigger()
    except RPCError as error:
        _log.warning("a sync could not be requested", counterparty_id=counterparty_id, error=str(error))


async def start_reconciliation(client: Client, wanted: Wanted) -> bool:
    """Start the workflow of a run, once more if it was terminated; return False if it runs, or has completed."""
    order = wanted.order
    summary = f"casino {order.casino_id}, bets opened {_window(order.opened_from, order.opened_to)}"
    return await _start_once(client, "Reconciliation", order, wanted.workflow_id, summary)


async def start_rule_run(client: Client, run: RuleRun) -> bool:
    """Start the workflow of a rule's run, as ``start_reconciliation`` does."""
    summary = f"rule {run.name} of casino {run.casino_id}, {_window(run.period_from, run.period_to)}"
    workflow_id = cashback_rule_workflow_id(run.run_id, run.times)
    return await _start_once(client, "CashbackRuleRun", run.run_id, workflow_id, summary)


def _window(begins: datetime, ends: datetime) -> str:
    return f"{begins.astimezone(UTC):%Y-%m-%d %H:%M} to {ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


async def _start_once(client: Client, workflow: str, order: object, workflow_id: str, summary: str) -> bool:
    try:
        await client.start_workflow(
            workflow,
            order,
            id=workflow_id,
            task_queue=BETS_QUEUE,
            static_summary=summary,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
