"""Zerodha's JSON as exact values: rupees become paise without a float, odd values an error."""

import datetime as dt
from decimal import Decimal
from typing import Any, Final, cast

from algo_contract.trading_day import IST, microseconds

from algo_brokers.exact_json import MAX_NUMBER, exact_json

MAX_TEXT: Final = 300
"""Characters of a broker's message that are kept."""


class Unreadable(ValueError):
    """Not what Kite Connect documents. The message holds names of fields, never their values."""


Fields = dict[str, Any]


def json_of(body: bytes | str) -> Any:
    """A JSON text, as `exact_json`.

    Raises:
        Unreadable: it is none.
    """
    try:
        return exact_json(body)
    except ValueError:
        pass
    raise Unreadable("no JSON")


def fields_of(value: object) -> Fields:
    """A JSON object.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(value, dict):
        raise Unreadable("no JSON object")
    return cast("Fields", value)


def rows_of(value: object) -> list[Fields]:
    """A JSON list of objects.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(value, list):
        raise Unreadable("no JSON list")
    return [fields_of(row) for row in cast("list[object]", value)]


def text(fields: Fields, name: str) -> str:
    """A text; empty where it is absent or null.

    Raises:
        Unreadable: something else.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{name} is no text")
    return value


def words(value: object) -> str:
    """A text that is only shown; empty for anything else."""
    return value if isinstance(value, str) else ""


def whole(fields: Fields, name: str, *, may_be_negative: bool = False) -> int:
    """A whole number.

    Raises:
        Unreadable: absent, or something else.
    """
    value = number(fields, name, may_be_negative=may_be_negative)
    if value != int(value):
        raise Unreadable(f"{name} is no whole number")
    return int(value)


def number(fields: Fields, name: str, *, may_be_negative: bool = False) -> Decimal:
    """A number.

    Raises:
        Unreadable: absent, or something else, or out of all proportion.
    """
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unreadable(f"{name} is no number")
    if not (-MAX_NUMBER if may_be_negative else 0) <= value <= MAX_NUMBER:
        raise Unreadable(f"{name} is out of proportion")
    return Decimal(value)


def paise(fields: Fields, name: str, *, times: int = 1, may_be_negative: bool = False) -> int:
    """An amount in rupees, `times` as much, in paise: rounded once, at the end, half to even. An
    average price has more digits than paise have.

    Raises:
        Unreadable: no amount.
    """
    return round(number(fields, name, may_be_negative=may_be_negative) * times * 100)


def time_us(fields: Fields, name: str) -> int:
    """A moment, `YYYY-MM-DD HH:MM:SS` in exchange time, in µs since the epoch; 0 where absent.

    Raises:
        Unreadable: no moment.
    """
    value = text(fields, name)
    if not value:
        return 0
    try:
        return microseconds(dt.datetime.fromisoformat(value).replace(tzinfo=IST))
    except (OverflowError, ValueError):
        pass
    raise Unreadable(f"{name} is no time")


def cleaned(message: str) -> str:
    """A broker's words on one line, without control characters, not too long."""
    printable = "".join(c if c.isprintable() else " " for c in message[: 4 * MAX_TEXT])
    return " ".join(printable.split())[:MAX_TEXT]
