"""The worker process: composition root. It runs workflows and activities, and probes casinos with an open breaker."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import Interceptor, PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.admission import AdmissionControl
from activities.bet_records import BetRecords
from activities.breaker_probes import BreakerProbes
from activities.cashback_rules import RuleRuns
from activities.cashback_starts import CashbackStarter
from activities.cashbacks import CashbackWallet
from activities.casino_gateway import CasinoGateway
from activities.catalogue import CatalogueKeeper
from activities.claw_backs import ClawBacks
from activities.failures import ShortFailures
from activities.jackpots import JackpotBooking
from activities.live_recovery import LiveRecovery
from activities.live_rounds import LiveRoundKeeper
from activities.marks import Marks
from activities.reconciliation import Reconciler
from activities.recovery import Recovery
from activities.round_refunds import RoundRefunder
from activities.wallet import Wallet
from betcore.casino.accept_notifications import AcceptNotifications
from betcore.casino.client import CasinoClient
from betcore.casino.http_session import http_session
from betcore.db.bets import Bets
from betcore.db.cashback_movements import CashbackMovements
from betcore.db.cashback_rules import CashbackRules as Rules
from betcore.db.cashbacks import Cashbacks
from betcore.db.catalogue_sync import CatalogueSyncs
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.database import Database, open_database
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.live_reports import LiveReports
from betcore.db.open_bets import OpenBets
from betcore.db.open_cashbacks import OpenCashbacks
from betcore.db.partners import Partners
from betcore.db.reconciliations import Reconciliations as Runs
from betcore.db.reversals import Reversals
from betcore.db.round_refunds import RoundBets
from betcore.db.signing_keys import SigningKeys
from betcore.db.win_reviews import WinReviews
from betcore.domain import currencies
from betcore.domain.ids import BETS_QUEUE, WALLET_QUEUE
from betcore.provider.client import ProviderClient
from betcore.runtime import failpoints, spans
from betcore.runtime.logging import configure_logging
from betcore.runtime.process import exit_now, run
from betcore.runtime.settings import Settings, WorkerSettings
from betcore.runtime.vault import Vault
from betcore.telemetry.temporal_metrics import TemporalMetrics
from betcore.telemetry.temporal_traces import ActivitiesTraced, MessagesTraced
from betcore.telemetry.traces import open_traces
from betcore.telemetry.worker_endpoint import WorkerEndpoint
from betcore.temporal.client import connect
from betcore.temporal.schedules import Intervals, keep_schedules
from workflows.releases.registry import WORKFLOWS, PinningRunner, deployment
from workflows.support.causes import CausesPassed
from workflows.support.outcomes import OutcomesCounted
from workflows.support.signals import SignalsOfOneArgument

Activity = Callable[..., Awaitable[object]]

# A shorter grace would cut requests to casinos at a stop: longer than the longest activity.
_GRACE = timedelta(seconds=15)
# A slow casino must not occupy all slots of a process: one casino gets the fourth part of them.
_PARTS = 4
# Temporal first offers a workflow to the worker that has it in memory. If that worker is dead, another one gets it
# after this.
_STICKY = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Activities:
    """One instance of each class of activities."""

    wallet: Wallet
    claw_backs: ClawBacks
    cashbacks: CashbackWallet
    cashback_starter: CashbackStarter
    marks: Marks
    bet_records: BetRecords
    recovery: Recovery
    reconciler: Reconciler
    catalogue: CatalogueKeeper
    rule_runs: RuleRuns
    jackpots: JackpotBooking
    live_rounds: LiveRoundKeeper
    round_refunder: RoundRefunder

    @classmethod
    def on(
        cls,
        database: Database,
        partners: Partners,
        casinos: CasinoClient,
        notifications: AcceptNotifications,
        admission: AdmissionControl,
        client: Client,
        providers: ProviderClient,
    ) -> "Activities":
        """Return all activities over one database, the partners and Temporal."""
        bets, reversals, cashbacks = Bets(database), Reversals(database), CashbackMovements(database)
        live_reports, reviews = LiveReports(database), WinReviews(database)
        gateway = CasinoGateway(bets, partners, casinos, notifications, admission)
        return cls(
            Wallet(gateway, bets, reviews, reversals, cashbacks),
            ClawBacks(gateway, bets, reversals),
            CashbackWallet(gateway, bets, cashbacks),
            CashbackStarter(client, OpenCashbacks(database)),
            Marks(gateway, casinos, bets, reversals, cashbacks),
            BetRecords(bets, reviews),
            Recovery(client, OpenBets(database), LiveRecovery(client, live_reports)),
            Reconciler(client, Runs(database), bets, partners, casinos),
            CatalogueKeeper(CatalogueSyncs(database), partners, providers),
            RuleRuns(client, Rules(database), Cashbacks(database)),
            JackpotBooking(JackpotPools(database)),
            LiveRoundKeeper(live_reports),
            RoundRefunder(client, RoundBets(database)),
        )


def workflow_worker(
    client: Client,
    settings: Settings,
    *,
    task_queue: str,
    workflows: Sequence[type],
    activities: Sequence[Activity],
    interceptors: Sequence[Interceptor] = (),
) -> Worker:
    """Return a worker for workflows and their local activities. The benchmark's floors are workers of this kind too."""
    runner = SandboxedWorkflowRunner() if settings.workflow_sandbox else UnsandboxedWorkflowRunner()
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        interceptors=interceptors,
        workflow_runner=PinningRunner(runner) if settings.worker_versioning else runner,
        deployment_config=deployment(settings.release, versioned=settings.worker_versioning),
        # The bets of one poller fill a process. With more of them it only begins more bets at once, and PayOuts wait.
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.worker_workflow_pollers),
        nonsticky_to_sticky_poll_ratio=settings.worker_new_workflow_polls,
        sticky_queue_schedule_to_start_timeout=_STICKY,
        max_cached_workflows=settings.worker_max_cached_workflows,
        max_concurrent_workflow_tasks=settings.worker_slots,
        max_concurrent_local_activities=settings.worker_slots,
        # Above 1 the SDK makes an asyncio task for each payload, to store it outside of Temporal. None is stored there.
        max_workflow_task_external_storage_concurrency=1,
        graceful_shutdown_timeout=_GRACE,
    )


def workers(
    client: Client, activities: Activities, settings: Settings, traced: Sequence[Interceptor] = ()
) -> list[Worker]:
    """Return the two workers of a process: workflows with the fast lane, and the slow lane on a queue of its own.

    ``traced`` makes spans of what they do.
    """
    wallet, claw_backs, records = activities.wallet, activities.claw_backs, activities.bet_records
    marks, cashbacks = activities.marks, activities.cashbacks
    recovery, reconciler = activities.recovery, activities.reconciler
    live = activities.live_rounds
    fast: list[Activity] = [
        *(wallet.try_stake, wallet.try_credit, claw_backs.try_claw_back),
        *(records.withdraw, records.take_over, records.unpark, records.decide_review),
        claw_backs.open_reversal,
        *(cashbacks.open_cashback, cashbacks.try_cancel),
        *(live.record_report, live.record_cancel, live.pass_time),
    ]
    slow: list[Activity] = [
        *(wallet.pursue_stake, wallet.find_stake, wallet.pursue_credit, wallet.close_at_casino, wallet.find_credit),
        *(claw_backs.pursue_claw_back, claw_backs.find_claw_back, marks.mark_stake, marks.mark_claw_back),
        *(cashbacks.pursue_cancel, cashbacks.find_cancel, marks.mark_cancel),
        activities.cashback_starter.start_cashbacks,
        *(records.file_incident, records.note_operation),
        *(recovery.resume_lost, recovery.remind_quiet, recovery.name_stuck),
        *(reconciler.start_reconciliations, reconciler.open_reconciliation, reconciler.compare_books),
        *(reconciler.look_again, reconciler.end_reconciliation, activities.catalogue.sync_catalogue),
        *(activities.rule_runs.start_cashback_rules, activities.rule_runs.pay_cashback_rule),
        *(activities.jackpots.book_contributions, activities.round_refunder.refund_round),
    ]
    bets = workflow_worker(
        client,
        settings,
        task_queue=BETS_QUEUE,
        workflows=WORKFLOWS,
        activities=fast,
        interceptors=[*traced, SignalsOfOneArgument(), OutcomesCounted(), ShortFailures()],
    )
    slow_lane = Worker(
        client,
        task_queue=WALLET_QUEUE,
        activities=slow,
        interceptors=[*traced, ShortFailures()],
        deployment_config=deployment(settings.release, versioned=settings.worker_versioning),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.worker_activity_pollers),
        max_concurrent_activities=settings.worker_slots,
        graceful_shutdown_timeout=_GRACE,
    )
    return [bets, slow_lane]


@contextmanager
def _running(work: Coroutine[object, object, None]) -> Iterator[None]:
    """Run the coroutine as a task while the block lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()


async def main() -> None:
    """Run the worker until SIGINT or SIGTERM."""
    settings = WorkerSettings()
    configure_logging(settings)
    currencies.configure(settings.crypto_currencies)
    failpoints.configure(settings.failpoints)
    tracing = open_traces(settings, "worker")
    spans.configure(tracing)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if tracing:
            stack.push_async_callback(asyncio.to_thread, tracing.close)
        database = await stack.enter_async_context(open_database(settings))
        # A limit of connections would be common to all casinos, and a slow one would delay the others: there is none.
        http = await stack.enter_async_context(http_session())
        vault = Vault.of(settings)
        keys = SigningKeys(database, vault, settings.partner_cache_seconds)
        partners = Partners(database, vault, settings.partner_cache_seconds)
        # Without HTTP nothing would ask for the SDK's metrics.
        telemetry = TemporalMetrics(http) if settings.worker_metrics_port is not None else None
        client = await connect(
            settings, telemetry.runtime if telemetry else None, [MessagesTraced(tracing)] if tracing else ()
        )
        notifications = await stack.enter_async_context(AcceptNotifications(settings))
        casinos = CasinoClient(http, keys, settings.issuer)
        breakers = CircuitBreakers(database, settings.partner_cache_seconds)
        admission = AdmissionControl(breakers, settings.worker_slots // _PARTS)
        activities = Activities.on(database, partners, casinos, notifications, admission, client, ProviderClient(http))
        traced = [CausesPassed(tracing.took), ActivitiesTraced(tracing)] if tracing else []
        both = workers(client, activities, settings, traced)
        if telemetry is not None and settings.worker_metrics_port is not None:
            endpoint = WorkerEndpoint(database, client, telemetry, lambda: all(one.is_running for one in both))
            address = settings.worker_metrics_address
            await stack.enter_async_context(endpoint.serve(address, settings.worker_metrics_port))
        for worker in both:
            await stack.enter_async_context(worker)
        every = Intervals(
            sweep=timedelta(seconds=settings.sweep_seconds),
            reconcile=timedelta(seconds=settings.reconcile_seconds),
            catalogue=timedelta(seconds=settings.catalogue_seconds),
            cashback_rules=timedelta(seconds=settings.cashback_rules_seconds),
            jackpots=timedelta(seconds=settings.jackpot_seconds),
        )
        release = settings.release if settings.worker_versioning else None
        schedules = keep_schedules(client, every, CatalogueSyncs(database), JackpotPools(database), release)
        stack.enter_context(_running(schedules))
        stack.enter_context(_running(BreakerProbes(breakers, partners, casinos).keep()))
        structlog.get_logger().info("worker ready", release=settings.release, versioned=settings.worker_versioning)
        await stop.wait()


if __name__ == "__main__":
    run(main())
    exit_now(0)
