"""A day at the simulated Zerodha by the vendor's own SDK, as it ships: kiteconnect."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from algo_sim.rate_limits import DAY
from algo_sim.zerodha import LIMITS

from support.servers.sdk_driver import Driver, Raised, sdk
from support.servers.sim_server import Simulator, simulator


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FREE: Mapping[str, int] = {}
STATUSES = {
    "OPEN": "OPEN",
    "TRIGGER_PENDING": "TRIGGER PENDING",
    "FILLED": "COMPLETE",
    "CANCELLED": "CANCELLED",
    "REJECTED": "REJECTED",
}
TYPES = {"MARKET": "LIMIT", "LIMIT": "LIMIT", "STOP_LIMIT": "SL", "STOP_MARKET": "SL-M"}
PRODUCTS = {"INTRADAY": "MIS", "DELIVERY": "CNC"}
SESSION_FIELDS = names(
    """
    user_id user_name user_shortname email user_type broker exchanges products order_types
    avatar_url api_key access_token public_token enctoken refresh_token silo login_time meta
    """
)
ORDER_FIELDS = names(
    """
    account_id placed_by order_id exchange_order_id parent_order_id status status_message
    status_message_raw order_timestamp exchange_update_timestamp exchange_timestamp variety
    modified exchange tradingsymbol instrument_token order_type transaction_type validity
    validity_ttl product quantity disclosed_quantity price trigger_price average_price
    filled_quantity pending_quantity cancelled_quantity auction_number market_protection meta tag
    tags guid
    """
)
TRADE_FIELDS = names(
    """
    trade_id order_id exchange_order_id exchange tradingsymbol instrument_token product
    transaction_type quantity average_price fill_timestamp order_timestamp exchange_timestamp
    """
)
POSITION_FIELDS = names(
    """
    tradingsymbol exchange instrument_token product quantity overnight_quantity multiplier
    average_price close_price last_price value pnl m2m realised unrealised buy_quantity buy_price
    buy_value buy_m2m sell_quantity sell_price sell_value sell_m2m day_buy_quantity day_buy_price
    day_buy_value day_sell_quantity day_sell_price day_sell_value
    """
)
INSTRUMENT_FIELDS = names(
    """
    instrument_token exchange_token tradingsymbol name last_price expiry strike tick_size lot_size
    instrument_type segment exchange
    """
)
AVAILABLE_FIELDS = names("cash opening_balance live_balance collateral intraday_payin adhoc_margin")
UTILISED_FIELDS = names(
    """
    debits exposure span option_premium holding_sales turnover m2m_realised m2m_unrealised payout
    delivery liquid_collateral stock_collateral
    """
)
QUOTE_FIELDS = names(
    """
    instrument_token timestamp last_trade_time last_price last_quantity buy_quantity sell_quantity
    volume average_price net_change oi oi_day_high oi_day_low lower_circuit_limit
    upper_circuit_limit ohlc depth
    """
)
FULL_FIELDS = names(
    """
    tradable mode instrument_token last_price last_traded_quantity average_traded_price
    volume_traded total_buy_quantity total_sell_quantity ohlc change last_trade_time oi oi_day_high
    oi_day_low exchange_timestamp depth
    """
)
TEN = dt.datetime(2019, 7, 9, 10)  # noqa: DTZ001 - the SDK makes IST times without a zone
YESBANK, INFY, SBIN = 11915 * 256 + 1, 1594 * 256 + 1, 3045 * 256 + 1


@dataclass
class Day:
    sim: Simulator
    kite: Driver
    folder: object
    stack: AsyncExitStack

    async def place(self, side: str, quantity: int, kind: str, **more: object) -> str:
        fields = {"exchange": "NSE", "tradingsymbol": "YESBANK", "product": "MIS", **more}
        return await self.kite.call(
            "place_order",
            variety="regular",
            transaction_type=side,
            quantity=quantity,
            order_type=kind,
            **fields,
        )

    async def refusal(self, name: str, *args: object, **kwargs: object) -> tuple[str, int]:
        with pytest.raises(Raised) as raised:
            await self.kite.call(name, *args, **kwargs)
        return raised.value.kind, raised.value.code

    async def book_is_true(self) -> dict[str, dict[str, object]]:
        """Every row of the book says what the exchange knows; rows by tag."""
        book = await self.kite.call("orders")
        truth = await self.sim.orders("zerodha")
        assert [row["order_id"] for row in book] == [row["order_id"] for row in truth]
        for row, true in zip(book, truth, strict=True):
            assert_true(row, true)
            assert isinstance(row["order_timestamp"], dt.datetime)
        return {row["tag"]: row for row in book}

    async def ticker(self) -> Driver:
        token = await self.kite.call("access_token")
        return await self.stack.enter_async_context(
            sdk(
                "zerodha",
                "zerodha_ticker",
                self.sim.feed_url("zerodha"),
                "simkey",
                token,
                folder=self.folder,
            )
        )


def assert_true(row: dict[str, object], true: dict[str, object]) -> None:
    assert row.keys() >= ORDER_FIELDS
    assert isinstance(row["order_id"], str)
    assert len(row["order_id"]) == 19
    assert (row["tag"], row["tags"]) == (
        (true["tag"], [true["tag"]]) if true["tag"] else (None, [])
    )
    assert row["status"] == STATUSES[true["status"]]
    assert (row["exchange"], row["tradingsymbol"]) == (true["exchange"], true["symbol"])
    assert row["transaction_type"] == true["side"]
    assert (row["product"], row["validity"]) == (PRODUCTS[true["product"]], true["validity"])
    if true["status"] != "REJECTED":
        assert row["order_type"] == TYPES[true["type"]]
    price = true["limit"] if true["type"] == "MARKET" else true["price"]
    assert round(row["price"] * 100) == price
    assert round(row["trigger_price"] * 100) == true["trigger_price"]
    assert (row["quantity"], row["filled_quantity"]) == (true["quantity"], true["filled"])
    left = row["pending_quantity"] + row["cancelled_quantity"] + row["filled_quantity"]
    assert left == row["quantity"] or row["status"] == "REJECTED"
    assert abs(row["average_price"] * row["filled_quantity"] * 100 - true["value"]) < 1
    assert (row["status_message"] or "") == true["message"]


@asynccontextmanager
async def day(ticks, folder, *, limits: Mapping[str, int] = FREE) -> AsyncIterator[Day]:
    """A simulator and the SDK logged in to it. `limits`: calls in a day by their class; others
    are not limited, for how many fall into one second is not for a test to say.
    """
    account = folder / "account.json"
    windows = {x: {str(DAY): limits[x]} if x in limits else {} for x in LIMITS}
    account.write_text(json.dumps({"zerodha": {"limits": windows}}))
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(
            simulator(ticks=ticks, options=("--account", str(account)))
        )
        scenario = sdk("zerodha", "zerodha_rest", sim.base_url("zerodha"), "simkey", folder=folder)
        kite = await stack.enter_async_context(scenario)
        token = await sim.zerodha_request_token()
        await kite.call("generate_session", token, "simsecret")
        yield Day(sim, kite, folder, stack)


async def test_login__request_token_and_secret__session_profile_logout(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        url = await at.kite.call("login_url")
        assert url.startswith(f"{at.sim.base_url('zerodha')}/connect/login?api_key=simkey")
        async with at.sim.http.get(url) as page:
            assert page.status == 200
        token = await at.sim.zerodha_request_token()
        assert await at.refusal("generate_session", token, "wrong") == ("TokenException", 403)
        session = await at.kite.call("generate_session", token, "simsecret")
        assert session.keys() >= SESSION_FIELDS
        assert isinstance(session["login_time"], dt.datetime)
        assert session["access_token"] == await at.kite.call("access_token")
        used = await at.refusal("generate_session", token, "simsecret")
        assert used == ("TokenException", 403)
        profile = await at.kite.call("profile")
        assert profile["user_id"] == session["user_id"] == "SIM001"
        assert await at.kite.call("invalidate_access_token") is True
        assert await at.refusal("orders") == ("TokenException", 403)
        assert at.kite.told("session_expired")


async def test_instruments__all_and_one_exchange__parsed_by_the_sdk(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        everything = await at.kite.call("instruments")
        nse = await at.kite.call("instruments", "NSE")
    assert {row["exchange"] for row in nse} == {"NSE"}
    assert len(everything) > len(nse) > 50
    assert all(row.keys() >= INSTRUMENT_FIELDS for row in everything)
    (share,) = [row for row in nse if row["tradingsymbol"] == "YESBANK"]
    assert share["instrument_token"] == YESBANK == int(share["exchange_token"]) * 256 + 1
    assert (share["tick_size"], share["lot_size"]) == (0.05, 1)
    assert (share["instrument_type"], share["segment"]) == ("EQ", "NSE")


async def test_orders__a_whole_day__the_book_is_the_exchanges_truth(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.advance("09:20:00")
        bought = await at.place("BUY", 100, "MARKET", market_protection=-1, tag="BUY1")
        stop = await at.place("SELL", 100, "SL", price=92.4, trigger_price=92.5, tag="STOP1")
        limit = await at.place("SELL", 50, "LIMIT", price=96, tag="LIMIT1", validity="DAY")
        slm = await at.place(
            "SELL", 10, "SL-M", trigger_price=93.5, market_protection=2, tag="STOP2"
        )
        book = await at.book_is_true()
        assert {tag: row["status"] for tag, row in book.items()} == {
            "BUY1": "COMPLETE",
            "STOP1": "TRIGGER PENDING",
            "LIMIT1": "OPEN",
            "STOP2": "TRIGGER PENDING",
        }
        assert book["BUY1"]["price"] > book["BUY1"]["average_price"] == 94.6
        assert book["BUY1"]["exchange_timestamp"] == TEN - dt.timedelta(minutes=40)
        changed = await at.kite.call("modify_order", "regular", limit, quantity=60, price=95.5)
        assert changed == limit
        row = (await at.book_is_true())["LIMIT1"]
        assert (row["quantity"], row["price"], row["modified"]) == (60, 95.5, True)
        assert await at.kite.call("cancel_order", "regular", limit) == limit
        row = (await at.book_is_true())["LIMIT1"]
        assert (row["status"], row["cancelled_quantity"]) == ("CANCELLED", 60)

        await at.sim.advance("11:00:00")
        book = await at.book_is_true()
        assert book["STOP2"]["status"] == "COMPLETE"
        assert book["STOP1"]["status"] == "OPEN"  # fired, and its limit left behind
        await at.kite.call(
            "modify_order", "regular", stop, order_type="MARKET", market_protection=-1
        )
        assert (await at.book_is_true())["STOP1"]["status"] == "COMPLETE"
        history = await at.kite.call("order_history", stop)
        assert all(row.keys() >= ORDER_FIELDS for row in history)
        statuses = [row["status"] for row in history]
        assert statuses[0] == "PUT ORDER REQ RECEIVED"
        assert statuses[-1] == "COMPLETE"
        assert {"VALIDATION PENDING", "TRIGGER PENDING", "OPEN", "MODIFIED"} <= {*statuses}
        assert_true(history[-1], (await at.sim.orders("zerodha"))[1])

        trades = await at.kite.call("trades")
        assert all(row.keys() >= TRADE_FIELDS for row in trades)
        told = [(row["order_id"], row["quantity"], row["average_price"]) for row in trades]
        assert told == [(bought, 100, 94.6), (slm, 10, 93.0), (stop, 100, 92.0)]
        assert isinstance(trades[0]["fill_timestamp"], dt.datetime)
        assert await at.kite.call("order_trades", stop) == trades[2:]
        positions = await at.kite.call("positions")
        assert positions.keys() == {"net", "day"}
        (position,) = positions["net"]
        assert position.keys() >= POSITION_FIELDS
        assert (position["quantity"], position["product"]) == (-10, "MIS")
        assert (position["buy_quantity"], position["sell_quantity"]) == (100, 110)
        assert (position["buy_value"], position["sell_value"]) == (9460.0, 10130.0)
        assert position["last_price"] == 92.0
        assert await at.kite.call("holdings") == []

        await at.place("BUY", 5, "LIMIT", price=86, product="CNC", tag="KEPT")
        await at.sim.advance("15:31:00")
        book = await at.book_is_true()
        assert book["KEPT"]["status"] == "CANCELLED"
        squared_off = book[None]  # by the broker
        assert (squared_off["transaction_type"], squared_off["quantity"]) == ("BUY", 10)
        assert {p["quantity"] for p in (await at.kite.call("positions"))["net"]} == {0}


async def test_orders__what_kite_refuses__its_own_exceptions(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.advance("09:20:00")

        async def refused(side: str, kind: str, **more: object) -> tuple[str, int]:
            with pytest.raises(Raised) as raised:
                await at.place(side, 1, kind, **more)
            return raised.value.kind, raised.value.code

        assert await refused("SELL", "MARKET") == ("InputException", 400)
        assert await refused("SELL", "SL-M", trigger_price=90) == ("InputException", 400)
        assert await refused("SELL", "LIMIT", price=95, tag="x" * 21) == ("InputException", 400)
        assert (await refused("SELL", "LIMIT", price=95, tradingsymbol="NONE"))[1] == 400
        assert (await refused("SELL", "SL", price=94, trigger_price=93))[1] == 400
        bse = {"exchange": "BSE", "trigger_price": 90, "market_protection": -1}
        assert (await refused("SELL", "SL-M", **bse))[1] == 400
        assert (await at.refusal("cancel_order", "regular", "1"))[1] in {400, 404}
        assert await at.sim.orders("zerodha") == []
        for fault, kind, code in (
            ("rate_limit", "NetworkException", 429),
            ("server_error", "NetworkException", 503),
            ("token_expired", "TokenException", 403),
            ("address_refused", "PermissionException", 403),
        ):
            await at.sim.fault("zerodha", fault, on="place")
            assert await refused("SELL", "LIMIT", price=95) == (kind, code)
        assert await at.sim.orders("zerodha") == []
        await at.sim.fault("zerodha", "drop_connection_after_taking", on="place")
        assert (await refused("SELL", "LIMIT", price=95))[0] == "ConnectionError"
        assert len(await at.sim.orders("zerodha")) == 1
        await at.sim.fault("zerodha", "reject", on="place")
        await at.place("BUY", 1, "LIMIT", price=90, tag="BAD")
        bad = (await at.book_is_true())["BAD"]
        assert (bad["status"], bool(bad["status_message"])) == ("REJECTED", True)


async def test_money_quotes_and_bars__values_of_the_day(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.advance("10:00:00")
        before = await at.kite.call("margins", "equity")
        infy = {"tradingsymbol": "INFY", "product": "CNC"}
        await at.place("BUY", 10, "MARKET", market_protection=-1, **infy)
        margins = await at.kite.call("margins")
        equity = margins["equity"]
        assert {"enabled", "net", "available", "utilised"} <= equity.keys()
        assert equity["available"].keys() >= AVAILABLE_FIELDS
        assert equity["utilised"].keys() >= UTILISED_FIELDS
        assert before["net"] - equity["net"] == 7190.0 == equity["utilised"]["debits"]
        quotes = await at.kite.call("quote", "NSE:INFY", "BSE:YESBANK", "NSE:NONE")
        assert quotes.keys() == {"NSE:INFY", "BSE:YESBANK"}
        quote = quotes["NSE:INFY"]
        assert quote.keys() >= QUOTE_FIELDS
        assert (quote["last_price"], quote["volume"], quote["last_quantity"]) == (719.0, 4000, 1000)
        assert quote["ohlc"] == {"open": 720.0, "high": 722.0, "low": 719.0, "close": 720.0}
        assert quote["last_trade_time"] == TEN
        assert isinstance(quote["timestamp"], dt.datetime)
        assert quote["lower_circuit_limit"] < 719 < quote["upper_circuit_limit"]
        assert [len(quote["depth"][side]) for side in ("buy", "sell")] == [5, 5]
        assert quote["depth"]["buy"][0].keys() == {"price", "quantity", "orders"}
        ohlc = await at.kite.call("ohlc", ["NSE:INFY"])
        assert ohlc["NSE:INFY"].keys() == {"instrument_token", "last_price", "ohlc"}
        assert (await at.kite.call("ltp", "NSE:INFY"))["NSE:INFY"]["instrument_token"] == INFY
        span = ("2019-07-09 09:15:00", "2019-07-09 15:30:00")
        bars = await at.kite.call("historical_data", INFY, *span, "5minute")
        assert [bar["open"] for bar in bars] == [720.0, 721.5, 722.0, 719.0]
        assert bars[0]["date"].isoformat() == "2019-07-09T09:15:00+05:30"
        assert bars[0].keys() == {"date", "open", "high", "low", "close", "volume"}
        order = {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "variety": "regular",
            "product": "CNC",
            "order_type": "LIMIT",
            "quantity": 10,
            "price": 700,
        }
        (needed,) = await at.kite.call("order_margins", [order])
        assert needed["total"] == 7000.0


async def test_limits__more_than_allowed__too_many_requests(day_file, tmp_path):
    async with day(day_file, tmp_path, limits={"quote": 1}) as at:
        assert await at.kite.call("ltp", "NSE:INFY")
        assert await at.refusal("ltp", "NSE:INFY") == ("NetworkException", 429)
        assert await at.kite.call("orders") == []


async def test_ticker__every_mode__decoded_by_the_sdk(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        ticker = await at.ticker()
        await ticker.until(lambda: ticker.told("connected"))

        def last() -> dict[int, dict[str, object]]:
            return {t["instrument_token"]: t for ticks in ticker.told("ticks") for t in ticks}

        def modes() -> set[tuple[int, str]]:
            return {(token, tick["mode"]) for token, tick in last().items()}

        await ticker.call("subscribe", [YESBANK, INFY, SBIN])
        await ticker.call("set_mode", "ltp", [YESBANK])
        await ticker.call("set_mode", "full", [SBIN])
        await ticker.until(lambda: modes() == {(YESBANK, "ltp"), (INFY, "quote"), (SBIN, "full")})
        await at.sim.advance("10:00:00")
        await ticker.until(lambda: last()[SBIN]["last_price"] == 357.2)
        ticks = last()
        assert ticks[YESBANK] == {
            "tradable": True,
            "mode": "ltp",
            "instrument_token": YESBANK,
            "last_price": 93.0,
        }
        quote, full = ticks[INFY], ticks[SBIN]
        assert quote["last_price"] == 719.0
        assert quote["ohlc"] == {"open": 720.0, "high": 722.0, "low": 719.0, "close": 720.0}
        assert (quote["last_traded_quantity"], quote["volume_traded"]) == (1000, 4000)
        assert quote["average_traded_price"] == 720.62
        assert round(quote["change"], 4) == -0.1389
        assert full.keys() == FULL_FIELDS
        assert full["last_trade_time"] == TEN
        assert full["exchange_timestamp"] == TEN
        best = {side: full["depth"][side][0]["price"] for side in ("buy", "sell")}
        assert best["buy"] < 357.2 < best["sell"]
        for side in ("buy", "sell"):
            rows = full["depth"][side]
            assert sum(row["quantity"] for row in rows) == full[f"total_{side}_quantity"]

        await ticker.call("unsubscribe", [INFY])
        ticker.events.clear()
        await at.sim.fault("zerodha", "drop_feed")
        await ticker.until(lambda: modes() == {(YESBANK, "ltp"), (SBIN, "full")})
        await at.sim.advance("11:00:00")
        await ticker.until(lambda: last()[SBIN]["last_price"] == 356.0)
        assert last()[YESBANK]["last_price"] == 92.0
        assert INFY not in last()


async def test_ticker__a_life_of_orders__pushed_in_order(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        ticker = await at.ticker()
        await ticker.until(lambda: ticker.told("connected"))
        await at.sim.advance("09:20:00")
        await at.place("BUY", 10, "MARKET", market_protection=-1, tag="BUY1")
        await at.place("SELL", 10, "SL", price=91, trigger_price=93, tag="STOP1")
        await at.sim.advance("10:00:00")
        limit = await at.place("BUY", 5, "LIMIT", price=90, tag="LIMIT1")
        await at.kite.call("modify_order", "regular", limit, quantity=6)
        await at.kite.call("cancel_order", "regular", limit)
        await ticker.until(lambda: any(o["status"] == "CANCELLED" for o in ticker.told("order")))
        story = [(order["tag"], order["status"]) for order in ticker.told("order")]
        assert story == [
            ("BUY1", "COMPLETE"),
            ("STOP1", "OPEN"),
            ("STOP1", "COMPLETE"),
            ("LIMIT1", "OPEN"),
            ("LIMIT1", "CANCELLED"),
        ]
        truth = await at.sim.orders("zerodha")
        for place, row in ((0, 0), (2, 1), (4, 2)):
            assert_true(ticker.told("order")[place], truth[row])


async def test_ticker__dead_token__not_let_in(day_file, tmp_path):
    async with day(day_file, tmp_path) as at:
        await at.sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
        ticker = await at.ticker()
        await ticker.until(lambda: "403" in str(ticker.told("closed")))
        assert ticker.told("connected") == []
