"""What a same-day round trip in cash shares costs, for paper and replay when asked for.

Rates of discount brokers' public price lists from 1 October 2024 (NSE's flat transaction charge,
secondary source); good for comparison, not for tax.
"""

from decimal import ROUND_HALF_UP, Decimal

BROKERAGE_RATE = Decimal("0.0003")
BROKERAGE_CAP = 2_000
"""Paise an executed order: the lower of 0.03 % and ₹20."""

STT_SELL = Decimal("0.00025")
EXCHANGE = Decimal("0.0000297")
SEBI = Decimal("0.000001")
STAMP_BUY = Decimal("0.00003")
GST = Decimal("0.18")


def round_trip_charges(buy_values: list[int], sell_values: list[int]) -> int:
    """Charges in paise for executed orders worth these amounts in paise."""
    bought, sold = sum(buy_values), sum(sell_values)
    brokerage = sum(
        (min(value * BROKERAGE_RATE, Decimal(BROKERAGE_CAP)) for value in buy_values + sell_values),
        Decimal(0),
    )
    exchange = (bought + sold) * EXCHANGE
    sebi = (bought + sold) * SEBI
    taxes = sold * STT_SELL + bought * STAMP_BUY + (brokerage + exchange + sebi) * GST
    return int((brokerage + exchange + sebi + taxes).quantize(Decimal(1), ROUND_HALF_UP))
