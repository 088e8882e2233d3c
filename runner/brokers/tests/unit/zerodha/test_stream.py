"""Frames of Zerodha's WebSocket, built by an encoder of their own."""

import json

import pytest
from algo_brokers.instruments import Instrument
from algo_brokers.adapters import adapter
from algo_brokers.streaming import MalformedFrame, MarketTick
from algo_contract.messages.broker_session import BrokerSession
from hypothesis import given
from hypothesis import strategies as st
from support.factories.kite_packets import frame, full, index, ltp, quote, u16, u32

INFY = 408065
SECONDS = 1546853401
KIND = adapter("zerodha")
SESSION = BrokerSession(
    broker="zerodha",
    client_id="AB1234",
    api_key="k&y",
    access_token="t/ken",
    issued_us=0,
    expires_us=1,
)
(WIRE,) = KIND.streams(KIND.endpoints(None, None), SESSION)


def a_full(token: int = INFY, price: int = 150_005) -> bytes:
    return full(token, price, quantity=7, volume=1_234_567, seconds=SECONDS)


FULL_TICK = MarketTick(INFY, 150_005, 7, 1_234_567, SECONDS * 1_000_000)
LTP_TICK = MarketTick(INFY, 99, 0, 0, 0)


def test_packet_sizes__are_those_of_the_documents() -> None:
    sizes = [
        len(body)
        for body in (
            ltp(1, 1),
            index(9, 1000),
            index(9, 1000, seconds=1),
            quote(1, 1000, quantity=1, volume=1),
            a_full(),
        )
    ]
    assert sizes == [8, 28, 32, 44, 184]


@pytest.mark.parametrize(
    ("body", "tick"),
    [
        (ltp(INFY, 99), LTP_TICK),
        (index(256265, 1_100_000), MarketTick(256265, 1_100_000, 0, 0, 0)),
        (
            index(256265, 1_100_000, seconds=SECONDS),
            MarketTick(256265, 1_100_000, 0, 0, SECONDS * 1_000_000),
        ),
        (quote(INFY, 150_005, quantity=7, volume=9), MarketTick(INFY, 150_005, 7, 9, 0)),
        (a_full(), FULL_TICK),
    ],
    ids=["ltp", "index quote", "index full", "quote", "full"],
)
def test_a_packet__gives_its_fields(body: bytes, tick: MarketTick) -> None:
    assert WIRE.ticks(frame([body])) == [tick]
    mixed = WIRE.ticks(frame([body, ltp(INFY, 99), body]))
    assert mixed == [tick, LTP_TICK, tick]
    assert all(isinstance(t, MarketTick) for t in mixed)


def test_a_frame_of_many_full_packets__gives_them_in_order() -> None:
    bodies = [a_full(token=256 * n + 1, price=1000 + n) for n in range(300)]
    ticks = WIRE.ticks(frame(bodies))
    assert [(t.key, t.price) for t in ticks] == [(256 * n + 1, 1000 + n) for n in range(300)]
    assert all(isinstance(t, MarketTick) for t in ticks)
    assert ticks[0]._replace(key=INFY, price=150_005) == FULL_TICK


@pytest.mark.parametrize(
    ("segment", "units", "paise"),
    [
        (1, 289_055, 289_055),
        (4, 2**32 - 1, 2**32 - 1),
        (3, 842_500_000, 8_425),  # 84.25 in parts of ten million
        (3, 842_550_000, 8_426),  # 84.255: rounded to the nearest, half up
        (6, 842_500, 8_425),
        (12, 842_549, 8_425),
        (7, 842_500, 842_500),
    ],
)
def test_a_price__is_in_paise_by_segment(segment: int, units: int, paise: int) -> None:
    token = 15_083 * 256 + segment
    ticks = WIRE.ticks(frame([a_full(token, min(units, 2**32 - 400))]))
    assert ticks == WIRE.ticks(frame([ltp(1, 1), a_full(token, min(units, 2**32 - 400))]))[1:]
    assert WIRE.ticks(frame([ltp(token, units)]))[0].price == paise


@pytest.mark.parametrize("heartbeat", [b"\0", b"\1", b"\xff"])
def test_a_heartbeat__has_no_prices(heartbeat: bytes) -> None:
    assert WIRE.ticks(heartbeat) == []
    assert WIRE.said(heartbeat).orders == ()


def test_a_frame_of_no_packets__has_no_prices() -> None:
    assert WIRE.ticks(frame([])) == []


GOOD = [a_full(), ltp(INFY, 99)]


@pytest.mark.parametrize(
    ("garbled", "good"),
    [
        (b"", []),
        (u16(1), []),
        (u16(2) + frame([a_full()])[2:], [FULL_TICK]),
        (frame(GOOD)[:-1], [FULL_TICK]),
        (frame([*GOOD, b"odd size"[:7], a_full()]), [FULL_TICK, LTP_TICK, FULL_TICK]),
        (frame([a_full(), b""]), [FULL_TICK]),
        (frame([a_full() + b"\0" * 16, a_full()]), [FULL_TICK]),
        (frame(GOOD) + b"more", [FULL_TICK, LTP_TICK]),
        (u16(0) + b"more", []),
        (u16(3) + (u16(184) + a_full()) * 2 + u16(300) + a_full(), [FULL_TICK] * 2),
        (u16(65_535) + u32(0), []),
    ],
)
def test_a_frame_that_is_odd__keeps_its_good_prices(garbled: bytes, good: list[MarketTick]) -> None:
    with pytest.raises(MalformedFrame) as caught:
        WIRE.ticks(garbled)
    assert list(caught.value.ticks) == good


@given(st.binary(max_size=2000))
def test_any_bytes__are_prices_or_garbled(data: bytes) -> None:
    try:
        ticks = WIRE.ticks(data)
    except MalformedFrame as garbled:
        ticks = list(garbled.ticks)
    assert all(isinstance(t, MarketTick) and t.price >= 0 for t in ticks)


PACKETS = st.lists(
    st.one_of(
        st.builds(ltp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
        st.builds(
            full,
            st.integers(0, 2**24 - 1).map(lambda n: n * 256 + 1),
            st.integers(1000, 2**31),
            quantity=st.integers(0, 2**32 - 1),
            volume=st.integers(0, 2**32 - 1),
            seconds=st.integers(5, 2**32 - 1),
        ),
    ),
    max_size=12,
)


@given(PACKETS, st.data())
def test_a_frame_cut_anywhere__keeps_what_came_whole(
    bodies: list[bytes], data: st.DataObject
) -> None:
    whole = frame(bodies)
    ticks = WIRE.ticks(whole)
    assert len(ticks) == len(bodies)
    cut = data.draw(st.integers(2, len(whole)))
    try:
        kept = WIRE.ticks(whole[:cut])
    except MalformedFrame as garbled:
        kept = list(garbled.ticks)
    ends = [2 + sum(2 + len(b) for b in bodies[: n + 1]) for n in range(len(bodies))]
    assert kept == ticks[: sum(end <= cut for end in ends)]


@given(
    st.one_of(
        st.text(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["type", "data", "status", "tag", "tags", "order_id"]), inner
                )
            ),
            max_leaves=8,
        ).map(json.dumps),
    )
)
def test_any_text__is_words_or_garbled(text: str) -> None:
    try:
        said = WIRE.said(text)
    except MalformedFrame:
        return
    assert all(len(notice) < 1000 and notice.isprintable() for notice in said.notices)


def pushed(**changes: object) -> str:
    order = {
        "order_id": "260105000000017",
        "status": "OPEN",
        "status_message": None,
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "order_type": "LIMIT",
        "product": "MIS",
        "quantity": 10,
        "filled_quantity": 4,
        "price": 1500.0,
        "trigger_price": 0,
        "average_price": 1499.9,
        "tag": "A" * 20,
        "tags": ["A" * 20],
        "market_protection": 0,
    }
    return json.dumps({"type": "order", "data": order | changes})


def test_a_pushed_order__is_a_row() -> None:
    said = WIRE.said(pushed())
    (row,) = said.orders
    assert (row.tag, row.status, row.filled, row.value) == ("A" * 20, "OPEN", 4, 599_960)
    assert said.notices == ()


def test_a_pushed_order_with_an_unknown_status__is_open_and_told() -> None:
    said = WIRE.said(pushed(status="SOMETHING NEW"))
    assert said.orders[0].status == "OPEN"
    assert "SOMETHING NEW" in said.notices[0]


def test_a_pushed_order_of_ours_that_is_odd__is_there_and_pending() -> None:
    said = WIRE.said(pushed(filled_quantity=None))
    [row] = said.orders
    assert (row.status, row.filled) == ("PENDING", 0)
    assert row.tag
    assert row.broker_id
    assert list(said.notices) == [row.message] == ["unreadable: filled_quantity is no number"]


def test_a_pushed_order_of_others_that_is_odd__is_told() -> None:
    said = WIRE.said(pushed(tag="mine", tags=[], filled_quantity=None))
    assert (said.orders, len(said.notices)) == ((), 1)


def test_an_error__is_told_on_one_line() -> None:
    said = WIRE.said(json.dumps({"type": "error", "data": "too\nmany\x1b[31m sockets" + "x" * 999}))
    assert said.notices[0].startswith("Zerodha, error: too many [31m sockets")
    assert len(said.notices[0]) <= 300


def test_subscribing__asks_for_full_prices() -> None:
    shares = [
        Instrument(exchange="NSE", symbol="INFY", token=INFY, tick_size=5),
        Instrument(exchange="BSE", symbol="INFY", token=128_053_508, tick_size=5),
    ]
    assert [json.loads(text) for text in WIRE.subscribe(shares)] == [
        {"a": "subscribe", "v": [INFY, 128_053_508]},
        {"a": "mode", "v": ["full", [INFY, 128_053_508]]},
    ]
    assert [json.loads(text) for text in WIRE.unsubscribe(shares)] == [
        {"a": "unsubscribe", "v": [INFY, 128_053_508]}
    ]
    assert (WIRE.key(shares[1]), WIRE.hello()) == (128_053_508, ())
    assert (WIRE.subscribe([]), WIRE.unsubscribe([])) == ((), ())


def test_the_address__holds_key_and_token_escaped() -> None:
    assert WIRE.url() == "wss://ws.kite.trade/?api_key=k%26y&access_token=t%2Fken"
    assert WIRE.headers()["X-Kite-Version"] == "3"
    assert "t/ken" not in repr(WIRE)


def test_an_address_of_ones_own__is_used() -> None:
    (wire,) = KIND.streams(KIND.endpoints("http://127.0.0.1:1", "ws://127.0.0.1:2/"), SESSION)
    assert wire.url().startswith("ws://127.0.0.1:2/?api_key=")
