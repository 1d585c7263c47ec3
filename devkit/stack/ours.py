"""The service's own processes in a stack: workers, the API and the feed."""

import os
import sys
from collections.abc import Mapping

from devkit.stack import ports, probes
from devkit.stack.process import ROOT, Service

WORKER_READY_LINE = "worker ready"  # worker.py logs this when it polls


def worker(name: str, env: Mapping[str, str]) -> Service:
    """Return a worker process."""
    command = (sys.executable, str(ROOT / "worker.py"))
    return Service(name, command, env, ready_line=WORKER_READY_LINE, grace=20.0)


def api(port: int, env: Mapping[str, str]) -> Service:
    """Return the process of the API; it is ready when it reaches its servers."""
    return _http("api", "api.main:create_app", port, env, "--timeout-graceful-shutdown", "8")


def feed(port: int, env: Mapping[str, str], name: str = "feed") -> Service:
    """Return a process of the feed."""
    websockets = ("--ws", "api.feed.websockets:BoundedWebSockets", "--ws-per-message-deflate", "false")
    return _http(name, "api.feed.main:create_app", port, env, *websockets, "--timeout-graceful-shutdown", "3")


def codec(port: int, env: Mapping[str, str]) -> Service:
    """Return the process of the codec server."""
    return _http("codec", "devkit.stack.codec_endpoint:create_app", port, env, "--timeout-graceful-shutdown", "3")


def _http(name: str, app: str, port: int, env: Mapping[str, str], *options: str) -> Service:
    flags = ("--factory", "--host", ports.HOST, "--port", str(port), "--no-access-log", "--timeout-keep-alive", "75")
    http = ("--http", "api.http_protocol:BoundedHttp")
    command = (sys.executable, "-m", "uvicorn", app, *flags, *http, *options)
    docs = {"BETCORE_API_DOCS": os.environ.get("BETCORE_API_DOCS", "true")}
    return Service(name, command, {**docs, **env}, ready=probes.answers(port, "/health/ready"), ports=(port,))
