"""Money is integer paise. Decimal text comes in and goes out; a float never decides an order."""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

_EXACT: Final = Context(prec=15, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow])
"""Anything that does not fit is refused: an amount of ten million crore rupees as much as a third
decimal far to the right."""


def paise(rupees: str | float | Decimal) -> int:
    """Rupees with at most two decimals, as written by a person, to integer paise.

    A float is read by its shortest text (2890.5 means 2890.50), never by its binary value.

    Raises:
        ValueError: not a number, out of all proportion, or more than two decimals.
    """
    try:
        amount = _EXACT.multiply(Decimal(str(rupees)), Decimal(100))
        if amount.adjusted() >= _EXACT.prec:
            raise Overflow
        whole = int(amount)
    except Inexact as error:
        raise ValueError(f"{rupees!r} has too many digits") from error
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{rupees!r} is not an amount in rupees") from error
    if whole != amount:
        raise ValueError(f"{rupees!r} has more than two decimals")
    return whole


def basis_points(percent: str | float | Decimal) -> int:
    """A percentage with at most two decimals to integer hundredths of a percent: 1.5 gives 150."""
    return paise(percent)


def rupees(amount: int) -> float:
    """Paise to rupees, for people and JSON only."""
    return float(Decimal(amount) / 100)


def rupee_text(amount: int) -> str:
    """Paise as text with two decimals: 9395 gives ₹93.95, -5250 gives -₹52.50."""
    sign = "-" if amount < 0 else ""
    return f"{sign}₹{abs(amount) // 100:,}.{abs(amount) % 100:02d}"


def average_rupees(value: int, quantity: int) -> float:
    """The average price in rupees (four decimals) of `quantity` shares worth `value` paise."""
    if quantity == 0:
        return 0.0
    return float(round(Decimal(value) / quantity / 100, 4))
