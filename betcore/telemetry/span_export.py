"""How spans leave a process: in batches, by a thread of their own, and never at the cost of a bet.

What cannot be sent in time is dropped, counted and logged once a minute. No span waits on a disk.
"""

import logging
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from betcore.domain.casino_values import short
from betcore.runtime.seldom_log import SeldomLog
from betcore.telemetry.traces import LOST

# The partner that a call to us was made by.
PARTNER = "betcore.partner"

# About a kilobyte each. At 300 bets a second these are the spans of about two seconds.
_MOST_WAITING, _BATCH = 8192, 512
_EVERY_MILLISECONDS = 2000
# A collector that takes longer than this over a batch loses it.
_SECONDS_TO_SEND = 5.0
# At a stop, for what still waits.
_SECONDS_TO_CLOSE = 2.0
_LOG = SeldomLog()


class SpanExport(SpanProcessor):
    """Passes spans that have ended on to a collector."""

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        _log_errors_seldom()
        exporter = OTLPSpanExporter(endpoint, headers=headers, timeout=_SECONDS_TO_SEND)
        self._counted = _Counted(exporter)
        self._batches = BatchSpanProcessor(self._counted, _MOST_WAITING, _EVERY_MILLISECONDS, _BATCH)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: a span leaves when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, unless it is of a caller that has not shown who it is: strangers fill no queue."""
        if span.kind is SpanKind.SERVER and span.attributes and span.attributes.get(PARTNER) == "":
            return
        if self._counted.take():
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Send what waits, for two seconds at most."""
        # The SDK's own waits for half a minute if the collector does not answer.
        ending = threading.Thread(target=self._batches.shutdown, daemon=True)
        ending.start()
        ending.join(_SECONDS_TO_CLOSE)
        if ending.is_alive():
            self._counted.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._batches.force_flush(timeout_millis)


class _Counted(SpanExporter):
    """Counts what waits and what is lost.

    The SDK drops what its queue cannot hold without counting it, and logs a line for each.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lock = threading.Lock()
        self._waiting = 0

    def take(self) -> bool:
        """Count a span in, and return whether there is room for it."""
        with self._lock:
            if self._waiting < _MOST_WAITING:
                self._waiting += 1
                return True
        LOST.labels("queue_full").inc()
        _LOG.warning("spans are lost: too many wait for the collector of traces", waiting=_MOST_WAITING)
        return False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._lock:
            self._waiting -= len(spans)
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            LOST.labels("not_sent").inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Seldom(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _LOG.warning("spans are lost: they could not be sent", reason=short(record.getMessage()))


def _log_errors_seldom() -> None:
    """Log the SDK's errors once a minute, and not each of its attempts to send a batch."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [_Seldom(logging.ERROR)], False
