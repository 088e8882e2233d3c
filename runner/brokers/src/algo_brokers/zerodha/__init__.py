"""Zerodha, Kite Connect v3. `ADAPTER` is all that others use."""

from typing import Final

from algo_brokers.adapters import BrokerAdapter
from algo_brokers.zerodha.auth import ZerodhaAuth
from algo_brokers.zerodha.capabilities import CAPABILITIES
from algo_brokers.zerodha.client import ZerodhaBroker
from algo_brokers.zerodha.instruments import download_instruments, parse_instruments
from algo_brokers.zerodha.stream import streams
from algo_brokers.zerodha.urls import endpoints

ADAPTER: Final = BrokerAdapter(
    capabilities=CAPABILITIES,
    endpoints=endpoints,
    broker=ZerodhaBroker,
    streams=streams,
    login=ZerodhaAuth,
    download_instruments=download_instruments,
    parse_instruments=parse_instruments,
)
