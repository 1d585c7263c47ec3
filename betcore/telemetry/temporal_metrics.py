"""The Temporal SDK's own metrics: it serves them on a port of its own, which no other machine reaches."""

import socket

import aiohttp
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

_HOST = "127.0.0.1"
_WITHIN = aiohttp.ClientTimeout(total=2)
# Another process may take a free port before the SDK listens.
_ATTEMPTS = 5


class TemporalMetrics:
    """The SDK's runtime of a process, and the metrics of it."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.runtime, self._url = _runtime(_ATTEMPTS)

    async def exposition(self) -> bytes:
        """Return the SDK's metrics in Prometheus' text format. Raise aiohttp.ClientError, or TimeoutError."""
        async with self._http.get(self._url, timeout=_WITHIN) as response:
            return await response.read()


def _runtime(attempts: int) -> tuple[Runtime, str]:
    """Return a runtime and the address of its metrics. Raise ValueError if no free port could be had."""
    with socket.socket() as candidate:
        candidate.bind((_HOST, 0))
        address = f"{_HOST}:{candidate.getsockname()[1]}"
    metrics = PrometheusConfig(
        bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    try:
        runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics, attach_service_name=False))
    except ValueError:
        if attempts == 1:
            raise
        return _runtime(attempts - 1)
    return runtime, f"http://{address}/metrics"
