"""How processes log: one line an event on standard error, JSON or for people; what is secret is blotted out.

Libraries that use the standard library's logging (uvicorn, SQLAlchemy, the Temporal SDK) come out in the same form.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from betcore.settings import Settings

_SECRET = ("secret", "password", "token", "authorization", "x-sign", "signature", "private", "api_key", "pem")
_BLOT = "***"


def configure(settings: Settings) -> None:
    """Set up logging for this process. Raises KeyError for a level that does not exist."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # the plain one: others print local variables, and secrets with them
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
        # uvicorn brings handlers of its own; its lines go the common way.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # A line for every request is what the metrics are for.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _blot(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: _BLOT if _is_secret(name) else _without_secrets(value) for name, value in event.items()}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _BLOT if _is_secret(str(name)) else _without_secrets(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("x_sign", "x-sign")
    return any(word in plain for word in _SECRET)
