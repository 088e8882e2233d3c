"""Positions, holdings, funds and the kill switch."""

from typing import Any

from aiohttp import web
from algo_contract.money import average_rupees, rupees

from algo_sim.dhan import enums, errors
from algo_sim.dhan.errors import Refused
from algo_sim.dhan.handlers import Call, Handlers
from algo_sim.dhan.order_requests import new_order
from algo_sim.dhan.routes.orders import OrderRoutes
from algo_sim.exchange.positions import MARGIN_PERCENT, Position, margin


class PortfolioRoutes:
    """Handlers over the desk's book."""

    def __init__(self, front: Handlers, orders: OrderRoutes) -> None:
        """`orders` obeys the kill switch."""
        self._front = front
        self._broker = front.broker
        self._orders = orders
        self._client_id = front.sessions.client_id

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        handler = self._front.handler
        return [
            web.get("/v2/positions", handler(self._positions)),
            web.delete("/v2/positions", handler(self._exit_all, operation="place", limit="orders")),
            web.get("/v2/holdings", handler(self._holdings)),
            web.get("/v2/fundlimit", handler(self._funds)),
            web.post("/v2/margincalculator", handler(self._margin)),
            web.get("/v2/killswitch", handler(self._kill_switch)),
            web.post("/v2/killswitch", handler(self._kill_switch)),
        ]

    def _positions(self, _: Call) -> Any:
        return [self._row(position) for position in self._broker.account.positions.values()]

    def _exit_all(self, _: Call) -> Any:
        self._broker.exchange.square_off(self._broker.account)
        return {"status": "SUCCESS", "message": "All orders and positions exited successfully"}

    def _holdings(self, _: Call) -> Any:
        """Shares of days before; the account begins without any."""
        return []

    def _funds(self, _: Call) -> Any:
        """With the broker's own spelling."""
        book = self._broker.account
        available = rupees(book.available())
        return {
            "dhanClientId": self._client_id,
            "availabelBalance": available,
            "sodLimit": rupees(book.cash),
            "collateralAmount": 0.0,
            "receiveableAmount": 0.0,
            "utilizedAmount": rupees(book.blocked()),
            "blockedPayoutAmount": 0.0,
            "withdrawableBalance": max(available, 0.0),
        }

    def _margin(self, call: Call) -> Any:
        """What an order would need; all of it is VaR."""
        request = new_order(
            {"orderType": "LIMIT", "validity": "DAY", **call.fields()},
            self._broker.exchange.market.instruments,
        )
        needed, available = (
            margin(request.product, request.quantity * request.price),
            self._broker.account.available(),
        )
        return {
            "totalMargin": rupees(needed),
            "spanMargin": 0.0,
            "exposureMargin": 0.0,
            "availableBalance": rupees(available),
            "variableMargin": rupees(needed),
            "insufficientBalance": rupees(max(needed - available, 0)),
            "brokerage": 0.0,
            "leverage": f"{100 / MARGIN_PERCENT[request.product]:.2f}",
        }

    def _kill_switch(self, call: Call) -> Any:
        if call.request.method == "POST":
            wanted = call.request.query.get("killSwitchStatus")
            if wanted not in {"ACTIVATE", "DEACTIVATE"}:
                raise Refused(errors.INPUT, "Bad value for parameter killSwitchStatus")
            self._orders.is_killed = wanted == "ACTIVATE"
        status = "ACTIVATE" if self._orders.is_killed else "DEACTIVATE"
        return {"dhanClientId": self._client_id, "killSwitchStatus": status}

    def _row(self, position: Position) -> dict[str, Any]:
        market = self._broker.exchange.market
        instrument = market.instruments.by_symbol(position.exchange, position.symbol)
        last = market.prices_of(instrument).last if instrument else 0
        return {
            "dhanClientId": self._client_id,
            "tradingSymbol": position.symbol,
            "securityId": str(instrument.token) if instrument else "",
            "positionType": _side(position.net),
            "exchangeSegment": enums.SEGMENT_OF[position.exchange],
            "productType": enums.PRODUCT_OF[position.product],
            "buyAvg": average_rupees(position.bought_value, position.bought),
            "buyQty": position.bought,
            "sellAvg": average_rupees(position.sold_value, position.sold),
            "sellQty": position.sold,
            "netQty": position.net,
            "costPrice": rupees(position.average),
            "realizedProfit": rupees(position.realised),
            "unrealizedProfit": rupees(position.net * (last - position.average)),
            "multiplier": 1,
            "rbiReferenceRate": 1.0,
            "carryForwardBuyQty": 0,
            "carryForwardSellQty": 0,
            "carryForwardBuyValue": 0.0,
            "carryForwardSellValue": 0.0,
            "dayBuyQty": position.bought,
            "daySellQty": position.sold,
            "dayBuyValue": rupees(position.bought_value),
            "daySellValue": rupees(position.sold_value),
            "drvExpiryDate": "0001-01-01",
            "drvOptionType": None,
            "drvStrikePrice": 0.0,
            "crossCurrency": False,
        }


def _side(net: int) -> str:
    if net == 0:
        return "CLOSED"
    return "LONG" if net > 0 else "SHORT"
