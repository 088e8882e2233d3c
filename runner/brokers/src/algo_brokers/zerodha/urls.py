"""Where Zerodha is, and the headers of its calls."""

from typing import Final

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.urls import Endpoints

REST: Final = "https://api.kite.trade"
LOGIN: Final = "https://kite.zerodha.com/connect/login"
MARKET: Final = "wss://ws.kite.trade"

VERSION: Final = {"X-Kite-Version": "3", "User-Agent": "algo-trading"}
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def endpoints(base_url: str | None, feed_url: str | None) -> Endpoints:
    """Zerodha's addresses, or those under an account's own baseUrl and feedUrl. Orders are pushed
    on the market's socket.
    """
    rest = (base_url or REST).rstrip("/")
    return Endpoints(
        rest=rest,
        login=f"{rest}/connect/login" if base_url else LOGIN,
        master=f"{rest}/instruments",
        market=(feed_url or MARKET).rstrip("/"),
        orders="",
    )


def headers(session: BrokerSession) -> dict[str, str]:
    """Of every call of a session."""
    return VERSION | {"Authorization": f"token {session.api_key}:{session.access_token}"}
