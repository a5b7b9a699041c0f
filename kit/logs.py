"""One way to log: constant snake_case events with fields, JSON on stdout (columns on a terminal).

Context (`request_id`, `trace_id`, worker name) is bound once through `structlog.contextvars` and appears on every line
below it, library records included. E-mail addresses are never logged: `EmailHasher` gives a keyed hash that is stable
within one process and worthless outside it.
"""

import faulthandler
import hashlib
import hmac
import logging
import secrets
import sys
from typing import Any, TextIO

import orjson
import structlog
from opentelemetry import trace
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

Logger = structlog.stdlib.BoundLogger


def configure_logs(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Send this process's events and every library's records through one formatter.

    `level` is debug, info, warning or error. Crash dumps of the interpreter go to stderr.
    """
    out = stream or sys.stdout
    faulthandler.enable(file=sys.stderr)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _add_service(service),
        _add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
    ]
    if out.isatty():
        final: list[Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        final = [
            # Neither way shows the variables of a frame: tokens, codes and addresses stand in them.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(serializer=_dumps),
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.error", "uvicorn.access", "asyncio", "docker", "urllib3"):
        logging.getLogger(noisy).setLevel("WARNING")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(component: str) -> Logger:
    """Return the logger of one part; `component` is a field of each of its lines.

    Modules ask for theirs at import: it must not settle on a form (as `.bind` would) before `configure_logs` has spoken.
    """
    logger: Logger = structlog.stdlib.get_logger(component, component=component)
    return logger


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _add_service(service: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["otel_trace_id"] = trace.format_trace_id(context.trace_id)
        event["otel_span_id"] = trace.format_span_id(context.span_id)
    return event


class EmailHasher:
    """Turns addresses into a field that can be compared within one process and read by nobody."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def __call__(self, address: str) -> str:
        """Return the first 16 hex digits of HMAC-SHA256 over the lower-cased address."""
        return hmac.new(self._key, address.strip().lower().encode(), hashlib.sha256).hexdigest()[:16]
