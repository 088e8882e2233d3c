"""What an HTTP answer of Zerodha's means: the data, or an error of the family.

`{"status": "error", "message", "error_type"}`; sources: Kite Connect 3, "Exceptions and errors",
and its forum 35732 (time-outs that come as HTTP 400).
"""

import re
from typing import Any, Final

from algo_brokers.errors import (
    AddressRefused,
    BrokerError,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import Response
from algo_brokers.zerodha.parsing import Fields, Unreadable, cleaned, fields_of, json_of, words

RETRY_SECONDS: Final = 1.0
"""Zerodha counts calls by calendar second."""

MAX_RETRY_SECONDS: Final = 60.0

TIMED_OUT: Final = re.compile(r"time[sd]?[ -]?out", re.IGNORECASE)
ADDRESS: Final = re.compile(r"\bIPs?\b|(?i:\bip address|white-?list)", re.ASCII)
"""Zerodha's words for a wrong address are not documented; these are in all it might say."""

UNCLEAR: Final = frozenset({"NetworkException", "DataException", "GeneralException"})
"""The order system could not be reached or read, or nobody knows: an order may be there."""

PERMISSION: Final = frozenset({"PermissionException", "PermissionError"})
"""Python's and Go's name for the same."""


def data_of(response: Response) -> Any:
    """The data of a good answer.

    Raises:
        BrokerError: it is no good answer.
    """
    if response.status == 200:
        envelope = _envelope(response)
        if envelope.get("status") == "success" and "data" in envelope:
            return envelope["data"]
    raise refusal(response)


def refusal(response: Response) -> BrokerError:
    """The error that an answer stands for. A refusal is one only where Zerodha says so in its own
    words: what a gateway or a proxy on the way answers proves nothing about an order.
    """
    status = response.status
    if status == 429:
        return RateLimited("Zerodha: too many requests", retry_after=_retry_after(response))
    envelope = _envelope(response)
    error, said = (cleaned(words(envelope.get(name))) for name in ("error_type", "message"))
    message = f"Zerodha: {said or 'no reason given'} ({error or 'no type'}, HTTP {status})"
    if not 400 <= status < 500 or envelope.get("status") != "error" or not error:
        return Unresolved(message if error else f"unreadable answer from Zerodha, HTTP {status}")
    if error == "TokenException":
        return TokenExpired(message)
    if error in UNCLEAR or status == 408 or TIMED_OUT.search(said):
        return Unresolved(message)
    if error in PERMISSION and ADDRESS.search(said):
        return AddressRefused(message)
    return Rejected(message)


def _envelope(response: Response) -> Fields:
    try:
        return fields_of(json_of(response.body))
    except Unreadable:
        return {}


def _retry_after(response: Response) -> float:
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdecimal() and len(value) < 6:
        return min(max(float(value), RETRY_SECONDS), MAX_RETRY_SECONDS)
    return RETRY_SECONDS
