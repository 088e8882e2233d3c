"""Open WebSockets of one kind at one broker."""

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final

from aiohttp import WSCloseCode, web

SEND_SECONDS: Final = 5.0
"""A client that does not read for this long loses its connection: it must not hold up the rest."""

CLOSE_SECONDS: Final = 1.0
"""How long a connection that ends waits for the other side."""


@dataclass(slots=True, eq=False)
class Client:
    """One client's connection."""

    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None = None
    subscribed: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    """(exchange, number) → mode, in the broker's words."""

    async def send(self, frame: bytes | str) -> None:
        """One frame; a connection that is gone is no error."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    if isinstance(frame, bytes):
                        await self.socket.send_bytes(frame)
                    else:
                        await self.socket.send_str(frame)
            except TimeoutError:
                await self.close()

    async def has_spoken(self) -> None:
        """Waits a moment for the client's first message, or its end."""
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            _ = await self.socket.receive(timeout=CLOSE_SECONDS)

    def drop(self) -> None:
        """Cuts the connection, as a network does. uvloop's transports are no asyncio.Transport."""
        abort: Callable[[], None] | None = getattr(self.transport, "abort", None)
        if abort is not None:
            abort()

    async def close(self) -> None:
        """Ends the connection in good order; the other side has a second to agree."""
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                _ = await self.socket.close(code=WSCloseCode.GOING_AWAY, drain=False)
        self.drop()


class Clients:
    """All connections of one kind."""

    def __init__(self) -> None:
        """None yet."""
        self._open: Final[set[Client]] = set()

    def __iter__(self) -> Iterator[Client]:
        """A copy: they may go while one sends."""
        return iter(list(self._open))

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def wanted(self) -> set[tuple[str, int]]:
        """Exchange and number of all shares that somebody subscribed to."""
        return {key for client in self._open for key in client.subscribed}

    @contextlib.contextmanager
    def held(self, client: Client) -> Generator[None]:
        """The line is among the open ones inside."""
        self._open.add(client)
        try:
            yield
        finally:
            self._open.discard(client)

    async def send(self, frame: bytes | str) -> None:
        """The same frame to all."""
        for client in self:
            await client.send(frame)

    def drop(self) -> None:
        """Cuts all connections."""
        for client in self:
            client.drop()

    async def close(self) -> None:
        """Ends all connections in good order."""
        for client in self:
            await client.close()
