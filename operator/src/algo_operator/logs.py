"""JSON logs on standard output; other libraries' records go the same way."""

import logging
import sys
from typing import Any

import structlog

_SECRETS = ("password", "token", "secret", "authorization")


def hide_secrets(_logger: object, _method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Whatever is named like a secret is not written."""
    return {
        name: "***" if any(word in name.lower() for word in _SECRETS) else value
        for name, value in fields.items()
    }


def set_up_logs(level: str) -> None:
    """Configure structlog and the standard library's logging once."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
