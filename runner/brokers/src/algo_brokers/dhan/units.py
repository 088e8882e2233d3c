"""Dhan's rupees and clock times as paise and microseconds."""

import datetime as dt
from decimal import Decimal
from typing import Any

from algo_contract.trading_day import IST, microseconds

from algo_brokers.exact_json import MAX_DIGITS, MAX_NUMBER


def text_of(value: Any) -> str:
    """A JSON text, or a whole number as one; empty for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def nearest_paise(rupees: Any, *, may_be_negative: bool = False) -> int:
    """Rupees of a JSON number or text as paise, to the nearest; nothing is 0.

    Raises:
        ArithmeticError, TypeError, ValueError: not a number, or out of proportion.
    """
    return int((_number(rupees, may_be_negative=may_be_negative) * 100).to_integral_value())


def whole(number: Any, *, may_be_negative: bool = False) -> int:
    """A whole number of a JSON number or text; nothing is 0.

    Raises:
        ArithmeticError, TypeError, ValueError: it is none, or out of proportion.
    """
    value = _number(number, may_be_negative=may_be_negative)
    if value != value.to_integral_value():
        raise ValueError("no whole number")
    return int(value)


def worth(average_rupees: Any, quantity: int) -> int:
    """Paise for a quantity at an average price, to the nearest. Dhan tells no other total: where
    it has rounded the average, the product is off by at most that rounding times the quantity.

    Raises:
        ArithmeticError, TypeError, ValueError: not a number, or out of proportion.
    """
    return int((_number(average_rupees) * quantity * 100).to_integral_value())


def _number(value: Any, *, may_be_negative: bool = False) -> Decimal:
    if value is None or value == "":
        return Decimal(0)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise TypeError("no number")
    digits = value if isinstance(value, str) else str(value)
    if len(digits) > MAX_DIGITS:
        raise ValueError("no number of this world")
    number = Decimal(digits)
    if not (-MAX_NUMBER if may_be_negative else 0) <= number <= MAX_NUMBER:
        raise ValueError("a number out of proportion")
    return number


def ist_us(text: str) -> int:
    """An exchange time in µs since the epoch: ISO, or DD/MM/YYYY HH:MM:SS as in quotes. One without
    a zone is IST.

    Raises:
        ValueError: in none of Dhan's formats.
    """
    if text[2:3] == "/" and text[5:6] == "/":
        text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
    moment = dt.datetime.fromisoformat(text)
    return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=IST))
