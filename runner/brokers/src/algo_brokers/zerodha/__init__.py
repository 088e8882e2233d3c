"""Zerodha, Kite Connect v3. `KIND` is all that others use."""

from typing import Final

from algo_brokers.kinds import Kind
from algo_brokers.zerodha.capabilities import CAPABILITIES
from algo_brokers.zerodha.endpoints import endpoints
from algo_brokers.zerodha.login import ZerodhaLogin
from algo_brokers.zerodha.master import download_master, parse_master
from algo_brokers.zerodha.rest import ZerodhaBroker
from algo_brokers.zerodha.wire import wires

KIND: Final = Kind(
    capabilities=CAPABILITIES,
    endpoints=endpoints,
    broker=ZerodhaBroker,
    wires=wires,
    login=ZerodhaLogin,
    download_master=download_master,
    parse_master=parse_master,
)
