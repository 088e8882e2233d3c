import contextlib
import json
import struct
from array import array
from fractions import Fraction
from urllib.parse import parse_qs, urlsplit

import pytest
from algo_contract.messages.broker_session import BrokerSession
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_brokers.dhan.urls import endpoints
from algo_brokers.dhan.market_stream import MarketStream, float_paise
from algo_brokers.instruments import Instrument
from algo_brokers.streaming import MalformedFrame, StreamMessage, MarketTick

NOW = 1_767_585_001
SESSION = BrokerSession(
    broker="dhan",
    client_id="1100000001",
    api_key="",
    access_token="a+b/c=",
    issued_us=0,
    expires_us=1,
)
YESBANK = Instrument(exchange="NSE", symbol="YESBANK", token=11915, tick_size=5)
RELIANCE = Instrument(exchange="BSE", symbol="RELIANCE", token=500325, tick_size=5)


def wire(*, base=None, now=NOW):
    return MarketStream(endpoints(base, base), SESSION, clock=lambda: float(now))


def head(code, size, segment=1, token=11915):
    return struct.pack("<BHBI", code, size, segment, token)


def ticker(rupees, at=NOW, **where):
    return head(2, 16, **where) + struct.pack("<fI", rupees, at)


def quote(rupees, quantity=7, at=NOW, volume=1000, **where):
    return (
        head(4, 50, **where)
        + struct.pack("<fHIfI", rupees, quantity, at, 94.2, volume)
        + bytes(8)
        + struct.pack("<ffff", 95, 94, 96, 93)
    )


def full(rupees, quantity=7, at=NOW, volume=1000, **where):
    traded = struct.pack("<fHIfI", rupees, quantity, at, 94.2, volume)
    rest = bytes(8 + 12) + struct.pack("<ffff", 95, 94, 96, 93) + bytes(100)
    return head(8, 162, **where) + traded + rest


def previous_close(rupees):
    return head(6, 16) + struct.pack("<fI", rupees, 0)


KEY = 1 << 32 | 11915


@pytest.mark.parametrize(("packet", "size"), [(full, 162), (quote, 50)])
def test_ticks__full_and_quote__carry_price_quantity_volume_and_time(packet, size):
    frame = packet(94.65)
    assert len(frame) == size
    assert wire().ticks(frame) == [MarketTick(KEY, 9465, 7, 1000, NOW * 1_000_000)]


def test_ticks__ticker__carries_price_and_time():
    assert wire().ticks(ticker(94.65)) == [MarketTick(KEY, 9465, 0, 0, NOW * 1_000_000)]


def test_ticks__stacked_packets__are_read_one_after_the_other():
    status, interest = head(7, 8), head(5, 12) + bytes(4)
    frame = previous_close(94) + full(94.65) + status + interest + ticker(94.7)
    assert [tick.price for tick in wire().ticks(frame)] == [9465, 9470]


def test_ticks__nothing_but_other_packets__are_none():
    assert wire().ticks(previous_close(94)) == []
    assert wire().ticks(b"") == []
    assert wire().said(previous_close(94)) == StreamMessage()


def test_ticks__packet_of_a_kind_not_known__is_passed_over_by_its_length():
    assert [t.price for t in wire().ticks(head(77, 11) + b"abc" + ticker(94.65))] == [9465]


@pytest.mark.parametrize(
    "frame",
    [
        full(94.65)[:-1],
        full(94.65) + b"\x08",
        head(77, 3),
        head(77, 100),
        ticker(float("nan")),
        ticker(float("inf")),
        ticker(-1.0),
        ticker(1e9),
    ],
)
def test_ticks__frame_that_is_not_of_this_protocol__is_garbled(frame):
    with pytest.raises(MalformedFrame):
        wire().ticks(frame)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([0, 2, 4, 6, 8, 50]))
def test_ticks_and_said__any_bytes__are_understood_or_garbled(noise, code):
    for read in (wire().ticks, wire().said):
        with contextlib.suppress(MalformedFrame):
            read(bytes([code]) + noise)


def test_key__same_id_in_two_segments__differs():
    twin = Instrument(exchange="BSE", symbol="X", token=YESBANK.token, tick_size=5)
    assert wire().key(YESBANK) == KEY
    assert wire().key(twin) == 4 << 32 | 11915
    assert wire().ticks(ticker(94.65, segment=4))[0].key == wire().key(twin)


IST = 19_800


@pytest.mark.parametrize("age", [0, 1, 3600, 4 * 3600])
def test_ticks__seconds_of_ist_wall_time__are_put_right(age):
    assert wire().ticks(ticker(94.65, at=NOW - age + IST))[0].time_us == (NOW - age) * 1_000_000


@pytest.mark.parametrize("ahead", [-IST, -1, 0, 30, 3600, IST + 61, 10 * IST])
def test_ticks__seconds_that_are_no_wall_time__stay_as_they_are(ahead):
    assert wire().ticks(ticker(94.65, at=NOW + ahead))[0].time_us == (NOW + ahead) * 1_000_000


def test_float_paise__prices_up_to_a_lakh__come_back_exactly():
    step = 13  # every paisa passes too, in 4 s; the bound of the next test is the proof
    span = range(0, 10_000_001, step)
    assert [float_paise(rupees) for rupees in array("f", [p / 100 for p in span])] == list(span)


def test_float_paise__its_limits__are_where_the_floats_error_reaches_half_a_step():
    def error_below(power):
        return Fraction(2) ** (power - 1 - 24)

    assert error_below(17) < Fraction(1, 200) < error_below(18)
    assert error_below(19) < Fraction(5, 200) < error_below(20)


@pytest.mark.parametrize(
    "paise", [0, 1, 5, 9465, 9_999_999, 10_000_000, 13_107_199, 13_107_205, 14_999_995, 52_428_795]
)
def test_float_paise__prices_near_the_limits__come_back(paise):
    (as_sent,) = struct.unpack("<f", struct.pack("<f", paise / 100))
    assert float_paise(as_sent) == paise


def test_float_paise__beyond_what_a_float_tells__is_no_price():
    assert float_paise(float(1 << 19)) is None


@pytest.mark.parametrize(
    ("frame", "prices"),
    [
        (ticker(94.65) + ticker(-1.0) + ticker(94.7), [9465, 9470]),
        (ticker(94.65) + full(94.7)[:-1], [9465]),
    ],
)
def test_ticks__frame_garbled_in_part__keeps_the_good_prices(frame, prices):
    with pytest.raises(MalformedFrame) as caught:
        wire().ticks(frame)
    assert [tick.price for tick in caught.value.ticks] == prices


def test_url__broker_and_simulator__carry_the_token_quoted():
    for base, start in (
        (None, "wss://api-feed.dhan.co/?"),
        ("ws://127.0.0.1:9/", "ws://127.0.0.1:9/?"),
    ):
        url = wire(base=base).url()
        assert url.startswith(start)
        assert parse_qs(urlsplit(url).query) == {
            "version": ["2"],
            "token": ["a+b/c="],
            "clientId": ["1100000001"],
            "authType": ["2"],
        }


def test_subscribe__many__asks_for_full_packets_of_a_hundred_at_most():
    many = [
        Instrument(exchange="NSE", symbol=f"S{n}", token=n + 1, tick_size=5) for n in range(249)
    ]
    frames = [json.loads(frame) for frame in wire().subscribe([*many, RELIANCE])]
    assert [frame["RequestCode"] for frame in frames] == [21, 21, 21]
    assert [frame["InstrumentCount"] for frame in frames] == [100, 100, 50]
    assert all(frame["InstrumentCount"] == len(frame["InstrumentList"]) for frame in frames)
    assert frames[2]["InstrumentList"][-1] == {"ExchangeSegment": "BSE_EQ", "SecurityId": "500325"}
    assert wire().subscribe([]) == []


def test_unsubscribe__one__is_the_off_code():
    assert json.loads(wire().unsubscribe([YESBANK])[0])["RequestCode"] == 22


@pytest.mark.parametrize(
    ("reason", "needs_login"),
    [(805, False), (806, False), (807, True), (808, True), (809, True), (999, False)],
)
def test_said__disconnect__ends_the_connection_and_says_why(reason, needs_login):
    frame = head(50, 10, segment=0, token=0) + struct.pack("<H", reason)
    assert wire().ticks(frame) == []
    said = wire().said(frame)
    assert (said.is_over, said.needs_login) == (True, needs_login)
    assert str(reason) in said.notices[0]


def test_said__text__is_garbled():
    with pytest.raises(MalformedFrame):
        wire().said("hello")
