"""Dhan's rupees and clock times as paise and microseconds."""

import datetime as dt
from decimal import Decimal
from typing import Any

from algo_contract.trading_day import IST, microseconds


def nearest_paise(rupees: Any) -> int:
    """Rupees of a JSON number or text as paise, to the nearest; nothing is 0.

    Raises:
        ArithmeticError, ValueError: not a number.
    """
    return int((Decimal(str(rupees or 0)) * 100).to_integral_value())


def whole(number: Any) -> int:
    """A whole number of a JSON number or text; nothing is 0.

    Raises:
        ArithmeticError, ValueError: it is none.
    """
    value = Decimal(str(number or 0))
    if value != value.to_integral_value():
        raise ValueError("no whole number")
    return int(value)


def worth(average_rupees: Any, quantity: int) -> int:
    """Paise for a quantity at an average price, to the nearest. Dhan tells no other total: where
    it has rounded the average, the product is off by at most that rounding times the quantity.

    Raises:
        ArithmeticError, ValueError: not a number.
    """
    return int((Decimal(str(average_rupees or 0)) * quantity * 100).to_integral_value())


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
