"""Ids and order tags, all derived, never stored first: the same input gives the same id."""

import base64
import hashlib
import re
from typing import Final, Literal

Leg = Literal["entry", "exit"]

TAG_LENGTH: Final = 20
"""Letters and digits in an order tag: the shortest limit of the four brokers (Kite Connect v3)."""

_ACCOUNT_ID: Final = re.compile(r"brk_[a-z2-7]{16}")


def strategy_id(uid: str) -> str:
    """`str_` and 16 letters and digits, from the TradingStrategy's UID."""
    return "str_" + _base32(uid, bits=80)


def account_id(uid: str) -> str:
    """`brk_` and 16 letters and digits, from the BrokerAccount's UID."""
    return "brk_" + _base32(uid, bits=80)


def is_account_id(text: str) -> bool:
    """Whether a text could be an account's id."""
    return _ACCOUNT_ID.fullmatch(text) is not None


def order_tag(strategy_uid: str, trading_day: str, leg: Leg, attempt: int) -> str:
    """The tag of one order attempt: 20 upper-case letters and digits.

    With everything local lost, the broker's order book searched by these tags rebuilds the
    state. `trading_day` is ISO, for example 2019-07-09; `attempt` counts from 1.
    """
    return _base32(f"{strategy_uid}/{trading_day}/{leg}/{attempt}", bits=100).upper()


def order_id(tag: str) -> str:
    """`ord_` and the tag in lower case: our own id of an order attempt."""
    return "ord_" + tag.lower()


def _base32(text: str, *, bits: int) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest)[: bits // 5].decode().lower()
