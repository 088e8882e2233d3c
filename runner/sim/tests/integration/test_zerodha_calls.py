"""Kite's REST calls over HTTP."""

import gzip
import hashlib
import json
from typing import Any

import pytest
from algo_sim.zerodha import LIMITS
from support.servers.kite_client import LIMIT, MARKET, STOP, STOP_MARKET, TOKEN, Kite

ORDER_KEYS = """
account_id placed_by order_id exchange_order_id parent_order_id status status_message
status_message_raw order_timestamp exchange_update_timestamp exchange_timestamp variety modified
exchange tradingsymbol instrument_token order_type transaction_type validity validity_ttl product
quantity disclosed_quantity price trigger_price average_price filled_quantity pending_quantity
cancelled_quantity auction_number market_protection meta tag tags guid
"""


async def test_a_trade__from_entry_to_stop(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    entry = await kite.order(await kite.place(MARKET))
    assert entry["status"] == "COMPLETE"
    assert entry["average_price"] == 94.6
    stop_id = await kite.place(STOP_MARKET)
    assert (await kite.order(stop_id))["status"] == "TRIGGER PENDING"
    await kite.sim.advance("15:00:00")
    stop = await kite.order(stop_id)
    assert (stop["status"], stop["average_price"], stop["tags"]) == ("COMPLETE", 92.8, ["s1"])
    positions = await kite.data("GET", "/portfolio/positions")
    assert positions["net"][0]["quantity"] == 0
    assert positions["net"][0]["realised"] == -18.0
    states = await kite.data("GET", f"/orders/{stop_id}")
    assert [row["status"] for row in states] == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "OPEN PENDING",
        "TRIGGER PENDING",
        "OPEN",
        "COMPLETE",
    ]
    trades = await kite.data("GET", "/trades")
    assert [trade["transaction_type"] for trade in trades] == ["BUY", "SELL"]
    assert await kite.data("GET", f"/orders/{stop_id}/trades") == trades[1:]


async def test_an_order__has_every_field_of_kites(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    order_id = await kite.place({**LIMIT, "price": "94"})
    (order,) = await kite.data("GET", "/orders")
    assert sorted(order) == sorted(ORDER_KEYS.split())
    assert order["order_id"] == order_id
    assert len(order_id) == 19
    assert order_id.isdigit()
    assert (order["status"], order["pending_quantity"], order["price"]) == ("OPEN", 10, 94.0)
    assert order["order_timestamp"] == "2019-07-09 09:20:00"
    assert order["instrument_token"] == TOKEN


async def test_a_change__is_of_what_it_names(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    order_id = await kite.place(STOP)
    await kite.data("PUT", f"/orders/regular/{order_id}", data={"trigger_price": "92.5"})
    order = await kite.order(order_id)
    assert (order["trigger_price"], order["price"], order["quantity"]) == (92.5, 90.0, 10)
    assert order["modified"]
    form = {"order_type": "MARKET", "market_protection": "2.5", "quantity": "10"}
    await kite.data("PUT", f"/orders/regular/{order_id}", data=form)
    order = await kite.order(order_id)
    assert (order["status"], order["average_price"]) == ("COMPLETE", 94.6)
    assert (order["order_type"], order["market_protection"]) == ("LIMIT", 2.5)


async def test_a_cancel__ends_the_order_once(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    order_id = await kite.place({**LIMIT, "price": "94"})
    assert await kite.data("DELETE", f"/orders/regular/{order_id}") == {"order_id": order_id}
    order = await kite.order(order_id)
    assert (order["status"], order["cancelled_quantity"]) == ("CANCELLED", 10)
    refused = await kite.refused("DELETE", f"/orders/regular/{order_id}")
    assert refused == (400, "OrderException")
    refused = await kite.refused("PUT", f"/orders/regular/{order_id}", data={"price": "93"})
    assert refused == (400, "OrderException")


@pytest.mark.parametrize(
    ("changed", "error_type"),
    [
        ({"market_protection": "0", "order_type": "MARKET"}, "InputException"),
        ({"order_type": "MARKET"}, "InputException"),
        ({"market_protection": "True", "order_type": "MARKET"}, "InputException"),
        ({"market_protection": "101", "order_type": "MARKET"}, "InputException"),
        ({"order_type": "SL-M", "trigger_price": "96"}, "InputException"),
        ({"order_type": "SL", "trigger_price": "96"}, "InputException"),
        ({"order_type": "SL", "trigger_price": "94.6", "price": "95"}, "InputException"),
        ({**STOP, "trigger_price": "94.6"}, "InputException"),
        ({**STOP, "trigger_price": "80", "price": "79"}, "InputException"),
        ({"price": "95.03"}, "InputException"),
        ({"price": "-95"}, "InputException"),
        ({"price": "95.001"}, "InputException"),
        ({"price": "nonsense"}, "InputException"),
        ({"quantity": "0"}, "InputException"),
        ({"quantity": "1.5"}, "InputException"),
        ({"quantity": "100001"}, "InputException"),
        ({"tag": "with-hyphen"}, "InputException"),
        ({"tag": "a" * 21}, "InputException"),
        ({"tradingsymbol": "NOSUCH"}, "InputException"),
        ({"exchange": "MCX"}, "InputException"),
        ({"product": "NRML"}, "InputException"),
        ({"validity": "TTL"}, "InputException"),
        ({"transaction_type": ""}, "InputException"),
        ({"quantity": "90000"}, "MarginException"),
        ({"product": "CNC", "transaction_type": "SELL"}, "HoldingException"),
    ],
)
async def test_an_order_that_is_not_good__is_refused(
    kite: Kite, changed: dict[str, str], error_type: str
) -> None:
    await kite.sim.advance("09:20:00")
    form = {**LIMIT, **changed}
    assert await kite.refused("POST", "/orders/regular", data=form) == (400, error_type)
    assert await kite.sim.orders("zerodha") == []


async def test_stop_market_on_bse__is_refused(start: Any, log_in: Any) -> None:
    sim = await start()
    kite = await log_in(sim)
    await sim.advance("09:20:00")
    form = {**STOP_MARKET, "exchange": "BSE"}
    _, body = await kite("POST", "/orders/regular", data=form)
    assert "BSE" in body["message"]


async def test_a_price_outside_the_band__is_taken_and_rejected(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    order = await kite.order(await kite.place({**LIMIT, "price": "70"}))
    assert (order["status"], order["filled_quantity"]) == ("REJECTED", 0)
    assert "circuit" in order["status_message"]
    assert order["exchange_order_id"] is None


async def test_after_the_close__orders_are_refused(kite: Kite) -> None:
    await kite.sim.advance("15:30:00")
    assert await kite.refused("POST", "/orders/regular", data=LIMIT) == (400, "OrderException")


async def test_the_twenty_sixth_change__is_refused(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    path = f"/orders/regular/{await kite.place({**LIMIT, 'price': '94'})}"
    for _ in range(25):
        await kite.data("PUT", path, data={"price": "93.5"})
    assert await kite.refused("PUT", path, data={"price": "93"}) == (400, "OrderException")


async def test_calls_over_the_limit__are_refused_and_do_nothing(
    start: Any, log_in: Any, tmp_path: Any
) -> None:
    file = tmp_path / "account.json"
    limits = {"order": {"86400": 2}, "quote": {"86400": 1}}
    file.write_text(json.dumps({"zerodha": {"limits": limits}}))
    sim = await start("--account", str(file))
    kite = await log_in(sim)
    await sim.advance("09:20:00")
    for _ in range(2):
        await kite.place(LIMIT)
    refused = await kite.refused("POST", "/orders/regular", data=LIMIT)
    assert refused == (429, "NetworkException")
    assert len(await sim.orders("zerodha")) == 2
    await kite.data("GET", "/quote/ltp?i=NSE:YESBANK")
    assert (await kite.refused("GET", "/quote/ohlc?i=NSE:YESBANK"))[0] == 429


def test_the_limits__are_those_of_the_developer_forum() -> None:
    assert LIMITS["order"] == {1: 10, 60: 400, 86_400: 5000}
    assert (LIMITS["quote"], LIMITS["historical"]) == ({1: 1}, {1: 3})


async def test_an_order_from_another_address__is_refused_and_reads_are_not(kite: Kite) -> None:
    await kite.sim.settings("zerodha", registered_ip="203.0.113.7")
    await kite.sim.advance("09:20:00")
    refused = await kite.refused("POST", "/orders/regular", data=LIMIT)
    assert refused == (403, "PermissionException")
    assert await kite.data("GET", "/orders") == []
    await kite.sim.settings("zerodha", registered_ip="127.0.0.1")
    await kite.place(LIMIT)


async def test_a_trade_by_hand__is_in_the_net_position(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    await kite.place(MARKET)
    await kite.sim.trade("zerodha", "SELL", 4)
    positions = await kite.data("GET", "/portfolio/positions")
    (net,) = positions["net"]
    assert (net["quantity"], net["buy_quantity"], net["sell_quantity"]) == (6, 10, 4)
    assert positions["day"] == positions["net"]
    by_hand = (await kite.data("GET", "/orders"))[-1]
    assert (by_hand["tag"], by_hand["tags"]) == (None, [])


async def test_funds__follow_orders_and_positions(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    before = await kite.data("GET", "/user/margins/equity")
    await kite.place(MARKET)
    after = await kite.data("GET", "/user/margins/equity")
    assert before["net"] == 1_000_000.0
    assert after["net"] == pytest.approx(1_000_000 - 946 * 0.2)
    assert after["utilised"]["debits"] == pytest.approx(946 * 0.2)
    await kite.sim.settings("zerodha", available_paise=5_000)
    assert await kite.refused("POST", "/orders/regular", data=LIMIT) == (400, "MarginException")
    rows = await kite.data("POST", "/margins/orders", json=[{**LIMIT, "quantity": 10}])
    assert rows[0]["total"] == pytest.approx(190.0)


async def test_quotes__are_keyed_as_asked_and_unknown_ones_absent(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    path = "/quote?i=NSE:YESBANK&i=NSE:NOSUCH&i=NSE:FILLER00000"
    found = await kite.data("GET", path)
    assert sorted(found) == ["NSE:FILLER00000", "NSE:YESBANK"]
    quote = found["NSE:YESBANK"]
    assert quote["last_price"] == 94.6
    assert quote["timestamp"] == "2019-07-09 09:20:00"
    assert len(quote["depth"]["buy"]) == len(quote["depth"]["sell"]) == 5
    assert quote["lower_circuit_limit"] < 94.6 < quote["upper_circuit_limit"]


async def test_candles__are_what_was_traded(kite: Kite) -> None:
    await kite.sim.advance("09:30:00")
    path = f"/instruments/historical/{TOKEN}/5minute"
    query = {"from": "2019-07-09 09:15:00", "to": "2019-07-09 09:29:00", "oi": "1"}
    candles = (await kite.data("GET", path, params=query))["candles"]
    assert [row[0][11:16] for row in candles] == ["09:15", "09:20", "09:25"]
    assert candles[0][1] == 95.0
    assert len(candles[0]) == 7
    bad = {**query, "from": "yesterday"}
    assert await kite.refused("GET", path, params=bad) == (400, "InputException")


async def test_the_master__is_csv_and_knows_the_share(start: Any, log_in: Any) -> None:
    sim = await start("--instruments", "6000")
    url = sim.base_url("zerodha") + "/instruments"
    async with sim.http.get(url, headers={"Accept-Encoding": "identity"}) as response:
        lines = (await response.text()).splitlines()
        assert response.content_type == "text/csv"
    assert 6000 <= len(lines) <= 6010
    assert f"{TOKEN},11915,YESBANK,YESBANK LTD,0,,0,0.05,1,EQ,NSE,NSE" in lines
    tokens = [line.partition(",")[0] for line in lines]
    assert len(set(tokens)) == len(tokens)
    headers = {"Accept-Encoding": "gzip"}
    async with sim.http.get(url + "/BSE", headers=headers, auto_decompress=False) as response:
        rows = gzip.decompress(await response.read()).decode().splitlines()[1:]
    assert rows
    assert all(row.endswith(",BSE,BSE") for row in rows)


async def test_a_request_token__is_good_once(kite: Kite) -> None:
    token = await kite.sim.zerodha_request_token()
    form = {"api_key": "simkey", "request_token": token, "checksum": "0" * 64}
    wrong = await kite.refused("POST", "/session/token", data=form)
    assert wrong == (403, "TokenException")
    form["checksum"] = hashlib.sha256(f"simkey{token}simsecret".encode()).hexdigest()
    data = await kite.data("POST", "/session/token", data=form)
    assert len(data["login_time"]) == 19
    assert await kite.refused("POST", "/session/token", data=form) == (403, "TokenException")


async def test_a_session__ends_by_logging_out_and_by_command(kite: Kite) -> None:
    assert (await kite.data("GET", "/user/profile"))["user_id"] == "SIM001"
    query = {"api_key": "simkey", "access_token": kite.token}
    assert await kite.data("DELETE", "/session/token", params=query) is True
    assert await kite.refused("GET", "/user/profile") == (403, "TokenException")
    kite.token = await kite.sim.zerodha_access_token()
    await kite.data("GET", "/user/profile")
    await kite.sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
    assert await kite.refused("GET", "/orders") == (403, "TokenException")


async def test_the_log_in_page__asks_and_sends_the_browser_back(kite: Kite) -> None:
    url = kite.sim.base_url("zerodha") + "/connect/login"
    async with kite.sim.http.get(url + '?v=3&api_key="><b>') as response:
        page = await response.text()
    assert "<form" in page
    assert "<b>" not in page
    form = {"api_key": "simkey", "user_id": "SIM001", "redirect_params": "some=x%26y"}
    async with kite.sim.http.post(url, data=form) as response:
        assert response.url.query["status"] == "success"
        assert response.url.query["some"] == "x&y"
        assert response.url.query["request_token"] in await response.text()
    async with kite.sim.http.post(url, data={**form, "user_id": "other"}) as response:
        assert response.status == 403


async def test_an_unknown_route__is_answered_in_kites_envelope(kite: Kite) -> None:
    assert await kite.refused("GET", "/no/such/route") == (404, "GeneralException")
    refused = await kite.refused("GET", "/orders/123")
    assert refused == (400, "OrderException")
