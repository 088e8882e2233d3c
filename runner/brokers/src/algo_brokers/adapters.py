"""The brokers there are: the one place that knows them all. Each is loaded when it is asked for,
so that a process carries only the one it trades with.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from algo_contract.brokers import LIVE_BROKERS
from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.capabilities import Capabilities
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument
from algo_brokers.port import Broker, Login
from algo_brokers.streaming import StreamCodec
from algo_brokers.urls import Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingContext:
    """What a broker must know to trade one share for one strategy."""

    instrument: Instrument
    product: str
    """Intraday or Delivery."""

    trading_day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAdapter:
    """One broker's implementation."""

    capabilities: Capabilities
    endpoints: Callable[[str | None, str | None], Endpoints]
    """From the account's baseUrl and feedUrl; the broker's own addresses without them."""

    broker: Callable[[HttpClient, Endpoints, BrokerSession, TradingContext | None], Broker]
    """The context is None for one that only reads (feed, broker-check)."""

    streams: Callable[[Endpoints, BrokerSession], tuple[StreamCodec, ...]]
    """The WebSockets of an account, the market's first."""

    login: Callable[[Endpoints], Login]
    download_instruments: Callable[[HttpClient, Endpoints, BrokerSession], AsyncIterator[bytes]]
    """The instrument master as it comes, in pieces."""

    parse_instruments: Callable[[Iterator[str]], Iterator[Instrument]]
    """Its lines as instruments of NSE and BSE shares; unreadable rows are passed over."""


def adapter(broker: str) -> BrokerAdapter:
    """A broker's implementation.

    Raises:
        ValueError: this release does not have it.
    """
    if broker not in LIVE_BROKERS:
        raise ValueError(f"this release does not trade through {broker}")
    return cast("BrokerAdapter", import_module(f"algo_brokers.{broker}").ADAPTER)
