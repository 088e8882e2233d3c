"""Dhan: DhanHQ API v2."""

from typing import Final

from algo_contract.broker_session import BrokerSession

from algo_brokers.dhan.capabilities import CAPABILITIES
from algo_brokers.dhan.endpoints import endpoints
from algo_brokers.dhan.login import DhanLogin
from algo_brokers.dhan.market_wire import MarketWire
from algo_brokers.dhan.master import download_master, parse_master
from algo_brokers.dhan.orders_wire import OrdersWire
from algo_brokers.dhan.rest import DhanBroker
from algo_brokers.kinds import Kind
from algo_brokers.wire import Endpoints, Wire


def _wires(where: Endpoints, session: BrokerSession) -> tuple[Wire, ...]:
    return MarketWire(where, session), OrdersWire(where, session)


KIND: Final = Kind(
    capabilities=CAPABILITIES,
    endpoints=endpoints,
    broker=DhanBroker,
    wires=_wires,
    login=DhanLogin,
    download_master=download_master,
    parse_master=parse_master,
)
