"""Grants strategies' wishes: each wanted share on a market socket, and its facts in Redis."""

import asyncio
from collections.abc import Callable
from typing import Final

from algo_brokers.instruments import Instrument
from algo_redis.errors import RedisError

from algo_feed.figures import Figures
from algo_feed.log import log
from algo_feed.master_load import MasterKeeper
from algo_feed.rhythm import Rhythm
from algo_feed.shards import sharded
from algo_feed.tick_lines import TickLines
from algo_feed.web_socket import WebSocket
from algo_feed.wishes import Wishes, resolved


class MarketWishes:
    """The market sockets of an account, and what is on them."""

    def __init__(
        self,
        wishes: Wishes,
        master: MasterKeeper,
        *,
        lines: TickLines,
        key: Callable[[Instrument], int],
        open_socket: Callable[[str], WebSocket],
        sockets: int,
        limit: int,
        figures: Figures,
        rhythm: Rhythm,
    ) -> None:
        """One socket is there from the start: order updates may come by it.

        Args:
            wishes: the feed's keys.
            master: the broker's instruments.
            lines: where ticks are made commands.
            key: what a tick's key is for an instrument.
            open_socket: makes a market socket of a name.
            sockets: the most there may be.
            limit: the most instruments on one.
            figures: where to count.
            rhythm: how often to look.
        """
        self.known: list[Instrument] = []
        self.sockets: Final = [open_socket("market-1")]
        self._wishes: Final = wishes
        self._master: Final = master
        self._lines: Final = lines
        self._key: Final = key
        self._open_socket: Final = open_socket
        self._most: Final = sockets
        self._limit: Final = limit
        self._figures: Final = figures
        self._rhythm: Final = rhythm

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Keeps the first socket."""
        _ = tasks.create_task(self.sockets[0].keep())

    async def follow(self, tasks: asyncio.TaskGroup) -> None:
        """Grants wishes for ever; further sockets become tasks of the group."""
        _ = await self._master.loaded.wait()
        while True:
            try:
                await self._grant(tasks)
            except RedisError as error:
                log("wishes_unread", error=str(error))
            await asyncio.sleep(self._rhythm.wanted)

    async def _grant(self, tasks: asyncio.TaskGroup) -> None:
        if self._master.master is None:
            return
        known, unknown = resolved(await self._wishes.names(), self._master.master)
        shards, beyond = sharded(
            known,
            [socket.wanted for socket in self.sockets],
            sockets=self._most,
            limit=self._limit,
        )
        if beyond:
            known = [instrument for instrument in known if instrument not in set(beyond)]
            unknown += [f"{i.exchange}:{i.symbol}" for i in beyond]
        if unknown and len(unknown) != self._figures.unknown:
            log("instruments_unknown", count=len(unknown), first=unknown[:10], beyond=len(beyond))
        self._subscribe(shards, tasks)
        self.known = known
        self._figures.subscribed, self._figures.unknown = len(known), len(unknown)
        await self._wishes.answer(known, unknown)

    def _subscribe(self, shards: list[frozenset[Instrument]], tasks: asyncio.TaskGroup) -> None:
        keys = {self._key(i): i for shard in shards for i in shard}
        for gone in self._lines.streams.keys() - keys.keys():
            self._lines.remove(gone)
        for key, instrument in keys.items():
            self._lines.add(key, exchange=instrument.exchange, symbol=instrument.symbol)
        for number, shard in enumerate(shards):
            if number == len(self.sockets):
                self.sockets.append(self._open_socket(f"market-{number + 1}"))
                _ = tasks.create_task(self.sockets[number].keep())
            self.sockets[number].wanted = shard
