"""A client of an adapter's WebSockets that does only what the wires say."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from algo_brokers.instruments import Instrument
from algo_brokers.streaming import MalformedFrame, StreamCodec, MarketTick
from algo_engine.orders import OrderReport
from adapter_fixture import Bench
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

WAIT_SECONDS = 5


@dataclass(slots=True)
class Feed:
    """All that came so far."""

    ticks: list[MarketTick] = field(default_factory=list)
    rows: list[OrderReport] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    garbled: int = 0
    closed: set[str] = field(default_factory=set)
    """Wires whose connection ended."""

    needs_login: bool = False
    connections: dict[str, tuple[StreamCodec, ClientConnection]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, is_so: Callable[["Feed"], bool]) -> None:
        """Returns once it is so."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not is_so(self):
                self._news.clear()
                await self._news.wait()

    async def settle(self) -> None:
        """Everything sent so far was handled by the other side, and its answers were read."""
        for _, connection in self.connections.values():
            with contextlib.suppress(ConnectionClosed):
                async with asyncio.timeout(WAIT_SECONDS):
                    await (await connection.ping())

    async def send(self, name: str, frames: Sequence[str | bytes]) -> None:
        """Frames on one of the sockets."""
        for frame in frames:
            await self.connections[name][1].send(frame)
        await self.settle()

    async def read(self, wire: StreamCodec, connection: ClientConnection) -> None:
        """Takes in all of one connection."""
        with contextlib.suppress(ConnectionClosed):
            async for frame in connection:
                self._hear(wire, frame)
                self._news.set()
        self.closed.add(wire.name)
        self._news.set()

    def _hear(self, wire: StreamCodec, frame: bytes | str) -> None:
        try:
            ticks = wire.ticks(frame) if isinstance(frame, bytes) else []
            said = None if ticks else wire.said(frame)
        except MalformedFrame as error:
            self.garbled += 1
            self.ticks += error.ticks
            return
        self.ticks += ticks
        if said is not None:
            self.rows += said.orders
            self.notices += said.notices
            self.needs_login = self.needs_login or said.needs_login


@contextlib.asynccontextmanager
async def feed(bench: Bench, instruments: Sequence[Instrument] = ()) -> AsyncGenerator[Feed]:
    """All of an account's sockets, subscribed."""
    found = Feed()
    readers: list[asyncio.Task[None]] = []
    async with contextlib.AsyncExitStack() as stack:
        for wire in bench.adapter.streams(bench.endpoints, bench.session):
            connection = await stack.enter_async_context(
                connect(wire.url(), additional_headers=dict(wire.headers()), compression=None)
            )
            found.connections[wire.name] = (wire, connection)
            readers.append(asyncio.create_task(found.read(wire, connection)))
            wanted = wire.subscribe(instruments) if wire.instruments_limit else ()
            for frame in (*wire.hello(), *wanted):
                await connection.send(frame)
        await found.settle()
        yield found
    await asyncio.gather(*readers)
