"""One account's orders, fills and positions at the exchange. No I/O and no clock of its own: the
same calls in the same order give the same book, the same events.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from algo_sim.exchange import matching, positions
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import Key, MarketState
from algo_sim.exchange.order_checks import Hours, Rejection, crossed, rejection_of
from algo_sim.exchange.orders import Cause, Event, Fill, Order, OrderRequest, Origin
from algo_sim.exchange.positions import Position

MODIFICATIONS: Final = 25
"""Of one order; Zerodha and Dhan both document this number."""

UNKNOWN_SHARE: Final = Rejection("input", "The instrument you are placing an order for is unknown.")
BUSY_MODIFY: Final = "Order cannot be modified as it is being processed. Try later."
BUSY_CANCEL: Final = "Order cannot be cancelled as it is being processed. Try later."


class Refused(Exception):
    """The order or change was not taken."""

    def __init__(self, rejection: Rejection) -> None:
        """With its reason."""
        super().__init__(rejection.text)
        self.rejection: Final = rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What is particular to an account."""

    name: str
    order_id: Callable[[int], str]
    """Its broker's order number from 1, 2, …"""

    cash: int
    """Paise at the start of the day."""


class ExchangeAccount:
    """An account's day."""

    def __init__(self, settings: AccountSettings, *, market: MarketState, hours: Hours) -> None:
        """Empty; `events` collects what happens until somebody takes it."""
        self.name: Final = settings.name
        self.cash = settings.cash
        self.refuses_crossed_stops = False
        """Whether its broker takes no stop that the last price has passed already; else such a stop
        waits for the next trade."""

        self.hours = hours
        self.orders: Final[dict[str, Order]] = {}
        self.history: Final[dict[str, list[tuple[Cause, Order]]]] = {}
        self.fills: Final[list[Fill]] = []
        self.positions: Final[dict[tuple[str, str, str], Position]] = {}
        self.events: list[Event] = []
        self._order_id: Final = settings.order_id
        self._market: Final = market
        self._live: Final[dict[Key, dict[str, None]]] = {}
        self._number = 0

    def rejection(
        self, request: OrderRequest, *, instead_of: Order | None = None
    ) -> Rejection | None:
        """Why an order, or a change of `instead_of` to it, would be refused; None: it would not."""
        instrument = self._market.instruments.by_symbol(request.exchange, request.symbol)
        if instrument is None:
            return UNKNOWN_SHARE
        return (
            rejection_of(
                request,
                instrument=instrument,
                prices=self._market.prices_of(instrument),
                hours=self.hours,
                now_us=self._market.now_us,
            )
            or (
                crossed(request, self._market.prices_of(instrument))
                if self.refuses_crossed_stops
                else None
            )
            or self._without_holding(request, instead_of)
            or self._without_funds(request, instrument, instead_of)
        )

    def place(self, request: OrderRequest, *, origin: Origin = "api", rejected: str = "") -> Order:
        """Takes an order; one with an objection, or told to be `rejected`, ends at once.

        Orders by the broker itself pass all checks.

        Raises:
            Refused: the share is not listed.
        """
        instrument = self._market.instruments.by_symbol(request.exchange, request.symbol)
        if instrument is None:
            raise Refused(UNKNOWN_SHARE)
        found = None if origin == "broker" else self.rejection(request)
        message = rejected or (found.text if found else "")
        self._number += 1
        now = self._market.now_us
        order = Order(
            number=self._number,
            order_id=self._order_id(self._number),
            exchange_order_id="" if message else f"11{self._number:014d}",
            request=request,
            status="REJECTED" if message else "OPEN",
            message=message,
            taken_us=now,
            changed_us=now,
            origin=origin,
        )
        if message:
            return self._keep(order, "rejected")
        return self._start(order, instrument, "accepted")

    def modify(self, order_id: str, request: OrderRequest) -> Order:
        """Changes a live order to new absolute terms.

        Raises:
            Refused: unknown, ended, changed too often, or the terms are not good.
        """
        order = self._live_order(order_id, BUSY_MODIFY)
        if order.modifications >= MODIFICATIONS:
            raise Refused(
                Rejection("modifications", "Maximum allowed order modifications exceeded.")
            )
        if request.quantity <= order.filled:
            raise Refused(Rejection("state", "The quantity is filled already."))
        found = self.rejection(request, instead_of=order)
        if found is not None:
            raise Refused(found)
        instrument = self._instrument(request)
        changed = replace(
            order,
            request=request,
            modifications=order.modifications + 1,
            changed_us=self._market.now_us,
        )
        return self._start(changed, instrument, "modified")

    def leave(self, order_id: str) -> Order:
        """A change that was taken and then not made: the terms stay.

        Raises:
            Refused: unknown or ended.
        """
        return self._keep(self._live_order(order_id, BUSY_MODIFY), "not_modified")

    def cancel(self, order_id: str, *, message: str = "", expired: bool = False) -> Order:
        """Cancels what is left of a live order.

        Raises:
            Refused: unknown or ended.
        """
        order = self._live_order(order_id, BUSY_CANCEL)
        return self._keep(
            replace(order, status="CANCELLED", message=message, expired=expired), "cancelled"
        )

    def trade(self, instrument: Instrument, price: int) -> None:
        """Lets one trade of a share trigger and fill the orders it meets, oldest first."""
        for order_id in list(self._live.get(instrument.key, ())):
            order = self.orders[order_id]
            after = matching.triggered(order, price=price, step=instrument.tick_size)
            if after is not order:
                _ = self._keep(after, "triggered")
            self._meet(after, price, is_arriving=after is not order)

    def live(self) -> list[Order]:
        """Live orders, oldest first."""
        found = [self.orders[order_id] for ids in self._live.values() for order_id in ids]
        return sorted(found, key=lambda order: order.number)

    def blocked(self) -> int:
        """Paise held back for positions and orders."""
        return positions.blocked(self.positions.values(), self.live())

    def available(self) -> int:
        """Paise free for new orders."""
        realised = sum(position.realised for position in self.positions.values())
        return self.cash + realised - self.blocked()

    def begin_day(self) -> None:
        """Forgets the day's orders, fills and intraday positions; money made stays."""
        self.cash += sum(position.realised for position in self.positions.values())
        for kept in (self.orders, self.history, self.fills, self.positions, self._live):
            kept.clear()

    def take_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        taken, self.events = self.events, []
        return taken

    def _start(self, order: Order, instrument: Instrument, cause: Cause) -> Order:
        last = self._market.prices_of(instrument).last
        started = self._keep(matching.working(order, last=last, step=instrument.tick_size), cause)
        if started.status == "OPEN":
            self._meet(started, last, is_arriving=True)
        now = self.orders[order.order_id]
        if now.is_live and now.request.validity == "IOC":
            return self.cancel(now.order_id, message="The rest of an IOC order")
        return now

    def _meet(self, order: Order, price: int, *, is_arriving: bool) -> None:
        at = matching.fill_price(order, price=price, is_arriving=is_arriving)
        quantity = 0 if at is None else self._market.on_offer(order.request.key, order.rest)
        if at is None or quantity == 0:
            return
        number = self._market.take(order.request.key, quantity)
        after = matching.filled(order, quantity=quantity, price=at)
        after = replace(after, changed_us=self._market.now_us)
        fill = Fill(
            trade_id=str(50_000_000 + number),
            order=after,
            quantity=quantity,
            price=at,
            time_us=self._market.now_us,
        )
        self.fills.append(fill)
        request = order.request
        key = (request.exchange, request.symbol, request.product)
        position = self.positions.get(key) or Position(
            exchange=request.exchange, symbol=request.symbol, product=request.product
        )
        self.positions[key] = positions.traded(
            position, side=request.side, quantity=quantity, price=at
        )
        _ = self._keep(after, "filled", fill)

    def _keep(self, order: Order, cause: Cause, fill: Fill | None = None) -> Order:
        order = replace(order, changed_us=self._market.now_us)
        self.orders[order.order_id] = order
        self.history.setdefault(order.order_id, []).append((cause, order))
        live = self._live.setdefault(order.request.key, {})
        if order.is_live:
            live[order.order_id] = None
        else:
            _ = live.pop(order.order_id, None)
        self.events.append(Event(account=self.name, cause=cause, order=order, fill=fill))
        return order

    def _live_order(self, order_id: str, busy: str) -> Order:
        order = self.orders.get(order_id)
        if order is None:
            raise Refused(Rejection("unknown_order", "Couldn't find that `order_id`."))
        if not order.is_live:
            raise Refused(Rejection("state", busy))
        return order

    def _instrument(self, request: OrderRequest) -> Instrument:
        instrument = self._market.instruments.by_symbol(request.exchange, request.symbol)
        if instrument is None:
            raise Refused(UNKNOWN_SHARE)
        return instrument

    def _without_holding(self, request: OrderRequest, instead_of: Order | None) -> Rejection | None:
        """Delivery sells what is there and not asked for yet; intraday may sell short."""
        if request.product != "DELIVERY" or request.side != "SELL":
            return None
        position = self.positions.get((request.exchange, request.symbol, request.product))
        asked = sum(
            order.rest
            for order in self.live()
            if order.request.side == "SELL"
            and order.request.product == "DELIVERY"
            and order.request.key == request.key
            and (instead_of is None or order.order_id != instead_of.order_id)
        )
        free = (position.net if position else 0) - asked
        wanted = request.quantity - (instead_of.filled if instead_of else 0)
        if wanted <= free:
            return None
        return Rejection("holding", f"You have {max(free, 0)} shares to sell, not {wanted}.")

    def _without_funds(
        self, request: OrderRequest, instrument: Instrument, instead_of: Order | None
    ) -> Rejection | None:
        trial = Order(
            number=self._number + 1,
            order_id="",
            exchange_order_id="",
            request=request,
            status="OPEN",
            filled=instead_of.filled if instead_of else 0,
        )
        last = self._market.prices_of(instrument).last
        trial = matching.working(trial, last=last, step=instrument.tick_size)
        others = [
            order
            for order in self.live()
            if instead_of is None or order.order_id != instead_of.order_id
        ]
        held = self.positions.values()
        before = positions.blocked(held, others)
        needed = positions.blocked(held, [*others, trial]) - before
        realised = sum(position.realised for position in held)
        free = self.cash + realised - before
        if needed <= max(free, 0):
            return None
        return Rejection(
            "funds",
            f"Insufficient funds. Required margin is {needed / 100:.2f} but available margin is "
            f"{max(free, 0) / 100:.2f}.",
        )
