"""The equal floor: a bet's route, signature, workflow and local activities, without what they do.

A minimal FastAPI route checks X-Sign and sends the same messages to Temporal. The workflow runs the same number of
local activities, and each of them returns a constant. So this is what the shape of the service costs on this server.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
from fastapi import FastAPI, Request, Response
from temporalio import activity, workflow
from temporalio.client import Client, WithStartWorkflowOperation

from bench import harness
from bench.bets.floors.temporal_worker import START_OPTIONS, Facts, connect_to, run_worker
from bench.bets.processes import Watch, driver
from bench.bets.provider_calls import ProviderCalls
from bench.bets.stacks import RunningStack
from betcore.provider import xsign
from betcore.runtime.settings import Settings
from devkit.sandbox.provider.client import AggregatorClient
from devkit.stack import ports

QUEUE = "bench-equal"
_COUNTERPARTY, _SECRET = "BENCH_COUNTERPARTY_ID", "BENCH_SECRET"
_FRESH_SECONDS = 60


@activity.defn(name="bench_stake")
async def take_stake(order: Facts) -> Facts:
    """Return a constant."""
    return {"progress": "done", "balance": 99_000}


@activity.defn(name="bench_credit")
async def pay_win(order: Facts) -> Facts:
    """Return a constant."""
    return {"progress": "done", "balance": 100_000}


@workflow.defn(name="BenchEqualBet", sandboxed=False)
class EqualBet:
    """A workflow with the handlers and the local activities of a bet."""

    @workflow.init
    def __init__(self, bet: Facts) -> None:
        self._one_step = "win" in bet
        self._call: Facts | None = None
        self._staked: Facts | None = None
        self._settled: Facts | None = None

    @workflow.run
    async def run(self, bet: Facts) -> str:
        """Take the stake, wait for the PayOut, pay."""
        self._staked = await _locally(take_stake, bet)
        if not self._one_step:
            await workflow.wait_condition(lambda: self._call is not None)
        self._settled = await _locally(pay_win, self._call or bet)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return "settled"

    @workflow.update
    async def pay_in(self) -> Facts:
        """Return the outcome of the stake; with one step that of the whole bet."""
        await workflow.wait_condition(lambda: (self._settled if self._one_step else self._staked) is not None)
        return self._settled or self._staked or {}

    @workflow.update
    async def pay_out(self, call: Facts) -> Facts:
        """Return the outcome of the win."""
        self._call = call
        await workflow.wait_condition(lambda: self._settled is not None)
        return self._settled or {}


async def _locally(work: Callable[[Facts], Awaitable[Facts]], order: Facts) -> Facts:
    return await workflow.execute_local_activity(work, order, schedule_to_close_timeout=timedelta(seconds=10))


def create_app() -> FastAPI:
    """Return the route's application; the provider's keys are in the environment."""
    counterparty_id, secret = os.environ[_COUNTERPARTY], os.environ[_SECRET]
    settings = Settings()
    connected: list[Client] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connected.append(await connect_to(settings))
        print("ready", flush=True)
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/sessions/{session_id}/bets/{operation}")
    async def bet(session_id: str, operation: str, request: Request) -> Response:
        body = await request.body()
        if not _signed(request, body, counterparty_id, secret):
            return Response('{"_responseCode":8}', 401, media_type="application/json")
        balance = await _outcome(connected[0], counterparty_id, session_id, operation, json.loads(body))
        answer = f'{{"currency":"EUR","balance":{balance},"_responseCode":1}}'
        return Response(answer, media_type="application/json")

    return app


def _signed(request: Request, body: bytes, counterparty_id: str, secret: str) -> bool:
    given = request.headers
    stamp, known_as = given[xsign.TIMESTAMP], given[xsign.COUNTERPARTY_ID]
    fresh = abs(time.time() - int(stamp) / 1000) < _FRESH_SECONDS
    signature, request_id = given[xsign.SIGNATURE], given[xsign.REQUEST_ID]
    holds = xsign.verify(signature, [secret], known_as, stamp, request_id, body)
    return known_as == counterparty_id and fresh and holds


async def _outcome(client: Client, counterparty_id: str, session_id: str, operation: str, fields: Facts) -> object:
    name = f"bench-equal:{counterparty_id}:{fields['betId']}"
    if operation == "pay-out":
        handle = client.get_workflow_handle(name)
        return (await handle.execute_update(EqualBet.pay_out, fields, id="pay_out"))["balance"]
    order: Facts = {"session": session_id, "stake": fields["betAmount"], "round": fields["gameRoundId"]}
    if operation == "pay-in-out":
        order["win"] = fields["winAmount"]
    start = WithStartWorkflowOperation(EqualBet.run, order, id=name, task_queue=QUEUE, **START_OPTIONS)
    paid = await client.execute_update_with_start_workflow(EqualBet.pay_in, id="pay_in", start_workflow_operation=start)
    return paid["balance"]


@asynccontextmanager
async def equal_floor(stack: RunningStack, http: aiohttp.ClientSession, watch: Watch) -> AsyncIterator[ProviderCalls]:
    """Run the equal floor on the Temporal server of a stack."""
    (port,) = ports.free(1)
    keys = {_COUNTERPARTY: stack.counterparty_id, _SECRET: stack.secret}
    app = ("bench.bets.floors.equal:create_app", "--factory", "--host", ports.HOST, "--port", str(port))
    async with (
        harness.child("uvicorn", *app, "--no-access-log", "--log-level", "warning", **stack.environment, **keys) as api,
        harness.child("bench.bets.floors.equal", **stack.environment) as worker,
    ):
        watch.add_child("API of the equal floor", api.process)
        watch.add_child("worker of the equal floor", worker.process)
        pids = {"api": api.process.pid, "worker": worker.process.pid, **stack.servers("temporal"), **driver()}
        client = AggregatorClient(
            http, f"http://{ports.HOST}:{port}", stack.counterparty_id, stack.secret, timeout_seconds=30
        )
        yield ProviderCalls("equal", client, [f"session-{number}" for number in range(64)], pids)


if __name__ == "__main__":
    asyncio.run(run_worker(QUEUE, EqualBet, [take_stake, pay_win]))
