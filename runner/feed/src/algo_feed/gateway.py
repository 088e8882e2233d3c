"""The feed gateway of one account: its sockets, its streams and its reading, put together."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from algo_brokers.adapters import BrokerAdapter
from algo_brokers.http.client import HttpClient
from algo_brokers.port import Broker
from algo_brokers.streaming import MarketTick, StreamCodec
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.messages.feed_assignment import FeedAssignment
from algo_contract.messages.redis_server import RedisServer
from algo_engine.orders import OrderReport
from algo_redis.client import RedisClient
from algo_redis.connecting import OnRetry

from algo_feed.broker.client import LONGEST_PAUSE, BrokerClient
from algo_feed.broker.instrument_loader import InstrumentLoader
from algo_feed.broker.session_expiry import report_session_expired
from algo_feed.broker.session_file import SessionFile
from algo_feed.market_hours import MarketHours
from algo_feed.metrics import Metrics
from algo_feed.orders.publisher import OrderPublisher
from algo_feed.quotes import Quotes
from algo_feed.settings import Intervals
from algo_feed.subscriptions.requests import SubscriptionRequests
from algo_feed.subscriptions.subscriber import Subscriber
from algo_feed.ticks.encoder import TickEncoder
from algo_feed.ticks.exchange_clock import ExchangeClock, restamped
from algo_feed.ticks.publisher import TickPublisher
from algo_feed.websocket.connection import ConnectionContext, StreamConnection

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
        kind: BrokerAdapter,
        http: HttpClient,
        redis: RedisServer,
        on_redis_retry: OnRetry,
        sessions: SessionFile,
        streams: Sequence[StreamCodec],
        intervals: Intervals,
        metrics: Metrics,
    ) -> None:
        """Connects nothing yet.

        Args:
            assignment: whose feed.
            kind: of its broker.
            http: calls to the broker.
            redis: redis-ticks.
            on_redis_retry: told of each attempt to reach it that failed; what it raises ends all.
            sessions: at the broker.
            streams: those of a first session, for what all have in common.
            intervals: how often to do what.
            metrics: where to count.
        """
        self.ready: Final = asyncio.Event()
        self.clock: Final = ExchangeClock(assignment.clock)
        self._metrics: Final = metrics
        self._stamps_trades: Final = streams[_MARKET].stamps_trades
        self._newest_stamps: Final = dict[int, int]()
        endpoints = kind.endpoints(assignment.base_url, assignment.feed_url)
        hours = MarketHours(self.clock, broker=assignment.broker)
        surroundings = ConnectionContext(
            streams=lambda session: kind.streams(endpoints, session),
            sessions=sessions,
            listener=self,
            metrics=metrics,
            intervals=intervals,
            market_is_open=hours.is_open,
            stale_seconds=assignment.feed_stale_seconds,
            proxy=assignment.egress_proxy,
        )
        limits = kind.capabilities.limits
        self.encoder: Final = TickEncoder(
            assignment.feed, self.clock, stamps_trades=streams[_MARKET].stamps_trades
        )
        control = RedisClient(
            redis, name=f"feed-{assignment.feed}-control", on_retry=on_redis_retry
        )
        account_redis = RedisClient(
            redis, name=f"feed-{assignment.feed}-account", on_retry=on_redis_retry
        )
        self._connections: Final = (control, account_redis)
        self._reporting_expiry: Final = partial(
            report_session_expired,
            control,
            sessions,
            feed=assignment.feed,
            intervals=intervals,
            matters=hours.orders_change,
        )

        def read_only(session: BrokerSession) -> Broker:
            return kind.broker(http, endpoints, session, None)

        def client(
            name: str, *, longest_pause: float = LONGEST_PAUSE, ends_session: bool = False
        ) -> BrokerClient[Broker]:
            return BrokerClient(
                name,
                read_only,
                sessions=sessions,
                intervals=intervals,
                longest_pause=longest_pause,
                ends_session=ends_session,
            )

        self._master: Final = InstrumentLoader(
            lambda session: kind.download_instruments(http, endpoints, session),
            kind.parse_instruments,
            client=BrokerClient(
                "master",
                lambda session: session,
                sessions=sessions,
                intervals=intervals,
                proves_session=False,
            ),
            day=hours.master_day,
        )
        self._subscriber: Final = Subscriber(
            SubscriptionRequests(
                control, feed=assignment.feed, unwanted_seconds=intervals.unwanted
            ),
            self._master,
            encoder=self.encoder,
            key=streams[_MARKET].key,
            open_socket=lambda name: StreamConnection(name, surroundings, place=_MARKET),
            sockets=limits.sockets,
            limit=min(limits.instruments_per_socket, streams[_MARKET].instruments_limit),
            metrics=metrics,
            intervals=intervals,
        )
        own_socket = (
            StreamConnection("orders", surroundings, place=_ORDERS)
            if len(streams) > _ORDERS
            else None
        )
        self._own_orders_socket: Final = own_socket
        self._book: Final = OrderPublisher(
            account_redis,
            client("orders", longest_pause=BOOK_PAUSE_SECONDS, ends_session=True),
            account_id=assignment.account_id,
            metrics=metrics,
            intervals=intervals,
            least_seconds=1 / limits.reads_per_second,
            socket=lambda: self._orders_socket.connection,
            changes=hours.orders_change,
        )
        self._quotes: Final = Quotes(
            account_redis,
            client("quotes"),
            account_id=assignment.account_id,
            metrics=metrics,
            intervals=intervals,
            wanted=lambda: self._subscriber.known,
            are_due=hours.orders_change,
        )
        self.stream: Final = TickPublisher(
            redis,
            on_retry=on_redis_retry,
            feed=assignment.feed,
            account_id=assignment.account_id,
            clock=self.clock,
            encoder=self.encoder,
            metrics=metrics,
            intervals=intervals,
            is_alive=lambda: all(socket.is_up for socket in self._subscriber.sockets),
            cleared=self._book.start_over,
        )

    @property
    def _orders_socket(self) -> StreamConnection:
        return self._own_orders_socket or self._subscriber.sockets[0]

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            await self._run()
        finally:
            for connection in self._connections:
                connection.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._subscriber.start(tasks)
            if self._own_orders_socket is not None:
                _ = tasks.create_task(self._own_orders_socket.keep())
            for work in (
                self.stream.run(),
                self._master.keep(),
                self._subscriber.follow(tasks),
                self._book.publish_pushed(),
                self._book.read_forever(),
                self._quotes.read_forever(),
                self._reporting_expiry(),
                self._become_ready(),
            ):
                _ = tasks.create_task(work)

    def connected(self, name: str) -> None:
        """A socket was opened: a recording may begin again, and order updates may be missing."""
        if name != "orders":
            self.clock.connected()
        if name == self._orders_socket.name:
            self._book.hurry()

    def ticks(self, ticks: list[MarketTick], *, received_us: int) -> None:
        """Prices go to Redis."""
        if self.clock.is_wall:
            ticks = restamped(
                ticks,
                received_us=received_us,
                last=self._newest_stamps,
                stamps_trades=self._stamps_trades,
            )
        self._metrics.newest_tick_us = received_us
        self.stream.offer(ticks, received_us=received_us)

    def orders(self, rows: Sequence[OrderReport]) -> None:
        """Order rows go to the runners."""
        self._book.pushed(rows)

    async def _become_ready(self) -> None:
        _ = await self._subscriber.sockets[0].opened.wait()
        try:
            async with asyncio.timeout(READY_SECONDS):
                _ = await self._book.first_read.wait()
        except TimeoutError:
            pass
        self.ready.set()
