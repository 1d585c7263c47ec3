"""Spans of traces: what this process has done, for how long, and because of which call.

Without a collector there are none: until a composition root configures a tracer, each function here does nothing, and
nothing of OpenTelemetry is imported. Only ``betcore/telemetry/`` knows it.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

# What a span says of one thing. Never a player, an amount, a secret, or text that a partner has written.
Facts = Mapping[str, str | int | bool]


class Span(Protocol):
    """A span that is open."""

    def note(self, facts: Facts) -> None:
        """Add facts."""

    def fail(self, reason: str) -> None:
        """Mark the span as failed, for a reason that is a word of ours."""


class Tracer(Protocol):
    """Makes spans below the span of what is being done; none if that has no span."""

    def calling(self, name: str, facts: Facts) -> AbstractContextManager[Span]:
        """Return a span of a call to another service, for the length of a block."""

    def about(self, facts: Facts) -> AbstractContextManager[object]:
        """Add facts to the current span, and to those of calls to others in the block."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell the called service which trace its call belongs to."""


class _NoSpan:
    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, facts: Facts) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass


NO_SPAN = _NoSpan()
_NOTHING = nullcontext()
_NO_HEADERS: Mapping[str, str] = {}
_tracer: Tracer | None = None


def configure(tracer: Tracer | None) -> None:
    """Let this process make spans; with None, let it make none."""
    global _tracer
    _tracer = tracer


def calling(name: str, facts: Facts) -> AbstractContextManager[Span]:
    """Return a span of a call to another service, for the length of a block."""
    return NO_SPAN if _tracer is None else _tracer.calling(name, facts)


def about(facts: Facts) -> AbstractContextManager[object]:
    """Add facts to the current span, and to those of calls to others in the block."""
    return _NOTHING if _tracer is None else _tracer.about(facts)


def headers() -> Mapping[str, str]:
    """Return the headers that tell the called service which trace its call belongs to; empty without a span."""
    return _NO_HEADERS if _tracer is None else _tracer.headers()
