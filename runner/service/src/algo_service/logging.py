"""One log format for every process: JSON lines on standard output.

A record has `time` (RFC 3339, UTC, milliseconds), `level`, `logger`, `event` (a constant name, in
the past tense) and the fields. Records of other libraries take the same way. A field that is
named like a secret is not written, at any depth: see `algo_service.redaction`.

    log = get_logger(__name__)
    log.warning("lease_not_renewed", error=str(error))
"""

import datetime as dt
import json
import logging
import sys
from dataclasses import dataclass
from typing import Any, Final

from algo_service.redaction import redacted

_FIELDS: Final = "event_fields"


@dataclass(frozen=True, slots=True)
class EventLogger:
    """Writes events of one module: a constant name, and fields by keyword."""

    logger: logging.Logger

    def debug(self, event: str, **fields: object) -> None:
        """For developers; usually not written."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """The ordinary course of things."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something failed and is tried again, or works less well."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """A person should look. `exc_info` may hold the exception."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """As `error`, with the traceback of the exception in hand."""
        self._write(logging.ERROR, event, fields | {"exc_info": sys.exc_info()[1]})

    def _write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self.logger.isEnabledFor(level):
            error = fields.pop("exc_info", None)
            self.logger.log(level, event, exc_info=error, extra={_FIELDS: fields})


def get_logger(name: str) -> EventLogger:
    """The logger of a module."""
    return EventLogger(logging.getLogger(name))


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; a traceback without the values of variables."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= redacted(getattr(record, _FIELDS, {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(level: str = "INFO") -> None:
    """Sends every record of this process to standard output as JSON.

    Our own modules write from `level` on; other libraries from WARNING on.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for package in _OURS:
        logging.getLogger(package).setLevel(level)


_OURS: Final = (
    *("algo_brokers", "algo_feed", "algo_kube", "algo_login", "algo_operator", "algo_redis"),
    *("algo_runner", "algo_service"),
)
