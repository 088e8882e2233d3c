"""Binary frames of Kite Connect v3, field by field: no code of the adapter's or the simulator's,
so that one mistake cannot hide in both.
"""

from collections.abc import Iterable


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def frame(packets: Iterable[bytes]) -> bytes:
    """Number of packets, then size and body of each."""
    bodies = list(packets)
    return u16(len(bodies)) + b"".join(u16(len(body)) + body for body in bodies)


def ltp(token: int, price: int) -> bytes:
    """8 bytes."""
    return u32(token) + u32(price)


def index(token: int, price: int, *, seconds: int | None = None) -> bytes:
    """28 bytes, or 32 with the time."""
    high, low, opened, close, change = price + 300, price - 300, price - 100, price - 200, 200
    body = u32(token) + u32(price)
    for value in (high, low, opened, close, change):
        body += u32(value)
    return body if seconds is None else body + u32(seconds)


def quote(token: int, price: int, *, quantity: int, volume: int) -> bytes:
    """44 bytes."""
    average, bids, asks = price - 7, 111_111, 222_222
    opened, high, low, close = price - 100, price + 300, price - 300, price - 200
    body = u32(token) + u32(price) + u32(quantity) + u32(average) + u32(volume)
    for value in (bids, asks, opened, high, low, close):
        body += u32(value)
    return body


def full(token: int, price: int, *, quantity: int, volume: int, seconds: int) -> bytes:
    """184 bytes: a quote, the last trade's time, open interest and its day's range, the exchange's
    time, five bids and five asks of 12 bytes.
    """
    last_trade, interest, interest_high, interest_low = seconds - 5, 10, 20, 5
    body = quote(token, price, quantity=quantity, volume=volume)
    for value in (last_trade, interest, interest_high, interest_low, seconds):
        body += u32(value)
    for level in range(10):
        at = price - 5 * (level + 1) if level < 5 else price + 5 * (level - 4)
        body += u32(100 + level) + u32(at) + u16(level + 1) + b"\0\0"
    return body
