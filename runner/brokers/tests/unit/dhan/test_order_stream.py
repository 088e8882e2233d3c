import contextlib
import json

import pytest
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.ids import order_tag
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_brokers.dhan.urls import endpoints
from algo_brokers.dhan.order_stream import OrderStream
from algo_brokers.instruments import Instrument
from algo_brokers.streaming import MalformedFrame

TAG = order_tag("uid", "2026-01-05", "entry", 1)
SESSION = BrokerSession(
    broker="dhan", client_id="11", api_key="", access_token="jwt", issued_us=0, expires_us=1
)
WIRE = OrderStream(endpoints(None, None), SESSION)

DATA = {
    "orderNo": "77",
    "status": "Pending",
    "orderType": "SL",
    "quantity": 10,
    "tradedQty": 0,
    "price": 91.5,
    "triggerPrice": 93,
    "correlationId": TAG,
}


def alert(**changes):
    return json.dumps({"Type": "order_alert", "Data": DATA | changes})


def test_hello__is_the_log_in_message():
    (frame,) = WIRE.hello()
    assert json.loads(frame) == {
        "LoginReq": {"MsgCode": 42, "ClientId": "11", "Token": "jwt"},
        "UserType": "SELF",
    }


def test_said__order_alert__is_the_row():
    said = WIRE.said(alert())
    assert [(row.tag, row.status, row.broker_id) for row in said.orders] == [
        (TAG, "TRIGGER_PENDING", "77")
    ]
    assert said.notices == ()


def test_said__unknown_state__is_the_row_and_a_notice():
    said = WIRE.said(alert(status="Odd"))
    assert said.orders[0].status == "OPEN"
    assert "'ODD'" in said.notices[0]


def test_said__other_kind_of_message__is_a_notice():
    said = WIRE.said('{"Type": "greeting", "Data": {}}')
    assert said.orders == ()
    assert "greeting" in said.notices[0]


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", '{"Type": "order_alert"}', '{"Type": "order_alert", "Data": 5}', b"\xff"],
)
def test_said__no_order_update__is_garbled(frame):
    with pytest.raises(MalformedFrame):
        WIRE.said(frame)


JUNK = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(DATA, JUNK)))
def test_said__any_values__are_understood_or_garbled(junk):
    with contextlib.suppress(MalformedFrame):
        WIRE.said(alert(**junk))


def test_said__fill_without_a_price__counts_with_a_value_of_nothing():
    [row] = WIRE.said(alert(tradedQty=10, status="Traded")).orders
    assert (row.status, row.filled, row.value) == ("FILLED", 10, 0)


def test_said__unreadable_order_of_ours__is_there_and_pending():
    said = WIRE.said(alert(quantity="ten"))
    assert [(row.tag, row.status, row.broker_id) for row in said.orders] == [(TAG, "PENDING", "77")]
    assert said.notices == (said.orders[0].message,)
    assert said.notices[0].startswith("unreadable: ")


def test_said__unreadable_order_of_others__is_a_notice():
    said = WIRE.said(alert(quantity="ten", correlationId="other"))
    assert said.orders == ()
    assert "others" in said.notices[0]


def test_orders_wire__prices__are_none_of_its_business():
    share = Instrument(exchange="NSE", symbol="A", token=1, tick_size=5)
    assert WIRE.instruments_limit == 0
    assert (WIRE.subscribe([share]), WIRE.unsubscribe([share]), WIRE.ticks(b"x")) == ((), (), [])
    assert (WIRE.url(), WIRE.headers(), WIRE.key(share)) == (
        "wss://api-order-update.dhan.co",
        {},
        1,
    )
