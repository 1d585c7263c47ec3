"""A collector of traces: OTLP over HTTP, as OpenTelemetry's collector takes it."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

# Stacks send what all of their bets do: older batches are of tests that are over.
_MOST_BATCHES = 200
_PATH = "/v1/traces"


@dataclass(frozen=True)
class Received:
    """A span, and the process that has sent it."""

    service: str
    span: Span
    facts: dict[str, object]

    @property
    def name(self) -> str:
        """Return the name."""
        return self.span.name

    @property
    def kind(self) -> str:
        """Return the kind, in lower case."""
        return Span.SpanKind.Name(self.span.kind).removeprefix("SPAN_KIND_").lower()

    @property
    def failed(self) -> str | None:
        """Return the reason for which it failed; None if it did not."""
        status = self.span.status
        return status.message if status.code == Status.STATUS_CODE_ERROR else None

    @property
    def trace(self) -> str:
        """Return the id of its trace."""
        return self.span.trace_id.hex()

    @property
    def links(self) -> list[str]:
        """Return the ids of the traces that it is linked to."""
        return [link.trace_id.hex() for link in self.span.links]

    @property
    def texts(self) -> Iterator[str]:
        """Return all that it says."""
        yield from (self.name, self.span.status.message, self.span.trace_state)
        yield from (f"{name}={value}" for name, value in self.facts.items())
        yield from (str(event) for event in self.span.events)


@dataclass
class TraceReceiver:
    """What processes have sent to ``url``. ``status`` is what they are answered; other addresses get 404."""

    url: str = ""
    status: int = 200
    headers: list[dict[str, str]] = field(default_factory=list)
    _batches: deque[bytes] = field(default_factory=lambda: deque(maxlen=_MOST_BATCHES))

    @property
    def spans(self) -> list[Received]:
        """Return the spans, in the order in which they have ended in each process."""
        found = []
        for batch in self._batches:
            for of_process in ExportTraceServiceRequest.FromString(batch).resource_spans:
                service = _facts(of_process.resource.attributes)["service.name"]
                for scope in of_process.scope_spans:
                    found += [Received(str(service), span, _facts(span.attributes)) for span in scope.spans]
        return found

    def of_trace(self, trace: str) -> list[Received]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace == trace]

    async def take(self, request: web.Request) -> web.Response:
        """Take a batch."""
        self.headers.append(dict(request.headers))
        if request.path != _PATH:
            return web.Response(status=404)
        if self.status == 200:
            self._batches.append(await request.read())
        return web.Response(status=self.status)


def _facts(attributes: object) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}  # type: ignore[attr-defined]


@asynccontextmanager
async def receiving_traces() -> AsyncIterator[TraceReceiver]:
    """Receive traces for the length of a block."""
    receiver, app = TraceReceiver(), web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}{_PATH}"
        yield receiver
    finally:
        await runner.cleanup()
