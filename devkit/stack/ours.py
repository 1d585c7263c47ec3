"""The service's own processes in a stack: workers and the API."""

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
    flags = ("--factory", "--host", ports.HOST, "--port", str(port), "--no-access-log")
    patience = ("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "8")
    http = ("--http", "api.http_protocol:BoundedHttp")
    command = (sys.executable, "-m", "uvicorn", "api.main:create_app", *flags, *http, *patience)
    docs = {"BETCORE_API_DOCS": os.environ.get("BETCORE_API_DOCS", "true")}
    return Service("api", command, {**docs, **env}, ready=probes.answers(port, "/health/ready"), ports=(port,))
