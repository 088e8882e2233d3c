"""Tick files: CSV, plain or gzip, with the header `time,exchange,symbol,price,quantity,volume`.

Times are ISO 8601 with a zone, prices rupees with at most two decimals.
"""

import datetime as dt
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from algo_contract.money import paise
from algo_contract.trading_day import microseconds

HEADER: Final = "time,exchange,symbol,price,quantity,volume"
_FIELDS: Final = 6
_REMEMBERED: Final = 60_000
_GZIP_MAGIC: Final = b"\x1f\x8b"
_SECONDS: Final = slice(17, -6)
_USUAL_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:.*[+-]\d\d:\d\d")
"""ISO 8601 as nearly every file writes it, the seconds between two parts of fixed length."""

FileTick = tuple[str, str, int, int, int, int]
"""exchange, symbol, exchange time (µs since the epoch), price (paise), quantity, day volume."""


class TickFileError(ValueError):
    """A tick file that cannot be read; the message names the file and, if any, the line."""


def read_ticks(
    path: Path | str, *, instrument: tuple[str, str] | None = None
) -> Iterator[FileTick]:
    """The file's ticks in its order; with `instrument` (exchange, symbol) only that share's.

    Every line is checked, also those of other instruments.

    Raises:
        TickFileError: missing, unreadable or empty file, wrong header, or a broken line.
    """
    path = Path(path)
    line_number = [1]
    try:
        with _open(path) as lines:
            if lines.readline().strip() != HEADER:
                raise ValueError(f"the header must be {HEADER}")
            yield from _parsed(lines, instrument, line_number)
    except UnicodeDecodeError as error:
        raise TickFileError(f"{path}: not a text file ({error.reason})") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TickFileError(f"{path}: cannot be read: {reason}") from error
    except ValueError as error:
        raise TickFileError(f"{path}, line {line_number[0]}: {error}") from error


def _parsed(
    lines: Iterable[str], instrument: tuple[str, str] | None, line_number: list[int]
) -> Iterator[FileTick]:
    """The hot loop: one line, one tick. `line_number` holds the line in hand.

    Prices and seconds repeat, so each text is parsed and checked once and then looked up; a time
    that is written in another way is parsed whole.
    """
    minute = zone = ""
    minute_us = 0
    offsets: dict[str, int] = {}
    amounts: dict[str, int] = {}
    for line in lines:
        line_number[0] += 1
        fields = line.rstrip().split(",")
        if len(fields) != _FIELDS:
            if fields == [""]:
                continue
            raise ValueError(f"{len(fields)} fields instead of {_FIELDS}")
        text, exchange, symbol, price, quantity, volume = fields
        if text[:17] != minute or text[-6:] != zone:
            time_us = _microseconds(text)
            minute_us = time_us - time_us % 60_000_000
            is_usual = _USUAL_TIME.fullmatch(text) is not None
            minute, zone = (text[:17], text[-6:]) if is_usual else ("", "")
            offset = time_us - minute_us
        else:
            seconds = text[_SECONDS]
            offset = offsets.get(seconds)
            if offset is None:
                offset = _remember(offsets, seconds, _microseconds(text) - minute_us)
        amount = amounts.get(price)
        if amount is None:
            amount = _remember(amounts, price, paise(price))
        if not (quantity + volume).isdigit():
            raise ValueError("quantity and volume must be whole numbers")
        if instrument is None or (symbol == instrument[1] and exchange == instrument[0]):
            yield exchange, symbol, minute_us + offset, amount, int(quantity), int(volume)


def _remember(table: dict[str, int], text: str, value: int) -> int:
    """Bounded: what does not repeat (microseconds) is not worth the memory."""
    if len(table) < _REMEMBERED:
        table[text] = value
    return value


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == _GZIP_MAGIC:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=None)
    return path.open("r", encoding="utf-8-sig")


def _microseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone, for example +05:30")
    return microseconds(moment)
