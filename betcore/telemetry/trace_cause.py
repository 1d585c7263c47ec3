"""What crosses Temporal with a message: the span that has caused it, in a header of the message.

The header stands beside the message's payloads, unencrypted, and names no partner: ids of a trace and of a span, and a
time. Any process that reaches Temporal may write one, so whatever cannot be read is no cause.
"""

import json
import re
from dataclasses import dataclass
from typing import TypeGuard

from temporalio.api.common.v1 import Payload

# The name that the tracing of Temporal's SDKs has for it.
HEADER = "_tracer-data"

_ENCODING = {"encoding": b"json/plain"}
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MOST_BYTES = 1000
# Work that a message has caused is part of the message's trace for so many seconds: longer than any provider waits. A
# bet may wait for days, and a retry may come for hours, which would keep one trace open as long.
_PART_OF_THE_TRACE = 60


@dataclass(frozen=True, slots=True)
class Cause:
    """A span, as W3C's ``traceparent`` names it, and when its message was sent, in Unix seconds."""

    traceparent: str
    at: int

    @property
    def trace_id(self) -> int:
        """Return the id of the trace."""
        return int(self.traceparent[3:35], 16)

    @property
    def span_id(self) -> int:
        """Return the id of the span."""
        return int(self.traceparent[36:52], 16)

    def is_past(self, now: float) -> bool:
        """Return whether what is done now is no part of the trace any more, only linked to it."""
        return abs(now - self.at) > _PART_OF_THE_TRACE

    def payload(self) -> Payload:
        """Return the header's value."""
        return Payload(metadata=_ENCODING, data=json.dumps({"traceparent": self.traceparent, "at": self.at}).encode())

    @classmethod
    def read(cls, payload: Payload | None) -> "Cause | None":
        """Return the cause that a header's value names; None without one, or if it cannot be read."""
        if payload is None or len(payload.data) > _MOST_BYTES:
            return None
        try:
            given = json.loads(payload.data)
        except (ValueError, RecursionError):
            return None
        if not isinstance(given, dict):
            return None
        parent, at = given.get("traceparent"), given.get("at")
        return cls(parent, at) if type(at) is int and is_traceparent(parent) else None


def is_traceparent(given: object) -> TypeGuard[str]:
    """Return whether this is a ``traceparent`` of version 00."""
    return isinstance(given, str) and _TRACEPARENT.fullmatch(given) is not None


def traceparent(trace_id: int, span_id: int) -> str:
    """Return the ``traceparent`` of a sampled span."""
    return f"00-{trace_id:032x}-{span_id:016x}-01"
