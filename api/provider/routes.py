"""The Aggregator API for providers: the routes of its five operations on bets, and of reports of rounds."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import APIRouter, Request
from prometheus_client import Counter, Histogram
from starlette.background import BackgroundTask
from starlette.responses import Response

from api.provider import live_schemas, schemas
from api.provider.call import Call
from api.provider.live_rounds import RoundReports
from api.provider.openapi import operation
from api.provider.operations import BetOperations
from api.provider.responses import RESPONSE_CODES, Reply, render
from api.provider.schemas import Body
from api.provider.signature import Caller
from betcore.domain.errors import BetcoreError, Code, Malformed, WrongContentType
from betcore.runtime import failpoints

_log = structlog.get_logger()

CALLS = Counter("betcore_calls", "Calls of providers by operation and _responseCode", ["operation", "response_code"])
SECONDS = Histogram(
    "betcore_call_seconds",
    "Time from a call's arrival to its answer",
    ["operation"],
    buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2, 4),
)

# Seconds that a call has even after its deadline, so that its request id is recorded.
_TO_CLAIM_THE_ID = 0.25


def live_router(reports: RoundReports) -> APIRouter:
    """Return the route by which providers report rounds."""
    routes = APIRouter(prefix="/v1/live")

    @routes.post("/{gameType}/rounds/{roundId}", **operation("report_round"))
    async def report_round(request: Request) -> Response:
        caller: Caller = request.state.caller
        if caller.body:
            _check_content_type(request)
        game_type = live_schemas.game_type(request.path_params["gameType"])
        round_id = live_schemas.round_id(request.path_params["roundId"])
        report = live_schemas.read_report(caller.body)
        return await _respond(
            "report_round", caller, reports.report(caller, game_type, round_id, report, _deadline(caller))
        )

    return routes


def router(operations: BetOperations) -> APIRouter:
    """Return the routes of the five operations."""
    routes = APIRouter(prefix="/v1/sessions/{sessionId}")

    @routes.get("/balance", **operation("balance"))
    async def balance(request: Request) -> Response:
        caller: Caller = request.state.caller
        if caller.body:
            raise Malformed("a balance is asked for without a body")
        call = _call(caller, schemas.session_id(request.path_params["sessionId"]))
        return await _respond("balance", caller, operations.balance(call))

    def post(path: str, name: str, model: type[Body], act: Callable[[Call, Body], Awaitable[Reply]]) -> None:
        async def handle(request: Request) -> Response:
            caller: Caller = request.state.caller
            if caller.body:
                _check_content_type(request)
            session_id = schemas.session_id(request.path_params["sessionId"])
            call, ignore = _call(caller, session_id), caller.provider.profile.foreign_amounts == "ignore"
            try:
                body = schemas.read(model, caller.body, session_id, ignore_foreign_amounts=ignore)
            except schemas.UnreadableWin as unreadable:
                return await _respond(name, caller, operations.refuse_unreadable_win(call, unreadable))
            return await _respond(name, caller, act(call, body))

        routes.post(path, **operation(name))(handle)

    post("/bets/pay-in", "pay_in", schemas.PayInBody, operations.pay_in)
    post("/bets/pay-out", "pay_out", schemas.PayOutBody, operations.pay_out)
    post("/bets/pay-in-out", "pay_in_out", schemas.PayInOutBody, operations.pay_in_out)
    post("/bets/refund", "refund", schemas.RefundBody, operations.refund)
    return routes


def _call(caller: Caller, session_id: str) -> Call:
    return Call(caller.provider, session_id, caller.request_id, _deadline(caller), caller.sent_at, caller.proof)


def _deadline(caller: Caller) -> float:
    return caller.arrived + caller.provider.profile.answer_deadline


def _check_content_type(request: Request) -> None:
    given = request.headers.getlist("content-type")
    if len(given) != 1 or given[0].partition(";")[0].strip().lower() != "application/json":
        raise WrongContentType("a body is application/json")


async def _respond(name: str, caller: Caller, outcome: Awaitable[Reply]) -> Response:
    """Return the response to a call. An unforeseen failure is an unknown outcome, and its text stays in the log."""
    # From here on the operation records the request id.
    caller.claimed = True
    try:
        async with asyncio.timeout(max(_deadline(caller) - time.monotonic(), _TO_CLAIM_THE_ID)):
            reply = await outcome
    except BetcoreError as refusal:
        reply = Reply(refusal.code, str(refusal))
        if refusal.code not in RESPONSE_CODES:
            _log.error("not set up", operation=name, code=refusal.code, message=str(refusal))
            reply = Reply(Code.OUTCOME_UNKNOWN)
    except TimeoutError:
        _log.warning("no answer by the deadline", operation=name)
        reply = Reply(Code.OUTCOME_UNKNOWN)
    except Exception:
        _log.exception("a call failed", operation=name)
        reply = Reply(Code.OUTCOME_UNKNOWN)
    response = render(reply)
    response.background = BackgroundTask(failpoints.reach, "answer_written")
    SECONDS.labels(name).observe(time.monotonic() - caller.arrived)
    CALLS.labels(name, RESPONSE_CODES[reply.code][0] if reply.code else 1).inc()
    return response
