"""JSON logs on standard output; whatever is named like a secret is not written."""

import logging
import sys
from typing import Any, Final, cast

import structlog

HIDDEN: Final = "***"
_SECRETS: Final = (
    *("password", "token", "secret", "authorization", "sealed", "callback", "checksum"),
    *("pin", "totp", "seed", "api_key", "session", "envelope"),
)


def hide_secrets(_logger: object, _method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without secrets, at any depth; the event's own words stay."""
    return {
        name: value if name == "event" else _shown(name, value) for name, value in fields.items()
    }


def _shown(name: str, value: object) -> object:
    if any(word in name.lower() for word in _SECRETS):
        return HIDDEN
    if isinstance(value, dict):
        inner = cast("dict[object, object]", value)
        return {key: _shown(str(key), each) for key, each in inner.items()}
    if isinstance(value, list | tuple):
        return [_shown("", each) for each in cast("list[object]", value)]
    return value


def set_up_logs(level: str) -> None:
    """Configures structlog and the standard library's logging once.

    Tracebacks are written without the values of variables.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
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
