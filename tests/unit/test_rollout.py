"""Which release is the previous one, and which release keeps the schedules."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.api.deployment.v1 import RoutingConfig, WorkerDeploymentInfo, WorkerDeploymentVersion
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest, DescribeWorkerDeploymentResponse
from temporalio.client import Schedule, ScheduleActionStartWorkflow

from betcore.temporal.releases import UNVERSIONED, Release, Rollout
from betcore.temporal.schedules import Intervals, keep_schedules

_NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def _release(name: str, current_until: datetime | None) -> Release:
    return Release(name, "draining", _NOON, current_until)


@pytest.mark.parametrize(
    ("earlier", "previous"),
    [
        ([("2.0", _NOON)], UNVERSIONED),
        ([("1.0", None), ("2.0", _NOON)], UNVERSIONED),
        ([("1.0", _NOON), ("1.1", _NOON + timedelta(days=1)), ("1.2", None), ("2.0", None)], "1.1"),
        # It was gone back to from 2.1, which was wrong.
        ([("1.1", _NOON), ("2.0", _NOON + timedelta(days=2)), ("2.1", _NOON + timedelta(days=1))], "1.1"),
    ],
)
def test_the_previous_release_is_the_one_that_was_current_last(
    earlier: list[tuple[str, datetime | None]], previous: str
) -> None:
    releases = [_release(name, until) for name, until in earlier]
    assert Rollout("2.0", None, 0, releases, b"").previous == previous


class _Temporal:
    """One release is current; keeps the names of the schedules that are created."""

    namespace = "default"

    def __init__(self, current: str) -> None:
        self.created: dict[str, Schedule] = {}
        routing = RoutingConfig(current_deployment_version=WorkerDeploymentVersion(build_id=current))
        self._info = WorkerDeploymentInfo(routing_config=routing)
        self.workflow_service = self

    async def describe_worker_deployment(
        self, request: DescribeWorkerDeploymentRequest, retry: bool
    ) -> DescribeWorkerDeploymentResponse:
        return DescribeWorkerDeploymentResponse(worker_deployment_info=self._info)

    async def create_schedule(self, name: str, schedule: Schedule) -> None:
        self.created[name] = schedule


async def _none() -> list[str]:
    return []


@pytest.mark.parametrize(("current", "keeps"), [("1.5.0", True), ("1.4.0", False)])
async def test_only_the_current_release_keeps_the_schedules(current: str, keeps: bool) -> None:
    temporal, hour = _Temporal(current), timedelta(hours=1)
    nothing = cast(Any, SimpleNamespace(counterparties=_none, exist=_none))
    every = Intervals(hour, hour, hour, hour, hour)
    keeping = asyncio.create_task(keep_schedules(cast(Any, temporal), every, nothing, nothing, "1.5.0"))
    await asyncio.sleep(0)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    assert ("sweep" in temporal.created) is keeps
    for schedule in temporal.created.values():
        action = schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        # One that only workers can end which are gone holds up all later ones until then.
        assert action.execution_timeout == timedelta(minutes=15)
