"""The account's order stream: what a mark says, and what is told when something fails."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from algo_contract.ids import order_tag
from algo_engine.orders import OrderReport, Terms
from algo_feed.metrics import Metrics
from algo_feed.orders.publisher import OrderPublisher
from algo_feed.orders.completeness import BookCompleteness
from algo_feed.settings import Intervals
from algo_redis.errors import RedisRefused, RedisUnavailable

TAG = order_tag("uid", "2026-11-23", "entry", 1)
SECOND = 1_000_000
NOON = 1_795_000_000 * SECOND


@dataclass
class Redis:
    """A held connection that can be away, or full for rows."""

    is_away: bool = False
    is_full: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)

    async def ready(self) -> "Redis":
        return self

    async def execute(self, *commands: tuple[Any, ...]) -> None:
        if self.is_away:
            raise RedisUnavailable("away", in_flight=True)
        for command in commands:
            entry = dict(zip(command[6::2], command[7::2], strict=True))
            if self.is_full and entry["kind"] == "row":
                raise RedisRefused("OOM", "full")
            self.told.append(entry)

    def marks(self) -> list[int]:
        return [entry["up"] for entry in self.told if entry["kind"] == "book"]


@dataclass
class Account:
    """An account with a book, a socket and a stream."""

    book: list[OrderReport] = field(default_factory=list)
    socket: int = 1
    redis: Redis = field(default_factory=Redis)
    metrics: Metrics = field(default_factory=Metrics)
    reader: OrderPublisher = field(init=False)

    def __post_init__(self) -> None:
        self.reader = OrderPublisher(
            self.redis,  # pyright: ignore[reportArgumentType]
            self,  # pyright: ignore[reportArgumentType]
            account_id="brk_x",
            metrics=self.metrics,
            intervals=Intervals(),
            least_seconds=0.1,
            socket=lambda: self.socket,
            changes=lambda: True,
        )

    async def ask(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        return await call(self)

    async def orders(self) -> list[OrderReport]:
        return list(self.book)

    async def read(self, times: int = 1) -> None:
        for _ in range(times):
            await self.reader._read()


def row(broker_id: str, tag: str = TAG) -> OrderReport:
    return OrderReport(
        tag=tag,
        status="OPEN",
        terms=Terms(type="LIMIT", quantity=1, price=1),
        broker_id=broker_id,
    )


async def test_mark__socket_up_since_the_book_before__says_so() -> None:
    account = Account()
    await account.read(3)
    assert account.redis.marks() == [0, 1, 1]

    account.socket = 2
    await account.read(2)
    assert account.redis.marks()[3:] == [0, 1]


async def test_mark__pushed_row_lost_on_the_way__socket_was_not_up() -> None:
    account = Account()
    await account.read(2)
    account.redis.is_away = True
    account.reader.pushed([row("9")])
    await account.reader._tell()
    account.redis.is_away = False
    await account.read(2)

    assert account.redis.marks() == [0, 1, 0, 1]


async def test_mark__reconnected_while_the_book_could_not_be_told__socket_was_not_up() -> None:
    account = Account()
    await account.read(2)
    account.socket, account.redis.is_away = 2, True
    await account.read()
    account.redis.is_away = False
    await account.read(2)

    assert account.redis.marks() == [0, 1, 0, 1]


async def test_mark__row_refused__no_mark_before_the_row_is_in() -> None:
    account = Account(book=[row("1")])
    account.redis.is_full = True
    await account.read()
    assert account.redis.told == []

    account.redis.is_full = False
    await account.read()
    assert [entry["kind"] for entry in account.redis.told] == ["row", "book"]


@pytest.mark.parametrize("strange", ["", "a tag", "x" * 20, TAG + "A", "Ä" * 20])
async def test_mark__tags_of_others__left_out(strange: str) -> None:
    account = Account(book=[row("1"), row("2", strange)])
    await account.read()

    assert json.loads(account.redis.told[-1]["tags"]) == [TAG]


async def test_book__order_missing_that_was_there__counts_as_not_read() -> None:
    account = Account(book=[row("1"), row("2")])
    await account.read(2)
    told = len(account.redis.told)
    account.book = [row("1")]
    await account.read(3)
    assert len(account.redis.told) == told
    assert (account.metrics.book_reads, account.metrics.book_failures) == (2, 3)

    account.book = [row("1"), row("2")]
    await account.read()
    assert len(account.redis.told) == told + 1
    account.book = []
    account.reader.start_over()
    await account.read()
    assert account.redis.told[-1]["tags"] == "[]"


def test_orders_seen__missing_for_a_minute__believed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    seen = BookCompleteness()
    assert seen.is_whole([row("1"), row("2")], started_us=NOON)
    for second in range(2, 62, 2):
        assert not seen.is_whole([row("1")], started_us=NOON + second * SECOND)
    assert [r.message for r in caplog.records].count("book_short") == 1

    assert seen.is_whole([row("1")], started_us=NOON + 62 * SECOND)
    assert seen.is_whole([row("1")], started_us=NOON + 64 * SECOND)


def test_orders_seen__book_lags_behind_a_push__whole_for_some_seconds() -> None:
    seen = BookCompleteness()
    seen.pushed("1", now_us=NOON)
    assert seen.is_whole([], started_us=NOON + SECOND)
    assert not seen.is_whole([], started_us=NOON + 6 * SECOND)
    assert seen.is_whole([row("1")], started_us=NOON + 7 * SECOND)


def test_orders_seen__next_day__begins_empty() -> None:
    seen = BookCompleteness()
    assert seen.is_whole([row("1")], started_us=NOON)
    assert seen.is_whole([], started_us=NOON + 24 * 3600 * SECOND)
