"""The brokers there are: the one place that knows them all. Each is loaded when it is asked for,
so that a process carries only the one it trades with.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, cast

from algo_contract.broker_session import BrokerSession

from algo_brokers.capabilities import Capabilities
from algo_brokers.http import Http
from algo_brokers.instruments import Instrument
from algo_brokers.port import Broker
from algo_brokers.wire import Endpoints, Wire

LIVE: Final = ("zerodha", "dhan")
"""Brokers that live strategies may use in this release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a broker must know to trade one share for one strategy."""

    instrument: Instrument
    product: str
    """Intraday or Delivery."""

    trading_day: str


class Login(Protocol):
    """How an account logs in at a broker."""

    def url(self, secrets: dict[str, str]) -> str:
        """Where a person logs in; empty where the broker needs none."""
        ...

    async def login(
        self, http: Http, secrets: dict[str, str], *, callback: dict[str, str], now_us: int
    ) -> BrokerSession:
        """A new session. `callback` is what the browser log-in returned, empty without one.

        Raises:
            Rejected: the secrets or the callback are not good (any more); a person must act.
            Unresolved, RateLimited: try again later.
        """
        ...

    async def renew(self, http: Http, session: BrokerSession, *, now_us: int) -> BrokerSession:
        """The session, good for longer.

        Raises:
            Rejected: this broker has no renewal; log in.
            TokenExpired: it is too late for that; log in.
            Unresolved, RateLimited: try again later.
        """
        ...

    async def observed_address(self, http: Http, session: BrokerSession) -> str:
        """The address that the broker sees us come from; empty where it does not tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One broker's implementation."""

    capabilities: Capabilities
    endpoints: Callable[[str | None, str | None], Endpoints]
    """From the account's baseUrl and feedUrl; the broker's own addresses without them."""

    broker: Callable[[Http, Endpoints, BrokerSession, Desk | None], Broker]
    """`Desk` is None for one that only reads (feed, broker-check)."""

    wires: Callable[[Endpoints, BrokerSession], tuple[Wire, ...]]
    """The WebSockets of an account, the market's first."""

    login: Callable[[Endpoints], Login]
    download_master: Callable[[Http, Endpoints, BrokerSession], AsyncIterator[bytes]]
    """The instrument master as it comes, in pieces."""

    parse_master: Callable[[Iterator[str]], Iterator[Instrument]]
    """Its lines as instruments of NSE and BSE shares; unreadable rows are passed over."""


def kind(broker: str) -> Kind:
    """A broker's implementation.

    Raises:
        ValueError: this release does not have it.
    """
    if broker not in LIVE:
        raise ValueError(f"this release does not trade through {broker}")
    return cast("Kind", import_module(f"algo_brokers.{broker}").KIND)
