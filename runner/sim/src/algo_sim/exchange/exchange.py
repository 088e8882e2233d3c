"""The exchange: all accounts over one floor, moved by ticks and by time."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from algo_contract import calendar
from algo_contract.trading_day import ist_datetime
from algo_engine.tick_file import FileTick

from algo_sim.exchange.account import AccountSettings, ExchangeAccount
from algo_sim.exchange.candles import Candles
from algo_sim.exchange.instruments import Instruments
from algo_sim.exchange.market_state import MarketState, traded
from algo_sim.exchange.order_checks import Hours
from algo_sim.exchange.orders import Event, FillRule, Order, OrderRequest

AUCTION_TEXT: Final = "Cancelled by the exchange: the closing auction begins"
CLOSE_TEXT: Final = "Cancelled by the exchange: end of the day"
SQUARE_OFF_TEXT: Final = "Squared off by the broker"
_SECOND: Final = 1_000_000


class Exchange:
    """Deterministic: the same calls give the same events."""

    def __init__(
        self, instruments: Instruments, *, start_us: int, fill: FillRule = "whole"
    ) -> None:
        """Stands at `start_us` (µs since the epoch) until moved."""
        self.market: Final = MarketState(instruments=instruments, now_us=start_us, fill=fill)
        self.accounts: Final[dict[str, ExchangeAccount]] = {}
        self.candles: Final = Candles()
        self.auction_us = calendar.closing_auction_us(self.day)
        self._square_offs: Final[dict[str, str]] = {}
        self._done: set[str] = set()

    @property
    def day(self) -> dt.date:
        """The exchange's date."""
        return ist_datetime(self.market.now_us).date()

    def open_account(self, settings: AccountSettings, *, square_off: str = "") -> ExchangeAccount:
        """A broker's account; `square_off` HH:MM:SS instead of the broker's dated time."""
        self._square_offs[settings.name] = square_off
        hours = self._hours(settings.name)
        account = ExchangeAccount(settings, market=self.market, hours=hours)
        self.accounts[settings.name] = account
        return account

    def force_auction(self, clock: str) -> None:
        """Holds a closing auction at HH:MM:SS on a day that had none."""
        self.auction_us = self.at(clock)
        self._set_hours()

    def set_square_off(self, account: str, clock: str) -> None:
        """Moves the time at which an account's intraday positions are closed."""
        self._square_offs[account] = clock
        self._set_hours()

    def at(self, clock: str) -> int:
        """HH:MM or HH:MM:SS of the exchange's day in µs since the epoch."""
        midnight = dt.datetime.combine(self.day, dt.time(), calendar.IST)
        return calendar.microseconds(midnight) + calendar.seconds_of_day(clock) * _SECOND

    def tick(self, tick: FileTick) -> None:
        """One recorded trade: moves the clock to it, the price, and fills what it meets."""
        exchange, symbol, time_us, price, quantity, volume = tick
        self.move_to(time_us)
        instrument = self.market.instruments.by_symbol(exchange, symbol)
        if instrument is None:
            return
        key = instrument.key
        self.market.prices[key] = traded(
            self.market.prices_of(instrument),
            price=price,
            quantity=quantity,
            volume=volume,
            time_us=time_us,
        )
        self.candles.add(key, price=price, quantity=quantity, time_us=time_us)
        self.market.offered[key] = quantity
        for account in self.accounts.values():
            account.trade(instrument, price)

    def move_to(self, time_us: int) -> None:
        """Moves the clock forward; what the day's rules do on the way is done at its time."""
        for due_us, name, act in self._due(time_us):
            self.market.now_us = max(self.market.now_us, due_us)
            self._done.add(name)
            act()
        self.market.now_us = max(self.market.now_us, time_us)

    def next_day(self, start_us: int) -> None:
        """A new day: accounts, prices and bars begin again; last prices become closes."""
        market = self.market
        market.instruments = Instruments(
            replace(instrument, previous_close=market.prices_of(instrument).last)
            for instrument in market.instruments
        )
        market.prices.clear()
        market.offered.clear()
        market.is_trading = True
        market.now_us = start_us
        self.auction_us = calendar.closing_auction_us(self.day)
        self._done.clear()
        for account in self.accounts.values():
            account.begin_day()
        self._set_hours()

    def take_events(self) -> list[Event]:
        """What happened to orders since the last call."""
        return [event for account in self.accounts.values() for event in account.take_events()]

    def square_off(self, account: ExchangeAccount) -> None:
        """Cancels an account's intraday orders and closes its intraday positions at the market."""
        for order in account.live():
            if order.request.product == "INTRADAY":
                _ = account.cancel(order.order_id, message=SQUARE_OFF_TEXT)
        for position in list(account.positions.values()):
            if position.product == "INTRADAY" and position.net:
                _ = account.place(
                    OrderRequest(
                        exchange=position.exchange,
                        symbol=position.symbol,
                        side="SELL" if position.net > 0 else "BUY",
                        type="MARKET",
                        quantity=abs(position.net),
                        protection=-1,
                    ),
                    origin="broker",
                )

    def _due(self, time_us: int) -> list[tuple[int, str, Callable[[], None]]]:
        rules: list[tuple[int, str, Callable[[], None]]] = []
        if self.auction_us is not None:
            rules.append((self.auction_us, "auction", self._begin_auction))
        for account in self.accounts.values():
            at = account.hours.square_off_us
            rules.append(
                (at, f"square-off {account.name}", lambda account=account: self.square_off(account))
            )
            rules.append((account.hours.closes_us, "close", self._close))
        due = [rule for rule in rules if rule[0] <= time_us and rule[1] not in self._done]
        return sorted(due, key=lambda rule: rule[:2]) if due else due

    def _begin_auction(self) -> None:
        """The exchange cancels resting stops and disclosed quantities of shares that close by
        auction (NSE/CMTR/74466).
        """
        for account, order in self._all_live():
            instrument = self.market.instruments.by_symbol(*order.request.key)
            if instrument is None or not instrument.has_closing_auction:
                continue
            if order.status == "TRIGGER_PENDING" or order.request.disclosed_quantity:
                _ = account.cancel(order.order_id, message=AUCTION_TEXT)

    def _close(self) -> None:
        self.market.is_trading = False
        for account, order in self._all_live():
            _ = account.cancel(order.order_id, message=CLOSE_TEXT, expired=True)

    def _all_live(self) -> list[tuple[ExchangeAccount, Order]]:
        return [(account, order) for account in self.accounts.values() for order in account.live()]

    def _set_hours(self) -> None:
        for account in self.accounts.values():
            account.hours = self._hours(account.name)

    def _hours(self, account: str) -> Hours:
        day = self.day
        found = calendar.session(day, broker=account, has_closing_auction=False)
        own = self._square_offs.get(account)
        return Hours(
            opens_us=found.pre_open_us,
            closes_us=found.close_us,
            square_off_us=self.at(own) if own else calendar.square_off_us(day, broker=account),
            auction_us=self.auction_us,
        )
