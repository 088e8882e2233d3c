"""Dhan: DhanHQ API v2."""

from typing import Final

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.adapters import BrokerAdapter
from algo_brokers.dhan.auth import DhanAuth
from algo_brokers.dhan.capabilities import CAPABILITIES
from algo_brokers.dhan.client import DhanBroker
from algo_brokers.dhan.instruments import download_instruments, parse_instruments
from algo_brokers.dhan.market_stream import MarketStream
from algo_brokers.dhan.order_stream import OrderStream
from algo_brokers.dhan.urls import endpoints
from algo_brokers.streaming import StreamCodec
from algo_brokers.urls import Endpoints


def _streams(where: Endpoints, session: BrokerSession) -> tuple[StreamCodec, ...]:
    return MarketStream(where, session), OrderStream(where, session)


ADAPTER: Final = BrokerAdapter(
    capabilities=CAPABILITIES,
    endpoints=endpoints,
    broker=DhanBroker,
    streams=_streams,
    login=DhanAuth,
    download_instruments=download_instruments,
    parse_instruments=parse_instruments,
)
