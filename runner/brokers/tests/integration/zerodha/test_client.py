"""The adapter over the simulator: a day of orders, and every way in which a call can fail."""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from algo_brokers.http import client as http_module
from algo_brokers.errors import (
    AddressRefused,
    BrokerError,
    DeniedLocally,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument, InstrumentMaster
from algo_brokers.adapters import TradingContext, adapter
from algo_brokers.port import Broker, Position
from algo_brokers.streaming import MarketTick
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.ids import order_tag
from algo_engine.orders import Order, OrderReport, Terms
from support.servers.sim_server import Simulator, simulator
from websockets.asyncio.client import connect

KIND = adapter("zerodha")
SECRETS = {"api_key": "simkey", "api_secret": "simsecret", "user_id": "SIM001"}
DAY = "2019-07-09"
YESBANK = Instrument(exchange="NSE", symbol="YESBANK", token=3_050_241, tick_size=5)
NOW_US = 1_562_643_900_000_000


def session(access_token: str) -> BrokerSession:
    return BrokerSession(
        broker="zerodha", client_id="SIM001", api_key="simkey", access_token=access_token,
        issued_us=0, expires_us=1,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def trader(sim: Simulator) -> AsyncIterator[Broker]:
    """An account that trades YESBANK, newly logged in."""
    endpoints = KIND.endpoints(sim.base_url("zerodha"), sim.feed_url("zerodha"))
    context = TradingContext(instrument=YESBANK, product="Intraday", trading_day=DAY)
    broker = KIND.broker(
        HttpClient(), endpoints, session(await sim.zerodha_access_token()), context
    )
    try:
        yield broker
    finally:
        await broker.close()


@contextlib.asynccontextmanager
async def trading() -> AsyncIterator[tuple[Simulator, Broker]]:
    """A simulator at 09:20 for one test, and a trader there."""
    async with simulator() as sim:
        await sim.advance("09:20:00")
        async with trader(sim) as broker:
            yield sim, broker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_0920() -> AsyncIterator[Simulator]:
    """A simulator at 09:20 for tests that let no time pass."""
    async with simulator() as sim:
        await sim.advance("09:20:00")
        yield sim


@pytest_asyncio.fixture(loop_scope="module")
async def market(at_0920: Simulator) -> AsyncIterator[tuple[Simulator, Broker]]:
    """It, without faults, and a trader there, at the beginning of a second: calls are counted by
    calendar second.
    """
    await asyncio.sleep(1 - time.time() % 1)
    async with trader(at_0920) as broker:
        yield at_0920, broker
    await at_0920.clear_faults()


async def calls(sim: Simulator) -> dict[str, int]:
    """The writes about orders so far."""
    counts = await sim.requests("zerodha")
    return {c: n for c, n in counts.items() if "/orders" in c and not c.startswith("GET")}


NUMBERS = itertools.count(1)


def an_order(terms: Terms, side="BUY") -> Order:
    number = next(NUMBERS)
    return Order(
        tag=order_tag("uid", DAY, "entry" if side == "BUY" else "exit", number),
        leg="entry" if side == "BUY" else "exit",
        attempt=number,
        side=side,
        terms=terms,
    )


async def place(broker: Broker, order: Order) -> Order:
    """Places an order; the order with its id."""
    row = await broker.place(order, send_by=time.monotonic() + 5)
    assert (row.tag, row.status, row.terms) == (order.tag, "PENDING", order.terms)
    return replace(order, broker_id=row.broker_id)


async def row_of(broker: Broker, order: Order) -> OrderReport:
    row = await broker.order_by_tag(order.tag)
    assert row is not None
    return row


LOW = Terms(type="LIMIT", quantity=100, price=9_005)
STOP = Terms(type="STOP_LIMIT", quantity=100, price=8_900, trigger_price=9_000)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_order__lives_from_place_to_cancel(market) -> None:
    sim, broker = market
    order = await place(broker, an_order(LOW))
    row = await row_of(broker, order)
    assert (row.status, row.terms, row.broker_id) == ("OPEN", LOW, order.broker_id)
    dearer = replace(LOW, price=9_010, quantity=120)
    await broker.modify(order, dearer)
    assert (await row_of(broker, order)).terms == dearer
    await broker.cancel(replace(order, broker_id=""))
    assert (await row_of(broker, order)).status == "CANCELLED"
    with pytest.raises(Rejected):
        await broker.cancel(order)
    truth = (await sim.orders("zerodha"))[-1]
    assert (truth["tag"], truth["side"], truth["status"]) == (order.tag, "BUY", "CANCELLED")


@pytest.mark.asyncio(loop_scope="module")
async def test_an_order_the_book_does_not_have__is_refused_without_a_call(market) -> None:
    sim, broker = market
    before = await calls(sim)
    with pytest.raises(DeniedLocally, match="does not show"):
        await broker.modify(an_order(LOW), LOW)
    with pytest.raises(DeniedLocally, match="does not show"):
        await broker.cancel(an_order(LOW))
    assert await broker.order_by_tag(an_order(LOW).tag) is None
    assert await calls(sim) == before


async def test_a_stop_turned_into_a_market_order__sells() -> None:
    async with trading() as (sim, broker):
        bought = await place(broker, an_order(Terms(type="MARKET", quantity=100)))
        await sim.advance(ticks=2)
        entry = await row_of(broker, bought)
        assert (entry.status, entry.filled) == ("FILLED", 100)
        assert entry.value > 900_000
        stop = await place(broker, an_order(STOP, "SELL"))
        resting = await row_of(broker, stop)
        assert (resting.status, resting.terms) == ("TRIGGER_PENDING", STOP)
        await broker.modify(stop, replace(STOP, trigger_price=9_050))
        assert (await row_of(broker, stop)).terms.trigger_price == 9_050
        await broker.modify(stop, Terms(type="MARKET", quantity=100))
        await sim.advance(ticks=2)
        sold = await row_of(broker, stop)
        assert (sold.status, sold.filled) == ("FILLED", 100)
        [buying, selling] = await broker.trades()
        assert (buying.side, buying.quantity * buying.price) == ("BUY", entry.value)
        assert (selling.side, selling.order_id) == ("SELL", stop.broker_id)
        assert await broker.positions() == [
            Position(
                exchange="NSE", symbol="YESBANK", product="Intraday",
                quantity=0, bought=100, sold=100,
            )
        ]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
async def test_a_stop_at_the_market__rests_and_is_shown_as_asked(market) -> None:
    _, broker = market
    terms = Terms(type="STOP_MARKET", quantity=100, trigger_price=9_000)
    stop = await place(broker, an_order(terms, "SELL"))
    row = await row_of(broker, stop)
    assert (row.status, row.terms) == ("TRIGGER_PENDING", terms)


async def test_what_the_broker_refuses__is_told_in_its_words() -> None:
    async with trading() as (sim, broker):
        odd = an_order(replace(LOW, price=9_002))
        with pytest.raises(Rejected, match=r"^Zerodha: .+ \(InputException, HTTP 400\)$"):
            await broker.place(odd, send_by=time.monotonic() + 5)
        await sim.settings("zerodha", available_paise=1000)
        with pytest.raises(Rejected, match="MarginException"):
            await broker.place(an_order(LOW), send_by=time.monotonic() + 5)
        assert (await broker.funds()).available == 1000
        assert await sim.orders("zerodha") == []


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_illegal_or_late__is_never_sent(market) -> None:
    sim, broker = market
    before = await calls(sim)
    with pytest.raises(DeniedLocally, match="too late"):
        await broker.place(an_order(LOW), send_by=time.monotonic() - 1)
    endpoints = KIND.endpoints(sim.base_url("zerodha"), None)
    bse = replace(YESBANK, exchange="BSE")
    context = TradingContext(instrument=bse, product="Intraday", trading_day="2023-10-09")
    at_bse = KIND.broker(HttpClient(), endpoints, session("t"), context)
    stop = Terms(type="STOP_MARKET", quantity=100, trigger_price=9_000)
    with pytest.raises(DeniedLocally, match="no STOP_MARKET orders on BSE since 2023-10-09"):
        await at_bse.place(an_order(stop, "SELL"), send_by=time.monotonic() + 5)
    with pytest.raises(DeniedLocally, match="no STOP_MARKET"):
        await at_bse.modify(an_order(LOW), stop)
    await at_bse.close()
    reader = KIND.broker(HttpClient(), endpoints, session("t"), None)
    with pytest.raises(DeniedLocally, match="only reads"):
        await reader.place(an_order(LOW), send_by=time.monotonic() + 5)
    await reader.close()
    assert await calls(sim) == before


FAULTS: list[tuple[str, type[BrokerError], bool]] = [
    ("accept_and_never_answer", Unresolved, True),
    ("answer_late", Unresolved, True),
    ("server_error", Unresolved, False),
    ("server_error_after_taking", Unresolved, True),
    ("drop_connection_after_taking", Unresolved, True),
    ("drop_connection_before_taking", Unresolved, False),
    ("refuse", Rejected, False),
    ("rate_limit", RateLimited, False),
    ("address_refused", AddressRefused, False),
    ("token_expired", TokenExpired, False),
]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_place_that_fails__says_whether_it_may_have_been_taken(market, monkeypatch) -> None:
    sent: set[str] = set()
    taken: set[str] = set()
    sim, broker = market
    for fault, error, is_taken in FAULTS:
        await sim.fault("zerodha", fault, on="place", seconds=1)
        waits = 0.2 if fault in {"accept_and_never_answer", "answer_late"} else 7.0
        monkeypatch.setattr(http_module, "WRITE_SECONDS", waits)
        order = an_order(LOW)
        sent.add(order.tag)
        with pytest.raises(BrokerError) as caught:
            await broker.place(order, send_by=time.monotonic() + 5)
        assert type(caught.value) is error, fault
        assert "simkey" not in str(caught.value)
        if is_taken:
            taken.add(order.tag)
    assert {order["tag"] for order in await sim.orders("zerodha")} & sent == taken


@pytest.mark.asyncio(loop_scope="module")
async def test_a_change_that_fails__says_whether_it_may_have_been_done(market, monkeypatch) -> None:
    dearer = replace(LOW, price=9_010)
    sim, broker = market
    order = await place(broker, an_order(LOW))
    await sim.fault("zerodha", "reject_modify")
    with pytest.raises(Rejected, match="cannot be modified"):
        await broker.modify(order, dearer)
    await sim.fault("zerodha", "drop_connection_after_taking", on="modify")
    with pytest.raises(Unresolved):
        await broker.modify(order, dearer)
    assert (await row_of(broker, order)).terms == dearer
    await sim.fault("zerodha", "accept_and_never_answer", on="cancel")
    monkeypatch.setattr(http_module, "WRITE_SECONDS", 0.2)
    with pytest.raises(Unresolved):
        await broker.cancel(order)
    assert (await row_of(broker, order)).status == "CANCELLED"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_rejection_after_the_answer__is_in_the_book(market) -> None:
    sim, broker = market
    await sim.fault("zerodha", "reject", on="place")
    order = await place(broker, an_order(LOW))
    row = await row_of(broker, order)
    assert row.status == "REJECTED"
    assert row.message


@pytest.mark.asyncio(loop_scope="module")
async def test_a_read_that_fails__may_be_repeated(market, monkeypatch) -> None:
    cases = [
        ("accept_and_never_answer", Unresolved),
        ("server_error", Unresolved),
        ("drop_connection_before_taking", Unresolved),
        ("rate_limit", RateLimited),
        ("token_expired", TokenExpired),
    ]
    sim, broker = market
    for fault, error in cases:
        await sim.fault("zerodha", fault, on="orders")
        waits = 0.2 if fault == "accept_and_never_answer" else 5.0
        monkeypatch.setattr(http_module, "READ_SECONDS", waits)
        with pytest.raises(error):
            await broker.orders()
    await sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
    for call in (broker.check, broker.orders, broker.trades, broker.positions, broker.funds):
        with pytest.raises(TokenExpired):
            await call()


async def test_too_many_orders_in_a_second__are_refused_for_now() -> None:
    async with trading() as (_, broker):
        answers: list[object] = []
        while len(answers) < 200 and not any(isinstance(a, RateLimited) for a in answers):
            four = [broker.place(an_order(LOW), send_by=time.monotonic() + 5) for _ in range(4)]
            answers += await asyncio.gather(*four, return_exceptions=True)
        assert {type(answer) for answer in answers} == {OrderReport, RateLimited}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_late_book__does_not_have_the_order_yet(market) -> None:
    sim, broker = market
    await sim.fault("zerodha", "late_book", seconds=60)
    order = await place(broker, an_order(LOW))
    assert await broker.order_by_tag(order.tag) is None


async def test_trades_by_hand__are_in_positions_without_a_tag() -> None:
    async with trading() as (sim, broker):
        await sim.trade("zerodha", "BUY", 30)
        [row] = await broker.orders()
        assert (row.tag, row.status, row.filled) == ("", "FILLED", 30)
        [position] = await broker.positions()
        assert (position.quantity, position.bought, position.sold) == (30, 30, 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_quotes__are_those_of_the_exchange(market) -> None:
    _, broker = market
    unknown = replace(YESBANK, symbol="NOSUCH&CO")
    [quote] = await broker.quotes([unknown, YESBANK])
    assert (quote.exchange, quote.symbol) == ("NSE", "YESBANK")
    assert quote.lower_band < quote.last_price < quote.upper_band
    assert quote.volume > 0
    assert quote.time_us == NOW_US + 5 * 60 * 1_000_000
    assert await broker.quotes([]) == []
    with pytest.raises(DeniedLocally, match="500"):
        await broker.quotes([YESBANK] * 501)
    assert await broker.check() == "SIM001"


async def test_a_log_in__gives_a_session_that_trades() -> None:
    async with simulator() as sim:
        endpoints = KIND.endpoints(sim.base_url("zerodha"), None)
        login, http = KIND.login(endpoints), HttpClient()
        assert login.url(SECRETS) == f"{sim.base_url('zerodha')}/connect/login?v=3&api_key=simkey"
        token = await sim.zerodha_request_token()
        callback = {"request_token": token, "status": "success", "action": "login"}
        made = await login.login(http, SECRETS, callback=callback, now_us=NOW_US)
        assert (made.broker, made.client_id, made.api_key) == ("zerodha", "SIM001", "simkey")
        assert made.expires_us == NOW_US + (20 * 60 + 45) * 60 * 1_000_000
        broker = KIND.broker(http, endpoints, made, None)
        assert await broker.check() == "SIM001"
        with pytest.raises(Rejected, match="TokenException"):
            await login.login(http, SECRETS, callback=callback, now_us=NOW_US)
        for wrong in (SECRETS | {"api_secret": "s3cret"}, SECRETS | {"user_id": "AB1234"}):
            again = {"request_token": await sim.zerodha_request_token()}
            with pytest.raises(Rejected) as caught:
                await login.login(http, wrong, callback=again, now_us=NOW_US)
            assert "s3cret" not in str(caught.value)
        with pytest.raises(Rejected, match="log in on its page"):
            await login.renew(http, made, now_us=NOW_US)
        assert await login.observed_address(http, made) == ""
        await broker.close()


async def test_a_log_in_that_does_not_get_through__may_be_repeated() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        login = KIND.login(KIND.endpoints(f"http://127.0.0.1:{taken.getsockname()[1]}", None))
    http = HttpClient()
    with pytest.raises(Unresolved):
        await login.login(http, SECRETS, callback={"request_token": "t"}, now_us=NOW_US)
    for callback in ({}, {"request_token": ""}, {"request_token": "t", "status": "cancelled"}):
        with pytest.raises(Rejected, match="request token"):
            await login.login(http, SECRETS, callback=callback, now_us=NOW_US)
    await http.close()


async def test_the_master__knows_the_share_both_ways() -> None:
    async with simulator(options=("--instruments", "20000")) as sim:
        endpoints = KIND.endpoints(sim.base_url("zerodha"), None)
        http = HttpClient()
        pieces = KIND.download_instruments(http, endpoints, session("t"))
        text = b"".join([piece async for piece in pieces]).decode()
        await http.close()
        master = InstrumentMaster(KIND.parse_instruments(iter(text.splitlines(keepends=True))))
        share = master.by_symbol("NSE", "YESBANK")
        assert share is not None
        assert share.tick_size > 0
        assert master.by_token(share.token) == share
        assert text.count("\n") >= 20_000
        shares = sum(",EQ,NSE,NSE" in line or ",EQ,BSE,BSE" in line for line in text.splitlines())
        assert len(master) == shares


async def test_the_socket__tells_prices_and_orders() -> None:
    async with trading() as (sim, broker):
        endpoints = KIND.endpoints(sim.base_url("zerodha"), sim.feed_url("zerodha"))
        token = session(await sim.zerodha_access_token())
        (wire,) = KIND.streams(endpoints, token)
        http = HttpClient()
        pieces = KIND.download_instruments(http, endpoints, token)
        lines = b"".join([p async for p in pieces]).decode().splitlines()
        await http.close()
        share = InstrumentMaster(KIND.parse_instruments(iter(lines))).by_symbol("NSE", "YESBANK")
        assert share is not None
        async with connect(wire.url(), additional_headers=wire.headers(), proxy=None) as line:
            for frame in wire.subscribe([share]):
                await line.send(frame)
            ticks: list[MarketTick] = []
            rows: list[OrderReport] = []

            async def heard(enough) -> None:
                async with asyncio.timeout(10):
                    while not enough():
                        frame = await line.recv()
                        if isinstance(frame, bytes):
                            ticks.extend(wire.ticks(frame))
                        else:
                            rows.extend(wire.said(frame).orders)

            await heard(lambda: ticks and ticks[-1].time_us > 0)
            assert ticks[-1].time_us <= NOW_US + 5 * 60 * 1_000_000
            order = await place(broker, an_order(Terms(type="MARKET", quantity=10)))
            await sim.advance("09:20:30")
            await heard(lambda: any(r.status == "FILLED" for r in rows))
            assert {r.tag for r in rows} == {order.tag}
            await heard(lambda: ticks[-1].time_us >= NOW_US + 330 * 1_000_000)
            [quote] = await broker.quotes([share])
            assert (ticks[-1].key, ticks[-1].price) == (share.token, quote.last_price)
            assert ticks[-1].volume == quote.volume
