"""A broker's front desk: its account at the exchange, its faults, and the way of every call."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from aiohttp import web

from algo_sim.exchange.account import ExchangeAccount
from algo_sim.exchange.exchange import Exchange
from algo_sim.exchange.orders import Cause, Event, Order, OrderRequest
from algo_sim.faults import UPDATE_FAULTS, Fault, Faults
from algo_sim.protocol import ApiError, PriceUpdate
from algo_sim.rate_limits import RateLimits

WRITES: Final = frozenset({"place", "modify", "cancel"})
NEVER_SECONDS: Final = 600.0
"""For how long `accept_and_never_answer` keeps a connection; the caller gives up long before."""

Flush = Callable[[], Awaitable[None]]
Work = Callable[[], web.StreamResponse]


@dataclass(slots=True)
class SimulatedBroker:
    """What protocols build on."""

    name: str
    exchange: Exchange
    account: ExchangeAccount
    limits: RateLimits
    flush: Flush
    """Hands on what happened at the exchange; set by the world."""

    master_rows: int = 0
    """How many rows the instrument master has, about."""

    silent: frozenset[Cause] = frozenset()
    """What this broker does not push."""

    packets: str = "clock"
    """When prices are sent: with every move of the clock too, or at a `change` alone."""

    last_trade: str = "clock"
    """What stands for the last trade's time while there is none: the clock, or the last trade of
    the `previous_day`. For brokers whose packets tell no other time.
    """

    registered_ip: str = ""
    """Orders from other addresses are refused; empty: from none."""

    requests: Counter[str] = field(default_factory=Counter[str])
    """By method and route."""

    faults: Faults = field(default_factory=lambda: Faults(time.monotonic))
    _hidden: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _unvalidated: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _held: list[Event] = field(default_factory=list[Event], init=False)

    async def answer(
        self,
        request: web.Request,
        *,
        operation: str,
        limit: str,
        is_known: Callable[[], bool],
        work: Work,
        error: Callable[[ApiError], web.Response],
    ) -> web.StreamResponse:
        """One REST call, with all that can go wrong on its way.

        Args:
            request: as it came.
            operation: place, modify, cancel, orders (reads of the book), or another word.
            limit: the class of calls it counts under.
            is_known: whether the caller's token is good.
            work: does it; called once, or not at all.
            error: the broker's own body of a problem.
        """
        resource = request.match_info.route.resource
        self.requests[f"{request.method} {resource.canonical if resource else ''}"] += 1
        try:
            self._admit(request, operation, limit, is_known)
            fault = self.faults.strike("drop_connection_before_taking", on=operation)
            if fault is not None:
                return _dropped(request)
            response = work()
        except ApiError as problem:
            return error(problem)
        await self.flush()
        return await self._after(request, operation, response, error)

    def place(self, wanted: OrderRequest) -> Order:
        """Takes an order, or takes and rejects it where that was armed.

        Raises:
            Refused: the share is not listed.
        """
        rejected = self.faults.strike("reject", on="place")
        order = self.account.place(wanted, rejected="RMS: rejected on command" if rejected else "")
        for name, late_until in (("late_book", self._hidden), ("late_status", self._unvalidated)):
            late = self.faults.strike(name, on="place")
            if late is not None:
                late_until[order.order_id] = time.monotonic() + late.seconds
        return order

    def modify(self, order_id: str, wanted: OrderRequest) -> Order:
        """Changes an order, unless armed otherwise.

        Raises:
            Problem: refused on command.
            Refused: by the exchange's rules.
        """
        if self.faults.strike("reject_modify", on="modify"):
            raise ApiError("reject_modify")
        if self.faults.strike("ignore_modify", on="modify"):
            return self.account.leave(order_id)
        return self.account.modify(order_id, wanted)

    def visible(self) -> list[Order]:
        """The book as calls show it, oldest first: orders may come into it late."""
        return [order for order in self.account.orders.values() if self.shows(order.order_id)]

    def whole_book(self) -> list[Order]:
        """The book as the call for all of it shows it: its newest rows may be missing."""
        rows = self.visible()
        short = self.faults.strike("short_book", on="orders")
        return rows[: max(len(rows) - short.rows, 0)] if short else rows

    def shows(self, order_id: str) -> bool:
        """Whether calls show an order yet."""
        return self._hidden.get(order_id, 0.0) <= time.monotonic()

    def is_unvalidated(self, order_id: str) -> bool:
        """Whether calls still show an order as received and no more."""
        return self._unvalidated.get(order_id, 0.0) > time.monotonic()

    def clear_faults(self) -> None:
        """Disarms all faults; what was held late shows at once."""
        self.faults.clear()
        self._hidden.clear()
        self._unvalidated.clear()

    def updates(self, events: Sequence[Event]) -> list[Event]:
        """The order updates to push for what happened: some may be lost, doubled, or held back
        behind the next.
        """
        told: list[Event] = []
        for event in events:
            if event.cause in self.silent:
                continue
            fault = self.faults.strike(*UPDATE_FAULTS)
            name = fault.name if fault else ""
            if name == "reorder_updates":
                self._held.append(event)
                continue
            if name != "lose_updates":
                told.append(event)
            if name == "duplicate_updates":
                told.append(event)
            told += self._held
            self._held.clear()
        return told

    def shown(self, prices: Sequence[PriceUpdate]) -> Sequence[PriceUpdate]:
        """The prices to send: none from a frozen feed, stamped ahead where armed."""
        if self.faults.is_armed("freeze_feed"):
            return ()
        if not self.faults.is_armed("future_stamps"):
            return prices
        return [self._stamped(shown) for shown in prices]

    def frame(self, frame: bytes) -> bytes:
        """The frame to send: garbled where that is armed."""
        if self.faults.strike("garbled_ticks") is None:
            return frame
        return frame[: max(len(frame) * 2 // 3, 3)] + b"\xff"

    def strike_stops(self) -> None:
        """Cancels a resting stop by itself, where that is armed."""
        if self.faults.is_armed("cancel_stop") is None:
            return
        for order in self.account.live():
            rests = order.status == "TRIGGER_PENDING"
            if rests and self.faults.strike("cancel_stop") is not None:
                _ = self.account.cancel(order.order_id, message="Cancelled by the exchange")

    def _stamped(self, shown: PriceUpdate) -> PriceUpdate:
        fault: Fault | None = self.faults.strike("future_stamps")
        ahead = int(fault.seconds * 1_000_000) if fault else 0
        if not ahead:
            return shown
        stamp_us = shown.stamp_us + ahead
        return PriceUpdate(shown.instrument, replace(shown.prices, trade_us=stamp_us), stamp_us)

    def _admit(
        self, request: web.Request, operation: str, limit: str, is_known: Callable[[], bool]
    ) -> None:
        """Raises the problem that keeps a call out."""
        if self.faults.strike("rate_limit", on=operation) or not self.limits.allow(
            limit, now=time.time()
        ):
            raise ApiError("rate_limit")
        if self.faults.strike("token_expired", on=operation) or not is_known():
            raise ApiError("token_expired")
        is_write = operation in WRITES
        is_other = self.registered_ip not in {"", request.remote}
        if self.faults.strike("address_refused", on=operation) or (is_write and is_other):
            raise ApiError("address_refused")
        if self.faults.strike("server_error", on=operation):
            raise ApiError("server_error")
        if self.faults.strike("refuse", on=operation):
            raise ApiError("refuse")

    async def _after(
        self,
        request: web.Request,
        operation: str,
        response: web.StreamResponse,
        error: Callable[[ApiError], web.Response],
    ) -> web.StreamResponse:
        fault = self.faults.strike(
            "accept_and_never_answer",
            "answer_late",
            "server_error_after_taking",
            "drop_connection_after_taking",
            on=operation,
        )
        match fault.name if fault else "":
            case "accept_and_never_answer":
                await asyncio.sleep(NEVER_SECONDS)
                return _dropped(request)
            case "answer_late":
                await asyncio.sleep(fault.seconds if fault else 0)
            case "server_error_after_taking":
                return error(ApiError("server_error"))
            case "drop_connection_after_taking":
                return _dropped(request)
            case _:
                pass
        return response


def _dropped(request: web.Request) -> web.Response:
    """Cuts the connection without a word; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
