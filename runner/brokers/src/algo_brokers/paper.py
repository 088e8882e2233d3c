"""The paper broker: the engine's paper book, kept in Redis as `strategy:{id}:paper`.

As a real broker's, the book outlives the process that trades on it: a hash of tag → row, and the
last tick that changed it. Every event is written by one script that checks the fence,
and `place` takes a tag once, so nothing here can double.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from algo_contract.redis_keys import strategy as strategy_key
from algo_engine import paper_book
from algo_engine.orders import Order, OrderReport, Terms
from algo_engine.paper_book import PaperBook, PaperOrder
from algo_redis.client import RedisClient
from algo_redis.connection import Argument
from algo_redis.errors import RedisUnavailable
from algo_redis.script import Script

from algo_brokers.errors import DeniedLocally, Rejected

LAST_TICK: Final = "last_tick"


@dataclass(frozen=True, slots=True)
class TickMark:
    """A tick's id in its stream, price in paise and exchange time in µs."""

    cursor: str
    price: int
    time_us: int

    def text(self) -> str:
        """As the book's hash holds it."""
        return f"{self.cursor} {self.price} {self.time_us}"

    @staticmethod
    def read(text: str) -> "TickMark":
        """From the book's hash."""
        cursor, price, time_us = text.split(" ")
        return TickMark(cursor, int(price), int(time_us))


WRITE: Final = Script("""#!lua flags=allow-oom
local epoch, start = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 'epoch', 'start')
if held[1] and (epoch < tonumber(held[1])
    or (epoch == tonumber(held[1]) and start < tonumber(held[2]))) then
  return redis.error_reply('FENCED a newer runner has taken over')
end
local new = ARGV[3]
if new ~= '' then
  local now = redis.call('TIME')
  if now[1] * 1000000 + now[2] > tonumber(ARGV[4]) then return 'LATE' end
  if redis.call('HEXISTS', KEYS[2], new) == 1 then return 'KNOWN' end
end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 'OK'
""")
"""KEYS: fence, paper. ARGV: epoch, start, tag of a new order or '', its deadline (µs, the server's
time), then field and value pairs. A redis-state that is full is no reason to lose a fill."""


class PaperBroker:
    """Implements `port.Orders`, and `trade` for the ticks that fill its book."""

    def __init__(
        self, redis: RedisClient, *, strategy_id: str, token: tuple[int, int], slippage_bps: int
    ) -> None:
        """`token` is the fencing token (epoch, start). Call `load` before anything else."""
        self._redis: Final = redis
        self._keys: Final = [strategy_key(strategy_id, "fence"), strategy_key(strategy_id, "paper")]
        self._token: Final = token
        self._slippage_bps: Final = slippage_bps
        self.book = PaperBook(slippage_bps=slippage_bps)
        self.last_tick: TickMark | None = None
        """The tick at which the book was changed last; None before."""

        self.now = TickMark("", 0, 0)
        """The tick at whose price a market order is filled. The session sets it."""

    async def load(self) -> None:
        """Reads the book as it stands in Redis, waiting while Redis is away.

        Raises:
            RedisRefused: the server refused.
        """
        while True:
            try:
                fields: dict[str, str] = await self._redis.call("HGETALL", self._keys[1])
                break
            except RedisUnavailable:
                continue
        mark = fields.pop(LAST_TICK, "")
        self.last_tick = TickMark.read(mark) if mark else None
        orders = [_read_order(text) for text in fields.values()]
        orders.sort(key=lambda entry: entry[0])
        book = {order.row.tag: order for _, order in orders}
        self.book = PaperBook(slippage_bps=self._slippage_bps, orders=book)

    async def place(self, order: Order, *, send_by: float) -> OrderReport:
        """Takes an order once under its tag and fills it if it can. See `port.Orders`."""
        try:
            now: list[str] = await self._redis.call("TIME")
        except RedisUnavailable as error:
            raise DeniedLocally(str(error)) from error
        left = send_by - time.monotonic()
        if left <= 0:
            raise DeniedLocally("it was too late to send it")
        deadline = int(now[0]) * 1_000_000 + int(now[1]) + int(left * 1_000_000)
        after = paper_book.place(
            self.book, order.tag, order.side, order.terms, price=self.now.price
        )
        try:
            reply = await self._write(after, new=order.tag, deadline=deadline)
        except RedisUnavailable:
            reply = await self._wait_past(deadline)
        if reply == "LATE":
            raise DeniedLocally("Redis answered too late to send it")
        if reply == "KNOWN":
            await self.load()
        else:
            self.book = after
        row = await self.order_by_tag(order.tag)
        if row is None:
            raise DeniedLocally("Redis was away when it was to be sent")
        return row

    async def modify(self, order: Order, terms: Terms) -> OrderReport:
        """Changes a live order and fills it if it can. See `port.Orders`."""
        tag = order.tag
        return await self._change(
            tag, lambda: paper_book.modify(self.book, tag, terms, price=self.now.price)
        )

    async def cancel(self, order: Order) -> OrderReport:
        """Cancels a live order. See `port.Orders`."""
        return await self._change(order.tag, lambda: paper_book.cancel(self.book, order.tag))

    async def order_by_tag(self, tag: str) -> OrderReport | None:
        """The order with a tag. See `port.Orders`."""
        order = self.book.orders.get(tag)
        return order.row if order else None

    async def orders(self) -> list[OrderReport]:
        """The whole book. See `port.Orders`."""
        return [order.row for order in self.book.orders.values()]

    async def trade(self, tick: TickMark) -> list[OrderReport]:
        """Lets a tick fill what it touches; the rows it changed, durable already.

        Raises:
            RedisRefused: the fence is held by a newer runner.
        """
        self.now = tick
        before = self.book
        while (after := paper_book.trade(self.book, tick.price)) is not self.book:
            try:
                await self._write(after)
                self.book = after
            except RedisUnavailable:
                await self.load()
        return paper_book.changed_rows(before, self.book)

    async def _change(self, tag: str, change: Callable[[], PaperBook]) -> OrderReport:
        while True:
            if tag not in self.book.orders:
                raise Rejected(f"the paper book has no order {tag}")
            after = change()
            try:
                await self._write(after)
            except RedisUnavailable:
                await self.load()
                continue
            self.book = after
            return after.orders[tag].row

    async def _write(self, after: PaperBook, *, new: str = "", deadline: int = 0) -> str:
        pairs: list[Argument] = []
        for number, (tag, order) in enumerate(after.orders.items()):
            if self.book.orders.get(tag) != order:
                pairs += [tag, _order_text(number, order)]
        tick = self.now if self.now.cursor else self.last_tick
        if tick is not None:
            pairs += [LAST_TICK, tick.text()]
        args: list[Argument] = [*self._token, new, deadline, *pairs]
        reply: str = await self._redis.run(WRITE, keys=self._keys, args=args)
        self.last_tick = tick
        return reply

    async def _wait_past(self, deadline: int) -> str:
        """After a lost answer: once the server's clock is past the deadline, the script that was
        on its way can no longer take the order, and the book tells for good.
        """
        while True:
            try:
                now: list[str] = await self._redis.call("TIME")
                if int(now[0]) * 1_000_000 + int(now[1]) > deadline:
                    return "KNOWN"
            except RedisUnavailable:
                continue
            await asyncio.sleep(0.05)


def _order_text(number: int, order: PaperOrder) -> str:
    fields = {"n": number, "side": order.side, **asdict(order.row)}
    return json.dumps(fields, separators=(",", ":"))


def _read_order(text: str) -> tuple[int, PaperOrder]:
    fields: dict[str, Any] = json.loads(text)
    number, side = fields.pop("n"), fields.pop("side")
    fields["terms"] = Terms(**fields["terms"])
    row = OrderReport(**fields)
    return number, PaperOrder(side=side, row=row)
