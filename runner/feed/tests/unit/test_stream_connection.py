"""One socket against a server of the test's own: refusals and silences."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from algo_brokers.instruments import Instrument
from algo_brokers.urls import Endpoints
from algo_brokers.streaming import MarketTick
from algo_brokers.zerodha.stream import ZerodhaStream
from algo_contract.messages.broker_session import BrokerSession, session_json
from algo_engine.orders import OrderReport
from algo_feed.websocket import connection
from algo_feed.broker.session_file import SessionFile
from algo_feed.metrics import Metrics
from algo_feed.settings import Intervals
from algo_feed.websocket.connection import ConnectionContext, StreamConnection
from websockets.asyncio.server import Request, Response, ServerConnection, serve

SESSION = BrokerSession(
    broker="zerodha",
    client_id="C",
    api_key="k",
    access_token="t",
    issued_us=0,
    expires_us=2**60,
)
SHARE = Instrument(exchange="NSE", symbol="INFY", token=408065, tick_size=5)


@dataclass
class Broker:
    """Refuses the first handshakes, and says nothing on the connections it takes."""

    refusals: int
    asked: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(10):
            while self.asked < times:
                await self.changed.wait()
                self.changed.clear()

    def handshake(self, connection: ServerConnection, _: Request) -> Response | None:
        self.asked += 1
        self.changed.set()
        return connection.respond(403, "") if self.asked <= self.refusals else None

    async def listen(self, connection: ServerConnection) -> None:
        await connection.wait_closed()


class Nobody:
    """Hears everything and does nothing."""

    def connected(self, name: str) -> None:
        pass

    def ticks(self, ticks: list[MarketTick], *, received_us: int) -> None:
        pass

    def orders(self, rows: Sequence[OrderReport]) -> None:
        pass


@contextlib.asynccontextmanager
async def socket_to(
    broker: Broker, folder: Path, *, is_proven: bool = True, stale_seconds: float = 60.0
) -> AsyncGenerator[StreamConnection]:
    (folder / "session.json").write_text(session_json(SESSION))
    sessions = SessionFile(folder, every=9)
    if is_proven:
        sessions.prove(SESSION)
    async with serve(broker.listen, "127.0.0.1", 0, process_request=broker.handshake) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        market = f"ws://127.0.0.1:{port}"
        endpoints = Endpoints(rest="", login="", master="", market=market, orders="")
        around = ConnectionContext(
            streams=lambda session: (ZerodhaStream(endpoints, session),),
            sessions=sessions,
            listener=Nobody(),
            metrics=Metrics(),
            intervals=Intervals(refused=1000.0, refused_once=0.0),
            market_is_open=lambda: True,
            stale_seconds=stale_seconds,
        )
        socket = StreamConnection("market-1", around, place=0)
        socket.wanted = frozenset({SHARE})
        keeping = asyncio.create_task(socket.keep())
        try:
            yield socket
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping


def no_second_pause(**_: float) -> Iterator[float]:
    return iter([0.0, 1000.0])


async def test_socket__refused_once_though_the_book_is_read__tried_again_soon(
    tmp_path: Path,
) -> None:
    broker = Broker(refusals=1)
    async with socket_to(broker, tmp_path) as socket:
        async with asyncio.timeout(10):
            await socket.opened.wait()

    assert broker.asked == 2


@pytest.mark.parametrize("is_proven", [True, False])
async def test_socket__refused_again_or_unproven__waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_proven: bool
) -> None:
    waits: list[BrokerSession | None] = []
    waiting = asyncio.Event()
    usable = SessionFile.usable

    async def noted(
        self: SessionFile, *, refused: BrokerSession | None, seconds: float
    ) -> BrokerSession:
        waits.append(refused)
        if refused is not None:
            waiting.set()
        return await usable(self, refused=refused, seconds=seconds)

    monkeypatch.setattr(SessionFile, "usable", noted)
    broker = Broker(refusals=9)
    async with socket_to(broker, tmp_path, is_proven=is_proven), asyncio.timeout(10):
        await waiting.wait()

    assert broker.asked == (2 if is_proven else 1)
    assert waits[-1] == SESSION


async def test_socket__given_up_for_silence__always_the_first_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "backoff", no_second_pause)
    monkeypatch.setattr(connection, "TEND_SECONDS", 0.01)
    broker = Broker(refusals=0)
    async with socket_to(broker, tmp_path, stale_seconds=0.05):
        await broker.until_asked(4)
