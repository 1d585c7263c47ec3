"""Whether this process makes spans for traces, and what becomes of those that cannot be sent."""

from typing import TYPE_CHECKING

from prometheus_client import Counter

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings

if TYPE_CHECKING:
    from betcore.telemetry.tracing import Tracing

LOST = Counter("betcore_spans_lost", "Spans that were not sent to the collector of traces.", ["reason"])


def open_traces(settings: Settings, service: str) -> "Tracing | None":
    """Return what makes the spans of this process; None if the settings name no collector.

    Raises Misconfigured(invalid_settings) for headers that cannot be read.
    """
    if settings.traces_endpoint is None:
        return None
    # Only now: without a collector no process takes the time and the memory for OpenTelemetry's SDK.
    from betcore.telemetry.tracing import Tracing

    headers = _headers(settings.traces_headers.get_secret_value() if settings.traces_headers else "")
    return Tracing(settings.traces_endpoint, headers, settings.traces_share, service, settings.release)


def _headers(given: str) -> dict[str, str]:
    """Return the headers of a text: ``name=value``, separated by commas."""
    headers = {}
    for one in filter(None, (one.strip() for one in given.split(","))):
        name, found, value = one.partition("=")
        if not (found and name.strip()):
            message = "BETCORE_TRACES_HEADERS: it is name=value, separated by commas"
            raise Misconfigured(message, code="invalid_settings")
        headers[name.strip().lower()] = value.strip()
    return headers
