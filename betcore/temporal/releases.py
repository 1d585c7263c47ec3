"""Releases of the worker, as Temporal knows them: which of them get work, and how much is open on each.

A release is a build id of the one worker deployment. Its workers get nothing until it is ramped or current. The workers
without a version are the release ``UNVERSIONED``: they get all work until there is a current one.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.deployment.v1 import (
    RoutingConfig,
    WorkerDeploymentInfo,
    WorkerDeploymentOptions,
    WorkerDeploymentVersion,
)
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType, WorkerVersioningMode
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus as Status
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkerDeploymentVersionMetadataRequest,
)
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.errors import PreconditionFailed
from betcore.domain.ids import BETS_QUEUE, WALLET_QUEUE
from betcore.temporal import executions

DEPLOYMENT = "betcore"
UNVERSIONED = "unversioned"
_OPEN = "ExecutionStatus = 'Running'"
_UNDER_WAY = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
_LOOK_EVERY = 0.2
# A worker asks again at the latest after a minute, when Temporal has had nothing for it.
_ASKS_WITHIN = timedelta(seconds=70)
_QUEUES = (
    (BETS_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
    (WALLET_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
)
# Failing workflows that are looked at one by one.
_LOOKED_AT = 200
_REFUSALS = (
    *(RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.INVALID_ARGUMENT),
    RPCStatusCode.ABORTED,
)


@dataclass(frozen=True, slots=True)
class Release:
    """One release. ``last_current_at`` is when it was last replaced as the current one."""

    build_id: str
    status: str
    created_at: datetime
    last_current_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rollout:
    """Which releases get work: ``percent`` of it goes to ``ramping``, if that is not None, the rest to ``current``.

    The ``releases`` are listed in the order in which their first workers came.
    """

    current: str
    ramping: str | None
    percent: float
    releases: Sequence[Release]
    conflict_token: bytes
    is_under_way: bool = False

    @property
    def previous(self) -> str:
        """Return the release that was current last of those that are older than the current one.

        Without one, return ``UNVERSIONED``. A newer one that was current is the wrong one, from which it went back.
        """
        names = [one.build_id for one in self.releases]
        older = self.releases[: names.index(self.current)] if self.current in names else ()
        moments = {one.build_id: one.last_current_at for one in older if one.last_current_at is not None}
        return max(moments, key=moments.__getitem__, default=UNVERSIONED)


async def rollout(client: Client) -> Rollout:
    """Return how work is shared out now; while no worker with a version has ever run, all of it is unversioned."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT)
    try:
        found = await client.workflow_service.describe_worker_deployment(request, retry=True)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Rollout(UNVERSIONED, None, 0, (), b"")
        raise
    info, routing = found.worker_deployment_info, found.worker_deployment_info.routing_config
    return Rollout(
        current=routing.current_deployment_version.build_id or UNVERSIONED,
        ramping=_ramping(routing),
        percent=routing.ramping_version_percentage,
        releases=_releases(info),
        conflict_token=found.conflict_token,
        is_under_way=info.routing_config_update_state == _UNDER_WAY,
    )


def _ramping(routing: RoutingConfig) -> str | None:
    if routing.ramping_deployment_version.build_id:
        return routing.ramping_deployment_version.build_id
    return UNVERSIONED if routing.ramping_version_percentage else None


def _releases(info: WorkerDeploymentInfo) -> Sequence[Release]:
    return [
        Release(
            build_id=one.deployment_version.build_id,
            status=Status.Name(one.status).removeprefix("WORKER_DEPLOYMENT_VERSION_STATUS_").lower(),
            created_at=one.create_time.ToDatetime(tzinfo=UTC),
            last_current_at=_moment(one.last_current_time),
        )
        for one in sorted(info.version_summaries, key=lambda one: one.create_time.ToNanoseconds())
    ]


def _moment(given: Timestamp) -> datetime | None:
    return given.ToDatetime(tzinfo=UTC) if given.ToNanoseconds() else None


async def make_current(client: Client, seen: Rollout, build_id: str, operator: str) -> Rollout:
    """Let a release get all work, and return the rollout once all of Temporal acts by it; nothing is ramped any more.

    Raises PreconditionFailed(operation_refused) if none of its workers asks for work, if its workers lack a task queue
    of the current one, or if somebody has changed the rollout since it was ``seen``.
    """
    await _check_workers(client, build_id)
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id="" if build_id == UNVERSIONED else build_id,
        conflict_token=seen.conflict_token,
        identity=operator,
    )
    with _refusals():
        await client.workflow_service.set_worker_deployment_current_version(request)
    return await _in_force(client)


async def ramp(client: Client, seen: Rollout, build_id: str | None, percent: float, operator: str) -> Rollout:
    """Let a release get a share of the workflows, open ones too; None takes the ramp away. Otherwise ``make_current``.

    Whether a workflow is in the share follows from its id: the share of 1 % is a part of that of 10 %.
    """
    if build_id is not None:
        await _check_workers(client, build_id)
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id=build_id or "",
        percentage=percent,
        conflict_token=seen.conflict_token,
        identity=operator,
    )
    with _refusals():
        await client.workflow_service.set_worker_deployment_ramping_version(request)
    return await _in_force(client)


async def _in_force(client: Client) -> Rollout:
    """Return the rollout once every partition of the task queues acts by it: some still follow the one before."""
    while True:
        found = await rollout(client)
        if not found.is_under_way:
            return found
        await asyncio.sleep(_LOOK_EVERY)


async def workers(client: Client) -> Counter[str]:
    """Return how many worker processes of each release have asked for work lately."""
    since, seen = datetime.now(UTC) - _ASKS_WITHIN, set[tuple[str, str]]()
    for queue, kind in _QUEUES:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        found = await client.workflow_service.describe_task_queue(request, retry=True)
        for one in found.pollers:
            if one.last_access_time.ToDatetime(tzinfo=UTC) > since:
                seen.add((_release_of(one.deployment_options), one.identity))
    return Counter(release for release, _ in seen)


def _release_of(options: WorkerDeploymentOptions) -> str:
    versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.build_id if versioned else UNVERSIONED


async def _check_workers(client: Client, build_id: str) -> None:
    """Raise PreconditionFailed(operation_refused) if a release has no worker. Temporal checks the last five minutes."""
    if not (await workers(client))[build_id]:
        message = f"no worker of {build_id} has asked for work within {_ASKS_WITHIN.seconds} seconds"
        raise PreconditionFailed(message, code="operation_refused")


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise what Temporal refuses as PreconditionFailed(operation_refused)."""
    try:
        yield
    except RPCError as error:
        if error.status in _REFUSALS:
            raise PreconditionFailed(f"Temporal refuses: {error}", code="operation_refused") from error
        raise


async def note(client: Client, build_id: str, what: str, operator: str) -> None:
    """Keep with a release what an operator has changed about it. The workers without a version have no place for it."""
    if build_id == UNVERSIONED:
        return
    request = UpdateWorkerDeploymentVersionMetadataRequest(
        namespace=client.namespace,
        deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
        identity=operator,
    )
    [payload] = PydanticPayloadConverter().to_payloads([what])
    request.upsert_entries[datetime.now(UTC).isoformat(timespec="microseconds")].CopyFrom(payload)
    await client.workflow_service.update_worker_deployment_version_metadata(request)


async def notes(client: Client, build_id: str) -> Mapping[str, str]:
    """Return what operators have changed about a release, by time."""
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
    )
    found = await client.workflow_service.describe_worker_deployment_version(request, retry=True)
    entries = found.worker_deployment_version_info.metadata.entries
    return {at: str(PydanticPayloadConverter().from_payloads([entries[at]])[0]) for at in sorted(entries)}


@dataclass(frozen=True, slots=True)
class Load:
    """How many workflows are open whose last workflow task a release has completed, and how many only it can end."""

    open: int
    pinned: int


async def load(client: Client, build_id: str) -> Load:
    """Return what is open on a release, by Temporal's list, which lags behind by a moment."""
    there = f"{_OPEN} AND TemporalWorkerDeploymentVersion = '{DEPLOYMENT}:{build_id}'"
    everything = await executions.count(client, there)
    pinned = await executions.count(client, f"{there} AND TemporalWorkflowVersioningBehavior = 'Pinned'")
    return Load(everything, pinned)


async def failing(client: Client) -> Counter[str]:
    """Return how many open workflows' tasks fail again and again, by the release that gets them; of the newest 200."""
    counts = Counter[str]()
    async for found in executions.listed(client, f"{_OPEN} AND TemporalReportedProblems IS NOT NULL", _LOOKED_AT):
        described = await executions.describe(client, found.id)
        if described is not None and described.task_attempt > 1:
            counts[described.release or UNVERSIONED] += 1
    return counts
