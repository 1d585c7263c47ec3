"""The service's own processes in a stack: workers, the API and the feed."""

import os
import sys
from collections.abc import Mapping

from devkit.stack import ports, probes
from devkit.stack.process import ROOT, Service

WORKER_READY_LINE = "worker ready"  # worker.py logs this when it polls


def worker(name: str, port: int, env: Mapping[str, str]) -> Service:
    """Return a worker process, which answers HTTP at its port."""
    command = (sys.executable, str(ROOT / "worker.py"))
    own = {**env, "BETCORE_WORKER_METRICS_ADDRESS": ports.HOST, "BETCORE_WORKER_METRICS_PORT": str(port)}
    return Service(name, command, own, ready_line=WORKER_READY_LINE, grace=20.0, ports=(port,))


def api(port: int, inner_port: int, env: Mapping[str, str]) -> Service:
    """Return the process of the API; it is ready when it reaches its servers."""
    inner = {"BETCORE_API_INNER_PORT": str(inner_port)}
    return _http("api", "api.main:create_app", (port, inner_port), {**env, **inner}, "--timeout-graceful-shutdown", "8")


def feed(port: int, inner_port: int, env: Mapping[str, str], name: str = "feed") -> Service:
    """Return a process of the feed."""
    inner = {"BETCORE_FEED_INNER_PORT": str(inner_port)}
    websockets = ("--ws", "api.feed.websockets:BoundedWebSockets", "--ws-per-message-deflate", "false")
    options = (*websockets, "--timeout-graceful-shutdown", "3")
    return _http(name, "api.feed.main:create_app", (port, inner_port), {**env, **inner}, *options)


def codec(port: int, inner_port: int, env: Mapping[str, str]) -> Service:
    """Return the process of the codec server."""
    inner = {"BETCORE_CODEC_INNER_PORT": str(inner_port)}
    app = "devkit.stack.codec_endpoint:create_app"
    return _http("codec", app, (port, inner_port), {**env, **inner}, "--timeout-graceful-shutdown", "3")


def _http(name: str, app: str, both: tuple[int, int], env: Mapping[str, str], *options: str) -> Service:
    port, inner_port = both
    docs = {"BETCORE_API_DOCS": os.environ.get("BETCORE_API_DOCS", "true")}
    # A process listens with its inner port first.
    ready = probes.all_of(probes.answers(inner_port, "/health/ready"), probes.answers(port, "/health/live"))
    return Service(name, _uvicorn(app, port, *options), {**docs, **env}, ready=ready, ports=both)


def _uvicorn(app: str, port: int, *options: str) -> tuple[str, ...]:
    flags = ("--factory", "--host", ports.HOST, "--port", str(port), "--no-access-log", "--timeout-keep-alive", "75")
    http = ("--http", "api.http_protocol:BoundedHttp")
    return (sys.executable, "-m", "uvicorn", app, *flags, *http, *options)
