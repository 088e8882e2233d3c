"""Grants strategies' wishes: each wanted share on a market socket, and its facts in Redis."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from algo_brokers.instruments import Instrument
from algo_redis.errors import RedisError
from algo_service.logging import get_logger

from algo_feed.broker.instrument_loader import InstrumentLoader
from algo_feed.metrics import Metrics
from algo_feed.settings import Intervals
from algo_feed.subscriptions.requests import SubscriptionRequests, resolve_instruments
from algo_feed.ticks.encoder import TickEncoder
from algo_feed.websocket.connection import StreamConnection

log = get_logger(__name__)


class Subscriber:
    """The market sockets of an account, and what is on them."""

    def __init__(
        self,
        requests: SubscriptionRequests,
        master: InstrumentLoader,
        *,
        encoder: TickEncoder,
        key: Callable[[Instrument], int],
        open_socket: Callable[[str], StreamConnection],
        sockets: int,
        limit: int,
        metrics: Metrics,
        intervals: Intervals,
    ) -> None:
        """One socket is there from the start: order updates may come by it.

        Args:
            requests: the feed's keys.
            master: the broker's instruments.
            encoder: where ticks are made commands.
            key: what a tick's key is for an instrument.
            open_socket: makes a market socket of a name.
            sockets: the most there may be.
            limit: the most instruments on one.
            metrics: where to count.
            intervals: how often to look.
        """
        self.known: list[Instrument] = []
        self.sockets: Final = [open_socket("market-1")]
        self._requests: Final = requests
        self._master: Final = master
        self._encoder: Final = encoder
        self._key: Final = key
        self._open_socket: Final = open_socket
        self._most: Final = sockets
        self._limit: Final = limit
        self._metrics: Final = metrics
        self._intervals: Final = intervals

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Keeps the first socket."""
        _ = tasks.create_task(self.sockets[0].keep())

    async def follow(self, tasks: asyncio.TaskGroup) -> None:
        """Grants wishes forever; further sockets become tasks of the group."""
        _ = await self._master.loaded.wait()
        while True:
            try:
                await self._grant(tasks)
            except RedisError as error:
                log.warning("wishes_unread", error=str(error))
            await asyncio.sleep(self._intervals.wanted)

    async def _grant(self, tasks: asyncio.TaskGroup) -> None:
        if self._master.master is None:
            return
        known, unknown = resolve_instruments(await self._requests.names(), self._master.master)
        shards, beyond = assign_to_sockets(
            known,
            [socket.wanted for socket in self.sockets],
            sockets=self._most,
            limit=self._limit,
        )
        if beyond:
            known = [instrument for instrument in known if instrument not in set(beyond)]
            unknown += [f"{i.exchange}:{i.symbol}" for i in beyond]
        if unknown and len(unknown) != self._metrics.unknown:
            log.warning(
                "instruments_unknown", count=len(unknown), first=unknown[:10], beyond=len(beyond)
            )
        self._subscribe(shards, tasks)
        self.known = known
        self._metrics.subscribed, self._metrics.unknown = len(known), len(unknown)
        await self._requests.answer(known, unknown)

    def _subscribe(self, shards: list[frozenset[Instrument]], tasks: asyncio.TaskGroup) -> None:
        keys = {self._key(i): i for shard in shards for i in shard}
        for gone in self._encoder.streams.keys() - keys.keys():
            self._encoder.remove(gone)
        for key, instrument in keys.items():
            self._encoder.add(key, exchange=instrument.exchange, symbol=instrument.symbol)
        for number, shard in enumerate(shards):
            if number == len(self.sockets):
                self.sockets.append(self._open_socket(f"market-{number + 1}"))
                _ = tasks.create_task(self.sockets[number].keep())
            self.sockets[number].wanted = shard


def assign_to_sockets(
    wanted: Iterable[Instrument],
    before: Sequence[frozenset[Instrument]],
    *,
    sockets: int,
    limit: int,
) -> tuple[list[frozenset[Instrument]], list[Instrument]]:
    """The instruments of each socket, and those that none has room for.

    What is on a socket stays there; what is new fills the sockets in turn, so that a second one
    is opened only when the first is full.
    """
    left = {(i.exchange, i.symbol): i for i in wanted}
    left = dict(sorted(left.items()))
    shards: list[frozenset[Instrument]] = []
    for shard in before:
        kept = frozenset(i for i in shard if left.get((i.exchange, i.symbol)) == i)
        for instrument in kept:
            del left[instrument.exchange, instrument.symbol]
        shards.append(kept)
    new = list(left.values())
    for number in range(sockets):
        if number == len(shards):
            if not new:
                break
            shards.append(frozenset())
        room = max(0, limit - len(shards[number]))
        shards[number] |= frozenset(new[:room])
        new = new[room:]
    return shards, new
