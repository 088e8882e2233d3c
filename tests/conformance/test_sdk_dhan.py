"""A day at the simulated Dhan by the vendor's own SDK, as it ships: dhanhq."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from algo_sim.dhan import LIMITS
from algo_sim.dhan.totp import password
from algo_sim.dhan.order_stream import LOGGED_IN
from algo_sim.rate_limits import DAY

from support.servers.sdk_driver import Driver, sdk
from support.servers.sim_server import Simulator, simulator


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLIENT = "1100000001"
YESBANK, INFY, SBIN = "11915", "1594", "3045"
FREE: Mapping[str, int] = {}
STATUSES = {
    "OPEN": {"PENDING", "PART_TRADED"},
    "TRIGGER_PENDING": {"PENDING"},
    "FILLED": {"TRADED"},
    "CANCELLED": {"CANCELLED", "EXPIRED"},
    "REJECTED": {"REJECTED"},
}
TYPES = {"MARKET": "LIMIT", "LIMIT": "LIMIT", "STOP_LIMIT": "STOP_LOSS"}
ORDER_FIELDS = names(
    """
    dhanClientId orderId exchangeOrderId correlationId orderStatus transactionType
    exchangeSegment productType orderType validity tradingSymbol securityId quantity
    disclosedQuantity price triggerPrice afterMarketOrder boProfitValue boStopLossValue
    legName createTime updateTime exchangeTime drvExpiryDate drvOptionType drvStrikePrice
    omsErrorCode omsErrorDescription algoId remainingQuantity averageTradedPrice filledQty
    """
)
POSITION_FIELDS = names(
    """
    tradingSymbol securityId positionType exchangeSegment productType buyAvg buyQty sellAvg
    sellQty netQty costPrice realizedProfit unrealizedProfit multiplier rbiReferenceRate
    carryForwardBuyQty carryForwardSellQty carryForwardBuyValue carryForwardSellValue
    dayBuyQty daySellQty dayBuyValue daySellValue drvExpiryDate drvOptionType drvStrikePrice
    crossCurrency
    """
)
UPDATE_FIELDS = names(
    """
    orderNo exchOrderNo status txnType product orderType quantity tradedQty
    remainingQuantity price triggerPrice tradedPrice avgTradedPrice exchange segment
    securityId legNo correlationId remarks reasonDescription algoId
    """
)


@dataclass
class Day:
    sim: Simulator
    rest: Driver
    token: str
    folder: object
    stack: AsyncExitStack

    @property
    def root(self) -> str:
        return self.sim.base_url("dhan")

    async def data(self, name: str, *args: object, **kwargs: object):
        answer = await self.rest.call(name, *args, **kwargs)
        assert answer["status"] == "success", answer
        return answer["data"]

    async def refusal(self, name: str, *args: object, **kwargs: object):
        answer = await self.rest.call(name, *args, **kwargs)
        assert answer["status"] == "failure", answer
        return answer["remarks"]

    async def place(self, security: str, side: str, quantity: int, kind: str, **more: object):
        fields = {"exchange_segment": "NSE_EQ", "product_type": "INTRADAY", "price": 0, **more}
        return await self.data(
            "place_order",
            security_id=security,
            transaction_type=side,
            quantity=quantity,
            order_type=kind,
            **fields,
        )

    async def book_is_true(self) -> dict[str, dict[str, object]]:
        """Every row of the book says what the exchange knows; rows by correlation id."""
        book = await self.data("get_order_list")
        truth = await self.sim.orders("dhan")
        assert [row["orderId"] for row in book] == [row["order_id"] for row in truth]
        for row, true in zip(book, truth, strict=True):
            assert row.keys() >= ORDER_FIELDS
            assert row["dhanClientId"] == CLIENT
            assert row["correlationId"] == (true["tag"] or None)
            assert row["orderStatus"] in STATUSES[true["status"]]
            assert row["transactionType"] == true["side"]
            assert row["exchangeSegment"] == f"{true['exchange']}_EQ"
            assert row["tradingSymbol"] == true["symbol"]
            assert row["orderType"] == TYPES[true["type"]]
            price = true["limit"] if true["type"] == "MARKET" else true["price"]
            assert round(row["price"] * 100) == price
            assert round(row["triggerPrice"] * 100) == true["trigger_price"]
            assert (row["quantity"], row["filledQty"]) == (true["quantity"], true["filled"])
            assert row["remainingQuantity"] == true["quantity"] - true["filled"]
            value = row["averageTradedPrice"] * row["filledQty"] * 100
            assert abs(value - true["value"]) < 1
            assert (row["omsErrorDescription"] or "") == true["message"]
        return {row["correlationId"]: row for row in book}

    async def feed(self, *instruments: tuple[int, str, int]) -> Driver:
        arguments = (self.root, self.sim.feed_url("dhan"), CLIENT, self.token)
        return await self._with("dhan_feed", *arguments, json.dumps(instruments))

    async def order_updates(self) -> Driver:
        url = f"{self.sim.feed_url('dhan')}/order-updates"
        driver = await self._with("dhan_orders", self.root, url, CLIENT, self.token)
        async with asyncio.timeout(15):
            # Nothing on the wire says that the log-in was good.
            while LOGGED_IN not in await self.sim.requests("dhan"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return driver

    async def _with(self, scenario: str, *arguments: str) -> Driver:
        return await self.stack.enter_async_context(
            sdk("dhan", scenario, *arguments, folder=self.folder)
        )


@asynccontextmanager
async def day(ticks, folder, *, limits: Mapping[str, int] = FREE) -> AsyncIterator[Day]:
    """A simulator and the SDK logged in to it. `limits`: calls in a day by their class; others
    are not limited, for how many fall into one second is not for a test to say.
    """
    account = folder / "account.json"
    windows = {x: {str(DAY): limits[x]} if x in limits else {} for x in LIMITS}
    account.write_text(json.dumps({"dhan": {"limits": windows}}))
    options = ("--account", str(account))
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(
            simulator(ticks=ticks, brokers=("dhan",), options=options)
        )
        scenario = sdk("dhan", "dhan_rest", sim.base_url("dhan"), CLIENT, folder=folder)
        rest = await stack.enter_async_context(scenario)
        code = password("JBSWY3DPEHPK3PXP", at=time.time())
        session = await rest.call("login.generate_token", "123456", code)
        await rest.call("use_token", session["accessToken"])
        yield Day(sim, rest, session["accessToken"], folder, stack)


async def test_login__pin_and_totp__token_profile_address_renewal(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        wrong = await at.rest.call("login.generate_token", "000000", "000000")
        assert wrong.keys() == {"status", "message"}
        profile = await at.rest.call("login.user_profile", at.token)
        assert profile["dhanClientId"] == CLIENT
        assert {"tokenValidity", "activeSegment", "dataPlan", "dataValidity"} <= profile.keys()
        assert {"ddpi", "mtf"} <= profile.keys()
        address = (await at.rest.call("login.get_ip", at.token))["data"]
        assert (address["detectedIP"], address["ordersAllowed"]) == ("127.0.0.1", True)
        saved = await at.rest.call("login.set_ip", at.token, "10.0.0.9", "PRIMARY")
        assert saved["data"]["status"] == "SUCCESS"
        address = (await at.rest.call("login.get_ip", at.token))["data"]
        assert (address["primaryIP"], address["ordersAllowed"]) == ("10.0.0.9", False)
        renewed = await at.rest.call("login.renew_token", at.token)
        session_fields = {"dhanClientName", "dhanClientUcc", "givenPowerOfAttorney", "expiryTime"}
        assert session_fields <= renewed.keys()
        assert (await at.refusal("get_order_list"))["error_code"] == "DH-901"
        await at.rest.call("use_token", renewed["accessToken"])
        assert await at.data("get_order_list") == []


async def test_securities__compact_file__read_by_the_sdk(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        rows = await at.rest.call("securities")
    keys = [(r["SEM_EXM_EXCH_ID"], r["SEM_SEGMENT"], r["SEM_SMST_SECURITY_ID"]) for r in rows]
    assert len(set(keys)) == len(rows) > 100
    share = rows[keys.index(("NSE", "E", int(YESBANK)))]
    assert share["SEM_TRADING_SYMBOL"] == "YESBANK"
    assert (share["SEM_INSTRUMENT_NAME"], share["SEM_SERIES"]) == ("EQUITY", "EQ")
    assert (share["SEM_TICK_SIZE"], share["SEM_LOT_UNITS"]) == (5.0, 1.0)


async def test_orders__a_whole_day__the_book_is_the_exchanges_truth(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.advance("09:20:00")
        bought = await at.place(YESBANK, "BUY", 100, "MARKET", tag="BUY1")
        assert bought["orderStatus"] == "TRANSIT"
        stop = await at.place(
            YESBANK, "SELL", 100, "STOP_LOSS", price=92.4, trigger_price=92.5, tag="STOP1"
        )
        target = await at.place(YESBANK, "SELL", 50, "LIMIT", price=96, tag="LIMIT1")
        book = await at.book_is_true()
        assert book["BUY1"]["orderStatus"] == "TRADED"
        assert book["BUY1"]["price"] > book["BUY1"]["averageTradedPrice"] == 94.6
        assert book["STOP1"]["orderStatus"] == book["LIMIT1"]["orderStatus"] == "PENDING"

        change = (target["orderId"], "LIMIT", "", 60, 95.5, 0, 0, "DAY")
        assert (await at.data("modify_order", *change))["orderId"] == target["orderId"]
        assert (await at.book_is_true())["LIMIT1"]["quantity"] == 60
        gone = await at.data("cancel_order", target["orderId"])
        assert gone == {"orderId": target["orderId"], "orderStatus": "CANCELLED"}
        await at.sim.advance("11:00:00")
        book = await at.book_is_true()
        assert book["STOP1"]["orderStatus"] == "PENDING"  # fired, and its limit left behind
        change = (stop["orderId"], "MARKET", "", 100, 0, 0, 0, "DAY")
        await at.data("modify_order", *change)
        assert (await at.book_is_true())["STOP1"]["orderStatus"] == "TRADED"

        one = await at.data("get_order_by_id", stop["orderId"])
        assert one == await at.data("get_order_by_correlationID", "STOP1")
        assert (await at.refusal("get_order_by_correlationID", "NONE"))["error_code"] == "DH-906"
        trades = await at.data("get_trade_book")
        assert [row["tradedQuantity"] for row in trades] == [100, 100]
        assert [row["tradedPrice"] for row in trades] == [94.6, 92.0]
        assert {"exchangeTradeId", "customSymbol", "createTime", "orderType"} <= trades[0].keys()
        assert await at.data("get_trade_book", stop["orderId"]) == trades[1:]
        (position,) = await at.data("get_positions")
        assert position.keys() >= POSITION_FIELDS
        assert (position["positionType"], position["netQty"]) == ("CLOSED", 0)
        assert position["realizedProfit"] == -260.0
        sliced = await at.data(
            "place_slice_order", YESBANK, "NSE_EQ", "BUY", 250_000, "LIMIT", "INTRADAY", 80, tag="S"
        )
        quantities = [row["quantity"] for row in (await at.data("get_order_list"))[-3:]]
        assert (len(sliced), quantities) == (3, [100_000, 100_000, 50_000])
        assert await at.data("get_holdings") == []

        await at.place(YESBANK, "BUY", 5, "MARKET", tag="HELD")
        await at.place(YESBANK, "BUY", 5, "LIMIT", price=86, product_type="CNC", tag="KEPT")
        await at.sim.advance("15:31:00")
        book = await at.book_is_true()
        assert book["KEPT"]["orderStatus"] == "EXPIRED"
        squared_off = book[None]  # by the broker
        assert (squared_off["transactionType"], squared_off["quantity"]) == ("SELL", 5)
        assert {p["netQty"] for p in await at.data("get_positions")} == {0}


async def test_orders__what_dhan_refuses__its_own_codes(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.advance("09:20:00")

        async def code(name: str, *args: object, **kwargs: object) -> str:
            return (await at.refusal(name, *args, **kwargs))["error_code"]

        def order(kind: str, price: float, security: str = YESBANK, quantity: int = 1):
            return (security, "NSE_EQ", "SELL", quantity, kind, "INTRADAY", price)

        assert await code("place_order", *order("LIMIT", 95, security="99")) == "DH-905"
        assert await code("place_order", *order("STOP_LOSS_MARKET", 0), trigger_price=9) == "DH-906"
        assert await code("place_order", *order("STOP_LOSS", 93), trigger_price=92) == "DH-906"
        assert await code("place_order", *order("LIMIT", 95.02)) == "DH-906"
        assert await code("cancel_order", "1") == "DH-906"
        await at.place(YESBANK, "SELL", 90_000, "LIMIT", price=96, tag="POOR")
        poor = (await at.book_is_true())["POOR"]
        assert (poor["orderStatus"], poor["omsErrorCode"]) == ("REJECTED", "RMS")
        assert "Insufficient funds" in poor["omsErrorDescription"]
        for fault, expected in (
            ("rate_limit", "DH-904"),
            ("address_refused", "DH-911"),
            ("server_error", "DH-908"),
            ("refuse", "DH-906"),
            ("token_expired", "DH-901"),
        ):
            await at.sim.fault("dhan", fault, on="place")
            assert await code("place_order", *order("LIMIT", 95)) == expected
        assert len(await at.sim.orders("dhan")) == 1
        await at.sim.fault("dhan", "drop_connection_after_taking", on="place")
        assert isinstance(await at.refusal("place_order", *order("LIMIT", 95)), str)
        assert len(await at.sim.orders("dhan")) == 2
        await at.data("kill_switch", "activate")
        assert (await at.data("status_kill_switch"))["killSwitchStatus"] == "ACTIVATE"
        assert await code("place_order", *order("LIMIT", 95)) == "DH-906"


async def test_money_quotes_and_bars__values_of_the_day(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.advance("10:00:00")
        await at.place(INFY, "BUY", 10, "MARKET", product_type="CNC")
        funds = await at.data("get_fund_limits")
        assert funds["utilizedAmount"] == 7190.0
        assert funds["availabelBalance"] == funds["sodLimit"] - 7190.0
        spellings = {"collateralAmount", "receiveableAmount", "blockedPayoutAmount"}
        assert spellings | {"withdrawableBalance"} <= funds.keys()
        margin = await at.data("margin_calculator", INFY, "NSE_EQ", "BUY", 10, "INTRADAY", 700)
        assert (margin["totalMargin"], margin["leverage"]) == (1400.0, "5.00")
        assert (margin["availableBalance"], margin["insufficientBalance"]) == (
            funds["availabelBalance"],
            0.0,
        )
        asked = {"NSE_EQ": [int(INFY), 5], "BSE_EQ": []}
        (shown,) = (await at.data("quote_data", asked))["data"]["NSE_EQ"].items()
        assert shown[0] == INFY
        quote = shown[1]
        assert quote["last_price"] == 719.0
        assert quote["ohlc"] == {"open": 720.0, "high": 722.0, "low": 719.0, "close": 720.0}
        assert (quote["volume"], quote["last_quantity"]) == (4000, 1000)
        assert quote["average_price"] == 720.62
        assert quote["last_trade_time"] == "09/07/2019 10:00:00"
        assert quote["lower_circuit_limit"] < 719 < quote["upper_circuit_limit"]
        assert {"net_change", "oi", "oi_day_high", "oi_day_low"} <= quote.keys()
        for side in ("buy", "sell"):
            rows = quote["depth"][side]
            assert [row.keys() for row in rows] == [{"quantity", "orders", "price"}] * 5
        bars = await at.data(
            "intraday_minute_data", INFY, "NSE_EQ", "EQUITY", "2019-07-09", "2019-07-10", 5
        )
        assert bars["open"] == [720.0, 721.5, 722.0, 719.0]
        assert bars["timestamp"][0] == 1562643900  # 09:15 IST
        assert bars.keys() == {*bars, "high", "low", "close", "volume", "open_interest"}
        daily = await at.data(
            "historical_daily_data", INFY, "NSE_EQ", "EQUITY", "2019-07-09", "2019-07-10"
        )
        assert (daily["open"], daily["high"], daily["volume"]) == ([720.0], [722.0], [4000])


async def test_limits__more_than_allowed__refused_with_the_brokers_codes(day_file, tmp_path):
    async with day(day_file, tmp_path, limits={"quotes": 1, "orders": 1}) as at:
        asked = {"NSE_EQ": [int(INFY)]}
        assert await at.data("ohlc_data", asked)
        assert await at.refusal("ohlc_data", asked)  # the data codes are nothing to the SDK
        assert (await at.refusal("cancel_order", "1"))["error_code"] == "DH-906"
        assert (await at.refusal("cancel_order", "1"))["error_code"] == "DH-904"


async def test_feed__every_packet__decoded_by_the_sdk(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        feed = await at.feed((1, YESBANK, 15), (1, INFY, 17), (1, SBIN, 21))
        await feed.until(lambda: len(feed.told("packet")) == 7)
        first = {(p["type"], p["security_id"]): p for p in feed.told("packet")}
        assert {kind for kind, _ in first} == {
            *("Ticker Data", "Quote Data", "Full Data", "Previous Close", "OI Data")
        }
        assert first["Previous Close", 1594] == {
            "type": "Previous Close",
            "exchange_segment": 1,
            "security_id": 1594,
            "prev_close": "720.00",
            "prev_OI": 0,
        }
        assert first["Ticker Data", 11915]["LTT"] == "03:30:00"  # 09:00 IST
        feed.events.clear()
        await at.sim.advance("10:00:00")
        await feed.until(lambda: len(feed.told("packet")) >= 12)
        last = {packet["type"]: packet for packet in feed.told("packet")}
        assert last["Ticker Data"]["LTP"] == "93.00"
        assert last["Ticker Data"]["LTT"] == "04:30:00"
        quote, full = last["Quote Data"], last["Full Data"]
        assert [quote[x] for x in ("LTP", "open", "high", "low", "close")] == [
            *("719.00", "720.00", "722.00", "719.00", "720.00")
        ]
        assert (quote["LTQ"], quote["volume"], quote["avg_price"]) == (1000, 4000, "720.62")
        assert [full[x] for x in ("LTP", "open", "high", "low", "close")] == [
            *("357.20", "360.00", "360.00", "357.20", "360.00")
        ]
        assert (full["OI"], full["oi_day_high"], full["oi_day_low"]) == (0, 0, 0)
        assert len(full["depth"]) == 5
        best = full["depth"][0]
        assert float(best["bid_price"]) < 357.2 < float(best["ask_price"])
        assert full["total_buy_quantity"] == sum(row["bid_quantity"] for row in full["depth"])
        assert full["total_sell_quantity"] == sum(row["ask_quantity"] for row in full["depth"])

        await feed.call("unsubscribe_symbols", [[1, YESBANK, 15], [1, INFY, 17]])
        await feed.call(
            "subscribe_symbols", [[4, _bse_yesbank(await at.rest.call("securities")), 15]]
        )
        await feed.until(lambda: any(p["exchange_segment"] == 4 for p in feed.told("packet")[-2:]))
        feed.events.clear()
        await at.sim.advance("15:30:00")
        await feed.until(lambda: "Markets Open" in feed.told("packet"))
        seen = {p["security_id"] for p in feed.told("packet") if isinstance(p, dict)}
        assert (len(seen), int(SBIN) in seen, int(INFY) in seen) == (2, True, False)
        await feed.call("close_connection")
        assert feed.told("closed")


async def test_feed__dropped_and_dead_token__reconnects_then_is_told(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        feed = await at.feed((1, YESBANK, 15))
        await feed.until(lambda: feed.told("packet"))
        await at.sim.fault("dhan", "drop_feed")
        before = len(feed.told("packet"))
        await feed.until(lambda: len(feed.told("connected")) == 2)
        await feed.until(lambda: len(feed.told("packet")) > before)
        await at.sim.admin("POST", "/admin/token/expire", {"broker": "dhan"})
        await at.sim.fault("dhan", "drop_feed")
        await feed.until(lambda: feed.told("closed"))


async def test_order_updates__a_life_of_orders__pushed_in_order(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        updates = await at.order_updates()
        await at.sim.advance("09:20:00")
        await at.place(YESBANK, "BUY", 10, "MARKET", tag="BUY1")
        await at.place(YESBANK, "SELL", 10, "STOP_LOSS", price=91, trigger_price=93, tag="STOP1")
        await at.sim.advance("10:00:00")
        rest = await at.place(YESBANK, "BUY", 5, "LIMIT", price=90, tag="LIMIT1")
        await at.data("cancel_order", rest["orderId"])
        await updates.until(lambda: len(updates.told("update")) == 10)
        told = updates.told("update")
        assert {message["Type"] for message in told} == {"order_alert"}
        assert all(message["Data"].keys() >= UPDATE_FIELDS for message in told)
        story = [(m["Data"]["correlationId"], m["Data"]["status"]) for m in told]
        assert story == [
            *(("BUY1", "Transit"), ("BUY1", "Pending"), ("BUY1", "Traded")),
            *(("STOP1", "Transit"), ("STOP1", "Pending")),
            *(("STOP1", "Pending"), ("STOP1", "Traded")),
            *(("LIMIT1", "Transit"), ("LIMIT1", "Pending"), ("LIMIT1", "Cancelled")),
        ]
        for message, row in ((told[2], 0), (told[6], 1), (told[9], 2)):
            truth, data = (await at.sim.orders("dhan"))[row], message["Data"]
            assert data["orderNo"] == truth["order_id"]
            assert (data["tradedQty"], data["quantity"]) == (truth["filled"], truth["quantity"])
            assert round(data["avgTradedPrice"] * data["tradedQty"] * 100) == truth["value"]
            assert data["txnType"] == truth["side"][0]
        assert [told[n]["Data"]["orderType"] for n in (0, 3, 7)] == ["LMT", "SL", "LMT"]
        assert (told[6]["Data"]["tradedPrice"], told[6]["Data"]["product"]) == (93.0, "I")
        await at.sim.fault("dhan", "close_order_socket")
        await updates.until(lambda: updates.told("closed"))


def _bse_yesbank(rows) -> str:
    return next(
        str(row["SEM_SMST_SECURITY_ID"])
        for row in rows
        if (row["SEM_EXM_EXCH_ID"], row["SEM_TRADING_SYMBOL"]) == ("BSE", "YESBANK")
    )
