"""What Zerodha's answers, rows and words mean to us."""

import json
from decimal import Decimal

import pytest
from algo_brokers.errors import (
    AddressRefused,
    BrokerError,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import Response
from algo_brokers.zerodha import parsing
from algo_brokers.zerodha.responses import data_of, refusal
from algo_brokers.zerodha.parsing import Fields, Unreadable, cleaned, json_of, paise, time_us
from algo_brokers.zerodha.enums import status_of, type_of
from algo_engine.orders import OrderReport, Terms
from hypothesis import given
from hypothesis import strategies as st

OURS = "ABCDEFGHIJ2345672345"
OTHER = "BBCDEFGHIJ2345672345"


def answer(status: int, body: object, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers, body=raw)


def failed(error_type: str, message: str = "no") -> dict[str, object]:
    return {"status": "error", "message": message, "error_type": error_type, "data": None}


def test_a_good_answer__is_its_data() -> None:
    assert data_of(answer(200, {"status": "success", "data": {"order_id": "1"}})) == {
        "order_id": "1"
    }


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, failed("TokenException"), TokenExpired),
        (400, failed("TokenException"), TokenExpired),
        (403, failed("PermissionException", "Insufficient permission for that call."), Rejected),
        (403, failed("PermissionException", "No IPs configured for this app."), AddressRefused),
        (403, failed("PermissionError", "IP 1.2.3.4 is not allowed"), AddressRefused),
        (403, failed("PermissionException", "Whitelist your address"), AddressRefused),
        (403, failed("PermissionException", "Your Ip address is unknown"), AddressRefused),
        (403, failed("PermissionException", "Shipping is off"), Rejected),
        (403, failed("UserException"), Rejected),
        (403, failed("TwoFAException"), Rejected),
        (400, failed("InputException", "Invalid `quantity`."), Rejected),
        (400, failed("OrderException", "Markets are closed right now."), Rejected),
        (400, failed("MarginException", "Insufficient funds."), Rejected),
        (400, failed("HoldingException"), Rejected),
        (404, failed("InputException"), Rejected),
        (400, failed("OrderException", "Order request timed out. Check the book."), Unresolved),
        (400, failed("InputException", "Request timeout"), Unresolved),
        (400, failed("OrderException", "Time-out at the OMS"), Unresolved),
        (408, failed("OrderException"), Unresolved),
        (400, failed("NetworkException"), Unresolved),
        (400, failed("DataException"), Unresolved),
        (400, failed("GeneralException"), Unresolved),
        (429, failed("NetworkException", "Too many requests"), RateLimited),
        (429, b"slow down", RateLimited),
        (500, failed("GeneralException"), Unresolved),
        (500, failed("OrderException", "Market closed"), Unresolved),
        (500, failed("TokenException"), Unresolved),
        (502, failed("DataException"), Unresolved),
        (503, failed("NetworkException"), Unresolved),
        (504, b"<html>Gateway time-out</html>", Unresolved),
        (400, b"<html>Bad request</html>", Unresolved),
        (403, b"<html>Forbidden by a wall</html>", Unresolved),
        (403, {"status": "error"}, Unresolved),
        (403, {"error_type": "TokenException"}, Unresolved),
        (302, b"", Unresolved),
        (200, b"<html>hello</html>", Unresolved),
        (200, b"", Unresolved),
        (200, b"\xff\xfe", Unresolved),
        (200, b'{"status": "success"', Unresolved),
        (200, b"[" * 100_000, Unresolved),
        (200, {"status": "success"}, Unresolved),
        (200, ["success"], Unresolved),
        (200, failed("OrderException"), Unresolved),
        (204, b"", Unresolved),
    ],
)
def test_an_answer_that_is_not_good__is_an_error_of_the_family(
    status: int, body: object, error: type[BrokerError]
) -> None:
    with pytest.raises(BrokerError) as caught:
        data_of(answer(status, body))
    assert type(caught.value) is error


def test_a_refusal__holds_the_brokers_words_on_one_bounded_line() -> None:
    message = "Insufficient\nfunds.\x00\x1b[2J\u202e Required " + "9" * 1000
    said = str(refusal(answer(400, failed("MarginException", message))))
    assert said.startswith("Zerodha: Insufficient funds. [2J Required 999")
    assert said.endswith("(MarginException, HTTP 400)")
    assert len(said) < 400
    assert said.isprintable()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 1.0), ("7", 7.0), ("99999", 60.0), ("0", 1.0), ("Fri, 31 Dec", 1.0), ("²", 1.0)],
)
def test_a_rate_limit__says_when_to_come_back(header: str | None, seconds: float) -> None:
    headers = {"retry-after": header} if header else {}
    error = refusal(answer(429, failed("NetworkException"), **headers))
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer__is_data_or_of_the_family(status: int, body: bytes) -> None:
    try:
        data_of(answer(status, body))
    except BrokerError as error:
        assert not isinstance(error, Rejected)  # noqa: PT017 - bytes are no refusal


def an_order(**changes: object) -> Fields:
    order = {
        "order_id": "260105000000017",
        "status": "OPEN",
        "status_message": None,
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "order_type": "LIMIT",
        "quantity": 10,
        "filled_quantity": 0,
        "price": 1500.05,
        "trigger_price": 0,
        "average_price": 0,
        "market_protection": 0,
        "tag": OURS,
        "tags": [OURS],
    }
    return json_of(json.dumps(order | changes))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PUT ORDER REQ RECEIVED", "PENDING"),
        ("VALIDATION PENDING", "PENDING"),
        ("OPEN PENDING", "PENDING"),
        ("AMO REQ RECEIVED", "PENDING"),
        ("OPEN", "OPEN"),
        ("MODIFY VALIDATION PENDING", "OPEN"),
        ("MODIFY PENDING", "OPEN"),
        ("MODIFIED", "OPEN"),
        ("CANCEL PENDING", "OPEN"),
        ("NOT MODIFIED", "OPEN"),
        ("NOT CANCELLED", "OPEN"),
        ("TRIGGER PENDING", "TRIGGER_PENDING"),
        ("COMPLETE", "FILLED"),
        ("CANCELLED", "CANCELLED"),
        ("CANCELLED AMO", "CANCELLED"),
        ("REJECTED", "REJECTED"),
        ("rejected amo", "REJECTED"),
        ("LAPSED", None),
        ("", None),
        ("COMPLETED", None),
    ],
)
def test_a_status__is_the_documents(word: str, status: str | None) -> None:
    assert status_of(word) == status


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("MARKET", "MARKET"),
        ("LIMIT", "LIMIT"),
        ("SL", "STOP_LIMIT"),
        ("SL-M", "STOP_MARKET"),
        ("CO", None),
    ],
)
def test_a_type__is_what_the_book_shows(word, ours) -> None:
    assert type_of(word) == ours


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, Terms(type="LIMIT", quantity=10, price=150_005)),
        (
            {"order_type": "SL", "trigger_price": 1510},
            Terms(type="STOP_LIMIT", quantity=10, price=150_005, trigger_price=151_000),
        ),
        (
            {"order_type": "SL-M", "trigger_price": 1510.1, "price": 0},
            Terms(type="STOP_MARKET", quantity=10, trigger_price=151_010),
        ),
        ({"order_type": "MARKET"}, Terms(type="MARKET", quantity=10)),
        ({"market_protection": -1}, Terms(type="LIMIT", quantity=10, price=150_005)),
    ],
)
def test_terms__hold_what_their_type_has(changes: Fields, terms: Terms) -> None:
    assert parsing.order_row(an_order(**changes)).terms == terms


@pytest.mark.parametrize(
    ("average", "filled", "value"),
    [
        (Decimal("1499.9"), 4, 599_960),
        (Decimal("1499.933333"), 3, 449_980),  # 449979.9999
        (Decimal("100.005"), 1, 10_000),  # half to even
        (Decimal("100.015"), 1, 10_002),
        (Decimal("0.01"), 1_000_000_000, 1_000_000_000),
        (Decimal("8388608.05"), 99_999, 83_885_241_639_195),
    ],
)
def test_the_value_of_fills__is_rounded_once(average: Decimal, filled: int, value: int) -> None:
    order = an_order(filled_quantity=filled, quantity=filled) | {"average_price": average}
    row = parsing.order_row(order)
    assert (row.filled, row.value) == (filled, value)


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({}, OURS),
        ({"tag": None}, OURS),
        ({"tag": "mine", "tags": ["mine", OURS]}, OURS),
        ({"tag": "mine", "tags": ["mine"]}, ""),
        ({"tag": None, "tags": None}, ""),
        ({"tag": OURS.lower(), "tags": []}, ""),
        ({"tag": OURS + "X", "tags": [OURS[:19], 5, None, {}]}, ""),
    ],
)
def test_a_tag__is_ours_or_empty(changes: Fields, tag: str) -> None:
    assert parsing.our_tag(an_order(**changes)) == tag


def test_an_unknown_status__is_open_and_says_so() -> None:
    row = parsing.order_row(an_order(status="PARKED\n", status_message="why"))
    assert row.status == "OPEN"
    assert row.message == "why; Zerodha calls its status 'PARKED', which is taken as open"


def test_a_cancelled_order__keeps_its_fills() -> None:
    row = parsing.order_row(an_order(status="CANCELLED", filled_quantity=4, average_price=1499.9))
    assert (row.status, row.filled, row.value) == ("CANCELLED", 4, 599_960)


def test_a_row_of_others_that_is_odd__hides_nothing() -> None:
    odd = an_order(tag=None, tags=[], quantity=None)
    rows = parsing.order_rows([odd, an_order(), an_order(tag="", tags=[], order_type="ODD")])
    assert [row.tag for row in rows] == [OURS]


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": None},
        {"order_id": 5.5},
        {"order_id": "../5"},
        {"quantity": 0},
        {"quantity": -10},
        {"filled_quantity": 11, "average_price": 1499.9},
        {"filled_quantity": -1},
        {"status": None, "filled_quantity": "4"},
        {"order_type": "ODD"},
        {"quantity": 1.5},
        {"quantity": True},
        {"quantity": 10**13},
        {"price": None},
        {"filled_quantity": 1, "average_price": -1499.9},
        {"quantity": float("nan")},
        {"status_message": 5},
        {"price": 1e300},
    ],
)
def test_a_row_of_ours_that_is_odd__is_pending_and_hides_nothing(changes: Fields) -> None:
    odd, other = parsing.order_rows([an_order(**changes), an_order(order_id="18", tag=OTHER)])
    assert (odd.tag, odd.status, odd.filled) == (OURS, "PENDING", 0)
    assert odd.message.startswith("unreadable: ")
    assert odd.broker_id == ("" if "order_id" in changes else "260105000000017")
    assert (other.tag, other.status) == (OTHER, "OPEN")


def test_one_odd_number_in_a_book__hides_nothing() -> None:
    for odd in ("NaN", "1e999999", "1e99999999999999999999", "9" * 5000):
        raw = json.dumps({"price": "?", "tag": OURS}).replace('"?"', odd)
        assert [row.tag for row in parsing.order_rows([json_of(raw)])] == [OURS]


@pytest.mark.parametrize("average", [0, None])
@pytest.mark.parametrize(("status", "filled"), [("OPEN", 4), ("COMPLETE", 10), ("CANCELLED", 4)])
def test_fills_without_an_average__count_with_a_value_of_nothing(status, filled, average) -> None:
    row = parsing.order_row(an_order(status=status, filled_quantity=filled, average_price=average))
    assert (row.filled, row.value) == (filled, 0)
    del (fields := an_order(status=status, filled_quantity=filled))["average_price"]
    assert parsing.order_row(fields).value == 0


def test_complete_but_not_all_of_it__stays_open_and_is_said() -> None:
    row = parsing.order_row(an_order(status="COMPLETE", filled_quantity=4, average_price=1499.9))
    assert (row.status, row.filled) == ("OPEN", 4)
    assert "4 of 10" in row.message


@given(st.dictionaries(
    st.sampled_from(list(an_order())),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.lists(st.none() | st.text(max_size=3), max_size=2),
))  # fmt: skip
def test_any_row__is_read_or_unreadable(changes: dict[str, object]) -> None:
    text = json.dumps({k: str(v) for k, v in an_order().items()} | changes)
    try:
        row = parsing.order_row(json_of(text))
    except Unreadable:
        return
    assert isinstance(row, OrderReport)


def test_positions__are_of_shares_in_our_products() -> None:
    def position(**changes: object) -> Fields:
        return {
            "exchange": "NSE", "tradingsymbol": "INFY", "product": "MIS", "quantity": -3,
            "buy_quantity": 7, "sell_quantity": 10,
        } | changes  # fmt: skip

    data = {
        "net": [
            position(),
            position(product="CNC", quantity=2, buy_quantity=2, sell_quantity=0),
            position(product="NRML"),
            position(exchange="NFO", product="NRML"),
            position(product="MTF"),
        ],
        "day": [],
    }
    found = parsing.positions(data)
    assert [(p.product, p.quantity, p.bought, p.sold) for p in found] == [
        ("Intraday", -3, 7, 10),
        ("Delivery", 2, 2, 0),
    ]


@pytest.mark.parametrize("data", [None, [], {}, {"net": None}, {"net": [5]}])
def test_positions_that_are_none__are_unreadable(data: object) -> None:
    with pytest.raises(Unreadable):
        parsing.positions(data)


def test_a_trade__is_read_with_its_time() -> None:
    row = json_of(
        b'{"trade_id": "10000000", "order_id": "1", "exchange": "NSE", "tradingsymbol": "INFY",'
        b'"transaction_type": "SELL", "quantity": 3, "average_price": 1499.95,'
        b'"fill_timestamp": "2026-01-05 09:20:01"}'
    )
    (trade,) = parsing.trades([row, row | {"exchange": "MCX", "quantity": None}])
    assert (trade.price, trade.quantity, trade.side) == (149_995, 3, "SELL")
    assert trade.time_us == 1_767_585_001_000_000
    earlier = row | {"fill_timestamp": "2026-01-05 09:20:00", "order_id": "0"}
    assert [t.order_id for t in parsing.trades([row, earlier])] == ["0", "1"]
    with pytest.raises(Unreadable):
        parsing.trades([row | {"transaction_type": "SHORT"}])


def test_funds__are_the_net_and_the_debits() -> None:
    data = json_of(b'{"net": 99725.05, "available": {}, "utilised": {"debits": 274.95}}')
    assert parsing.funds(data) == parsing.Funds(available=9_972_505, used=27_495)


def test_a_quote_that_is_odd__hides_no_other() -> None:
    good = {
        "last_price": 1500.05, "volume": 9, "timestamp": "2026-01-05 09:20:01",
        "lower_circuit_limit": 1350, "upper_circuit_limit": 1650.1,
    }  # fmt: skip
    data = json_of(json.dumps({"NSE:A": good, "NSE:B": good | {"last_price": None}, "NSE:C": 5}))
    [quote] = parsing.quotes(data, ["NSE:C", "NSE:B", "NSE:A", "NSE:D"])
    assert (quote.exchange, quote.symbol, quote.last_price) == ("NSE", "A", 150_005)
    assert (quote.lower_band, quote.upper_band) == (135_000, 165_010)
    with pytest.raises(Unreadable):
        parsing.quotes([], ["NSE:A"])


@pytest.mark.parametrize(
    ("text", "moment"),
    [("2026-01-05 09:20:01", 1_767_585_001_000_000), ("", 0), (None, 0)],
)
def test_a_time__is_of_the_exchange(text: str | None, moment: int) -> None:
    assert time_us({"t": text}, "t") == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-05 09:20:01", 5])
def test_a_time_that_is_none__is_unreadable(text: object) -> None:
    with pytest.raises(Unreadable):
        time_us({"t": text}, "t")


@given(st.integers(-(10**11), 10**11))
def test_any_amount__is_exact(amount: int) -> None:
    sign = "-" if amount < 0 else ""
    text = f'{{"a": {sign}{abs(amount) // 100}.{abs(amount) % 100:02d}}}'
    assert paise(json_of(text), "a", may_be_negative=True) == amount


@given(st.text())
def test_any_words__are_cleaned(words: str) -> None:
    assert cleaned(words).isprintable()
    assert len(cleaned(words)) <= 300
