"""The connections of one account: open ones are kept warm and lent out one call at a time."""

import asyncio
import ssl
import time
from collections import deque
from typing import Final

from algo_brokers.connection import Broken, Connection
from algo_brokers.egress import Origin, connect

MAX_CONNECTIONS: Final = 4
POOL_SECONDS: Final = 1.0
KEEPALIVE_SECONDS: Final = 45.0
"""Shorter than the 60 s after which common load balancers close a connection, so that an order
does not meet a close on its way."""


class Pool:
    """At most four connections at once, lent and idle together."""

    def __init__(self, *, tls: ssl.SSLContext, proxy: tuple[str, int] | None) -> None:
        """Connects nothing yet."""
        self._tls: Final = tls
        self._proxy: Final = proxy
        self._places: Final = asyncio.Semaphore(MAX_CONNECTIONS)
        self._taken = 0
        """Places taken by connections that are lent or being made."""

        self._lent: Final[dict[Connection, Origin]] = {}
        self._idle: Final[deque[tuple[Origin, Connection, float]]] = deque()
        """Longest idle first; since when, in monotonic seconds."""

    async def take(self, origin: Origin) -> Connection:
        """A connection that a request may go out on at once; to be given back.

        Raises:
            Broken: there is none, nor could one be made.
        """
        try:
            async with asyncio.timeout(POOL_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Broken(f"no connection became free within {POOL_SECONDS:g} s") from None
        self._taken += 1
        try:
            connection = self._warm(origin) or await self._new(origin)
        except BaseException:
            self._leave_place()
            raise
        self._lent[connection] = origin
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keeps it where it may be used again."""
        origin = self._lent.pop(connection)
        self._leave_place()
        if connection.is_reusable:
            self._idle.append((origin, connection, time.monotonic()))
        else:
            connection.close()

    def close(self) -> None:
        """Closes all connections, those of calls under way too."""
        for connection in [*self._lent, *(idle for _, idle, _ in self._idle)]:
            connection.close()
        self._idle.clear()

    def _warm(self, origin: Origin) -> Connection | None:
        """The one used last: the warmest."""
        oldest = time.monotonic() - KEEPALIVE_SECONDS
        for place in reversed(tuple(self._idle)):
            to, connection, since = place
            if to != origin:
                continue
            self._idle.remove(place)
            if since >= oldest and connection.is_usable:
                return connection
            connection.close()
        return None

    async def _new(self, origin: Origin) -> Connection:
        while self._idle and len(self._idle) + self._taken > MAX_CONNECTIONS:
            self._idle.popleft()[1].close()
        return await connect(origin, tls=self._tls, proxy=self._proxy)

    def _leave_place(self) -> None:
        self._taken -= 1
        self._places.release()
