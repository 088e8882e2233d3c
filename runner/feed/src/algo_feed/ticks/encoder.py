"""Ticks as the bytes of XADD commands: the hot path, about a microsecond a tick.

A command is text put together from parts that seldom change: the instrument's beginning, the price
and quantity (seen before, mostly), and the end with both times, which a whole frame shares.
"""

from collections.abc import Sequence
from typing import Final

from algo_brokers.streaming import MarketTick
from algo_contract import redis_keys

from algo_feed.ticks.exchange_clock import ExchangeClock

_KNOWN_NUMBERS: Final = 20_000
"""Prices and quantities kept as text: about 3 MB."""


class _Numbers(dict[int, str]):
    """Numbers as RESP bulk strings, kept once made."""

    def __missing__(self, number: int) -> str:
        if len(self) >= _KNOWN_NUMBERS:
            self.clear()
        text = self[number] = bulk(number)
        return text


def bulk(word: str | int) -> str:
    """A RESP bulk string; the length is in bytes."""
    text = str(word)
    return f"${len(text.encode())}\r\n{text}\r\n"


_QUANTITY: Final = bulk(redis_keys.TICK_QUANTITY)
_VOLUME: Final = bulk(redis_keys.TICK_VOLUME)
_TIME: Final = bulk(redis_keys.TICK_TIME)
_RECEIVED: Final = bulk(redis_keys.TICK_RECEIVED)


class TickEncoder:
    """The streams of one feed, by the broker's keys."""

    def __init__(self, feed: str, clock: ExchangeClock, *, stamps_trades: bool = False) -> None:
        """Knows no instrument yet."""
        self.bad_prices = 0
        self.streams: Final = dict[int, str]()
        """The stream of each key."""

        self._feed: Final = feed
        self._clock: Final = clock
        self._stamps_trades: Final = stamps_trades
        self._beginnings: Final = dict[int, str]()
        self._numbers: Final = _Numbers()

    def add(self, key: int, *, exchange: str, symbol: str) -> None:
        """Makes the key's ticks go to the instrument's stream."""
        stream = redis_keys.ticks(self._feed, exchange, symbol)
        if self.streams.get(key) != stream:
            self.streams[key] = stream
            words = ("XADD", stream, "*", redis_keys.TICK_PRICE)
            self._beginnings[key] = "*13\r\n" + "".join(bulk(word) for word in words)

    def remove(self, key: int) -> None:
        """Forgets an instrument: its ticks are passed over."""
        self.streams.pop(key, None)
        self._beginnings.pop(key, None)

    def render(self, ticks: Sequence[MarketTick], *, received_us: int, out: list[str]) -> None:
        """Appends a frame's ticks to `out` as commands, and shows the clock their stamps."""
        beginnings, numbers, stamp_us, end = self._beginnings, self._numbers, -1, ""
        shown_us = 0
        received = f"{_RECEIVED}{bulk(received_us)}"
        for key, price, quantity, volume, time_us in ticks:
            if time_us != stamp_us:
                stamp_us = time_us
                shown_us = self._stamp(time_us, received_us)
                end = f"{_TIME}{bulk(shown_us)}{received}"
            beginning = beginnings.get(key)
            if beginning is None or not shown_us:
                continue
            if price <= 0:
                self.bad_prices += 1
                continue
            day = str(volume)
            out.append(
                f"{beginning}{numbers[price]}{_QUANTITY}{numbers[quantity]}"
                f"{_VOLUME}${len(day)}\r\n{day}\r\n{end}"
            )

    def _stamp(self, time_us: int, received_us: int) -> int:
        """What to publish as the exchange's time; 0 for a packet without one: it is passed over."""
        if not time_us:
            return 0
        self._clock.see(time_us, received_us=received_us, is_trades=self._stamps_trades)
        return time_us
