"""DhanHQ's REST calls over HTTP."""

import base64
import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from algo_sim.dhan import LIMITS
from algo_sim.dhan.totp import password
from support.servers.dhan_client import CLIENT, LIMIT, MARKET, SEED, STOP, YESBANK, Dhan


async def test_a_trade__from_entry_to_stop(dhan: Dhan) -> None:
    await dhan.sim.advance("09:20:00")
    entry = await dhan.order(await dhan.place(MARKET))
    assert (entry["orderStatus"], entry["orderType"]) == ("TRADED", "LIMIT")
    assert (entry["averageTradedPrice"], entry["price"]) == (94.6, 96.45)
    stop_id = await dhan.place(STOP)
    assert (await dhan.order(stop_id))["orderStatus"] == "PENDING"
    await dhan.sim.advance("15:00:00")
    stop = await dhan.get("/orders/external/s1")
    assert (stop["orderId"], stop["orderStatus"], stop["filledQty"]) == (stop_id, "TRADED", 10)
    (position,) = await dhan.get("/positions")
    assert (position["positionType"], position["netQty"]) == ("CLOSED", 0)
    trades = await dhan.get("/trades")
    assert trades == await dhan.get("/trades/")
    assert [trade["transactionType"] for trade in trades] == ["BUY", "SELL"]
    assert await dhan.get(f"/trades/{stop_id}") == trades[1:]


async def test_modify__total_quantity__and_what_is_not_named_stays(dhan: Dhan) -> None:
    await dhan.sim.advance("09:20:00")
    order_id = await dhan.place(STOP)
    path = f"/v2/orders/{order_id}"
    status, answer = await dhan("PUT", path, {"orderId": order_id, "quantity": 7, "price": None})
    assert (status, answer) == (200, {"orderId": order_id, "orderStatus": "TRANSIT"})
    row = await dhan.order(order_id)
    assert (row["quantity"], row["price"], row["triggerPrice"]) == (7, 90.0, 93.0)
    assert (await dhan("PUT", path, {"orderType": "MARKET"}))[0] == 200
    row = await dhan.order(order_id)
    assert (row["orderStatus"], row["orderType"], row["triggerPrice"]) == ("TRADED", "LIMIT", 0)
    refused = await dhan.refused("PUT", f"/orders/{order_id}", {"quantity": 9})
    assert refused == (400, "DH-906")


async def test_modify__more_than_25_times__refused(dhan: Dhan) -> None:
    await dhan.sim.advance("09:20:00")
    order_id = await dhan.place(STOP)
    for number in range(25):
        assert (await dhan("PUT", f"/v2/orders/{order_id}", {"quantity": number + 1}))[0] == 200
    refused = await dhan.refused("PUT", f"/orders/{order_id}", {"quantity": 9})
    assert refused == (400, "DH-906")


async def test_cancel__with_and_without_a_body(dhan: Dhan, start: Any, tmp_path: Path) -> None:
    order_id = await dhan.place({**LIMIT, "price": 90.0})
    told = {"orderId": order_id, "orderStatus": "CANCELLED"}
    assert await dhan("DELETE", f"/v2/orders/{order_id}") == (202, told)
    assert await dhan.refused("DELETE", f"/orders/{order_id}") == (400, "DH-906")
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"empty_cancel": True}}))
    other = Dhan(await start("--broker", "dhan", "--account", str(account)))
    await other.log_in()
    order_id = await other.place({**LIMIT, "price": 90.0})
    assert await other("DELETE", f"/v2/orders/{order_id}") == (202, "")
    assert (await other.order(order_id))["orderStatus"] == "CANCELLED"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"securityId": "1"}, "DH-905"),
        ({"securityId": "9" * 5000}, "DH-905"),
        ({"exchangeSegment": "NSE_FNO"}, "DH-905"),
        ({"quantity": 0}, "DH-905"),
        ({"quantity": "10"}, "DH-905"),
        ({"quantity": True}, "DH-905"),
        ({"price": 95.001}, "DH-905"),
        ({"price": "95"}, "DH-905"),
        ({"price": -1}, "DH-905"),
        ({"price": 1e300}, "DH-905"),
        ({"price": 0}, "DH-905"),
        ({"orderType": "SL"}, "DH-905"),
        ({"validity": None}, "DH-905"),
        ({"productType": "MIS"}, "DH-905"),
        ({"transactionType": "buy"}, "DH-905"),
        ({"correlationId": "x" * 31}, "DH-905"),
        ({"correlationId": "a.b"}, "DH-905"),
        ({"disclosedQuantity": 2}, "DH-905"),
        ({"dhanClientId": "7"}, "DH-905"),
        ({"price": 95.02}, "DH-906"),
        ({"orderType": "STOP_LOSS", "price": 94, "triggerPrice": 95}, "DH-906"),
        ({"orderType": "STOP_LOSS_MARKET", "triggerPrice": 95}, "DH-906"),
        ({"afterMarketOrder": True}, "DH-906"),
    ],
)
async def test_place__what_is_wrong_with_it__refused_at_once(
    dhan: Dhan, change: dict[str, Any], code: str
) -> None:
    assert await dhan.refused("POST", "/orders", {**LIMIT, **change}) == (400, code)
    assert await dhan.sim.orders("dhan") == []


@pytest.mark.parametrize(
    "change", [{"quantity": 100_001}, {"price": 120.0}, {"quantity": 90_000, "price": 95.0}]
)
async def test_place__what_the_risk_checks_refuse__taken_and_rejected(
    dhan: Dhan, change: dict[str, Any]
) -> None:
    await dhan.sim.settings("dhan", available_paise=1_000_000)
    row = await dhan.order(await dhan.place({**LIMIT, **change}))
    assert (row["orderStatus"], row["exchangeOrderId"]) == ("REJECTED", None)
    assert row["omsErrorCode"]
    assert row["omsErrorDescription"]


async def test_place__integer_security_id_and_null_bracket_values__taken(dhan: Dhan) -> None:
    loose = {"securityId": YESBANK, "boProfitValue": None, "boStopLossValue": None}
    row = await dhan.order(await dhan.place({**LIMIT, **loose, "price": 90}))
    assert (row["securityId"], row["price"]) == (str(YESBANK), 90.0)


async def test_place__an_ioc_that_meets_nothing__cancelled(dhan: Dhan) -> None:
    await dhan.sim.advance("09:20:00")
    row = await dhan.order(await dhan.place({**LIMIT, "price": 90.0, "validity": "IOC"}))
    assert (row["orderStatus"], row["remainingQuantity"]) == ("CANCELLED", 10)


async def test_orders_left_at_the_close__expired(dhan: Dhan) -> None:
    order_id = await dhan.place({**LIMIT, "price": 86.0, "productType": "CNC"})
    await dhan.sim.advance("15:30:00")
    assert (await dhan.order(order_id))["orderStatus"] == "EXPIRED"
    assert await dhan.refused("POST", "/orders", LIMIT) == (400, "DH-906")


async def test_partial_fills__show_as_part_traded(dhan: Dhan) -> None:
    await dhan.sim.settings("dhan", fill="volume", available_paise=100_000_000_00)
    await dhan.sim.advance("09:20:00")
    parts = [LIMIT] * 2
    ids = [await dhan.place({**p, "quantity": 100_000, "price": 94.6}) for p in parts]
    await dhan.place({**LIMIT, "quantity": 100_000, "price": 94.6, "correlationId": "late"})
    row = await dhan.get("/orders/external/late")
    assert (row["orderStatus"], row["filledQty"]) == ("PART_TRADED", 26_128)
    assert row["remainingQuantity"] == 73_872
    assert (await dhan.get("/orders/external/t1"))["orderId"] == ids[-1]


async def test_unknown_orders__not_found(dhan: Dhan) -> None:
    for path in ("/orders/1", "/orders/external/none"):
        assert await dhan.refused("GET", path) == (404, "DH-906")
    for method in ("PUT", "DELETE"):
        assert await dhan.refused(method, "/orders/1", {}) == (400, "DH-906")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"quantity":}'])
async def test_a_body_that_is_none__bad_request(dhan: Dhan, body: bytes) -> None:
    url = dhan.sim.base_url("dhan") + "/v2/orders"
    headers = {"access-token": dhan.token}
    async with dhan.sim.http.post(url, data=body, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["errorCode"] == "DH-905"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pin": "000000"}, "Invalid Pin"),
        ({"totp": "000"}, "Invalid TOTP"),
        ({"dhanClientId": "9"}, "Invalid Client ID"),
    ],
)
async def test_log_in__bad__told_in_a_200(dhan: Dhan, wrong: dict[str, str], message: str) -> None:
    assert await dhan.log_in(**wrong) == {"status": "error", "message": message}


async def test_log_in__token__a_jwt_of_24_hours(dhan: Dhan) -> None:
    answer = await dhan.log_in()
    claims = answer["accessToken"].split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (told["exp"] - told["iat"], told["dhanClientId"]) == (86_400, CLIENT)
    assert len(answer["expiryTime"]) == len("2026-01-05T09:15:00.000")


async def test_log_in__limited_by_the_account_file__told_in_a_200(
    start: Any, tmp_path: Path
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"limits": {"login": {"86400": 1}}}}))
    dhan = Dhan(await start("--broker", "dhan", "--account", str(account)))
    assert (await dhan.log_in())["accessToken"]
    assert "2 minutes" in (await dhan.log_in())["message"]


async def test_tokens__that_are_no_text__refused(dhan: Dhan) -> None:
    dhan.token = "\udcff"
    assert await dhan.refused("GET", "/orders") == (401, "DH-901")


async def test_a_token_of_the_account_file__good_from_the_start(start: Any, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"access_token": "given"}}))
    dhan = Dhan(await start("--broker", "dhan", "--account", str(account)), token="given")
    assert await dhan.get("/orders") == []


async def test_renewal__voids_the_old_token(dhan: Dhan) -> None:
    old = dhan.token
    _, answer = await dhan("GET", "/v2/RenewToken")
    assert answer["token"] == answer["accessToken"] != old
    assert await dhan.refused("GET", "/orders") == (401, "DH-901")
    dhan.token = answer["accessToken"]
    assert await dhan.get("/orders") == []
    dhan.token = old
    assert await dhan.refused("GET", "/RenewToken") == (401, "DH-901")


async def test_renewal__of_a_token_not_made_on_the_web_page__refused(
    start: Any, tmp_path: Path
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"renewal": False}}))
    dhan = Dhan(await start("--broker", "dhan", "--account", str(account)))
    await dhan.log_in()
    assert await dhan.refused("GET", "/RenewToken") == (400, "DH-905")
    assert await dhan.get("/orders") == []


async def test_older_tokens_voided__one_session_at_a_time(start: Any, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"void_older_tokens": True}}))
    dhan = Dhan(await start("--broker", "dhan", "--account", str(account)))
    await dhan.log_in()
    first = dhan.token
    await dhan.log_in()
    assert await dhan.get("/orders") == []
    dhan.token = first
    assert await dhan.refused("GET", "/orders") == (401, "DH-901")


async def test_strict_totp__a_password_of_another_step__refused(start: Any, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"strict_totp": True}}))
    dhan = Dhan(await start("--broker", "dhan", "--account", str(account)))
    for seconds in (-60, 60):
        other = password(SEED, at=time.time() + seconds)
        assert (await dhan.log_in(totp=other))["message"] == "Invalid TOTP"


async def test_tokens_expired_on_command__a_new_log_in_helps(dhan: Dhan) -> None:
    await dhan.sim.admin("POST", "/admin/token/expire", {"broker": "dhan"})
    assert await dhan.refused("GET", "/profile") == (401, "DH-901")
    await dhan.log_in()
    assert (await dhan.get("/profile"))["dhanClientId"] == CLIENT


async def test_another_address__orders_refused_and_reads_not(dhan: Dhan) -> None:
    await dhan.sim.settings("dhan", registered_ip="10.0.0.1")
    assert await dhan.refused("POST", "/orders", LIMIT) == (403, "DH-911")
    assert await dhan.refused("DELETE", "/orders/1") == (403, "DH-911")
    assert await dhan.get("/orders") == []
    told = await dhan.get("/ip/getIP")
    assert (told["primaryIP"], told["detectedIP"]) == ("10.0.0.1", "127.0.0.1")
    assert (told["ipMatchStatus"], told["ordersAllowed"]) == ("MISMATCH", False)


async def test_orders__over_the_limit__refused(start: Any, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"dhan": {"limits": {"orders": {"86400": 1}}}}))
    dhan = Dhan(await start("--broker", "dhan", "--account", str(account)))
    await dhan.log_in()
    assert await dhan.refused("DELETE", "/orders/1") == (400, "DH-906")
    assert await dhan.refused("DELETE", "/orders/1") == (429, "DH-904")
    assert await dhan.get("/orders") == []


def test_limits__as_documented_since_21_mar_2026() -> None:
    assert LIMITS["orders"] == {1: 10, 60: 250, 3600: 1000, 86_400: 7000}
    assert LIMITS["data"] == {1: 5, 86_400: 100_000}
    assert (LIMITS["quotes"], LIMITS["other"]) == ({1: 1}, {1: 20})


async def test_market_data__errors__numbers_of_their_own(dhan: Dhan) -> None:
    await dhan.sim.fault("dhan", "rate_limit")
    status, answer = await dhan("POST", "/v2/marketfeed/ltp", {"NSE_EQ": [YESBANK]})
    assert (status, answer["status"], *answer["data"]) == (429, "failed", "805")
    many = {"NSE_EQ": list(range(1, 1002))}
    assert "804" in (await dhan("POST", "/v2/marketfeed/ltp", many))[1]["data"]
    _, answer = await dhan("POST", "/v2/marketfeed/ltp", {"NSE_EQ": [YESBANK, 5], "X": 1})
    shown = {"NSE_EQ": {str(YESBANK): {"last_price": 95.0}}, "X": {}}
    assert answer == {"data": shown, "status": "success"}


async def test_bars__wrong_parameters__data_errors(dhan: Dhan) -> None:
    asked = {"securityId": "11915", "exchangeSegment": "NSE_EQ", "interval": "1"}
    span = {"fromDate": "2019-07-09 09:15:00", "toDate": "2019-07-09 15:30:00"}
    path = "/charts/intraday"
    assert await dhan.refused("POST", path, {**asked, **span}) == (400, "DH-907")
    await dhan.sim.advance("09:20:00")
    _, bars = await dhan("POST", f"/v2{path}", {**asked, **span})
    assert len(bars["open"]) == len(bars["timestamp"]) == 6
    for wrong in ({"interval": "2"}, {"interval": "x"}, {"fromDate": "today"}):
        refused = await dhan.refused("POST", path, {**asked, **span, **wrong})
        assert refused == (400, "DH-905")
    long = {"fromDate": "2019-01-01"}
    assert await dhan.refused("POST", path, {**asked, **span, **long}) == (400, "DH-907")


async def test_master__thousands_of_rows__every_share_once(start: Any) -> None:
    dhan = Dhan(await start("--broker", "dhan", "--instruments", "3000"))
    status, text = await dhan("GET", "/api-data/api-scrip-master.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    shares = [row for row in rows if row["SEM_INSTRUMENT_NAME"] == "EQUITY"]
    assert (status, len(shares)) == (200, 3000)
    ids = {(row["SEM_EXM_EXCH_ID"], row["SEM_SMST_SECURITY_ID"]) for row in shares}
    assert len(ids) == 3000
    assert len({len(row) for row in rows}) == 1
    assert {row["SEM_SEGMENT"] for row in rows} == {"E", "D", "I"}


async def test_kill_switch__ends_the_day_for_new_orders(dhan: Dhan) -> None:
    order_id = await dhan.place({**LIMIT, "price": 90.0})
    _, answer = await dhan("POST", "/v2/killswitch?killSwitchStatus=ACTIVATE")
    assert answer == {"dhanClientId": CLIENT, "killSwitchStatus": "ACTIVATE"}
    assert await dhan.refused("POST", "/orders", LIMIT) == (400, "DH-906")
    assert (await dhan("DELETE", f"/v2/orders/{order_id}"))[0] == 202
    await dhan("POST", "/v2/killswitch?killSwitchStatus=DEACTIVATE")
    await dhan.place(LIMIT)
    assert await dhan.refused("POST", "/killswitch?killSwitchStatus=X") == (400, "DH-905")


async def test_exit_all__sells_what_is_held(dhan: Dhan) -> None:
    await dhan.sim.advance("09:20:00")
    await dhan.place(MARKET)
    await dhan.place(STOP)
    assert (await dhan("DELETE", "/v2/positions"))[1]["status"] == "SUCCESS"
    assert [p["netQty"] for p in await dhan.get("/positions")] == [0]
    assert (await dhan.get("/orders/external/s1"))["orderStatus"] == "CANCELLED"


async def test_trades_by_hand__in_the_same_positions(dhan: Dhan) -> None:
    await dhan.sim.advance("09:20:00")
    await dhan.place(MARKET)
    await dhan.sim.trade("dhan", "SELL", 15)
    (position,) = await dhan.get("/positions")
    assert (position["positionType"], position["netQty"]) == ("SHORT", -5)
    by_hand = (await dhan.get("/orders"))[-1]
    assert (by_hand["correlationId"], by_hand["quantity"]) == (None, 15)
