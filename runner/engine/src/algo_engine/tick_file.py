"""Tick files: CSV, plain or gzip, with the header `time,exchange,symbol,price,quantity,volume`.

Times are ISO 8601 with a zone, prices rupees with at most two decimals.
"""

import datetime as dt
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from algo_contract.money import paise
from algo_contract.sessions import microseconds

HEADER: Final = "time,exchange,symbol,price,quantity,volume"
_FIELDS: Final = 6
_MICROS: Final = len("59999999")
_GZIP_MAGIC: Final = b"\x1f\x8b"

FileTick = tuple[str, str, int, int, int, int]
"""exchange, symbol, exchange time (µs since the epoch), price (paise), quantity, day volume."""


class TickFileError(ValueError):
    """A tick file that cannot be read; the message names the file, and the line where there is one."""


def read_ticks(path: Path | str, *, instrument: tuple[str, str] | None = None) -> Iterator[FileTick]:
    """The file's ticks in its order; with `instrument` (exchange, symbol) only that share's.

    Every line is checked, also those of other instruments.

    Raises:
        TickFileError: missing, unreadable or empty file, wrong header, or a broken line.
    """
    path = Path(path)
    number = 0
    try:
        with _open(path) as lines:
            if lines.readline().strip() != HEADER:
                raise TickFileError(f"{path}, line 1: the header must be {HEADER}")
            number = 1
            minute, minute_us = "", 0
            for line in lines:
                number += 1
                fields = line.rstrip().split(",")
                if len(fields) != _FIELDS:
                    if fields == [""]:
                        continue
                    raise ValueError(f"{len(fields)} fields instead of {_FIELDS}")
                text, exchange, symbol, price, quantity, volume = fields
                if text[:17] + text[-6:] != minute:
                    minute, minute_us = text[:17] + text[-6:], _minute_us(text)
                seconds = text[17:-6]
                micros = seconds.replace(".", "", 1).ljust(_MICROS, "0")
                if len(micros) == _MICROS and micros.isdigit() and "00" <= seconds < "60":
                    time_us = minute_us + int(micros)
                else:
                    time_us = _microseconds(text)
                digits = price.replace(".", "", 1)
                amount = int(digits) if digits.isdigit() and price[-3:-2] == "." else paise(price)
                if not (quantity.isdigit() and volume.isdigit()):
                    raise ValueError("quantity and volume must be whole numbers")
                if instrument is None or (symbol == instrument[1] and exchange == instrument[0]):
                    yield exchange, symbol, time_us, amount, int(quantity), int(volume)
    except TickFileError:
        raise
    except UnicodeDecodeError as error:
        raise TickFileError(f"{path}: not a text file ({error.reason})") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TickFileError(f"{path}: cannot be read: {reason}") from error
    except ValueError as error:
        raise TickFileError(f"{path}, line {number + (number == 0)}: {error}") from error


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == _GZIP_MAGIC:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=None)
    return path.open("r", encoding="utf-8-sig")


def _minute_us(text: str) -> int:
    """The start of the minute of an ISO time."""
    time_us = _microseconds(text)
    return time_us - time_us % 60_000_000


def _microseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone, for example +05:30")
    return microseconds(moment)

