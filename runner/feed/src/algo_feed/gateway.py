"""The feed gateway of one account: its sockets, its streams and its reading, put together."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from algo_brokers.http import Http
from algo_brokers.kinds import Kind
from algo_brokers.port import Broker
from algo_brokers.wire import Wire, WireTick
from algo_contract.assignment import RedisServer
from algo_contract.broker_session import BrokerSession
from algo_contract.feed_assignment import FeedAssignment
from algo_engine.orders import OrderRow
from algo_redis.held import HeldConnection
from algo_redis.reconnect import OnRetry

from algo_feed.account_files import SessionFile
from algo_feed.broker_desk import LONGEST_PAUSE, BrokerDesk
from algo_feed.ended_session import tell_ended
from algo_feed.exchange_clock import ExchangeClock, restamped
from algo_feed.figures import Figures
from algo_feed.hours import Hours
from algo_feed.market_wishes import MarketWishes
from algo_feed.master_load import MasterKeeper
from algo_feed.order_book import OrderBook
from algo_feed.quotes import Quotes
from algo_feed.rhythm import Rhythm
from algo_feed.tick_lines import TickLines
from algo_feed.tick_stream import TickStream
from algo_feed.web_socket import Surroundings, WebSocket
from algo_feed.wishes import Wishes

READY_SECONDS: Final = 10.0
"""A feed whose book cannot be read is ready all the same so long after its market socket is up."""

BOOK_PAUSE_SECONDS: Final = 4.0
"""The longest pause after a book that could not be read. Runners take a feed that told of none for
6 s for silent and read themselves, all at once, which a broker under pressure would not ease.
"""

_MARKET: Final = 0
_ORDERS: Final = 1
"""Places of the wires: `Kind.wires`."""


class Gateway:
    """Everything of one account; `run` is its life."""

    def __init__(
        self,
        assignment: FeedAssignment,
        *,
        kind: Kind,
        http: Http,
        redis: RedisServer,
        on_redis_retry: OnRetry,
        sessions: SessionFile,
        wires: Sequence[Wire],
        rhythm: Rhythm,
        figures: Figures,
    ) -> None:
        """Connects nothing yet.

        Args:
            assignment: whose feed.
            kind: of its broker.
            http: calls to the broker.
            redis: redis-ticks.
            on_redis_retry: told of each attempt to reach it that failed; what it raises ends all.
            sessions: at the broker.
            wires: those of a first session, for what all have in common.
            rhythm: how often to do what.
            figures: where to count.
        """
        self.ready: Final = asyncio.Event()
        self.clock: Final = ExchangeClock(assignment.clock)
        self._figures: Final = figures
        self._stamps_trades: Final = wires[_MARKET].stamps_trades
        self._newest_stamps: Final = dict[int, int]()
        endpoints = kind.endpoints(assignment.base_url, assignment.feed_url)
        hours = Hours(self.clock, broker=assignment.broker)
        around = Surroundings(
            wires=lambda session: kind.wires(endpoints, session),
            sessions=sessions,
            listener=self,
            figures=figures,
            rhythm=rhythm,
            market_is_open=hours.is_open,
            stale_seconds=assignment.feed_stale_seconds,
            proxy=assignment.egress_proxy,
        )
        limits = kind.capabilities.limits
        self.lines: Final = TickLines(
            assignment.feed, self.clock, stamps_trades=wires[_MARKET].stamps_trades
        )
        control = HeldConnection(
            redis, name=f"feed-{assignment.feed}-control", on_retry=on_redis_retry
        )
        told = HeldConnection(
            redis, name=f"feed-{assignment.feed}-account", on_retry=on_redis_retry
        )
        self._connections: Final = (control, told)
        self._telling_ended: Final = partial(
            tell_ended,
            control,
            sessions,
            feed=assignment.feed,
            rhythm=rhythm,
            matters=hours.orders_change,
        )

        def read_only(session: BrokerSession) -> Broker:
            return kind.broker(http, endpoints, session, None)

        def desk(
            name: str, *, longest_pause: float = LONGEST_PAUSE, ends_session: bool = False
        ) -> BrokerDesk[Broker]:
            return BrokerDesk(
                name,
                read_only,
                sessions=sessions,
                rhythm=rhythm,
                longest_pause=longest_pause,
                ends_session=ends_session,
            )

        self._master: Final = MasterKeeper(
            lambda session: kind.download_master(http, endpoints, session),
            kind.parse_master,
            desk=BrokerDesk(
                "master",
                lambda session: session,
                sessions=sessions,
                rhythm=rhythm,
                proves_session=False,
            ),
            day=hours.master_day,
        )
        self._wishes: Final = MarketWishes(
            Wishes(control, feed=assignment.feed, unwanted_seconds=rhythm.unwanted),
            self._master,
            lines=self.lines,
            key=wires[_MARKET].key,
            open_socket=lambda name: WebSocket(name, around, place=_MARKET),
            sockets=limits.sockets,
            limit=min(limits.instruments_per_socket, wires[_MARKET].instruments_limit),
            figures=figures,
            rhythm=rhythm,
        )
        own_socket = WebSocket("orders", around, place=_ORDERS) if len(wires) > _ORDERS else None
        self._own_orders_socket: Final = own_socket
        self._book: Final = OrderBook(
            told,
            desk("orders", longest_pause=BOOK_PAUSE_SECONDS, ends_session=True),
            account_id=assignment.account_id,
            figures=figures,
            rhythm=rhythm,
            least_seconds=1 / limits.reads_per_second,
            socket=lambda: self._orders_socket.connection,
            changes=hours.orders_change,
        )
        self._quotes: Final = Quotes(
            told,
            desk("quotes"),
            account_id=assignment.account_id,
            figures=figures,
            rhythm=rhythm,
            wanted=lambda: self._wishes.known,
            are_due=hours.orders_change,
        )
        self.stream: Final = TickStream(
            redis,
            on_retry=on_redis_retry,
            feed=assignment.feed,
            account_id=assignment.account_id,
            clock=self.clock,
            lines=self.lines,
            figures=figures,
            rhythm=rhythm,
            is_alive=lambda: all(socket.is_up for socket in self._wishes.sockets),
            cleared=self._book.begin_anew,
        )

    @property
    def _orders_socket(self) -> WebSocket:
        return self._own_orders_socket or self._wishes.sockets[0]

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            await self._run()
        finally:
            for connection in self._connections:
                connection.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._wishes.start(tasks)
            if self._own_orders_socket is not None:
                _ = tasks.create_task(self._own_orders_socket.keep())
            for work in (
                self.stream.run(),
                self._master.keep(),
                self._wishes.follow(tasks),
                self._book.tell_pushed(),
                self._book.read_forever(),
                self._quotes.read_forever(),
                self._telling_ended(),
                self._become_ready(),
            ):
                _ = tasks.create_task(work)

    def connected(self, name: str) -> None:
        """A socket was opened: a recording may begin anew, and order updates may be missing."""
        if name != "orders":
            self.clock.connected()
        if name == self._orders_socket.name:
            self._book.hurry()

    def ticks(self, ticks: list[WireTick], *, received_us: int) -> None:
        """Prices go to Redis."""
        if self.clock.is_wall:
            ticks = restamped(
                ticks,
                received_us=received_us,
                last=self._newest_stamps,
                stamps_trades=self._stamps_trades,
            )
        self._figures.newest_tick_us = received_us
        self.stream.offer(ticks, received_us=received_us)

    def orders(self, rows: Sequence[OrderRow]) -> None:
        """Order rows go to the runners."""
        self._book.pushed(rows)

    async def _become_ready(self) -> None:
        _ = await self._wishes.sockets[0].opened.wait()
        try:
            async with asyncio.timeout(READY_SECONDS):
                _ = await self._book.first_read.wait()
        except TimeoutError:
            pass
        self.ready.set()
