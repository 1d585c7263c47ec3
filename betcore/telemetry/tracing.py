"""Spans by OpenTelemetry: of calls to us, of messages to workflows, of activities, and of calls to casinos.

The provider of tracers is this process's own and not OpenTelemetry's global one: a library that looks for that, such as
FastAPI, would add spans with paths, which hold ids of sessions, and with texts of errors.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import time
from typing import cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from structlog.contextvars import bound_contextvars

from betcore.runtime.spans import NO_SPAN, Facts, Span
from betcore.telemetry.span_export import PARTNER, SpanExport
from betcore.telemetry.trace_cause import Cause, is_traceparent, traceparent

_ABOUT = context.create_key("betcore.about")
# What partners name is a hundred characters at most: a fact that is longer is a mistake.
_LIMITS = SpanLimits(max_span_attribute_length=200)


class _OpenSpan:
    """A span of OpenTelemetry, as the rest of the service sees it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, facts: Facts) -> None:
        self._span.set_attributes(facts)

    def fail(self, reason: str) -> None:
        self._span.set_status(StatusCode.ERROR, reason)


class CallSpan(_OpenSpan):
    """The span of a partner's call."""

    def end_as(self, name: str, partner: str, facts: Facts) -> None:
        """Say what the call has turned out to be. Without a partner's name it is a stranger's, and its span is lost."""
        self._span.update_name(name)
        self._span.set_attributes({PARTNER: partner, **facts})

    def link(self, parent: str) -> None:
        """Link the span to the caller's own, by its ``traceparent``; without a readable one, do nothing.

        It is no parent: a caller would decide which of our spans are kept.
        """
        if is_traceparent(parent):
            self._span.add_link(_span_context(Cause(parent, 0)))


class Tracing:
    """Makes the spans of one process, and sends them to the collector."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], share: float, service: str, release: str) -> None:
        resource = Resource.create(
            {
                "service.name": f"betcore-{service}",
                "service.version": release,
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        )
        # Whether a call is traced is decided once, when it comes: what it causes follows it.
        sampler = ParentBased(TraceIdRatioBased(share))
        self._provider = TracerProvider(sampler, resource, shutdown_on_exit=False, span_limits=_LIMITS)
        self._provider.add_span_processor(SpanExport(endpoint, headers))
        self._tracer = self._provider.get_tracer("betcore")

    def close(self) -> None:
        """Send what waits; give up after two seconds."""
        self._provider.shutdown()

    @contextmanager
    def serving(self, name: str) -> Iterator[CallSpan]:
        """Make the span of a partner's call to us, the first of its trace."""
        with self._open(name, SpanKind.SERVER, {}, Context()) as span, _in_log_lines(span):
            yield CallSpan(span)

    @contextmanager
    def working(self, name: str, facts: Facts, cause: Cause | None) -> Iterator[Span]:
        """Make the span of an activity: part of the trace that has caused it, or of a trace of its own, linked to it.

        Without a cause it is a trace of its own.
        """
        is_part = cause is not None and not cause.is_past(time())
        parent = _context(cause) if cause and is_part else Context()
        links = [Link(_span_context(cause))] if cause and not is_part else []
        with self._open(name, SpanKind.INTERNAL, facts, parent, links) as span, _in_log_lines(span):
            yield _OpenSpan(span)

    @contextmanager
    def calling(self, name: str, facts: Facts) -> Iterator[Span]:
        """Make the span of a call to another service."""
        if not trace.get_current_span().is_recording():
            yield NO_SPAN
            return
        known = cast("Facts", context.get_value(_ABOUT) or {})
        with self._open(name, SpanKind.CLIENT, {**known, **facts}, context.get_current()) as span:
            yield _OpenSpan(span)

    @contextmanager
    def about(self, facts: Facts) -> Iterator[None]:
        """Add facts to the current span, and to those of calls to others in the block."""
        trace.get_current_span().set_attributes(facts)
        token = context.attach(context.set_value(_ABOUT, facts))
        try:
            yield
        finally:
            context.detach(token)

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell the called service which trace its call belongs to; empty without a span."""
        here = self.cause()
        return {"traceparent": here.traceparent} if here else {}

    def cause(self) -> Cause | None:
        """Return the current span as the cause of what it starts elsewhere; None if it is not sampled."""
        here = trace.get_current_span().get_span_context()
        if not (here.is_valid and here.trace_flags.sampled):
            return None
        return Cause(traceparent(here.trace_id, here.span_id), int(time()))

    def took(self, cause: Cause, name: str, facts: Facts) -> Cause:
        """Make the span of the moment at which a worker has taken a message; it is the cause of what follows.

        It has no length. The workflow may wait for days, and in another process, which would have to end it.
        """
        span = self._tracer.start_span(name, _context(cause), SpanKind.SERVER, facts)
        span.end()
        taken = span.get_span_context()
        return Cause(traceparent(taken.trace_id, taken.span_id), cause.at)

    @contextmanager
    def _open(
        self, name: str, kind: SpanKind, facts: Facts, parent: Context, links: Sequence[Link] = ()
    ) -> Iterator[trace.Span]:
        """Make a span the current one. Errors leave no text in it: what partners send, players too, stands in texts of
        errors."""
        span = self._tracer.start_span(name, parent, kind, facts, links)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield span


def _in_log_lines(span: trace.Span) -> AbstractContextManager[object]:
    """Add the trace to what is logged in the block."""
    if not span.is_recording():
        return nullcontext()
    return bound_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}")


def _span_context(cause: Cause) -> SpanContext:
    return SpanContext(cause.trace_id, cause.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _context(cause: Cause) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(_span_context(cause)), Context())
