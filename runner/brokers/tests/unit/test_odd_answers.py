"""Whatever a broker answers, a call gives a result or an error of the family, and what it gives can
be handed on: any good answer, changed at random, through every method of the port.
"""

import asyncio
import contextlib
import copy
import json
from dataclasses import dataclass, replace

import pytest
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.ids import order_tag
from algo_engine.orders import Order, OrderReport, Terms
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_brokers.errors import BrokerError
from algo_brokers.http.client import HttpClient, Response
from algo_brokers.instruments import Instrument
from algo_brokers.adapters import TradingContext, adapter
from algo_brokers.order_reports import read_report, write_report
from algo_brokers.streaming import MalformedFrame

DAY = "2026-11-20"
TOKEN = "the-token"
TAG, OTHER = (order_tag("uid", DAY, leg, 1) for leg in ("entry", "exit"))
SHARE = Instrument(exchange="NSE", symbol="INFY", token=1594, tick_size=5)
TERMS = Terms(type="LIMIT", quantity=10, price=150_005)
ORDER = Order(tag=TAG, leg="entry", attempt=1, side="BUY", terms=TERMS, broker_id="77")
UNKNOWN = replace(ORDER, broker_id="")
LATER = float("inf")
EXAMPLES = 30

KITE_ROW = {
    "order_id": "77",
    "status": "OPEN",
    "status_message": None,
    "order_type": "LIMIT",
    "transaction_type": "BUY",
    "quantity": 10,
    "filled_quantity": 4,
    "price": 1500.05,
    "trigger_price": 0,
    "average_price": 1499.9,
    "tag": TAG,
    "tags": [TAG],
}
KITE_TRADE = {
    "order_id": "77",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "quantity": 4,
    "average_price": 1499.9,
    "fill_timestamp": "2026-11-20 09:20:01",
}
KITE_POSITION = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "product": "MIS",
    "quantity": 4,
    "buy_quantity": 4,
    "sell_quantity": 0,
}
KITE_QUOTE = {
    "last_price": 1500.05,
    "volume": 9,
    "timestamp": "2026-11-20 09:20:01",
    "lower_circuit_limit": 1350,
    "upper_circuit_limit": 1650.1,
}
DHAN_ROW = {
    "orderId": "77",
    "correlationId": TAG,
    "orderStatus": "PENDING",
    "orderType": "LIMIT",
    "quantity": 10,
    "price": 1500.05,
    "triggerPrice": 0,
    "filledQty": 4,
    "averageTradedPrice": 1499.9,
    "omsErrorDescription": None,
    "createTime": "2026-11-20 09:20:01",
}
DHAN_TRADE = {
    "orderId": "77",
    "exchangeSegment": "NSE_EQ",
    "tradingSymbol": "INFY",
    "transactionType": "BUY",
    "tradedQuantity": 4,
    "tradedPrice": 1499.9,
    "exchangeTime": "2026-11-20 09:20:01",
}
DHAN_POSITION = {
    "exchangeSegment": "NSE_EQ",
    "tradingSymbol": "INFY",
    "productType": "INTRADAY",
    "netQty": 4,
    "buyQty": 4,
    "sellQty": 0,
}
DHAN_QUOTE = {
    "last_price": 1500.05,
    "volume": 9,
    "last_trade_time": "20/11/2026 09:20:01",
    "lower_circuit_limit": 1350,
    "upper_circuit_limit": 1650.1,
}
DHAN_PUSH = {
    "orderNo": "77",
    "status": "Part Traded",
    "orderType": "LMT",
    "quantity": 10,
    "tradedQty": 4,
    "price": 1500.05,
    "triggerPrice": 0,
    "tradedPrice": 1499.9,
    "avgTradedPrice": 1499.9,
    "correlationId": TAG,
    "reasonDescription": "CONFIRMED",
}


def kite(data):
    return {"status": "success", "data": data}


CALLS = {
    "place": lambda broker: broker.place(ORDER, send_by=LATER),
    "modify": lambda broker: broker.modify(ORDER, TERMS),
    "modify, id unknown": lambda broker: broker.modify(UNKNOWN, TERMS),
    "cancel": lambda broker: broker.cancel(ORDER),
    "order_by_tag": lambda broker: broker.order_by_tag(TAG),
    "orders": lambda broker: broker.orders(),
    "trades": lambda broker: broker.trades(),
    "positions": lambda broker: broker.positions(),
    "funds": lambda broker: broker.funds(),
    "quotes": lambda broker: broker.quotes([SHARE]),
    "check": lambda broker: broker.check(),
}
KITE_BOOK = kite([KITE_ROW | {"order_id": "76", "tag": OTHER, "tags": []}, KITE_ROW])
DHAN_BOOK = [DHAN_ROW | {"orderId": "76", "correlationId": OTHER}, DHAN_ROW]
GOOD = {
    "zerodha": {
        "place": kite({"order_id": "77"}),
        "modify": kite({"order_id": "77"}),
        "modify, id unknown": KITE_BOOK,
        "cancel": kite({"order_id": "77"}),
        "order_by_tag": KITE_BOOK,
        "orders": KITE_BOOK,
        "trades": kite([KITE_TRADE, KITE_TRADE]),
        "positions": kite({"net": [KITE_POSITION], "day": []}),
        "funds": kite({"net": 99725.05, "utilised": {"debits": 274.95}}),
        "quotes": kite({"NSE:INFY": KITE_QUOTE}),
        "check": kite({"user_id": "AB1234"}),
        "login": kite({"user_id": "AB1234", "access_token": TOKEN}),
        "refusal": {"status": "error", "error_type": "InputException", "message": "no"},
    },
    "dhan": {
        "place": {"orderId": "77", "orderStatus": "TRANSIT"},
        "modify": {"orderId": "77", "orderStatus": "TRANSIT"},
        "modify, id unknown": DHAN_ROW,
        "cancel": {"orderId": "77", "orderStatus": "CANCELLED"},
        "order_by_tag": DHAN_ROW,
        "orders": DHAN_BOOK,
        "trades": [DHAN_TRADE, DHAN_TRADE],
        "positions": [DHAN_POSITION],
        "funds": {"availabelBalance": 99725.05, "utilizedAmount": 274.95},
        "quotes": {"status": "success", "data": {"NSE_EQ": {"1594": DHAN_QUOTE}}},
        "check": {"dhanClientId": "11"},
        "login": {"accessToken": TOKEN, "expiryTime": "2026-11-21T09:20:01.000"},
        "refusal": {"errorType": "Order_Error", "errorCode": "DH-906", "errorMessage": "no"},
    },
}
PUSHES = {
    "zerodha": {"type": "order", "data": KITE_ROW},
    "dhan": {"Type": "order_alert", "Data": DHAN_PUSH},
}
TAGS = {
    "zerodha": {"tag", "tags"},
    "dhan": {"correlationId"},
}


@dataclass(frozen=True)
class Raw:
    """A piece of JSON that Python would not write."""

    text: str


NUMBERS = [
    -1,
    0,
    1.5,
    11,
    10**13,
    -(10**13),
    2**63,
    1e308,
    5e-324,
    -0.5,
    float("nan"),
    float("inf"),
]
WORDS = ["", "x", "NaN", "sNaN", "Infinity", "-1", "1e999999", "1e99999999999999999999", "9" * 5000]
WORDS += [
    "\ud800",
    "\x00\n",
    "../..",
    TAG,
    "é",
    "REJECTED",
    "COMPLETE",
    "TRADED",
    "CANCELLED",
    "SL",
]
WORDS += ["MARKET", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "01/13/2026 09:20:01"]
OTHERS = [None, True, False, [], {}, [None], [[]], [{}], {"a": None}]
RAW = ["1e999999", "-1e999999", "1e99999999999999999999", "0e999999", "1e-99999999", "1E400"]
RAW += ["9" * 5000, "[" * 900 + "]" * 900]
ODD = st.sampled_from(NUMBERS + WORDS + OTHERS + [Raw(text) for text in RAW])
ODD |= st.integers() | st.text(max_size=9)
NO_TEXT = st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\x00"])


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def changed(value, path, odd):
    """The value with something else in a place; without it where that is `...`."""
    if not path:
        return None if odd is ... else odd
    value = copy.copy(value)
    if len(path) == 1 and odd is ...:
        del value[path[0]]
    else:
        value[path[0]] = changed(value[path[0]], path[1:], odd)
    return value


def text_of(value):
    raws = []

    def plain(odd):
        raws.append(odd.text)
        return f"@raw{len(raws) - 1}@"

    text = json.dumps(value, default=plain)
    for number, raw in enumerate(raws):
        text = text.replace(f'"@raw{number}@"', raw)
    return text


@st.composite
def bodies(draw, good):
    """A good answer with up to three things in it changed, and sometimes bytes that are no text."""
    value = good
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))))
        value = changed(value, path, draw(st.just(...) | ODD))
    body = text_of(value).encode()
    match draw(st.integers(0, 9)):
        case 0:
            return body[: draw(st.integers(0, len(body)))]
        case 1:
            at = draw(st.integers(0, len(body)))
            return body[:at] + draw(NO_TEXT) + body[at:]
    return body


STATUSES = st.sampled_from([200] * 8 + [202, 204, 301, 400, 401, 403, 404, 429, 500])


class Told(HttpClient):
    """Answers every call alike, or every write; what happens on the way is `test_http`'s."""

    def __init__(self, body, status=200, *, write=None):
        self.answer = Response(status=status, headers={}, body=body)
        self.written = Response(status=200, headers={}, body=write) if write else self.answer

    async def read(self, *_, **__):
        return self.answer

    async def write(self, *_, **__):
        return self.written


def broker_of(name, http):
    session = BrokerSession(
        broker=name, client_id="11", api_key="key", access_token=TOKEN, issued_us=0, expires_us=1
    )
    context = TradingContext(instrument=SHARE, product="Intraday", trading_day=DAY)
    made = adapter(name)
    return made.broker(http, made.endpoints(None, None), session, context)


def asked(name, call, body, status=200):
    """What a call gives; None for an error of the family, which must be fit to be logged."""
    write = text_of(GOOD[name]["modify"]).encode() if call == "modify, id unknown" else None
    return outcome(CALLS[call](broker_of(name, Told(body, status, write=write))))


def outcome(call):
    try:
        return asyncio.run(call)
    except BrokerError as error:
        words = str(error)
    assert len(words.encode()) < 2000
    assert words.isprintable()
    assert TOKEN not in words
    return None


def check(found):
    """Rows make sense, and survive their way through Redis."""
    for row in found if isinstance(found, list) else [found]:
        if isinstance(row, OrderReport):
            assert read_report(write_report(row)) == row
            assert row.broker_id.isascii()
            assert len(row.message) < 1000
            assert row.message.isprintable()
            assert 0 <= row.filled <= row.terms.quantity
            assert row.value >= 0
            assert min(row.terms.price, row.terms.trigger_price) >= 0
        else:
            json.dumps(str(row))


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("call", CALLS)
def test_call__good_answer__is_understood(name, call):
    found = asked(name, call, text_of(GOOD[name][call]).encode())
    assert found
    check(found)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("call", CALLS)
def test_call__odd_answer__is_understood_or_of_the_family(name, call):
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(bodies(GOOD[name][call]) | bodies(GOOD[name]["refusal"]), STATUSES)
    def try_it(body, status):
        check(asked(name, call, body, status))

    try_it()


@pytest.mark.parametrize("name", GOOD)
def test_orders__any_row_of_ours__stays_in_the_book(name):
    book = GOOD[name]["orders"]
    rows = book["data"] if name == "zerodha" else book
    ours = [path for path in places(rows[1]) if path and path[0] not in TAGS[name]]

    @settings(max_examples=4 * EXAMPLES, deadline=None)
    @given(st.sampled_from(ours), st.just(...) | ODD)
    def try_it(path, odd):
        odd_book = [rows[0], changed(rows[1], path, odd)]
        body = text_of(kite(odd_book) if name == "zerodha" else odd_book).encode()
        found = asked(name, "orders", body)
        check(found)
        assert {row.tag: row.filled for row in found}[OTHER] == 4
        assert [row.tag for row in found].count(TAG) == 1

    try_it()


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("call", CALLS)
def test_call__ten_megabytes_in_a_field__are_understood_or_of_the_family(name, call):
    good = GOOD[name][call]
    fields = [path for path in places(good) if path]
    for path in fields[:: 1 + len(fields) // 3]:
        check(asked(name, call, text_of(changed(good, path, "9" * 10_000_000)).encode()))


@pytest.mark.parametrize("name", PUSHES)
def test_said__odd_push__is_understood_or_garbled(name):
    wire = adapter(name).streams(
        adapter(name).endpoints(None, None),
        BrokerSession(
            broker=name, client_id="1", api_key="", access_token="", issued_us=0, expires_us=1
        ),
    )[-1]

    @settings(max_examples=4 * EXAMPLES, deadline=None)
    @given(bodies(PUSHES[name]))
    def try_it(body):
        with contextlib.suppress(MalformedFrame):
            said = wire.said(body.decode(errors="replace"))
            check(list(said.orders))
            assert all(len(words) < 1000 and words.isprintable() for words in said.notices)
        with contextlib.suppress(MalformedFrame):
            wire.ticks(body)

    try_it()


SECRETS = {
    "zerodha": {"api_key": "k", "api_secret": "s", "user_id": "AB1234"},
    "dhan": {"client_id": "11", "pin": "1", "totp_seed": "JBSWY3DPEHPK3PXP"},
}


@pytest.mark.parametrize("name", GOOD)
def test_login__odd_answer__is_a_session_that_works_or_of_the_family(name):
    made = adapter(name)
    where = made.endpoints(None, None)

    @settings(max_examples=2 * EXAMPLES, deadline=None)
    @given(bodies(GOOD[name]["login"]), STATUSES)
    def try_it(body, status):
        login = made.login(where).login(
            Told(body, status), SECRETS[name], callback={"request_token": "r"}, now_us=0
        )
        session = outcome(login)
        if session is not None:
            assert session.access_token.isascii()
            assert all(wire.url().isascii() for wire in made.streams(where, session))

    try_it()
