import pytest
from algo_contract.ids import order_tag
from algo_engine.orders import Terms

from algo_brokers.dhan.parsing import book_row, our_tag, pushed_row

TAG = order_tag("uid", "2026-01-05", "exit", 1)


def in_book(**changes):
    fields = {
        "orderId": "1126010500012",
        "correlationId": TAG,
        "orderStatus": "PENDING",
        "orderType": "LIMIT",
        "quantity": 10,
        "price": 1500.0,
        "triggerPrice": 0.0,
        "filledQty": 0,
        "averageTradedPrice": 0.0,
        "omsErrorDescription": None,
    }
    return book_row(fields | changes)


STATUSES = {
    "TRANSIT": "PENDING",
    "PENDING": "OPEN",
    "PART_TRADED": "OPEN",
    "CANCELLED": "CANCELLED",
    "REJECTED": "REJECTED",
    "EXPIRED": "CANCELLED",
    "Pending": "OPEN",
    "Part Traded": "OPEN",
    "Cancelled": "CANCELLED",
}


@pytest.mark.parametrize(("word", "status"), STATUSES.items())
def test_book_row__known_word__is_its_status(word, status):
    row = in_book(orderStatus=word)
    assert (row.status, row.message) == (status, "")


def test_book_row__pending_stop_without_a_fill__waits_for_its_trigger():
    stop = {"orderType": "STOP_LOSS", "price": 91.5, "triggerPrice": 93.0}
    row = in_book(**stop)
    assert row.status == "TRIGGER_PENDING"
    assert row.terms == Terms(type="STOP_LIMIT", quantity=10, price=9150, trigger_price=9300)
    assert in_book(**stop, filledQty=4, averageTradedPrice=92.9).status == "OPEN"


def test_book_row__traded__is_filled_with_its_totals():
    row = in_book(orderStatus="TRADED", filledQty=10, averageTradedPrice=1499.9)
    assert (row.status, row.filled, row.value) == ("FILLED", 10, 1_499_900)


def test_book_row__traded_but_not_all_of_it__stays_open_and_is_said():
    row = in_book(orderStatus="TRADED", filledQty=4, averageTradedPrice=1499.9)
    assert (row.status, row.filled) == ("OPEN", 4)
    assert "4 of 10" in row.message


def test_book_row__cancelled_after_a_part__keeps_the_fill():
    row = in_book(orderStatus="CANCELLED", filledQty=4, averageTradedPrice=1499.9)
    assert (row.status, row.filled, row.value) == ("CANCELLED", 4, 599_960)


@pytest.mark.parametrize("word", ["FROZEN", "", None])
def test_book_row__unknown_word__counts_as_open_and_is_said(word):
    row = in_book(orderStatus=word)
    assert row.status == "OPEN"
    assert "unknown state" in row.message


def test_book_row__unknown_type__is_said():
    assert "unknown type" in in_book(orderType="ICEBERG").message


def test_book_row__market_order_that_dhan_protected__is_the_limit_it_is():
    assert in_book(price=91.2).terms == Terms(type="LIMIT", quantity=10, price=9120)


def test_book_row__market_order__has_no_price():
    assert in_book(orderType="MARKET", price=91.2).terms == Terms(type="MARKET", quantity=10)


def test_book_row__rejected__says_why():
    row = in_book(orderStatus="REJECTED", omsErrorDescription="RMS: margin")
    assert row.message == "RMS: margin"


@pytest.mark.parametrize("tag", [None, "", "NA", "s1-42", TAG.lower(), TAG[:19], TAG + "A"])
def test_our_tag__anything_but_a_tag_of_ours__is_empty(tag):
    assert our_tag(tag) == ""
    assert in_book(correlationId=tag).tag == ""


@pytest.mark.parametrize("average", [0, None, ""])
@pytest.mark.parametrize(("word", "filled"), [("PART_TRADED", 4), ("TRADED", 10), ("CANCELLED", 4)])
def test_book_row__fill_without_an_average__counts_with_a_value_of_nothing(word, filled, average):
    row = in_book(orderStatus=word, filledQty=filled, averageTradedPrice=average)
    assert (row.filled, row.value) == (filled, 0)


ODD = [
    {"orderId": None},
    {"orderId": "../77"},
    {"quantity": "ten"},
    {"quantity": 1.5},
    {"quantity": 0},
    {"quantity": True},
    {"quantity": -10},
    {"quantity": []},
    {"price": "x"},
    {"price": float("nan")},
    {"price": "1e999999"},
    {"filledQty": 11},
    {"filledQty": -1},
    {"filledQty": 4, "averageTradedPrice": -1},
]


@pytest.mark.parametrize("changes", ODD)
def test_book_row__of_ours_and_unreadable__is_there_and_pending(changes):
    row = in_book(**changes)
    assert (row.tag, row.status, row.filled) == (TAG, "PENDING", 0)
    assert row.message.startswith("unreadable: ")
    assert row.broker_id == ("" if "orderId" in changes else "1126010500012")
    with pytest.raises((ArithmeticError, TypeError, ValueError)):
        in_book(correlationId="other", **changes)


def test_book_row__field_missing__is_named():
    assert book_row({"correlationId": TAG, "orderId": "1"}).message == "unreadable: no orderStatus"


PUSH = {
    "orderNo": "1126010500012",
    "status": "Traded",
    "txnType": "S",
    "product": "I",
    "orderType": "LMT",
    "quantity": 10,
    "tradedQty": 10,
    "remainingQuantity": 0,
    "price": 92.8,
    "triggerPrice": 0,
    "tradedPrice": 92.75,
    "avgTradedPrice": 92.785,
    "correlationId": TAG,
    "reasonDescription": "CONFIRMED",
}


def test_pushed_row__a_fill__is_the_orders_totals():
    row = pushed_row(PUSH)
    assert (row.tag, row.status, row.filled, row.value) == (TAG, "FILLED", 10, 92_785)
    assert row.terms == Terms(type="LIMIT", quantity=10, price=9280)
    assert (row.broker_id, row.message) == ("1126010500012", "")


def test_pushed_row__names_in_pascal_case__are_the_same():
    pascal = {name[0].upper() + name[1:]: value for name, value in PUSH.items()}
    assert pushed_row(pascal) == pushed_row(PUSH)


SHORT_CODES = {"LMT": "LIMIT", "MKT": "MARKET", "SL": "STOP_LIMIT", "SLM": "STOP_MARKET"}


@pytest.mark.parametrize(("code", "kind"), SHORT_CODES.items())
def test_pushed_row__short_code__is_its_type(code, kind):
    assert pushed_row(PUSH | {"orderType": code}).terms.type == kind


def test_pushed_row__rejected__says_why_unless_there_is_nothing_to_say():
    refused = PUSH | {"status": "Rejected", "tradedQty": 0}
    assert pushed_row(refused).message == ""
    assert pushed_row(refused | {"reasonDescription": "RMS: margin"}).message == "RMS: margin"


def test_pushed_row__no_average__counts_at_the_newest_price():
    assert pushed_row(PUSH | {"avgTradedPrice": 0}).value == 92_750
