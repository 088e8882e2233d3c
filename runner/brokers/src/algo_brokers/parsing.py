"""JSON as brokers send it: fractions exact, and one odd number no reason to lose the rest."""

import csv
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from math import nan
from typing import Any, Final

MAX_DIGITS: Final = 40
"""Characters of a number: an average price has about 30, a total fewer."""

MAX_NUMBER: Final = 10**12
"""Far above any price in rupees or quantity. It must be asked for before anything is made an `int`:
1e999999 is eight characters, and as an `int` takes a minute of processor time.
"""


def exact_json(text: bytes | str) -> Any:
    """A JSON text. Fractions are `Decimal`; a number that is none, or longer than any real one, is
    a float that is not a number (NaN). Bytes that are no UTF-8 are replaced.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", "replace")
    try:
        return json.loads(text, parse_float=_fraction, parse_int=_whole, parse_constant=_none)
    except (ValueError, RecursionError):
        pass
    raise ValueError("no JSON")


def _fraction(digits: str) -> Decimal | float:
    """A `Decimal`: one that the format cannot hold would raise an error."""
    if len(digits) > MAX_DIGITS:
        return nan
    try:
        return Decimal(digits)
    except ArithmeticError:
        return nan


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else nan


def _none(_: str) -> float:
    return nan


_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
"""It goes into headers and addresses. Dhan's have some hundred characters."""


def readable_token(token: object) -> str:
    """An access token; empty for anything that is none."""
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else ""


def csv_rows(lines: Iterator[str]) -> Iterator[list[str]]:
    """Its rows, the header first, a row a line: a stray quote or a field of over 128 KiB costs its
    own row and hides no other. No broker's master has a field of two lines.
    """
    for line in lines:
        try:
            yield from csv.reader((line,))
        except csv.Error:
            continue
