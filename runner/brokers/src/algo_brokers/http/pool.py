"""The connections of one account: open ones are kept warm and lent out one call at a time."""

import asyncio
import ssl
import time
from typing import Final

from algo_brokers.http.connection import Connection, ConnectionBroken, within
from algo_brokers.http.proxy import Origin, connect

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
        self._permits: Final = asyncio.Semaphore(MAX_CONNECTIONS)
        self._in_use = 0
        """Permits out: for connections that are lent or being made."""

        self._lent: Final[dict[Connection, Origin]] = {}
        self._idle: list[tuple[Origin, Connection]] = []
        """Longest idle first."""

        self._is_closed = False

    async def take(self, origin: Origin) -> Connection:
        """A connection that a request may go out on at once; to be given back.

        Raises:
            Broken: there is none, nor could one be made.
        """
        if self._permits.locked():
            await within(POOL_SECONDS, self._permits.acquire(), "no connection became free")
        else:
            await self._permits.acquire()
        self._in_use += 1
        try:
            self._check_open()
            connection = self._warm(origin) or await self._new(origin)
        except BaseException:
            self._return_permit()
            raise
        self._lent[connection] = origin
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keeps it where it may be used again."""
        origin = self._lent.pop(connection)
        self._return_permit()
        if connection.is_clean and not self._is_closed:
            connection.idle_since = time.monotonic()
            self._idle.append((origin, connection))
        else:
            connection.close()

    def close(self) -> None:
        """Closes all connections, those of calls under way too; none is made any more."""
        self._is_closed = True
        for connection in [*self._lent, *(idle for _, idle in self._idle)]:
            connection.close()
        self._idle.clear()

    def _warm(self, origin: Origin) -> Connection | None:
        """The one used last: the warmest."""
        oldest = time.monotonic() - KEEPALIVE_SECONDS
        while place := next((i for i in reversed(self._idle) if i[0] == origin), None):
            self._idle.remove(place)
            _, connection = place
            if connection.idle_since >= oldest and connection.is_ready():
                return connection
            connection.close()
        return None

    async def _new(self, origin: Origin) -> Connection:
        self._idle = [idle for idle in self._idle if idle[1].is_clean]
        while self._idle and len(self._idle) + self._in_use > MAX_CONNECTIONS:
            self._idle.pop(0)[1].close()
        connection = await connect(origin, tls=self._tls, proxy=self._proxy)
        try:
            self._check_open()
        except ConnectionBroken:
            connection.close()
            raise
        return connection

    def _check_open(self) -> None:
        if self._is_closed:
            raise ConnectionBroken("it was closed by this process")

    def _return_permit(self) -> None:
        self._in_use -= 1
        self._permits.release()
