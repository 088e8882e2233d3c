"""The REST routes against a server that answers what a test says, for answers that the simulator
has no reason to give; the scenario table runs the rest.
"""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.ids import order_tag
from algo_engine.orders import Order, Terms

from algo_brokers.dhan import ADAPTER
from algo_brokers.dhan.auth import DhanAuth
from algo_brokers.dhan.auth import totp
from algo_brokers.errors import (
    AddressRefused,
    DeniedLocally,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument
from algo_brokers.adapters import TradingContext, adapter
from algo_brokers.port import Funds, Position, Quote

DAY = "2026-11-20"
TAG = order_tag("uid", DAY, "exit", 1)
YESBANK = Instrument(
    exchange="NSE", symbol="YESBANK", token=11915, tick_size=1, freeze_quantity=1000
)
RELIANCE = Instrument(exchange="BSE", symbol="RELIANCE", token=500325, tick_size=5)
SESSION = BrokerSession(
    broker="dhan", client_id="11", api_key="", access_token="jwt-1", issued_us=0, expires_us=1
)
SECRETS = {"client_id": "11", "pin": "987654", "totp_seed": "JBSWY3DPEHPK3PXP"}
STOP = Terms(type="STOP_LIMIT", quantity=10, price=9150, trigger_price=9300)
ROW = {
    "orderId": "77",
    "correlationId": TAG,
    "orderStatus": "PENDING",
    "orderType": "STOP_LOSS",
    "quantity": 10,
    "price": 91.5,
    "triggerPrice": 93,
    "filledQty": 0,
    "averageTradedPrice": 0,
    "createTime": "2026-11-20 09:20:01",
}


def order(**changes):
    fields = {"tag": TAG, "leg": "exit", "attempt": 1, "side": "SELL", "terms": STOP}
    return Order(**fields | changes)


class Answers:
    """What the server answers, by method and path; and what it was asked."""

    def __init__(self):
        self.by_route = {}
        self.asked = []
        self.url = ""

    def give(self, route, body, status=200):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.by_route[route] = (status, raw)

    async def serve(self, reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append((method, path, headers, json.loads(body) if body else None))
            status, raw = self.by_route.get(f"{method} {path.partition('?')[0]}", (404, b"{}"))
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(raw)) + raw)

    async def accept(self, reader, writer):
        try:
            await self.serve(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def answering():
    answers = Answers()
    async with await asyncio.start_server(answers.accept, "127.0.0.1", 0) as server:
        answers.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield answers


@pytest.fixture
async def dhan():
    async with answering() as answers:
        yield answers


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.close()


@pytest.fixture
def broker(dhan, http):
    context = TradingContext(instrument=YESBANK, product="Intraday", trading_day=DAY)
    return ADAPTER.broker(http, ADAPTER.endpoints(dhan.url, None), SESSION, context)


def soon():
    return time.monotonic() + 1


def test_kind__dhan__is_this_one():
    assert adapter("dhan") is ADAPTER


async def test_place__stop__is_sent_as_dhan_names_it(dhan, broker):
    dhan.give("POST /v2/orders", {"orderId": "77", "orderStatus": "TRANSIT"})

    row = await broker.place(order(), send_by=soon())

    assert (row.tag, row.status, row.terms, row.broker_id) == (TAG, "PENDING", STOP, "77")
    _, _, headers, body = dhan.asked[0]
    assert (headers["access-token"], headers["client-id"]) == ("jwt-1", "11")
    assert body == {
        "dhanClientId": "11",
        "correlationId": TAG,
        "transactionType": "SELL",
        "exchangeSegment": "NSE_EQ",
        "productType": "INTRADAY",
        "securityId": "11915",
        "afterMarketOrder": False,
        "orderType": "STOP_LOSS",
        "validity": "DAY",
        "quantity": 10,
        "disclosedQuantity": 0,
        "price": 91.5,
        "triggerPrice": 93.0,
    }


@pytest.mark.parametrize(
    "terms",
    [
        Terms(type="STOP_MARKET", quantity=10, trigger_price=9300),
        Terms(type="LIMIT", quantity=1001, price=9300),
    ],
)
async def test_place__illegal__is_denied_without_asking(dhan, broker, terms):
    with pytest.raises(DeniedLocally):
        await broker.place(order(terms=terms), send_by=soon())
    with pytest.raises(DeniedLocally):
        await broker.modify(order(broker_id="77"), terms)
    assert dhan.asked == []


async def test_place__without_a_context__is_denied(dhan, http):
    reader = ADAPTER.broker(http, ADAPTER.endpoints(dhan.url, None), SESSION, None)
    with pytest.raises(DeniedLocally, match="only reads"):
        await reader.place(order(), send_by=soon())


async def test_place__too_late__is_denied(dhan, broker):
    with pytest.raises(DeniedLocally):
        await broker.place(order(), send_by=time.monotonic() - 1)
    assert dhan.asked == []


async def test_place__rejected_in_the_answer__is_a_rejected_row(dhan, broker):
    dhan.give("POST /v2/orders", {"orderId": "77", "orderStatus": "REJECTED"})
    assert (await broker.place(order(), send_by=soon())).status == "REJECTED"


@pytest.mark.parametrize("reply", [{}, [], b"", {"orderStatus": "TRANSIT"}])
async def test_place__answer_without_an_id__is_unresolved(dhan, broker, reply):
    dhan.give("POST /v2/orders", reply)
    with pytest.raises(Unresolved):
        await broker.place(order(), send_by=soon())


async def test_modify__live_order__sends_the_total_and_returns_it_live(dhan, broker):
    dhan.give("PUT /v2/orders/77", {"orderId": "77", "orderStatus": "TRANSIT"})
    market = Terms(type="MARKET", quantity=10)

    row = await broker.modify(order(broker_id="77", filled=4, value=36800), market)

    assert (row.status, row.terms, row.filled, row.value) == ("OPEN", market, 4, 36800)
    body = dhan.asked[0][3]
    assert (body["orderId"], body["orderType"], body["quantity"]) == ("77", "MARKET", 10)
    assert (body["price"], body["triggerPrice"]) == (0, 0)


ENDS = [("REJECTED", Rejected), ("TRADED", Unresolved), ("CANCELLED", Unresolved)]


@pytest.mark.parametrize(("word", "error"), ENDS)
async def test_modify__answer_tells_of_an_end__is_never_taken_for_the_orders(
    dhan, broker, word, error
):
    dhan.give("PUT /v2/orders/77", {"orderId": "77", "orderStatus": word})
    with pytest.raises(error) as caught:
        await broker.modify(order(broker_id="77"), STOP)
    assert type(caught.value) is error


async def test_modify__id_not_known_yet__is_looked_up_by_tag(dhan, broker):
    dhan.give(f"GET /v2/orders/external/{TAG}", ROW)
    dhan.give("PUT /v2/orders/77", {"orderId": "77", "orderStatus": "PENDING"})
    row = await broker.modify(order(), replace(STOP, quantity=12))
    assert (row.status, row.terms.quantity) == ("TRIGGER_PENDING", 12)


async def test_modify__order_the_book_does_not_show__is_denied(dhan, broker):
    dhan.give("GET /v2/orders", [])
    with pytest.raises(DeniedLocally, match="does not show"):
        await broker.modify(order(), STOP)
    assert not [ask for ask in dhan.asked if ask[0] == "PUT"]


@pytest.mark.parametrize("answer", [b"", {"orderId": "77", "orderStatus": "CANCELLED"}])
async def test_cancel__taken__counts_as_live_until_the_book_tells(dhan, broker, answer):
    dhan.give("DELETE /v2/orders/77", answer, status=202)

    row = await broker.cancel(order(broker_id="77", filled=4, value=36800))

    assert (row.status, row.filled, row.value) == ("TRIGGER_PENDING", 4, 36800)
    assert row.terms == STOP
    assert [(method, body) for method, _, _, body in dhan.asked] == [("DELETE", None)]


async def test_order_by_tag__known__is_its_row(dhan, broker):
    dhan.give(f"GET /v2/orders/external/{TAG}", [ROW])
    assert (await broker.order_by_tag(TAG)).broker_id == "77"


NOT_FOUND = [
    (404, b'{"errorType":"Input_Exception","errorCode":"DH-905","errorMessage":"no order"}'),
    (400, b'{"errorType":"Order_Error","errorCode":"DH-906","errorMessage":"no order"}'),
    (404, b"{}"),
    (404, b""),
]


@pytest.mark.parametrize(("status", "body"), NOT_FOUND)
async def test_order_by_tag__said_to_be_unknown__is_believed_once_the_book_agrees(
    dhan, broker, status, body
):
    dhan.give(f"GET /v2/orders/external/{TAG}", body, status=status)
    with pytest.raises(Rejected):
        await broker.order_by_tag(TAG)

    dhan.give("GET /v2/orders", [ROW | {"correlationId": "other"}])
    assert await broker.order_by_tag(TAG) is None

    dead = ROW | {"orderId": "76", "orderStatus": "REJECTED"}
    dhan.give("GET /v2/orders", [ROW, dead])
    assert (await broker.order_by_tag(TAG)).broker_id == "77"


AMBIGUOUS = [(200, {}), (200, []), (200, b""), (500, {}), (400, b"<html>")]


@pytest.mark.parametrize(("status", "body"), AMBIGUOUS)
async def test_order_by_tag__no_readable_answer__is_unresolved(dhan, broker, status, body):
    dhan.give("GET /v2/orders", [])
    dhan.give(f"GET /v2/orders/external/{TAG}", body, status=status)
    with pytest.raises(Unresolved):
        await broker.order_by_tag(TAG)


async def test_order_by_tag__another_order__is_unresolved(dhan, broker):
    dhan.give(f"GET /v2/orders/external/{TAG}", ROW | {"correlationId": "other"})
    with pytest.raises(Unresolved, match="another order"):
        await broker.order_by_tag(TAG)


async def test_orders__newest_first__are_turned_oldest_first(dhan, broker):
    newer = ROW | {"orderId": "78", "createTime": "2026-11-20 09:21:00", "correlationId": None}
    dhan.give("GET /v2/orders", [newer, ROW])
    assert [(row.broker_id, row.tag) for row in await broker.orders()] == [("77", TAG), ("78", "")]


@pytest.mark.parametrize("book", [{}, None, b"", ["x"]])
async def test_orders__unreadable_book__is_unresolved_not_empty(dhan, broker, book):
    dhan.give("GET /v2/orders", book)
    with pytest.raises(Unresolved):
        await broker.orders()


@pytest.mark.parametrize("odd", [{"price": "x"}, {"quantity": 1.5}, {"filledQty": 11}])
async def test_orders__unreadable_row_of_ours__is_there_and_pending(dhan, broker, odd):
    other = order_tag("uid", DAY, "exit", 2)
    dhan.give("GET /v2/orders", [ROW | odd, ROW | {"orderId": "78", "correlationId": other}])
    rows = await broker.orders()
    assert [(row.tag, row.status) for row in rows] == [(TAG, "PENDING"), (other, "TRIGGER_PENDING")]
    dhan.give(f"GET /v2/orders/external/{TAG}", ROW | odd)
    assert await broker.order_by_tag(TAG) == rows[0]


async def test_cancel__id_unknown_and_unreadable__is_denied(dhan, broker):
    dhan.give(f"GET /v2/orders/external/{TAG}", ROW | {"orderId": None})
    with pytest.raises(DeniedLocally, match="does not show"):
        await broker.cancel(order())


@pytest.mark.parametrize("reply", [{}, [], None, {"orderId": "78"}, {"errorMessage": "odd"}])
async def test_change__answer_about_something_else__is_unresolved(dhan, broker, reply):
    dhan.give("PUT /v2/orders/77", reply)
    with pytest.raises(Unresolved):
        await broker.modify(order(broker_id="77"), STOP)
    dhan.give("DELETE /v2/orders/77", reply or [])
    with pytest.raises(Unresolved):
        await broker.cancel(order(broker_id="77"))


async def test_orders__redirect__is_no_book(dhan, broker):
    dhan.give("GET /v2/orders", [], status=302)
    with pytest.raises(Unresolved):
        await broker.orders()


async def test_orders__unreadable_row_of_others__hides_no_row_of_ours(dhan, broker):
    dhan.give("GET /v2/orders", [{"orderId": "1"}, ROW])
    assert [row.tag for row in await broker.orders()] == [TAG]


async def test_orders__empty_book__is_empty(dhan, broker):
    dhan.give("GET /v2/orders", [])
    assert await broker.orders() == []


TRADE = {
    "orderId": "77",
    "exchangeSegment": "NSE_EQ",
    "tradingSymbol": "YESBANK",
    "transactionType": "SELL",
    "tradedQuantity": 4,
    "tradedPrice": 92.8,
    "exchangeTime": "2026-11-20 09:20:05",
}


async def test_trades__shares_only__oldest_first(dhan, broker):
    first = TRADE | {"orderId": "76", "exchangeTime": "2026-11-20 09:20:01"}
    dhan.give("GET /v2/trades", [TRADE, first, TRADE | {"exchangeSegment": "NSE_FNO"}])
    trades = await broker.trades()
    assert [trade.order_id for trade in trades] == ["76", "77"]
    assert (trades[1].price, trades[1].side, trades[1].exchange) == (9280, "SELL", "NSE")


async def test_positions__shares_only__are_net(dhan, broker):
    row = {
        "exchangeSegment": "NSE_EQ",
        "tradingSymbol": "YESBANK",
        "productType": "INTRADAY",
        "netQty": 6,
        "buyQty": 10,
        "sellQty": 4,
    }
    dhan.give(
        "GET /v2/positions",
        [row, row | {"exchangeSegment": "MCX_COMM"}, row | {"productType": "MTF"}],
    )
    assert await broker.positions() == [
        Position(
            exchange="NSE", symbol="YESBANK", product="Intraday", quantity=6, bought=10, sold=4
        )
    ]


async def test_funds__limit__is_paise(dhan, broker):
    dhan.give("GET /v2/fundlimit", {"availabelBalance": 98440.05, "utilizedAmount": 1560})
    assert await broker.funds() == Funds(available=9_844_005, used=156_000)


async def test_quotes__two_exchanges__are_one_call_and_unknown_ones_left_out(dhan, broker):
    quote = {
        "last_price": 94.65,
        "volume": 1000,
        "last_trade_time": "20/11/2026 09:20:01",
        "lower_circuit_limit": 85.2,
        "upper_circuit_limit": 104.1,
    }
    dhan.give(
        "POST /v2/marketfeed/quote", {"data": {"NSE_EQ": {"11915": quote}}, "status": "success"}
    )

    quotes = await broker.quotes([YESBANK, RELIANCE])

    assert dhan.asked[0][3] == {"NSE_EQ": [11915], "BSE_EQ": [500325]}
    assert quotes == [
        Quote(
            exchange="NSE",
            symbol="YESBANK",
            last_price=9465,
            volume=1000,
            time_us=1_795_146_601_000_000,
            lower_band=8520,
            upper_band=10410,
        )
    ]
    assert await broker.quotes([]) == []
    with pytest.raises(DeniedLocally):
        await broker.quotes([YESBANK] * 1001)


async def test_quotes__no_data_plan__is_rejected_in_words(dhan, broker):
    dhan.give("POST /v2/marketfeed/quote", {"status": "failed", "data": {"806": "no data plan"}})
    with pytest.raises(Rejected, match="no data plan"):
        await broker.quotes([YESBANK])


async def test_check__profile__is_the_client_id(dhan, broker):
    dhan.give("GET /v2/profile", {"dhanClientId": "11"})
    assert await broker.check() == "11"


NOW_US = 1_795_146_601_000_000


async def test_login__pin_and_code__make_a_session_until_its_expiry(dhan, http):
    reply = {"dhanClientId": "11", "accessToken": "jwt-2", "expiryTime": "2026-11-21T09:20:01.000"}
    dhan.give("POST /app/generateAccessToken", reply)
    login = ADAPTER.login(ADAPTER.endpoints(dhan.url, None))

    session = await login.login(http, SECRETS, callback={}, now_us=NOW_US)

    assert (session.access_token, session.client_id) == ("jwt-2", "11")
    assert session.expires_us - NOW_US == 24 * 3600 * 1_000_000
    path = dhan.asked[0][1]
    assert path.startswith("/app/generateAccessToken?dhanClientId=11&pin=987654&totp=")
    assert login.url(SECRETS) == ""


async def test_login__expiry_not_told__is_a_day_from_now(dhan, http):
    dhan.give("POST /app/generateAccessToken", {"accessToken": "jwt-2"})
    login = ADAPTER.login(ADAPTER.endpoints(dhan.url, None))
    session = await login.login(http, SECRETS, callback={}, now_us=NOW_US)
    assert session.expires_us == NOW_US + 24 * 3600 * 1_000_000


BAD = {"errorType": "Invalid_Authentication", "errorCode": "DH-901", "errorMessage": "bad"}
LOGIN_ERRORS = [
    (200, {"status": "error", "message": "Invalid Pin"}, Rejected),
    (
        200,
        {"status": "error", "message": "Token can be generated once every 2 minutes"},
        RateLimited,
    ),
    (401, BAD, Rejected),
    (200, {"dhanClientId": "11"}, Unresolved),
    (503, b"", Unresolved),
    (429, b"", RateLimited),
]


@pytest.mark.parametrize(("status", "reply", "error"), LOGIN_ERRORS)
async def test_login__refused_or_unclear__is_told_without_secrets(dhan, http, status, reply, error):
    dhan.give("POST /app/generateAccessToken", reply, status=status)
    login = ADAPTER.login(ADAPTER.endpoints(dhan.url, None))
    with pytest.raises(error) as caught:
        await login.login(http, SECRETS, callback={}, now_us=NOW_US)
    assert type(caught.value) is error
    assert "987654" not in repr(caught.value)


async def test_login__seed_that_is_none__is_rejected_and_not_shown(http):
    login = ADAPTER.login(ADAPTER.endpoints("http://127.0.0.1:1", None))
    with pytest.raises(Rejected, match="not base32") as caught:
        await login.login(http, SECRETS | {"totp_seed": "189"}, callback={}, now_us=NOW_US)
    assert "189" not in str(caught.value)


STEP = 1_795_146_600
"""Where a step of 30 s begins, seconds since the epoch."""


class HandClock:
    """Time that passes only while somebody waits."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


async def logging_in(dhan, http, clock, *, second):
    login = DhanAuth(
        ADAPTER.endpoints(dhan.url, None), monotonic=clock.monotonic, sleep=clock.sleep
    )
    now_us = int((STEP + second) * 1_000_000)
    return await login.login(http, SECRETS, callback={}, now_us=now_us)


def codes(dhan):
    return [path.rpartition("=")[2] for _, path, _, _ in dhan.asked]


def code_at(second):
    return totp(SECRETS["totp_seed"], at_seconds=STEP + second)


@pytest.mark.parametrize(
    ("second", "waited", "sent"), [(0, 0.0, 0), (24.9, 0.0, 0), (25.5, 5.5, 31), (29.5, 1.5, 31)]
)
async def test_login__end_of_a_step__waits_for_the_next_code(dhan, http, second, waited, sent):
    dhan.give("POST /app/generateAccessToken", {"accessToken": "jwt-2"})
    clock = HandClock()

    await logging_in(dhan, http, clock, second=second)

    assert clock.now == pytest.approx(waited, abs=0.001)
    assert codes(dhan) == [code_at(sent)]


async def test_login__code_refused__the_next_steps_is_tried_once_and_then_it_is_rejected(
    dhan, http
):
    dhan.give("POST /app/generateAccessToken", {"status": "error", "message": "Invalid TOTP"})
    clock = HandClock()

    with pytest.raises(Rejected, match="Invalid TOTP"):
        await logging_in(dhan, http, clock, second=10)

    assert codes(dhan) == [code_at(10), code_at(31)]
    assert clock.now == pytest.approx(21, abs=0.001)


async def test_login__code_refused_at_its_edge__the_next_one_lets_in(dhan, http):
    dhan.give("POST /app/generateAccessToken", {"status": "error", "message": "Invalid TOTP"})
    clock, real = HandClock(), HandClock.sleep

    async def sleep(seconds):
        dhan.give("POST /app/generateAccessToken", {"accessToken": "jwt-2"})
        await real(clock, seconds)

    clock.sleep = sleep
    session = await logging_in(dhan, http, clock, second=24)

    assert session.access_token == "jwt-2"
    assert codes(dhan) == [code_at(24), code_at(31)]


async def test_login__pin_refused__is_asked_once(dhan, http):
    dhan.give("POST /app/generateAccessToken", {"status": "error", "message": "Invalid Pin"})
    with pytest.raises(Rejected):
        await logging_in(dhan, http, HandClock(), second=10)
    assert len(dhan.asked) == 1


async def test_login__nobody_there__is_unresolved(http):
    async with answering() as gone:
        url = gone.url
    login = ADAPTER.login(ADAPTER.endpoints(url, None))
    with pytest.raises(Unresolved):
        await login.login(http, SECRETS, callback={}, now_us=NOW_US)


async def test_renew__alive__is_a_new_token(dhan, http):
    reply = {"token": "jwt-2", "expiryTime": "2026-11-21 21:20:01"}
    dhan.give("GET /v2/RenewToken", reply)
    login = ADAPTER.login(ADAPTER.endpoints(dhan.url, None))
    session = await login.renew(http, SESSION, now_us=NOW_US)
    assert (session.access_token, session.issued_us) == ("jwt-2", NOW_US)
    assert dhan.asked[0][2]["access-token"] == "jwt-1"
    assert dhan.asked[0][2]["dhanclientid"] == "11"


RENEWALS = [(401, "DH-901", TokenExpired), (400, "DH-905", Rejected), (500, "DH-908", Unresolved)]


@pytest.mark.parametrize(("status", "code", "error"), RENEWALS)
async def test_renew__too_late_or_not_for_this_token__is_told(dhan, http, status, code, error):
    dhan.give("GET /v2/RenewToken", BAD | {"errorCode": code}, status=status)
    login = ADAPTER.login(ADAPTER.endpoints(dhan.url, None))
    with pytest.raises(error):
        await login.renew(http, SESSION, now_us=NOW_US)


async def test_observed_address__told__is_what_dhan_sees(dhan, http):
    login = ADAPTER.login(ADAPTER.endpoints(dhan.url, None))
    dhan.give("GET /v2/ip/getIP", {"detectedIP": "203.0.113.7"})
    assert await login.observed_address(http, SESSION) == "203.0.113.7"
    dhan.give("GET /v2/ip/getIP", [])
    assert await login.observed_address(http, SESSION) == ""


async def test_orders__address_refused__is_said(dhan, broker):
    dhan.give("POST /v2/orders", BAD | {"errorCode": "DH-911"}, status=403)
    with pytest.raises(AddressRefused):
        await broker.place(order(), send_by=soon())


async def test_download_master__refused__is_its_error(dhan, http):
    endpoints = ADAPTER.endpoints(dhan.url, None)
    dhan.give("GET /api-data/api-scrip-master.csv", b"a\nb\n")
    pieces = [piece async for piece in ADAPTER.download_instruments(http, endpoints, SESSION)]
    assert b"".join(pieces) == b"a\nb\n"
    assert "access-token" not in dhan.asked[0][2]

    dhan.give("GET /api-data/api-scrip-master.csv", b"", status=503)
    with pytest.raises(Unresolved):
        async for _ in ADAPTER.download_instruments(http, endpoints, SESSION):
            pass
