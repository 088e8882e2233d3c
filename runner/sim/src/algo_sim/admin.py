"""The admin API: what tests and demonstrations move and ask. No log-in: for loopback only."""

import datetime as dt
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from algo_contract.trading_day import IST, microseconds

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.account import Refused
from algo_sim.exchange.orders import FillRule, Order, OrderRequest
from algo_sim.faults import ACTS, FaultError, read_fault
from algo_sim.protocol import BrokerProtocol
from algo_sim.settings import CHOICES
from algo_sim.simulation import Simulation

Handler = Callable[[web.Request], Awaitable[web.Response]]
_SETTINGS: Final = (
    *("registered_ip", "available_paise", "fill", "square_off", "closing_auction"),
    *("packets", "last_trade"),
)


class BadRequest(ValueError):
    """What was asked makes no sense."""


class Admin:
    """Handlers over the world."""

    def __init__(self, simulation: Simulation, *, speed: float | None) -> None:
        """`speed` is what POST /admin/start plays at; None: manual."""
        self._simulation: Final = simulation
        self._speed: Final = speed

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/admin/state", _told(self._state)),
            web.post("/admin/start", _told(self._start)),
            web.post("/admin/advance", _told(self._advance)),
            web.get("/admin/orders", _told(self._orders)),
            web.get("/admin/requests", _told(self._requests)),
            web.post("/admin/faults", _told(self._arm)),
            web.delete("/admin/faults", _told(self._clear)),
            web.post("/admin/trade", _told(self._trade)),
            web.post("/admin/cancel", _told(self._cancel)),
            web.post("/admin/token/expire", _told(self._expire)),
            web.post("/admin/settings", _told(self._settings)),
        ]

    async def _state(self, _: web.Request) -> Any:
        simulation = self._simulation
        return {
            "clock_us": simulation.now_us,
            "running": simulation.is_running,
            "done": simulation.is_done,
            "ticks": simulation.played,
            "subscribed": {
                name: self._subscribed(protocol) for name, protocol in simulation.protocols.items()
            },
            "faults": {
                name: [fault.name for fault in broker.faults.armed]
                for name, broker in simulation.brokers.items()
            },
        }

    def _subscribed(self, protocol: BrokerProtocol) -> list[str]:
        """EXCHANGE:SYMBOL of what clients get prices of, in order."""
        known = self._simulation.exchange.market.instruments
        found = [known.by_token(*key) for key in protocol.wanted()]
        return sorted(f"{one.exchange}:{one.symbol}" for one in found if one is not None)

    async def _start(self, request: web.Request) -> Any:
        if self._speed is None:
            raise BadRequest("this simulator is manual: use /admin/advance")
        self._simulation.start(self._speed)
        return await self._state(request)

    async def _advance(self, request: web.Request) -> Any:
        fields = await _fields(request)
        if self._simulation.is_running:
            raise BadRequest("it plays by itself")
        if "ticks" in fields:
            await self._simulation.advance_ticks(_number(fields, "ticks"))
        else:
            await self._simulation.advance_to(self._moment(_text(fields, "to")))
        return await self._state(request)

    async def _orders(self, request: web.Request) -> Any:
        broker = self._broker(dict(request.query))
        return [order_row(order) for order in broker.account.orders.values()]

    async def _requests(self, request: web.Request) -> Any:
        return dict(self._broker(dict(request.query)).requests)

    async def _arm(self, request: web.Request) -> Any:
        await self.arm(await _fields(request))
        return {}

    async def arm(self, fields: dict[str, Any]) -> None:
        """Arms a fault, or does what is done at once.

        Raises:
            FaultError, BadRequest: it makes no sense.
        """
        broker = self._broker(fields)
        fault = read_fault(fields, monotonic=time.monotonic())
        protocol = self._simulation.protocols[broker.name]
        if fault.name not in ACTS:
            broker.faults.arm(fault)
            await self._simulation.flush()
        elif fault.name == "drop_feed":
            await protocol.drop_feed()
        else:
            await protocol.close_order_socket()

    async def _clear(self, request: web.Request) -> Any:
        wanted = request.query.get("broker")
        for name, broker in self._simulation.brokers.items():
            if wanted in {None, name}:
                broker.clear_faults()
        return {}

    async def _trade(self, request: web.Request) -> Any:
        fields = await _fields(request)
        broker = self._broker(fields)
        side = _text(fields, "side")
        product = fields.get("product", "INTRADAY")
        if side not in {"BUY", "SELL"} or product not in {"INTRADAY", "DELIVERY"}:
            raise BadRequest("side is BUY or SELL, product INTRADAY or DELIVERY")
        wanted = OrderRequest(
            exchange=_text(fields, "exchange"),
            symbol=_text(fields, "symbol"),
            side="BUY" if side == "BUY" else "SELL",
            type="MARKET",
            quantity=_number(fields, "quantity"),
            product="INTRADAY" if product == "INTRADAY" else "DELIVERY",
            protection=-1,
        )
        order = broker.account.place(wanted, origin="hand")
        await self._simulation.flush()
        return order_row(order)

    async def _cancel(self, request: web.Request) -> Any:
        fields = await _fields(request)
        broker = self._broker(fields)
        order = broker.account.cancel(
            _text(fields, "order_id"), message="Cancelled by the exchange"
        )
        await self._simulation.flush()
        return order_row(order)

    async def _expire(self, request: web.Request) -> Any:
        broker = self._broker(await _fields(request))
        self._simulation.protocols[broker.name].expire_tokens()
        return {}

    async def _settings(self, request: web.Request) -> Any:
        fields = await _fields(request)
        unknown = set(fields) - {"broker", *_SETTINGS}
        if unknown:
            raise BadRequest(f"no setting {', '.join(sorted(unknown))}")
        exchange = self._simulation.exchange
        broker = self._broker(fields)
        if "registered_ip" in fields:
            broker.registered_ip = str(fields["registered_ip"] or "")
        if "packets" in fields:
            broker.packets = _choice(fields, "packets")
        if "last_trade" in fields:
            broker.last_trade = _choice(fields, "last_trade")
        if "available_paise" in fields:
            broker.account.cash += _number(fields, "available_paise") - broker.account.available()
        if "fill" in fields:
            exchange.market.fill = _fill(_text(fields, "fill"))
        if "square_off" in fields:
            exchange.set_square_off(broker.name, _clock(_text(fields, "square_off")))
        if "closing_auction" in fields:
            exchange.force_auction(_clock(_text(fields, "closing_auction")))
        return {}

    def _broker(self, fields: dict[str, Any]) -> SimulatedBroker:
        brokers = self._simulation.brokers
        name = fields.get("broker")
        if name is None and len(brokers) == 1:
            return next(iter(brokers.values()))
        if name not in brokers:
            raise BadRequest(f"broker must be one of {', '.join(brokers)}")
        return brokers[name]

    def _moment(self, text: str) -> int:
        """HH:MM:SS of the exchange's day, or an ISO date and time in IST."""
        try:
            if "T" not in text:
                return self._simulation.exchange.at(_clock(text))
            return microseconds(dt.datetime.fromisoformat(text).replace(tzinfo=IST))
        except ValueError as error:
            raise BadRequest("to must be HH:MM:SS, or YYYY-MM-DDTHH:MM:SS") from error


def order_row(order: Order) -> dict[str, Any]:
    """The exchange's own truth about an order; prices in paise."""
    wanted = order.request
    return {
        "order_id": order.order_id,
        "tag": wanted.tag,
        "exchange": wanted.exchange,
        "symbol": wanted.symbol,
        "side": wanted.side,
        "type": wanted.type,
        "product": wanted.product,
        "validity": wanted.validity,
        "price": wanted.price,
        "trigger_price": wanted.trigger_price,
        "limit": order.limit,
        "quantity": wanted.quantity,
        "filled": order.filled,
        "value": order.value,
        "status": order.status,
        "has_triggered": order.has_triggered,
        "message": order.message,
        "origin": order.origin,
        "modifications": order.modifications,
    }


def _told(work: Callable[[web.Request], Awaitable[Any]]) -> Handler:
    """The handler as one that answers JSON, and refusals in words."""

    async def handler(request: web.Request) -> web.Response:
        try:
            return web.json_response(await work(request))
        except (BadRequest, FaultError, Refused) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


async def _fields(request: web.Request) -> dict[str, Any]:
    try:
        fields = await request.json()
    except ValueError as error:
        raise BadRequest("the body must be JSON") from error
    if not isinstance(fields, dict):
        raise BadRequest("the body must be a JSON object")
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be text")
    return value


def _number(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"{name} must be a whole number")
    return value


def _fill(value: str) -> FillRule:
    match value:
        case "whole" | "volume" | "none":
            return value
        case _:
            raise BadRequest("fill is whole, volume or none")


def _choice(fields: dict[str, Any], name: str) -> str:
    value = _text(fields, name)
    if value not in CHOICES[name]:
        raise BadRequest(f"{name} is one of {', '.join(map(str, CHOICES[name]))}")
    return value


def _clock(text: str) -> str:
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(part.isdigit() for part in parts):
        raise BadRequest("a time of day is HH:MM or HH:MM:SS")
    return text
