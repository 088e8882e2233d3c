"""Dhan's trades, positions, money and quotes as the port's records."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from algo_engine.orders import Side

from algo_brokers.dhan.units import ist_us, nearest_paise, text_of, whole
from algo_brokers.dhan.words import EXCHANGES, PRODUCT_NAMES, SEGMENTS, UNREADABLE
from algo_brokers.errors import DeniedLocally
from algo_brokers.instruments import Instrument
from algo_brokers.order_rows import readable_id
from algo_brokers.port import Funds, Position, Quote, Trade

MAX_QUOTES: Final = 1000
"""Ids in one call. (DhanHQ v2 market quote.)"""

_SIDES: Final[dict[str, Side]] = {"BUY": "BUY", "SELL": "SELL"}


def trade_of(fields: Mapping[str, Any]) -> Trade:
    """A row of the trade book."""
    return Trade(
        order_id=readable_id(fields["orderId"]),
        exchange=EXCHANGES[fields["exchangeSegment"]],
        symbol=text_of(fields["tradingSymbol"]),
        side=_SIDES[fields["transactionType"]],
        quantity=whole(fields["tradedQuantity"]),
        price=nearest_paise(fields["tradedPrice"]),
        time_us=ist_us(text_of(fields["exchangeTime"])),
    )


def position_of(fields: Mapping[str, Any]) -> Position:
    """A row of the positions, in a product that we trade in."""
    return Position(
        exchange=EXCHANGES[fields["exchangeSegment"]],
        symbol=text_of(fields["tradingSymbol"]),
        product=PRODUCT_NAMES[fields["productType"]],
        quantity=whole(fields["netQty"], may_be_negative=True),
        bought=whole(fields["buyQty"]),
        sold=whole(fields["sellQty"]),
    )


def funds_of(fields: Mapping[str, Any]) -> Funds:
    """The fund limit; `availabelBalance` is Dhan's own spelling."""
    return Funds(
        available=nearest_paise(fields["availabelBalance"], may_be_negative=True),
        used=nearest_paise(fields["utilizedAmount"], may_be_negative=True),
    )


def quote_request(instruments: Sequence[Instrument]) -> dict[str, list[int]]:
    """Ids by segment.

    Raises:
        DeniedLocally: more than one call takes.
    """
    if len(instruments) > MAX_QUOTES:
        raise DeniedLocally(f"Dhan quotes {MAX_QUOTES} shares at once, not {len(instruments)}")
    ids: dict[str, list[int]] = {}
    for instrument in instruments:
        ids.setdefault(SEGMENTS[instrument.exchange], []).append(instrument.token)
    return ids


def quotes_of(reply: Mapping[str, Any], instruments: Sequence[Instrument]) -> list[Quote]:
    """The quotes of those shares that the answer has. One that is missing or cannot be read is left
    out: it must not hide the others.
    """
    segments: Mapping[str, Any] = reply["data"]
    found: list[Quote] = []
    for instrument in instruments:
        with suppress(*UNREADABLE):
            shares = segments[SEGMENTS[instrument.exchange]]
            found.append(_quote(instrument, shares[str(instrument.token)]))
    return found


def _quote(instrument: Instrument, fields: Mapping[str, Any]) -> Quote:
    traded = text_of(fields.get("last_trade_time"))
    return Quote(
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        last_price=nearest_paise(fields["last_price"]),
        volume=whole(fields.get("volume")),
        time_us=ist_us(traded) if traded else 0,
        lower_band=nearest_paise(fields.get("lower_circuit_limit")),
        upper_band=nearest_paise(fields.get("upper_circuit_limit")),
    )
