"""Logging: one line an event on standard error, as JSON or for people, with secrets replaced.

Libraries that use the standard library's logging (uvicorn, SQLAlchemy, the Temporal SDK) log in the same form.
"""

import logging
import sys
from collections.abc import Mapping

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from betcore.runtime.settings import Settings

_SECRET = ("secret", "password", "token", "authorization", "x-sign", "signature", "private", "api_key", "pem")
_BLOT = "***"


def configure_logging(settings: Settings) -> None:
    """Configure logging of this process. Raises KeyError for an unknown level."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Formatters that print local variables would print secrets with them: only the plain one may stand here.
        structlog.processors.format_exc_info,
        _blot,
    ]
    last: Processor = structlog.processors.JSONRenderer(ensure_ascii=False) if settings.log_json else _console()
    structlog.configure(
        processors=[*steps, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *steps], processors=[remove, last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # With uvicorn's own handlers its lines would have another form: they go to the root's handler.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # A log line for each request would only repeat what the metrics count.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _blot(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: _BLOT if _is_secret(name) else _without_secrets(value) for name, value in event.items()}


def _without_secrets(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _BLOT if _is_secret(str(name)) else _without_secrets(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("x_sign", "x-sign")
    return any(word in plain for word in _SECRET)
