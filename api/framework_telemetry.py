"""FastAPI's own telemetry, which is off.

FastAPI would use whatever OpenTelemetry finds in the environment, and tell it paths with ids of players' sessions, and
texts of errors with what partners have sent.
"""

from fastapi.telemetry import TelemetryConfig

OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
