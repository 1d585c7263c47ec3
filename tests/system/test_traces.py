"""Traces of bets: from a provider's call, over API, Temporal and worker, to the casino's answer."""

import secrets
from collections.abc import Callable

import pytest

from betcore.provider import xsign
from tests.partner import Answer, Stack, TestPartner, eventually
from tests.trace_receiver import Received, TraceReceiver
from workflows.releases.registry import WORKFLOWS
from workflows.releases.replay import replay

PLAYER, STAKE, WIN = "traced-player", "17.31", "23.57"
Chain = list[tuple[str, str, str]]


@pytest.fixture
async def traced(own_stack: Stack) -> TestPartner:
    """A partner of the stack whose processes send their spans to ``trace_receiver``."""
    partner = await own_stack.partner()
    partner.session_id = await partner.seat(PLAYER)
    return partner


class Caller:
    """Calls as a provider, and knows its calls by their request ids."""

    def __init__(self, partner: TestPartner, receiver: TraceReceiver) -> None:
        self._partner = partner
        self._receiver = receiver
        self.request_id = ""

    async def call(self, operation: str, body: dict[str, object], **headers: str) -> Answer:
        """Send a signed call with more headers."""
        raw = xsign.compact(body)
        signed = xsign.headers(self._partner.secret, self._partner.counterparty_id, raw)
        self.request_id = signed[xsign.REQUEST_ID]
        path = f"/v1/sessions/{self._partner.session_id}/bets/{operation}"
        answer = await self._partner.call("POST", path, raw, {**signed, **headers})
        assert answer.code == 1, answer
        return answer

    async def trace(self, is_whole: Callable[[list[Received]], bool]) -> list[Received]:
        """Return the spans of the last call's trace, once they are there."""
        found: list[Received] = []

        async def is_there() -> bool:
            spans = self._receiver.spans
            ours = [span for span in spans if span.facts.get("betcore.request_id") == self.request_id]
            found[:] = self._receiver.of_trace(ours[0].trace) if ours else []
            # A span leaves when it has ended, and so after those below it.
            known = {span.span.span_id for span in found} | {b""}
            return bool(found) and is_whole(found) and all(span.span.parent_span_id in known for span in found)

        await eventually(is_there)
        return found


def _has(kind: str, name: str, times: int = 1) -> Callable[[list[Received]], bool]:
    return lambda spans: len([one for one in spans if (one.kind, one.name) == (kind, name)]) == times


def _chain(spans: list[Received], last: Received) -> Chain:
    """Return process, kind and name of a span and all above it, the first one first."""
    by_id = {span.span.span_id: span for span in spans}
    chain: Chain = []
    at: Received | None = last
    while at is not None:
        chain.insert(0, (at.service.removeprefix("betcore-"), at.kind, at.name))
        at = by_id[at.span.parent_span_id] if at.span.parent_span_id else None
    return chain


async def test_a_trace_leads_from_the_providers_call_to_the_casinos_answer(
    traced: TestPartner, trace_receiver: TraceReceiver
) -> None:
    await traced.faults({"kind": "error", "path": "/payments/make", "times": 1})
    caller, bet = Caller(traced, trace_receiver), traced.new_bet()
    theirs = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    stake: dict[str, object] = {"betId": bet, "betAmount": STAKE, "gameRoundId": "round-1"}
    await caller.call("pay-in", stake, traceparent=theirs, tracestate="their=own")
    pay_in = await caller.trace(_has("client", "POST /payments/make", 2))

    def casino_calls(spans: list[Received]) -> list[Received]:
        calls = [one for one in spans if one.name == "POST /payments/make"]
        return sorted(calls, key=lambda one: one.span.start_time_unix_nano)

    first, second = casino_calls(pay_in)
    assert (
        _chain(pay_in, first)
        == _chain(pay_in, second)
        == [
            ("api", "server", "provider payIn"),
            ("api", "client", "update pay_in"),
            ("worker", "server", "Bet pay_in"),
            ("worker", "internal", "try_stake"),
            ("worker", "client", "POST /payments/make"),
        ]
    )
    # The casino has failed once, and then made it.
    assert (first.failed, first.facts["betcore.unknown"], first.facts["betcore.attempt"]) == ("http_500", True, 1)
    assert (second.failed, second.facts["betcore.unknown"], second.facts["betcore.attempt"]) == (None, False, 2)
    assert second.facts["betcore.answer"] == "ok"
    assert second.facts["betcore.casino"] == traced.casino
    row = await traced.row(bet)
    assert second.facts["betcore.bet_id"] == row.bet_id

    # The provider's own trace is only linked: it decides about none of ours.
    server = next(one for one in pay_in if one.kind == "server" and one.service == "betcore-api")
    assert server.links == [theirs[3:35]]
    assert server.facts["betcore.partner"] == traced.provider
    assert server.facts["betcore.operation"] == "payIn"
    assert server.facts["betcore.code"] == "1"
    assert server.trace not in theirs

    # What the bet does later is a trace of its own, which tells the bet by the ids of workflow and run.
    win: dict[str, object] = {"betId": bet, "winAmount": WIN, "gameRoundId": "round-1"}
    await caller.call("pay-out", win)
    pay_out = await caller.trace(_has("client", "POST /payments/make"))
    (credit,) = casino_calls(pay_out)
    assert [name for *_, name in _chain(pay_out, credit)] == [
        "provider payOut",
        "update pay_out",
        "Bet pay_out",
        "try_credit",
        "POST /payments/make",
    ]
    assert pay_out[0].trace != server.trace
    workflow = traced.workflow(bet)
    for spans in (pay_in, pay_out):
        activities = [one.facts for one in spans if one.kind == "internal"]
        assert {(one["betcore.workflow_id"], one["betcore.lane"]) for one in activities} == {(workflow.id, "fast")}

    # No player, no amount, no session and no secret is in any of it.
    said = " ".join(text for one in [*pay_in, *pay_out] for text in one.texts)
    for secret in (PLAYER, STAKE, WIN, "1731", "2357", traced.session_id, traced.secret, "eyJ", "their=own"):
        assert secret not in said, secret

    # A worker without traces goes on with this bet, and no message of it is in the way.
    await workflow.result()
    history = await workflow.fetch_history()
    assert "_tracer-data" in history.to_json()
    assert (await replay(history, WORKFLOWS)).complaint is None


async def test_the_slow_lane_of_a_bet_is_seen_too(traced: TestPartner, trace_receiver: TraceReceiver) -> None:
    await traced.faults({"kind": "error", "path": "/payments/make", "times": 2})
    caller, bet = Caller(traced, trace_receiver), traced.new_bet()
    await caller.call("pay-in", {"betId": bet, "betAmount": STAKE, "gameRoundId": "round-1"})
    spans = await caller.trace(_has("internal", "pursue_stake"))
    pursued = next(one for one in spans if one.name == "pursue_stake")
    assert _chain(spans, pursued)[:3] == [
        ("api", "server", "provider payIn"),
        ("api", "client", "update pay_in"),
        ("worker", "server", "Bet pay_in"),
    ]
    assert pursued.facts["betcore.lane"] == "slow"
    assert (pursued.failed, pursued.facts["betcore.progress"]) == (None, "done")


async def test_a_call_of_a_stranger_leaves_no_span(traced: TestPartner, trace_receiver: TraceReceiver) -> None:
    path = f"/v1/sessions/{traced.session_id}/balance"
    wrong = xsign.headers("wrong", traced.counterparty_id)
    assert (await traced.call("GET", path, headers=wrong)).code == 8
    right = xsign.headers(traced.secret, traced.counterparty_id)
    assert (await traced.call("GET", path, headers=right)).code == 1

    async def is_there() -> bool:
        return any(one.facts.get("betcore.request_id") == right[xsign.REQUEST_ID] for one in trace_receiver.spans)

    await eventually(is_there)
    partners = {one.facts.get("betcore.partner") for one in trace_receiver.spans if one.name.startswith("provider")}
    assert "" not in partners
