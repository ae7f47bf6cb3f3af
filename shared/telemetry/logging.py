"""Logs as one JSON object a line on stdout. structlog for our code; what libraries say through stdlib `logging` goes
the same way and meets the same redaction.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from shared.kernel.clock import SystemClock
from shared.telemetry import tracing
from shared.telemetry.redaction import redact_entry
from shared.telemetry.repeats import Repeats

# These log every request or every reconnect at INFO; ours say it once and better.
_QUIET = ("httpx", "httpcore", "aiokafka", "kafka", "asyncio", "alembic.runtime.plugins", "uvicorn.error")
_REPEATING = ("aiokafka", "kafka")
"""While a broker is away they say so several times a second."""


def configure(*, service: str, role: str, level: str, stream: TextIO | None = None) -> None:
    """Route all logging of this process to `stream` (stdout). Called once, before anything else logs."""
    structlog.configure(
        processors=[*_shared(service, role), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(service, role),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_entry,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        )
    )
    handler.addFilter(Repeats(_REPEATING, SystemClock()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `log.info("batch_committed", partition=3, events=500)`. Names of events are snake_case."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _shared(service: str, role: str) -> list[Processor]:
    def say_who(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        entry["service"], entry["role"] = service, role
        if (trace := tracing.CURRENT.get()) is not None:
            entry.setdefault("trace_id", trace.trace_id)
        return entry

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        say_who,
    ]
