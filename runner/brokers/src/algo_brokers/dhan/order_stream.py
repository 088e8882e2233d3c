"""The socket of order updates, "Live Order Update" in DhanHQ v2: a log-in message, then silence
until an order changes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.dhan.parsing import UNREADABLE, pushed_row, text_of
from algo_brokers.instruments import Instrument
from algo_brokers.parsing import exact_json
from algo_brokers.streaming import MalformedFrame, MarketTick, StreamMessage
from algo_brokers.urls import Endpoints

LOGIN_CODE: Final = 42


class OrderStream:
    """Implements `wire.Wire` without prices."""

    name = "orders"
    instruments_limit = 0
    stamps_trades = False

    def __init__(self, endpoints: Endpoints, session: BrokerSession) -> None:
        """Connects nothing."""
        self._address: Final = endpoints.orders
        self._session: Final = session

    def url(self) -> str:
        """See `wire.Wire`."""
        return self._address

    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    def hello(self) -> Sequence[str | bytes]:
        """The log-in; Dhan does not confirm it."""
        request = {
            "MsgCode": LOGIN_CODE,
            "ClientId": self._session.client_id,
            "Token": self._session.access_token,
        }
        return (json.dumps({"LoginReq": request, "UserType": "SELF"}),)

    def subscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """Nothing: it tells of all orders."""
        del instruments
        return ()

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """Nothing."""
        del instruments
        return ()

    def key(self, instrument: Instrument) -> int:
        """The security id; no tick comes here."""
        return instrument.token

    def ticks(self, frame: bytes) -> list[MarketTick]:
        """None."""
        del frame
        return []

    def said(self, frame: bytes | str) -> StreamMessage:
        """See `wire.Wire`. Fills are the order's totals."""
        try:
            message: Any = exact_json(frame)
        except ValueError:
            raise MalformedFrame("an order update that is not JSON") from None
        if not isinstance(message, dict):
            raise MalformedFrame("an order update that is no object")
        lower = {str(name).lower(): value for name, value in message.items()}
        if lower.get("type") != "order_alert":
            kind = text_of(lower.get("type"))[:40]
            return StreamMessage(notices=(f"Dhan sent a message of kind {kind!r}",))
        data = lower.get("data")
        if not isinstance(data, dict):
            raise MalformedFrame("an order update without an order")
        try:
            row = pushed_row(data)
        except UNREADABLE as error:
            return StreamMessage(
                notices=(f"an order of others is unreadable: {type(error).__name__}",)
            )
        notices = (row.message,) if row.message and row.status in ("OPEN", "PENDING") else ()
        return StreamMessage(orders=(row,), notices=notices)
