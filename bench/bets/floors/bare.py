"""The bare floor: the messages of a bet between a client and a worker, and nothing else.

What a bet costs above it is our own. There is no API: this process is the client.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count, pairwise

from temporalio import workflow
from temporalio.client import Client, WithStartWorkflowOperation

from bench import harness
from bench.bets.floors.temporal_worker import START_OPTIONS, Facts, connect_to, run_worker
from bench.bets.processes import Watch, driver
from bench.bets.stacks import RunningStack
from bench.bets.workload import BetKind, PlayedBet, keep_in_flight

QUEUE = "bench-bare"


@workflow.defn(name="BenchBareBet", sandboxed=False)
class BareBet:
    """A workflow that answers with constants."""

    @workflow.init
    def __init__(self, one_step: bool) -> None:
        self._settled = one_step

    @workflow.run
    async def run(self, one_step: bool) -> str:
        """Wait for the PayOut."""
        await workflow.wait_condition(lambda: self._settled and workflow.all_handlers_finished())
        return "settled"

    @workflow.update
    async def pay_in(self) -> Facts:
        """Return a constant."""
        return {"state": "acceptance", "balance": 99_000}

    @workflow.update
    async def pay_out(self, call: Facts) -> Facts:
        """Return a constant, and let the workflow complete."""
        self._settled = True
        return {"state": "settled", "balance": 100_000}


class BareFloor:
    """The bare floor as a target."""

    name = "bare"
    own = frozenset({"worker"})

    def __init__(self, client: Client, pids: dict[str, int]) -> None:
        self.pids = pids
        self._client = client
        self._run = secrets.token_hex(3)
        self._numbers = count()

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Keep this number of bets in flight until ``stop`` is set; return all, when the last one is over."""
        return await keep_in_flight(self._bet, kind, in_flight, stop)

    async def _bet(self, kind: BetKind) -> PlayedBet:
        name = f"bench-bare:{self._run}-{next(self._numbers)}"
        times = [time.perf_counter()]
        start = WithStartWorkflowOperation(
            BareBet.run, kind is BetKind.ONE_STEP, id=name, task_queue=QUEUE, **START_OPTIONS
        )
        await self._client.execute_update_with_start_workflow(
            BareBet.pay_in, id="pay_in", start_workflow_operation=start
        )
        times.append(time.perf_counter())
        if kind is BetKind.TWO_STEP:
            pay_out = {"round_id": "round-1", "win": 1000}
            await self._client.get_workflow_handle(name).execute_update(BareBet.pay_out, pay_out, id="pay_out")
            times.append(time.perf_counter())
        took = tuple((after - before) * 1000 for before, after in pairwise(times))
        return PlayedBet(time.monotonic(), took)


@asynccontextmanager
async def bare_floor(stack: RunningStack, watch: Watch) -> AsyncIterator[BareFloor]:
    """Run the bare floor on the Temporal server of a stack."""
    client = await connect_to(stack.settings)
    async with harness.child("bench.bets.floors.bare", **stack.environment) as worker:
        watch.add_child("worker of the bare floor", worker.process)
        pids = {"worker": worker.process.pid, **stack.servers("temporal"), **driver()}
        yield BareFloor(client, pids)


if __name__ == "__main__":
    asyncio.run(run_worker(QUEUE, BareBet))
