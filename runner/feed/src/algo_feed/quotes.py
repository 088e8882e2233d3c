"""Quotes of what strategies want, for the moments in which ticks do not come: one batched call
now and again, into `account:{id}:quotes`.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Final

from algo_brokers.instruments import Instrument
from algo_brokers.port import Broker, Quote
from algo_contract import redis_keys
from algo_redis.client import RedisClient
from algo_redis.connection import Command
from algo_redis.errors import RedisError
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_feed.broker.client import BrokerClient
from algo_feed.metrics import Metrics
from algo_feed.settings import Intervals

log = get_logger(__name__)

AT_ONCE: Final = 250
"""Instruments in one call. Zerodha takes 500 and Dhan 1,000, but Zerodha's stand in the address,
and servers on the way refuse addresses over 8 KiB."""


class Quotes:
    """One account's hash of quotes."""

    def __init__(
        self,
        redis: RedisClient,
        client: BrokerClient[Broker],
        *,
        account_id: str,
        metrics: Metrics,
        intervals: Intervals,
        wanted: Callable[[], Sequence[Instrument]],
        are_due: Callable[[], bool],
    ) -> None:
        """Reads nothing yet. `wanted`: what to quote; `are_due`: whether the hour has prices."""
        self._redis: Final = redis
        self._client: Final = client
        self._key: Final = redis_keys.account(account_id, "quotes")
        self._metrics: Final = metrics
        self._intervals: Final = intervals
        self._wanted: Final = wanted
        self._are_due: Final = are_due
        self._next = 0

    async def read_forever(self) -> None:
        """Asks and writes, again and again."""
        while True:
            began = time.monotonic()
            if self._are_due() and (instruments := self._turn()):
                await self._read(instruments)
            await asyncio.sleep(max(0.0, began + self._intervals.quotes - time.monotonic()))

    def _turn(self) -> Sequence[Instrument]:
        """The instruments whose turn it is: more than one call takes are asked for in turns."""
        wanted = self._wanted()
        start = self._next if self._next < len(wanted) else 0
        self._next = start + AT_ONCE
        return wanted[start : start + AT_ONCE]

    async def _read(self, instruments: Sequence[Instrument]) -> None:
        quotes = await self._client.ask(lambda broker: _quotes(broker, instruments))
        if quotes is None:
            return
        self._metrics.quote_reads += 1
        received_us = wall_us()
        fields = [
            word
            for quote in quotes
            for word in (f"{quote.exchange}:{quote.symbol}", quote_json(quote, received_us))
        ]
        try:
            known = await self._redis.call("HKEYS", self._key)
            wanted = {f"{i.exchange}:{i.symbol}" for i in self._wanted()}
            gone = sorted(set(known) - wanted)
            commands: list[Command] = [("HSET", self._key, *fields)] if fields else []
            commands += [("HDEL", self._key, *gone)] if gone else []
            _ = await (await self._redis.ready()).execute(*commands)
        except RedisError as error:
            log.info("quotes_untold", error=str(error))


async def _quotes(broker: Broker, instruments: Sequence[Instrument]) -> list[Quote]:
    return await broker.quotes(instruments)


def quote_json(quote: Quote, received_us: int) -> str:
    """`price` in paise, `volume` of the day, `t` the exchange's and `r` our time, µs; and the
    day's price band in paise where the broker tells it.
    """
    fields = {
        "price": quote.last_price,
        "volume": quote.volume,
        "t": quote.time_us,
        "r": received_us,
    }
    if quote.upper_band:
        fields |= {"lower_band": quote.lower_band, "upper_band": quote.upper_band}
    return json.dumps(fields, separators=(",", ":"))
