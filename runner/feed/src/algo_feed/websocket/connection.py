"""One WebSocket of an account, made again whenever it ends.

What a library's error says may hold the address, and the address holds the token: only an error's
type and status get into the log.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from algo_brokers.instruments import Instrument
from algo_brokers.streaming import MalformedFrame, MarketTick, StreamCodec, StreamMessage
from algo_contract.messages.broker_session import BrokerSession
from algo_engine.orders import OrderReport
from algo_service.backoff import backoff
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from algo_feed.broker.session_file import SessionFile
from algo_feed.metrics import Metrics
from algo_feed.settings import Intervals
from algo_feed.websocket.staleness import StalenessDetector

log = get_logger(__name__)

CONNECT_SECONDS: Final = 10.0
PING_SECONDS: Final = 15.0
"""A connection that died without a word is noticed within twice this, out of market hours too."""
CLOSE_SECONDS: Final = 0.3
MAX_FRAME_BYTES: Final = 2**20
"""Zerodha's largest frame, 3,000 full packets, has 558,002."""
TEND_SECONDS: Final = 0.25
GOOD_SECONDS: Final = 60.0
"""A connection that lived so long ends the back-off, and the memory of a refusal."""
_REFUSED: Final = frozenset({401, 403})


class StreamHandler(Protocol):
    """Whom sockets tell what they hear."""

    def connected(self, name: str) -> None:
        """A socket was opened."""
        ...

    def ticks(self, ticks: list[MarketTick], *, received_us: int) -> None:
        """Prices; `received_us` by the wall clock."""
        ...

    def orders(self, rows: Sequence[OrderReport]) -> None:
        """Order rows, as they were pushed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionContext:
    """What all sockets of an account share."""

    streams: Callable[[BrokerSession], Sequence[StreamCodec]]
    sessions: SessionFile
    listener: StreamHandler
    metrics: Metrics
    intervals: Intervals
    market_is_open: Callable[[], bool]
    stale_seconds: float
    proxy: str | None = None


class StreamConnection:
    """One of the wires of an account, kept open forever."""

    def __init__(self, name: str, surroundings: ConnectionContext, *, place: int) -> None:
        """Opens nothing yet. `place`: of its wire among the account's."""
        self.name: Final = name
        self.is_up = False
        """Connected, and what was wanted then is subscribed."""

        self._connections = 0
        self.opened: Final = asyncio.Event()
        """It was up once."""

        self.wanted = frozenset[Instrument]()
        """What to subscribe; set at will, it is followed within a moment."""

        self._around: Final = surroundings
        self._place: Final = place
        self._silence: Final = StalenessDetector(stale_seconds=surroundings.stale_seconds)
        self._refused: BrokerSession | None = None
        self._excused: BrokerSession | None = None
        """Refused once, though the account's readings prove it good: to be tried again soon."""

        self._is_silent = False
        """The newest connection was given up because no tick came."""

    @property
    def connection(self) -> int:
        """Which connection is up, counted from 1; 0 while none is."""
        return self._connections if self.is_up else 0

    async def keep(self) -> None:
        """Connects, listens and reconnects forever."""
        intervals = self._around.intervals
        delays = self._delays()
        while True:
            session = await self._around.sessions.usable(
                refused=self._refused, seconds=intervals.refused
            )
            self._refused, self._is_silent, excused = None, False, self._excused
            opened_at = time.monotonic()
            reason = await self._live(session)
            log.info("socket_ended", socket=self.name, reason=reason)
            self._around.metrics.reconnects[self.name] += 1
            if self._excused is not excused:
                await asyncio.sleep(intervals.refused_once)
                continue
            if time.monotonic() - opened_at > GOOD_SECONDS:
                delays, self._excused = self._delays(), None
            await asyncio.sleep(next(self._delays() if self._is_silent else delays))

    def _delays(self) -> Iterator[float]:
        intervals = self._around.intervals
        return backoff(first=intervals.first_retry, longest=intervals.longest_retry)

    def _refuse(self, session: BrokerSession) -> None:
        """The broker takes the session for dead: one slip of a host of its must not cost a minute
        of prices, so a session that its readings still prove good is soon tried once more.
        """
        if self._excused != session and self._around.sessions.is_proven(session):
            self._excused = session
        else:
            self._refused = session

    async def _live(self, session: BrokerSession) -> str:
        """One connection from beginning to end; why it ended."""
        wire = self._around.streams(session)[self._place]
        try:
            async with self._opened(wire) as connection, self._tended(connection, wire):
                reason = await self._listen(connection, wire, session)
        except InvalidStatus as error:
            if error.response.status_code in _REFUSED:
                self._refuse(session)
            return f"refused with status {error.response.status_code}"
        except ConnectionClosed as error:
            return f"closed with code {error.rcvd.code}" if error.rcvd else "lost"
        except (OSError, EOFError, WebSocketException) as error:
            return f"not reached: {type(error).__name__}"
        return reason

    @asynccontextmanager
    async def _opened(self, wire: StreamCodec) -> AsyncGenerator[ClientConnection]:
        async with _Connect(
            wire.url(),
            additional_headers=wire.headers(),
            proxy=self._around.proxy,
            compression=None,
            open_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_size=MAX_FRAME_BYTES,
        ) as connection:
            for frame in wire.hello():
                await connection.send(frame)
            self._connections += 1
            log.info("socket_opened", socket=self.name)
            self._around.listener.connected(self.name)
            yield connection

    @asynccontextmanager
    async def _tended(
        self, connection: ClientConnection, wire: StreamCodec
    ) -> AsyncGenerator[None]:
        """Tends the connection meanwhile; where that fails, the connection ends."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                connection.transport.abort()

        tending = asyncio.ensure_future(self._maintain(connection, wire))
        tending.add_done_callback(ended)
        try:
            yield
        finally:
            self.is_up = False
            _ = tending.cancel()
            (result,) = await asyncio.gather(tending, return_exceptions=True)
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                raise result

    async def _maintain(self, connection: ClientConnection, wire: StreamCodec) -> None:
        """Subscribes what is wanted, and gives up a connection that brings no ticks."""
        subscribed = frozenset[Instrument]()
        while True:
            now = time.monotonic()
            if self.wanted != subscribed:
                await self._subscribe(connection, wire, subscribed, wanted := self.wanted)
                subscribed = wanted
                self._silence.asked(now)
            self.is_up = True
            self.opened.set()
            if not subscribed or not self._around.market_is_open():
                self._silence.excused(now)
            elif self._silence.is_too_long(now):
                self._around.metrics.stale += 1
                log.info("socket_silent", socket=self.name)
                self._is_silent = True
                connection.transport.abort()
                return
            await asyncio.sleep(TEND_SECONDS)

    async def _subscribe(
        self,
        connection: ClientConnection,
        wire: StreamCodec,
        before: frozenset[Instrument],
        wanted: frozenset[Instrument],
    ) -> None:
        def by_name(instruments: frozenset[Instrument]) -> list[Instrument]:
            return sorted(instruments, key=lambda i: (i.exchange, i.symbol))

        gone, new = by_name(before - wanted), by_name(wanted - before)
        frames = [*(wire.unsubscribe(gone) if gone else ()), *(wire.subscribe(new) if new else ())]
        for frame in frames:
            await connection.send(frame)

    async def _listen(
        self, connection: ClientConnection, wire: StreamCodec, session: BrokerSession
    ) -> str:
        """Reads until the broker or the network ends it; why."""
        metrics, listener, silence = self._around.metrics, self._around.listener, self._silence
        async for frame in connection:
            received_us = wall_us()
            metrics.frames += 1
            try:
                ticks = wire.ticks(frame) if isinstance(frame, bytes) else []
                said = None if ticks else wire.said(frame)
            except MalformedFrame as garbled:
                metrics.garbled += 1
                ticks, said = list(garbled.ticks), None
            if ticks:
                silence.heard(time.monotonic())
                listener.ticks(ticks, received_us=received_us)
            elif said is not None and self._hear(said, session):
                return "ended by the broker"
        return "closed"

    def _hear(self, said: StreamMessage, session: BrokerSession) -> bool:
        """Whether the connection is over."""
        if said.orders:
            self._around.listener.orders(said.orders)
        for notice in said.notices:
            log.info("broker_said", socket=self.name, notice=notice)
        if said.needs_login:
            self._refuse(session)
        return said.is_over or said.needs_login


class _Connect(connect):
    """Follows no redirect: the address holds the token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
