"""The scenario table: what every broker must do, run through our adapters against the simulator,
a column a broker (`scenarios_columns`). After each step our book must tell the exchange's truth.
"""

import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest
from algo_brokers.http import client
from algo_brokers.errors import (
    AddressRefused,
    BrokerError,
    DeniedLocally,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.port import Position
from algo_brokers.streaming import MarketTick
from algo_engine.orders import Terms, seen_in_book
from algo_engine.tick_file import read_ticks
from algo_sim import broker
from algo_sim.faults import NAMES
from adapter_fixture import SYMBOL, bench, log_in, tick_file
from broker_cases import COLUMNS
from stream_client import feed
from support.servers.sim_server import simulator
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

MARKET = Terms(type="MARKET", quantity=10)
RESTING = Terms(type="LIMIT", quantity=10, price=8700)
STOP = Terms(type="STOP_LIMIT", quantity=10, price=9150, trigger_price=9300)
"""Below the day's prices until noon."""


@pytest.fixture(scope="session")
def ticks(tmp_path_factory):
    return tick_file(tmp_path_factory.mktemp("ticks"))


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """Four shares a tick."""
    return tick_file(tmp_path_factory.mktemp("ticks"), quantity=4)


@pytest.fixture(params=COLUMNS, ids=lambda column: column.broker)
def column(request):
    return request.param


@pytest.fixture
async def b(column, ticks):
    """At 09:20:00, at a price of 94.60."""
    async with bench(column, ticks=ticks) as found:
        await found.sim.advance("09:20:00")
        yield found


@pytest.fixture
async def slow(column, few):
    """As `b`, where orders get what a tick trades: four shares."""
    async with bench(column, ticks=few, options=["--fill", "volume"]) as found:
        await found.sim.advance("09:20:00")
        yield found


class StandingClock:
    """The clock by which the simulator counts calls and holds orders back; moved by hand."""

    def __init__(self):
        self.now = time.time()

    def time(self):
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch):
    standing = StandingClock()
    monkeypatch.setattr(broker, "time", standing)
    return standing


# Log-in


async def test_log_in__good_secrets__is_a_session_with_a_known_end(b):
    left_us = b.session.expires_us - time.time_ns() // 1000
    assert 0 < left_us <= 24 * 3600 * 1_000_000
    assert (b.session.broker, await b.broker.check()) == (b.column.broker, b.session.client_id)
    assert b.session.access_token not in repr(b.session)


async def test_log_in__wrong_secret__is_rejected(b):
    wrong = replace(b.column, secrets=b.column.secrets | b.column.wrong)
    with pytest.raises(Rejected):
        await log_in(b.sim, wrong, b.http, b.login)


async def test_renew__session_alive__is_as_the_broker_has_it(b):
    renewing = b.login.renew(b.http, b.session, now_us=time.time_ns() // 1000)
    if not b.column.renews:
        with pytest.raises(Rejected):
            await renewing
        return
    b.session, old = await renewing, b.broker
    assert await b.trader(b.share).check() == b.session.client_id
    with pytest.raises(TokenExpired):
        await old.check()


async def test_token__expired_in_the_session__is_told_by_every_call_and_cured_by_a_log_in(b):
    resting = await b.place("BUY", RESTING)
    await b.sim.admin("POST", "/admin/token/expire", {"broker": b.column.broker})
    late = b.order("BUY", MARKET)
    for call in (
        b.send(late),
        b.broker.modify(resting, replace(RESTING, quantity=5)),
        b.broker.cancel(resting),
        b.broker.order_by_tag(resting.tag),
        b.broker.orders(),
        b.broker.quotes([b.share]),
        b.broker.check(),
    ):
        with pytest.raises(TokenExpired):
            await call
    assert await b.truth(late) is None

    b.session = await log_in(b.sim, b.column, b.http, b.login)
    b.broker = b.trader(b.share)
    assert (await b.row(resting)).terms == RESTING


async def test_observed_address__this_machine__is_told_where_the_broker_tells(b):
    address = await b.login.observed_address(b.http, b.session)
    assert address == ("127.0.0.1" if b.column.tells_address else "")


async def test_address__not_the_registered_one__refuses_orders_and_no_reads(b):
    resting = await b.place("BUY", RESTING)
    await b.sim.settings(b.column.broker, registered_ip="203.0.113.9")
    other = b.order("BUY", RESTING)
    for call in (b.send(other), b.broker.modify(resting, MARKET), b.broker.cancel(resting)):
        with pytest.raises(AddressRefused):
            await call
    assert await b.row(other) is None
    assert (await b.row(resting)).terms == RESTING


# Instruments


async def test_master__whole_file__finds_shares_both_ways(b):
    assert len(b.master) >= 90
    assert (b.share.symbol, b.share.exchange, b.share.tick_size) == (SYMBOL, "NSE", 1)
    assert b.master.by_token(b.share.token, exchange="NSE") == b.share
    other = b.master.by_symbol("BSE", "FILLER00002")
    assert (other.exchange, other.tick_size) == ("BSE", 5)


# Prices


async def test_feed__subscribed__tells_the_price_at_once(b):
    async with feed(b, [b.share]) as line:
        await line.until(lambda f: f.ticks)
        tick = line.ticks[-1]
    assert (tick.price, tick.time_us // 1_000_000) == (9460, 1_795_146_600)
    assert tick.key == b.adapter.streams(b.endpoints, b.session)[0].key(b.share)


async def test_feed__a_morning__is_the_tick_file(column, ticks):
    recorded = [tick for tick, _ in zip(read_ticks(ticks), range(300), strict=False)]
    async with bench(column, ticks=ticks) as b, feed(b, [b.share]) as line:
        await line.until(lambda f: f.ticks)
        key, before = line.ticks[0].key, len(line.ticks)
        await b.sim.advance(ticks=len(recorded))
        await line.until(lambda f: len(f.ticks) >= before + len(recorded))
    most = column.most_quantity
    assert line.ticks[before:] == [
        MarketTick(key, price, min(quantity, most), volume, time_us)
        for _, _, time_us, price, quantity, volume in recorded
    ]
    assert line.garbled == 0


async def test_feed__unsubscribed__falls_silent(b):
    async with feed(b, [b.share]) as line:
        await b.sim.advance(ticks=1)
        await line.until(lambda f: f.ticks[-1].price == 9465)
        wire, _ = line.connections["market"]
        await line.send("market", wire.unsubscribe([b.share]))
        await b.sim.advance(ticks=5)
        await line.settle()
        assert line.ticks[-1].price == 9465


async def test_feed__garbled_frame__costs_that_frame_only(b):
    async with feed(b, [b.share]) as line:
        await b.sim.fault(b.column.broker, "garbled_ticks")
        await b.sim.advance(ticks=2)
        await line.until(lambda f: f.ticks[-1].price == 9400)
        assert line.garbled == 1
        assert 9465 not in [tick.price for tick in line.ticks]


async def test_feed__future_stamp__is_handed_on_as_it_is(b):
    async with feed(b, [b.share]) as line:
        await b.sim.fault(b.column.broker, "future_stamps", seconds=3600)
        await b.sim.advance(ticks=2)
        await line.until(lambda f: f.ticks[-1].price == 9400)
        seconds = [tick.time_us // 1_000_000 for tick in line.ticks[-2:]]
    assert seconds == [1_795_146_615 + 3600, 1_795_146_630]


async def test_feed__frozen__is_silent_on_a_socket_that_lives(b):
    async with feed(b, [b.share]) as line:
        await b.sim.fault(b.column.broker, "freeze_feed")
        await b.sim.advance(ticks=2)
        await line.settle()
        assert {tick.price for tick in line.ticks} == {9460}
        await b.sim.clear_faults()
        await b.sim.advance(ticks=1)
        await line.until(lambda f: f.ticks[-1].price == 9410)
        assert not line.closed


@pytest.mark.parametrize(("fault", "wire"), [("drop_feed", 0), ("close_order_socket", -1)])
async def test_feed__socket_closed_by_the_broker__can_be_opened_again(b, fault, wire):
    name = b.adapter.streams(b.endpoints, b.session)[wire].name
    async with feed(b, [b.share]) as line:
        await b.sim.fault(b.column.broker, fault)
        await line.until(lambda f: name in f.closed)
        assert line.closed == {name}
    async with feed(b, [b.share]) as line:
        await line.until(lambda f: f.ticks)


async def test_feed__dead_token__is_told_in_the_handshake_or_in_words(b):
    await b.sim.admin("POST", "/admin/token/expire", {"broker": b.column.broker})
    wire = b.adapter.streams(b.endpoints, b.session)[0]
    told, needs_login = "packet", True
    try:
        async with connect(wire.url(), additional_headers=dict(wire.headers())) as connection:
            said = [wire.said(frame) async for frame in connection]
            needs_login = any(one.is_over and one.needs_login for one in said)
    except InvalidStatus as refused:
        told = "handshake" if refused.response.status_code == 403 else ""
    assert (told, needs_login) == (b.column.bad_token, True)


# Orders


async def test_place__every_legal_type__is_taken_as_it_was_meant(b):
    legal = b.adapter.capabilities.on("NSE", b.day).order_types
    for terms, status in [
        (MARKET, "FILLED"),
        (RESTING, "OPEN"),
        (replace(RESTING, price=9500), "FILLED"),
        (Terms(type="STOP_LIMIT", quantity=10, price=9700, trigger_price=9600), "TRIGGER_PENDING"),
        (Terms(type="STOP_MARKET", quantity=10, trigger_price=9600), "TRIGGER_PENDING"),
    ]:
        if terms.type in legal:
            order = await b.place("BUY", terms)
            assert (await b.row(order)).status == status
            assert (await b.truth(order))["type"] == terms.type


@pytest.mark.parametrize("product", ["Intraday", "Delivery"])
async def test_place__product_of_the_strategy__is_that_of_the_position(b, product):
    b.broker = b.trader(b.share, product=product)
    order = await b.place("BUY", MARKET)
    assert (await b.truth(order))["product"] == product.upper()
    assert [position.product for position in await b.broker.positions()] == [product]


async def test_place__share_of_bse__goes_there(b):
    share = b.master.by_symbol("BSE", "FILLER00002")
    b.broker = b.trader(share)
    order = await b.place("BUY", Terms(type="LIMIT", quantity=1, price=1080))
    truth = await b.truth(order)
    assert (truth["exchange"], truth["symbol"], truth["status"]) == ("BSE", share.symbol, "OPEN")


async def test_place__illegal_type__is_denied_locally(b):
    before = await b.sim.requests(b.column.broker)
    assert b.column.illegal
    for exchange, kind in b.column.illegal:
        share = b.share if exchange == "NSE" else b.master.by_symbol("BSE", "FILLER00002")
        order = b.order("SELL", Terms(type=kind, quantity=10, trigger_price=9000))
        with pytest.raises(DeniedLocally, match=f"{kind} orders on {exchange}"):
            await b.trader(share).place(order, send_by=time.monotonic() + 1)
        with pytest.raises(DeniedLocally):
            await b.trader(share).modify(replace(order, broker_id="1"), order.terms)
    assert await b.sim.requests(b.column.broker) == before


async def test_place__too_late__is_denied_locally(b):
    order = b.order("BUY", MARKET)
    with pytest.raises(DeniedLocally):
        await b.broker.place(order, send_by=time.monotonic() - 0.001)
    assert await b.row(order) is None


async def test_modify__resting_stop_into_the_exit__sells_once(b):
    entry = await b.place("BUY", MARKET)
    stop = await b.place("SELL", STOP)
    assert (await b.row(stop)).status == "TRIGGER_PENDING"

    answer = await b.broker.modify(stop, MARKET)

    assert (answer.tag, answer.terms) == (stop.tag, MARKET)
    assert (await b.row(stop)).status == "FILLED"
    assert (await b.row(entry)).filled == 10
    assert [position.quantity for position in await b.broker.positions()] == [0]


async def test_modify__quantity_and_trigger__are_the_new_totals(b):
    stop = await b.place("SELL", STOP)
    wanted = replace(STOP, quantity=14, trigger_price=9320, price=9170)
    for _ in range(2):
        await b.broker.modify(stop, wanted)
        row = await b.row(stop)
        assert (row.status, row.terms) == ("TRIGGER_PENDING", wanted)


async def test_modify__order_that_ended__is_rejected_and_changes_nothing(b):
    order = await b.place("BUY", MARKET)
    with pytest.raises(Rejected):
        await b.broker.modify(order, replace(MARKET, quantity=20))
    with pytest.raises(Rejected):
        await b.broker.cancel(order)
    assert (await b.row(order)).filled == 10


async def test_modify__answer_to_place_lost__finds_the_order_by_its_tag(b):
    stop = await b.place("SELL", STOP)
    await b.broker.modify(replace(stop, broker_id=""), replace(STOP, quantity=5))
    assert (await b.row(stop)).terms.quantity == 5


async def test_cancel__resting_order__ends_it(b):
    order = await b.place("BUY", RESTING)
    assert (await b.broker.cancel(order)).tag == order.tag
    row = await b.row(order)
    assert (row.status, row.filled) == ("CANCELLED", 0)


async def test_order_by_tag__never_sent__is_none(b):
    await b.place("BUY", RESTING)
    assert await b.broker.order_by_tag(b.order("BUY", RESTING).tag) is None


async def test_orders__trade_by_hand_among_ours__has_no_tag(b):
    first = await b.place("BUY", MARKET)
    await b.sim.trade(b.column.broker, "BUY", 7)
    last = await b.place("BUY", RESTING)

    rows = await b.broker.orders()

    assert [row.tag for row in rows] == [first.tag, "", last.tag]
    for row, truth in zip(rows, await b.sim.orders(b.column.broker), strict=True):
        b.agree(row, truth)


async def test_trades_and_positions__trade_by_hand_among_ours__are_net(b):
    order = await b.place("BUY", MARKET)
    await b.sim.trade(b.column.broker, "SELL", 4)
    trades = await b.broker.trades()
    assert [(trade.side, trade.quantity, trade.price) for trade in trades] == [
        ("BUY", 10, 9460),
        ("SELL", 4, 9460),
    ]
    assert (trades[0].order_id, trades[0].symbol) == (order.broker_id, SYMBOL)
    assert trades[0].time_us == 1_795_146_600_000_000
    assert await b.broker.positions() == [
        Position(exchange="NSE", symbol=SYMBOL, product="Intraday", quantity=6, bought=10, sold=4)
    ]


async def test_funds__position_opened__show_what_is_used(b):
    before = await b.broker.funds()
    await b.place("BUY", MARKET)
    after = await b.broker.funds()
    assert before.available == 100_000_000
    assert (after.available, after.used) == (100_000_000 - 18_920, 18_920)


async def test_quotes__known_and_unknown_shares__are_one_call(b):
    filler = b.master.by_symbol("BSE", "FILLER00002")
    unknown = replace(b.share, symbol="NOSUCH", token=99)
    quote, other = await b.broker.quotes([b.share, unknown, filler])
    assert (quote.symbol, quote.last_price, quote.volume) == (SYMBOL, 9460, 6_722_253)
    assert (quote.lower_band, quote.upper_band) == (8550, 10450)
    assert quote.time_us == 1_795_146_600_000_000
    assert (other.exchange, other.symbol) == ("BSE", "FILLER00002")


# Order updates


async def test_updates__an_order_filled_in_parts__come_as_totals(slow):
    async with feed(slow) as line:
        order = await slow.place("BUY", MARKET)
        await slow.sim.advance(ticks=2)
        await line.until(lambda f: any(row.status == "FILLED" for row in f.rows))
    row = await slow.row(order)
    assert line.rows[-1] == row
    assert {row.tag for row in line.rows} == {order.tag}
    told = [row.filled for row in line.rows if row.filled]
    assert told == [4, 8, 10]


async def test_updates__taken_changed_and_cancelled__tell_each_state(b):
    async with feed(b) as line:
        order = await b.place("SELL", STOP)
        await b.broker.modify(order, replace(STOP, quantity=12))
        await b.broker.cancel(order)
        await line.until(lambda f: any(row.status == "CANCELLED" for row in f.rows))
    assert line.rows[-1] == await b.row(order)
    states = [row.status for row in line.rows]
    assert states[-2:] == ["TRIGGER_PENDING", "CANCELLED"]
    assert (states[0] == "PENDING") == b.column.pushes_acceptance


@pytest.mark.parametrize("fault", ["duplicate_updates", "reorder_updates"])
async def test_updates__twice_or_out_of_order__end_in_the_truth_all_the_same(slow, fault):
    async with feed(slow) as line:
        await slow.sim.fault(slow.column.broker, fault, times=2)
        order = await slow.place("BUY", MARKET)
        await slow.sim.advance(ticks=2)
        await line.settle()
        for row in line.rows:
            order = seen_in_book(order, row, time_us=0, price=0)
    row = await slow.row(order)
    assert (order.status, order.filled, order.value) == ("FILLED", row.filled, row.value)


async def test_updates__lost__the_book_tells(b):
    async with feed(b) as line:
        await b.sim.fault(b.column.broker, "lose_updates", times=5)
        order = await b.place("BUY", MARKET)
        await line.settle()
        assert line.rows == []
    assert (await b.row(order)).status == "FILLED"


# The market's ways


async def test_fill__part_then_cancelled__keeps_the_part(slow):
    order = await slow.place("BUY", replace(RESTING, price=9500))
    assert (await slow.row(order)).filled == 4
    await slow.broker.cancel(order)
    row = await slow.row(order)
    assert (row.status, row.filled) == ("CANCELLED", 4)


async def test_fill__part_then_changed__counts_the_whole_quantity(slow):
    order = await slow.place("BUY", replace(RESTING, price=9500))
    part = await slow.row(order)
    order = replace(order, filled=part.filled, value=part.value)
    await slow.broker.modify(order, Terms(type="MARKET", quantity=6))
    await slow.sim.advance(ticks=1)
    row = await slow.row(order)
    assert (row.status, row.filled) == ("FILLED", 6)


async def test_stop__touched__sells_at_the_market(b):
    await b.place("BUY", MARKET)
    stop = await b.place("SELL", STOP)
    await b.sim.advance("13:00:00")
    row = await b.row(stop)
    assert row.status == "FILLED"
    assert 9150 * 10 <= row.value <= 9300 * 10


async def test_stop__touched_without_buyers__works_on_and_can_be_made_the_exit(b):
    await b.place("BUY", MARKET)
    stop = await b.place("SELL", STOP)
    await b.sim.settings(b.column.broker, fill="none")
    await b.sim.advance("13:00:00")
    row = await b.row(stop)
    assert (row.status, row.filled) == (b.column.fired_stop, 0)

    await b.sim.settings(b.column.broker, fill="whole")
    await b.broker.modify(stop, MARKET)
    assert (await b.row(stop)).status == "FILLED"


async def test_stop__passed_by_the_price_already__is_refused_or_fires(b):
    await b.place("BUY", MARKET)
    stop = b.order("SELL", replace(STOP, trigger_price=9480, price=9300))
    outcome = "refused"
    with contextlib.suppress(Rejected):
        stop, outcome = await b.send(stop), "fires"
    await b.sim.advance(ticks=1)
    row = await b.row(stop)
    assert outcome == b.column.crossed_stop
    assert (row.status if row else "refused") == {"refused": "refused", "fires": "FILLED"}[outcome]


BAD_ORDERS = {
    "funds": (SYMBOL, Terms(type="LIMIT", quantity=99_999, price=9000)),
    "freeze": (SYMBOL, Terms(type="LIMIT", quantity=100_001, price=9000)),
    "band": (SYMBOL, Terms(type="LIMIT", quantity=1, price=8000)),
    "tick_size": ("FILLER00000", Terms(type="LIMIT", quantity=1, price=1003)),
}


@pytest.mark.parametrize("reason", BAD_ORDERS)
async def test_place__against_the_rules__is_refused_at_once_or_rejected_in_the_book(b, reason):
    symbol, terms = BAD_ORDERS[reason]
    b.broker = b.trader(b.master.by_symbol("NSE", symbol))
    await refused(b, b.order("BUY", terms), reason)


async def test_auction__begins__the_exchange_cancels_resting_stops_only(b):
    entry = await b.place("BUY", MARKET)
    limit = await b.place("BUY", replace(RESTING, price=8600))
    stop = await b.place("SELL", replace(STOP, trigger_price=8700, price=8600))
    async with feed(b) as line:
        await b.sim.advance("15:15:00")
        await line.until(lambda f: any(row.status == "CANCELLED" for row in f.rows))
    row = await b.row(stop)
    assert (row.status, row.filled) == ("CANCELLED", 0)
    assert "auction" in row.message
    assert (await b.row(limit)).status == "OPEN"
    assert (await b.row(entry)).filled == 10


async def test_square_off__its_time_comes__the_broker_sells_without_a_tag(b):
    await b.place("BUY", MARKET)
    limit = await b.place("BUY", replace(RESTING, price=8600))
    await b.sim.advance("15:20:00")
    assert (await b.row(limit)).status == "CANCELLED"
    last = (await b.broker.orders())[-1]
    assert (last.tag, last.status, last.filled) == ("", "FILLED", 10)
    assert [position.quantity for position in await b.broker.positions()] == [0]
    await refused(b, b.order("BUY", MARKET), "intraday_closed")


async def test_close__comes__what_rests_is_cancelled(b):
    b.broker = b.trader(b.share, product="Delivery")
    order = await b.place("BUY", replace(RESTING, price=8600))
    await b.sim.advance("15:31:00")
    row = await b.row(order)
    assert (row.status, row.filled) == ("CANCELLED", 0)


async def test_rate_limit__too_many_in_a_second__refuses_the_surplus_and_takes_the_rest(b, clock):
    most = b.adapter.capabilities.limits.orders_per_second
    for _ in range(most):
        await b.place("BUY", RESTING)
    surplus = b.order("BUY", RESTING)
    with pytest.raises(RateLimited) as caught:
        await b.send(surplus)
    assert caught.value.retry_after > 0
    assert await b.truth(surplus) is None

    clock.now += caught.value.retry_after
    await b.send(surplus)
    assert len(await b.sim.orders(b.column.broker)) == most + 1


async def test_algo_sim__as_a_process_of_its_own__is_the_same(column, ticks):
    async with bench(column, ticks=ticks, start=simulator) as b, feed(b, [b.share]) as line:
        await b.sim.advance("09:20:00")
        entry, stop = await b.place("BUY", MARKET), await b.place("SELL", STOP)
        await b.sim.advance("13:00:00")
        await line.until(lambda f: f.rows and f.rows[-1].tag == stop.tag and f.rows[-1].filled)
        assert (await b.row(entry)).filled == (await b.row(stop)).filled == 10
        assert line.ticks[-1].price < STOP.trigger_price


# Faults


def test_faults__all_of_the_simulators__have_a_scenario():
    table = Path(__file__).read_text()
    assert [name for name in sorted(NAMES) if f'"{name}"' not in table] == []


WRITE_FAULTS = {
    "accept_and_never_answer": (Unresolved, True),
    "answer_late": (Unresolved, True),
    "server_error": (Unresolved, False),
    "server_error_after_taking": (Unresolved, True),
    "drop_connection_after_taking": (Unresolved, True),
    "drop_connection_before_taking": (Unresolved, False),
    "rate_limit": (RateLimited, False),
    "token_expired": (TokenExpired, False),
    "address_refused": (AddressRefused, False),
    "refuse": (Rejected, False),
}
"""Fault: what a write raises, and whether it was done."""


PATIENCE = {"accept_and_never_answer": 0.5, "answer_late": 0.5}
"""Seconds that an answer is waited for under a fault, where it is not the product's own time."""


async def struck(b, fault, on, call):
    """What a call raises under a fault."""
    await b.sim.fault(b.column.broker, fault, on=on, seconds=1)
    with pytest.MonkeyPatch.context() as patched:
        for name in ("WRITE_SECONDS", "READ_SECONDS"):
            patched.setattr(client, name, PATIENCE.get(fault, getattr(client, name)))
        with pytest.raises(BrokerError) as caught:
            await call
    assert b.session.access_token not in str(caught.value)
    return type(caught.value)


@pytest.mark.parametrize("fault", WRITE_FAULTS)
async def test_write__fault__raises_what_it_means_and_the_book_tells_whether_it_was_done(b, fault):
    error, was_done = WRITE_FAULTS[fault]

    order = b.order("SELL", STOP)
    assert await struck(b, fault, "place", b.send(order)) is error
    row = await b.row(order)
    assert (row is not None) == was_done
    if row is None:
        order = await b.send(order)

    wanted = replace(STOP, quantity=12)
    assert await struck(b, fault, "modify", b.broker.modify(order, wanted)) is error
    assert ((await b.row(order)).terms == wanted) == was_done

    assert await struck(b, fault, "cancel", b.broker.cancel(order)) is error
    assert ((await b.row(order)).status == "CANCELLED") == was_done


READ_FAULTS = {
    "accept_and_never_answer": Unresolved,
    "server_error": Unresolved,
    "drop_connection_before_taking": Unresolved,
    "rate_limit": RateLimited,
    "token_expired": TokenExpired,
}


@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_read__fault__is_never_an_empty_book(b, fault):
    order = await b.place("BUY", RESTING)
    assert await struck(b, fault, "orders", b.broker.orders()) is READ_FAULTS[fault]
    assert await struck(b, fault, "orders", b.broker.order_by_tag(order.tag)) is READ_FAULTS[fault]
    assert (await b.row(order)).status == "OPEN"


async def test_place__rejected_after_it_was_taken__is_rejected_in_the_book_with_the_reason(b):
    await b.sim.fault(b.column.broker, "reject")
    row = await b.row(await b.place("BUY", MARKET))
    assert (row.status, row.filled) == ("REJECTED", 0)
    assert "RMS" in row.message


async def test_modify__rejected__leaves_the_order_as_it_was(b):
    stop = await b.place("SELL", STOP)
    await b.sim.fault(b.column.broker, "reject_modify")
    with pytest.raises(Rejected):
        await b.broker.modify(stop, MARKET)
    row = await b.row(stop)
    assert (row.status, row.terms) == ("TRIGGER_PENDING", STOP)


async def test_modify__confirmed_and_not_made__the_book_tells(b):
    stop = await b.place("SELL", STOP)
    await b.sim.fault(b.column.broker, "ignore_modify")
    await b.broker.modify(stop, MARKET)
    row = await b.row(stop)
    assert (row.status, row.terms) == ("TRIGGER_PENDING", STOP)


async def test_stop__cancelled_by_the_exchange__is_pushed_and_in_the_book(b):
    async with feed(b) as line:
        stop = await b.place("SELL", STOP)
        await b.sim.fault(b.column.broker, "cancel_stop")
        await line.until(lambda f: any(row.status == "CANCELLED" for row in f.rows))
    assert line.rows[-1].tag == stop.tag
    row = await b.row(stop)
    assert (row.status, row.message) == ("CANCELLED", "Cancelled by the exchange")


async def test_book__short_of_its_newest_rows__is_told_as_it_came_and_whole_again(b):
    placed = [(await b.place("BUY", RESTING)).tag for _ in range(3)]
    for rows, told in ((1, placed[:2]), (9, [])):
        await b.sim.fault(b.column.broker, "short_book", rows=rows)
        assert [row.tag for row in await b.broker.orders()] == told
        assert [row.tag for row in await b.broker.orders()] == placed


async def test_book__late__does_not_have_an_order_and_then_has_it(b, clock):
    await b.sim.fault(b.column.broker, "late_book", on="place", seconds=9)
    order = await b.place("BUY", RESTING)
    assert await b.broker.order_by_tag(order.tag) is None
    assert await b.broker.orders() == []
    assert (await b.truth(order))["status"] == "OPEN"
    clock.now += 10
    assert (await b.row(order)).status == "OPEN"


async def test_book__state_late__shows_the_order_as_pending_and_then_its_fill(b, clock):
    await b.sim.fault(b.column.broker, "late_status", on="place", seconds=9)
    order = await b.place("BUY", MARKET)
    row = await b.broker.order_by_tag(order.tag)
    assert (row.status, row.filled, row.terms.quantity) == ("PENDING", 0, 10)
    clock.now += 10
    assert (await b.row(order)).status == "FILLED"


async def refused(b, order, reason):
    """An order that must not work: refused at once, or taken and rejected, as the column says."""
    if reason in b.column.refused_at_once:
        with pytest.raises(Rejected) as caught:
            await b.send(order)
        assert type(caught.value) is Rejected
        assert await b.row(order) is None
        return
    row = await b.row(await b.send(order))
    assert (row.status, row.filled) == ("REJECTED", 0)
    assert row.message
