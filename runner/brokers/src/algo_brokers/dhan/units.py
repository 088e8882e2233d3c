"""Dhan's rupees and clock times as paise and microseconds."""

import datetime as dt
from decimal import Decimal
from typing import Any, Final

IST: Final = dt.timezone(dt.timedelta(hours=5, minutes=30))
_FORMATS: Final = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S")
"""Of order books, and of `last_trade_time` in quotes."""


def paise(rupees: Any) -> int:
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


def rupees(paise: int) -> float:
    """Paise as the number that JSON shows with two decimals at most: 9305 as 93.05."""
    return paise / 100


def ist_us(text: str) -> int:
    """An exchange time in µs since the epoch. One without a zone is IST.

    Raises:
        ValueError: in none of Dhan's formats.
    """
    for form in _FORMATS:
        try:
            return _microseconds(dt.datetime.strptime(text, form).replace(tzinfo=IST))
        except ValueError:
            continue
    moment = dt.datetime.fromisoformat(text)
    return _microseconds(moment if moment.tzinfo else moment.replace(tzinfo=IST))


def _microseconds(moment: dt.datetime) -> int:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (moment - epoch) // dt.timedelta(microseconds=1)
