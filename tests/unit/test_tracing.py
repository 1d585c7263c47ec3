"""Spans: which trace they belong to, what becomes of them without a collector, and what stays off without a setting."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload

from betcore.casino.client import CasinoClient
from betcore.domain.errors import Misconfigured
from betcore.domain.partners import Casino
from betcore.domain.profiles import CasinoProfile, Send
from betcore.runtime import spans
from betcore.runtime.settings import Settings
from betcore.telemetry.trace_cause import HEADER, Cause, traceparent
from betcore.telemetry.traces import LOST, open_traces
from betcore.telemetry.tracing import Tracing
from devkit.stack import ports
from tests.trace_receiver import Received, TraceReceiver, receiving_traces
from tests.unit.partner_database import PartnerDatabase

_ROOT = Path(__file__).parents[2]
_HOUR = 3600


@pytest.fixture
async def receiver() -> AsyncIterator[TraceReceiver]:
    """A collector."""
    async with receiving_traces() as receiving:
        yield receiving


def _tracing(receiver: TraceReceiver, share: float = 1, **headers: str) -> Tracing:
    return Tracing(receiver.url, headers, share, "test", "1.0")


async def _sent(tracing: Tracing, receiver: TraceReceiver) -> dict[str, Received]:
    await asyncio.to_thread(tracing.close)
    return {span.name: span for span in receiver.spans}


def _lost(reason: str) -> float:
    return LOST.labels(reason)._value.get()


def test_without_a_collector_nothing_of_the_sdk_is_imported() -> None:
    asked = "import sys, worker, api.main, api.feed.main; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", asked], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    assert "'worker'" in loaded
    assert "opentelemetry.sdk" not in loaded
    assert "opentelemetry.exporter" not in loaded
    assert "'requests'" not in loaded


def test_without_a_collector_there_is_no_span(tmp_path: Path) -> None:
    assert open_traces(Settings(data_dir=tmp_path), "test") is None
    with spans.calling("POST /payments/make", {"betcore.casino": "a"}) as span, spans.about({}):
        span.note({"betcore.answer": "ok"})
        assert span is spans.NO_SPAN
        assert spans.headers() == {}


async def test_what_a_call_causes_soon_is_part_of_its_trace_and_what_comes_late_is_linked(
    receiver: TraceReceiver,
) -> None:
    tracing = _tracing(receiver)
    with tracing.serving("provider") as call:
        logged = structlog.contextvars.get_contextvars()["trace_id"]
        cause = tracing.cause()
        call.end_as("provider payIn", "acme", {})
    assert cause is not None
    assert "trace_id" not in structlog.contextvars.get_contextvars()
    taken = tracing.took(cause, "Bet pay_in", {})
    with tracing.working("soon", {}, taken), tracing.about({"betcore.attempt": 2}), tracing.calling("make", {}):
        assert tracing.headers()["traceparent"].split("-")[1] == logged
    with tracing.working("late", {}, Cause(taken.traceparent, taken.at - _HOUR)):
        pass
    with tracing.working("swept", {}, None):
        pass

    sent = await _sent(tracing, receiver)
    trace = sent["provider payIn"].trace
    assert trace == logged
    assert [sent[name].trace for name in ("Bet pay_in", "soon", "make")] == [trace] * 3
    assert sent["make"].facts == sent["soon"].facts == {"betcore.attempt": 2}
    assert sent["late"].trace not in (trace, sent["swept"].trace)
    assert (sent["late"].links, sent["late"].span.parent_span_id) == ([trace], b"")
    assert sent["swept"].links == []


async def test_a_share_of_none_keeps_no_call_and_causes_nothing(receiver: TraceReceiver) -> None:
    tracing = _tracing(receiver, share=0)
    with tracing.serving("provider") as call:
        assert tracing.cause() is None
        assert tracing.headers() == {}
        with tracing.calling("make", {}) as span:
            assert span is spans.NO_SPAN
        call.end_as("provider payIn", "acme", {})
    assert await _sent(tracing, receiver) == {}


async def test_a_caller_that_has_not_shown_who_it_is_leaves_no_span(receiver: TraceReceiver) -> None:
    tracing = _tracing(receiver)
    for partner in ("", "acme"):
        with tracing.serving("provider") as call:
            call.end_as(f"provider of {partner}", partner, {})
    assert list(await _sent(tracing, receiver)) == ["provider of acme"]


async def test_an_error_leaves_none_of_its_text(receiver: TraceReceiver) -> None:
    tracing = _tracing(receiver)
    with suppress(ValueError), tracing.working("failing", {}, None):
        raise ValueError("player anna")
    sent = (await _sent(tracing, receiver))["failing"]
    assert "anna" not in str(sent.span)


async def test_the_collector_gets_the_headers_of_the_setting(receiver: TraceReceiver, tmp_path: Path) -> None:
    headers = SecretStr("Authorization=Bearer a=b, x-tenant=one")
    tracing = open_traces(Settings(data_dir=tmp_path, traces_endpoint=receiver.url, traces_headers=headers), "test")
    assert tracing is not None
    with tracing.working("one", {}, None):
        pass
    await _sent(tracing, receiver)
    assert receiver.headers[0]["Authorization"] == "Bearer a=b"
    assert receiver.headers[0]["x-tenant"] == "one"


@pytest.mark.parametrize("asked", [False, True])
async def test_a_casino_gets_traceparent_if_its_profile_says_so(
    receiver: TraceReceiver, database_url: str, asked: bool
) -> None:
    profile = CasinoProfile(send=Send(traceparent=asked))
    # The collector plays the casino too: it keeps the headers of what it gets, and answers in no form of a casino.
    casino = Casino(1, 1, "royal", receiver.url.removesuffix("/v1/traces"), profile, disabled=False)
    tracing = _tracing(receiver)
    spans.configure(tracing)
    try:
        async with PartnerDatabase.at(database_url) as database, aiohttp.ClientSession() as http:
            await database.keys.ensure()
            client = CasinoClient(http, database.keys, "test")
            await client.info(casino, 1, timedelta(seconds=30))
            with tracing.working("find_stake", {}, None):
                await client.info(casino, 1, timedelta(seconds=30))
    finally:
        spans.configure(None)
    outside, inside = receiver.headers
    sent = await _sent(tracing, receiver)
    call = sent["POST /payments/info"]
    assert "traceparent" not in outside
    assert inside.get("traceparent") == ((asked and traceparent(int(call.trace, 16), _id(call))) or None)
    assert call.span.parent_span_id == sent["find_stake"].span.span_id
    assert (call.failed, call.facts["betcore.unknown"]) == ("http_404", True)


def _id(span: Received) -> int:
    return int.from_bytes(span.span.span_id, "big")


@pytest.mark.parametrize("text", ["Bearer", "=1", "a=1,b"])
def test_headers_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    settings = Settings(
        data_dir=tmp_path, traces_endpoint="http://127.0.0.1:1/v1/traces", traces_headers=SecretStr(text)
    )
    with pytest.raises(Misconfigured, match="BETCORE_TRACES_HEADERS") as refused:
        open_traces(settings, "test")
    assert text not in str(refused.value)


@pytest.mark.parametrize("status", [None, 400], ids=["nothing listens", "refuses"])
async def test_spans_that_cannot_be_sent_are_counted_and_logged_once(
    receiver: TraceReceiver, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if status is None:
        receiver.url = f"http://127.0.0.1:{ports.free(1)[0]}/v1/traces"
    receiver.status = status or 200
    monkeypatch.setattr("betcore.telemetry.span_export._SECONDS_TO_SEND", 0.5)
    monkeypatch.setattr("betcore.telemetry.span_export._BATCH", 2)
    tracing, before = _tracing(receiver), _lost("not_sent")
    with capture_logs() as logged:
        for _ in range(8):
            with tracing.working("lost", {}, None):
                pass
        await _sent(tracing, receiver)
    assert _lost("not_sent") - before == 8
    assert len([line for line in logged if line["event"].startswith("spans are lost")]) <= 1


async def test_a_full_queue_takes_no_more_spans_and_a_stop_does_not_wait_for_a_collector_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("betcore.telemetry.span_export._MOST_WAITING", 4)
    monkeypatch.setattr("betcore.telemetry.span_export._BATCH", 4)
    monkeypatch.setattr("betcore.telemetry.span_export._SECONDS_TO_CLOSE", 0.1)
    monkeypatch.setattr("betcore.telemetry.span_export._SECONDS_TO_SEND", 600)
    # It is connected to, and takes nothing.
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        port = hanging.getsockname()[1]
        tracing, before = Tracing(f"http://127.0.0.1:{port}/v1/traces", {}, 1, "test", "1.0"), _lost("queue_full")
        for _ in range(20):
            with tracing.working("waiting", {}, None):
                pass
        assert _lost("queue_full") - before >= 20 - 2 * 4
        began = time.monotonic()
        await asyncio.to_thread(tracing.close)
        # Not the ten minutes for which it would wait for the collector, nor the SDK's half a minute.
        assert time.monotonic() - began < 25


_WELL_FORMED = traceparent(1, 2)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_a_header_that_cannot_be_read_is_no_cause(data: bytes | str) -> None:
    assert Cause.read(Payload(data=data.encode() if isinstance(data, str) else data)) is None


@pytest.mark.parametrize(
    "given",
    [
        {"traceparent": _WELL_FORMED},
        {"traceparent": _WELL_FORMED, "at": True},
        {"traceparent": _WELL_FORMED, "at": "1"},
        {"traceparent": f"{_WELL_FORMED}-1", "at": 1},
        {"traceparent": _WELL_FORMED.replace("00-", "01-", 1), "at": 1},
        {"traceparent": traceparent(0, 2), "at": 1},
        {"traceparent": traceparent(1, 0), "at": 1},
        {"traceparent": [_WELL_FORMED], "at": 1},
        {"traceparent": _WELL_FORMED, "at": 1, "more": "x" * 1000},
    ],
)
def test_a_header_of_another_form_is_no_cause(given: dict[str, object]) -> None:
    assert Cause.read(Payload(data=json.dumps(given).encode())) is None


def test_a_header_is_read_as_it_was_written() -> None:
    cause = Cause(traceparent(0xABC, 0xDEF), 1_790_000_000)
    assert Cause.read(cause.payload()) == cause
    # It stands in histories, and between two releases: neither its name nor its form changes.
    written = {"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01", "at": 1_790_000_000}
    assert (HEADER, json.loads(cause.payload().data)) == ("_tracer-data", written)
    assert (cause.trace_id, cause.span_id) == (0xABC, 0xDEF)
    assert Cause.read(None) is None
