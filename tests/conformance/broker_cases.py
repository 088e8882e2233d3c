"""What differs between the brokers, as far as the scenarios must know it: a column each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from algo_engine.orders import OrderStatus
from support.servers.sim_server import Simulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One broker."""

    broker: str
    secrets: dict[str, str]
    wrong: dict[str, str]
    """A secret that is not good."""

    callback: Callable[[Simulator], Awaitable[dict[str, str]]]
    """What a person's browser brings back."""

    renews: bool
    tells_address: bool
    refused_at_once: frozenset[str]
    """Of the scenarios' bad orders those that the answer refuses; others show up as rejected."""

    fired_stop: OrderStatus
    """How a stop looks that fired and did not fill."""

    crossed_stop: str
    """What becomes of a stop that the last price has passed: `refused`, or it `fires`."""

    most_quantity: int
    """The largest last quantity that a packet can tell."""

    pushes_acceptance: bool
    """Whether an update comes when an order is taken, not only when something becomes of it."""

    bad_token: str
    """What the market's socket does with a dead token: `handshake` or `packet`."""

    illegal: tuple[tuple[str, str], ...]
    """(exchange, type) that the broker takes no orders of."""


async def _browser(sim: Simulator) -> dict[str, str]:
    return {"status": "success", "request_token": await sim.zerodha_request_token()}


async def _nothing(_: Any) -> dict[str, str]:
    return {}


ZERODHA = Column(
    broker="zerodha",
    secrets={"api_key": "simkey", "api_secret": "simsecret", "user_id": "SIM001"},
    wrong={"api_secret": "wrong"},
    callback=_browser,
    renews=False,
    tells_address=False,
    refused_at_once=frozenset({"funds", "freeze", "tick_size"}),
    fired_stop="OPEN",
    crossed_stop="refused",
    most_quantity=2**32 - 1,
    pushes_acceptance=False,
    bad_token="handshake",
    illegal=(("BSE", "STOP_MARKET"),),
)

DHAN = Column(
    broker="dhan",
    secrets={"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"},
    wrong={"pin": "000000"},
    callback=_nothing,
    renews=True,
    tells_address=True,
    refused_at_once=frozenset({"tick_size", "intraday_closed"}),
    fired_stop="TRIGGER_PENDING",
    crossed_stop="fires",
    most_quantity=2**16 - 1,
    pushes_acceptance=True,
    bad_token="packet",
    illegal=(("NSE", "STOP_MARKET"), ("BSE", "STOP_MARKET")),
)

COLUMNS = (ZERODHA, DHAN)
