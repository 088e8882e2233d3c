"""One of our adapters, logged in at a simulator that runs in this process: real servers on real
sockets, started in milliseconds. Exchange time is moved by hand.
"""

import asyncio
import contextlib
import datetime as dt
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument, InstrumentMaster
from algo_brokers.adapters import TradingContext, BrokerAdapter, adapter
from algo_brokers.port import Login
from algo_brokers.port import Broker
from algo_brokers.urls import Endpoints
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.ids import order_tag
from algo_engine.orders import Order, OrderReport, Side, Terms
from algo_sim.server import addresses, build, close, serve
from algo_sim.settings import read_settings
from broker_cases import Column
from support.servers.sim_server import TICKS, Simulator, seconds_to_wait, step_begin_us

DAY = "2026-11-20"
"""A trading day under today's rules, for the prices of another one."""

SYMBOL = "YESBANK"
SEND_SECONDS = 10.0
"""An order may still be sent for so long: scenarios run on busy machines."""


@dataclass(slots=True)
class Bench:
    """What a scenario works with."""

    sim: Simulator
    column: Column
    adapter: BrokerAdapter
    endpoints: Endpoints
    http: HttpClient
    login: Login
    session: BrokerSession
    master: InstrumentMaster
    share: Instrument
    broker: Broker
    ticks: Path
    _attempt: int = field(default=0)

    @property
    def day(self) -> dt.date:
        """The exchange's date."""
        return dt.date.fromisoformat(DAY)

    def order(self, side: Side, terms: Terms) -> Order:
        """An order under a tag of its own."""
        self._attempt += 1
        leg = "entry" if side == "BUY" else "exit"
        tag = order_tag("scenario", DAY, leg, self._attempt)
        return Order(tag=tag, leg=leg, attempt=self._attempt, side=side, terms=terms)

    async def send(self, order: Order) -> Order:
        """Sends an order; as its answer has it."""
        row = await self.broker.place(order, send_by=time.monotonic() + SEND_SECONDS)
        assert row.tag == order.tag
        assert row.broker_id
        return replace(order, broker_id=row.broker_id, working=None)

    async def place(self, side: Side, terms: Terms) -> Order:
        """Sends a new order; as its answer has it."""
        return await self.send(self.order(side, terms))

    async def truth(self, order: Order) -> dict[str, Any] | None:
        """What the exchange knows of an order; None: nothing."""
        found = [
            row for row in await self.sim.orders(self.column.broker) if row["tag"] == order.tag
        ]
        assert len(found) <= 1, "an order was doubled"
        return found[0] if found else None

    async def row(self, order: Order) -> OrderReport | None:
        """The book's row of an order, which must tell the exchange's truth."""
        row, truth = await self.broker.order_by_tag(order.tag), await self.truth(order)
        assert (row is None) == (truth is None)
        if row is not None and truth is not None:
            self.agree(row, truth)
        return row

    def agree(self, row: OrderReport, truth: dict[str, Any]) -> None:
        """A row and the exchange's truth say the same."""
        status = truth["status"]
        if status == "OPEN" and row.terms.type == "STOP_LIMIT" and not truth["filled"]:
            status = self.column.fired_stop
        assert (row.status, row.filled, row.value) == (status, truth["filled"], truth["value"])
        assert (row.tag, row.broker_id) == (truth["tag"], truth["order_id"])
        assert row.terms.quantity == truth["quantity"]
        shown = (row.terms.type, row.terms.price, row.terms.trigger_price)
        if truth["type"] != "MARKET":
            assert shown == (truth["type"], truth["price"], truth["trigger_price"])
        elif status != "REJECTED":
            # It stands at the exchange, and in the book, as the protected limit it became.
            assert shown == ("LIMIT", truth["limit"], 0)

    def trader(self, share: Instrument, *, product: str = "Intraday") -> Broker:
        """Our adapter for another share or product."""
        broker = TradingContext(instrument=share, product=product, trading_day=DAY)
        return self.adapter.broker(self.http, self.endpoints, self.session, broker)


async def log_in(sim: Simulator, column: Column, http: HttpClient, login: Login) -> BrokerSession:
    """A session from a whole log-in."""
    callback = await column.callback(sim)
    return await login.login(http, column.secrets, callback=callback, now_us=step_begin_us())


async def download(
    made: BrokerAdapter, http: HttpClient, endpoints: Endpoints, session: BrokerSession
) -> str:
    """The instrument master as text."""
    pieces = [piece async for piece in made.download_instruments(http, endpoints, session)]
    return b"".join(pieces).decode()


@contextlib.asynccontextmanager
async def simulating(
    *, ticks: Path, brokers: Sequence[str], options: Sequence[str] = ()
) -> AsyncGenerator[Simulator]:
    """A simulator in this process; else as `sim_server.simulator`."""
    words = [word for broker in brokers for word in ("--broker", broker)]
    settings = read_settings(["--ticks", str(ticks), *words, *options])
    simulation, admin = build(settings)
    runners = await serve(settings, simulation=simulation, admin=admin)
    try:
        async with aiohttp.ClientSession() as http:
            yield Simulator(addresses(runners, tls=False), http, process=None)
    finally:
        await close(simulation, runners)


@contextlib.asynccontextmanager
async def bench(
    column: Column,
    *,
    ticks: Path,
    options: Sequence[str] = (),
    start: Callable[..., contextlib.AbstractAsyncContextManager[Simulator]] = simulating,
) -> AsyncGenerator[Bench]:
    """A simulator, and our adapter logged in there."""
    if column.broker == "zerodha":
        await asyncio.sleep(seconds_to_wait(time.time()))
    made = adapter(column.broker)
    # Nothing here speaks TLS: loading the authorities takes longer than a scenario.
    http = HttpClient(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    try:
        async with start(ticks=ticks, brokers=(column.broker,), options=options) as sim:
            endpoints = made.endpoints(sim.base_url(column.broker), sim.feed_url(column.broker))
            login = made.login(endpoints)
            session = await log_in(sim, column, http, login)
            text = await download(made, http, endpoints, session)
            master = InstrumentMaster(made.parse_instruments(iter(text.splitlines(keepends=True))))
            share = master.by_symbol("NSE", SYMBOL)
            assert share is not None
            broker = TradingContext(instrument=share, product="Intraday", trading_day=DAY)
            yield Bench(
                sim=sim,
                column=column,
                adapter=made,
                endpoints=endpoints,
                http=http,
                login=login,
                session=session,
                master=master,
                share=share,
                broker=made.broker(http, endpoints, session, broker),
                ticks=ticks,
            )
    finally:
        await http.close()


def tick_file(folder: Path, *, quantity: int | None = None) -> Path:
    """The sample's prices on `DAY`; every tick of `quantity` shares where that is given."""
    path = folder / f"ticks-{quantity}.csv"
    lines = TICKS.read_text().replace("2019-07-09", DAY).splitlines()
    if quantity is not None:
        rows = [line.split(",") for line in lines[1:]]
        lines[1:] = [
            ",".join([*row[:4], str(quantity), str(quantity * (number + 1))])
            for number, row in enumerate(rows)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path
