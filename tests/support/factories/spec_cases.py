"""Specs that every door must take, and specs that every door must refuse."""

from typing import Any

STRATEGIES = "/apis/algotrading.io/v1alpha1/namespaces/default/tradingstrategies"
ACCOUNTS = "/apis/algotrading.io/v1alpha1/namespaces/default/brokeraccounts"
Spec = dict[str, Any]

GOOD: Spec = {
    "symbol": "RELIANCE",
    "buyTime": "09:20:00",
    "sellTime": "15:05:00",
    "stopLoss": 2890.5,
    "quantity": 10,
}
PERCENT: Spec = {"stopLoss": None, "stopLossPercent": 1.5}
LIMIT: Spec = {"orderType": "Limit", "limitPrice": 2950}


def spec(changes: Spec) -> Spec:
    """The good spec with changes; None takes a field out."""
    return {name: value for name, value in (GOOD | changes).items() if value is not None}


TAKEN: dict[str, Spec] = {
    "as it is": {},
    "a whole-number price": {"stopLoss": 2890},
    "the highest price": {"stopLoss": 999_999.99},
    "the lowest price": {"stopLoss": 0.01},
    "a price that no double holds": {"stopLoss": 0.29},
    "a percentage": PERCENT,
    "the lowest percentage": PERCENT | {"stopLossPercent": 0.01},
    "the highest percentage": PERCENT | {"stopLossPercent": 99.99},
    "a whole-number percentage": PERCENT | {"stopLossPercent": 2},
    "a limit order": LIMIT,
    "a target": {"target": 2990.0},
    "a percent target": {"targetPercent": 2.5},
    "a percent stop and a target": PERCENT | {"target": 1.5},
    "a trailing stop": {"trailingStopPercent": 0.8},
    "one share": {"quantity": 1},
    "a million shares": {"quantity": 1_000_000},
    "a quantity with a point and nothing behind": {"quantity": 10.0},
    "the whole session": {"buyTime": "09:15:00", "sellTime": "15:30:00"},
    "one second": {"buyTime": "09:20:00", "sellTime": "09:20:01"},
    "BSE": {"exchange": "BSE"},
    "an ampersand": {"symbol": "M&M"},
    "a hyphen": {"symbol": "BAJAJ-AUTO"},
    "a digit first": {"symbol": "3MINDIA"},
    "delivery": {"product": "Delivery"},
    "live": {"mode": "Live", "brokerAccount": "my-dhan"},
    "paper on an account's feed": {"brokerAccount": "my-dhan"},
    "paused": {"desiredState": "Paused"},
    "one weekday": {"tradingDays": ["Fri"]},
    "a single day": {"startDate": "2026-11-23", "endDate": "2026-11-23"},
    "the longest grace": {"entryGraceSeconds": 3600},
}

MANDATORY = "Stop-loss is mandatory: give exactly one of stopLoss and stopLossPercent"

RULED: dict[str, tuple[Spec, str]] = {
    "no stop-loss": ({"stopLoss": None}, MANDATORY),
    "both kinds of stop-loss": ({"stopLossPercent": 1.5}, MANDATORY),
    "sell before buy": ({"sellTime": "09:19:59"}, "sellTime must be after buyTime"),
    "sell at the buy time": ({"sellTime": "09:20:00"}, "sellTime must be after buyTime"),
    "buy before the open": (
        {"buyTime": "09:14:59"},
        "buyTime must not be before the market opens at 09:15:00",
    ),
    "sell after the close": (
        {"sellTime": "15:30:01"},
        "sellTime must not be after the market closes at 15:30:00",
    ),
    "a limit order without a limit": (
        {"orderType": "Limit"},
        "limitPrice goes with orderType Limit, and only with it",
    ),
    "a limit on a market order": (
        {"limitPrice": 2950},
        "limitPrice goes with orderType Limit, and only with it",
    ),
    "both kinds of target": (
        {"target": 2990, "targetPercent": 2},
        "give at most one of target and targetPercent",
    ),
    "a target under the stop": ({"target": 2880.5}, "target must be above stopLoss"),
    "a target at the stop": ({"target": 2890.5}, "target must be above stopLoss"),
    "a limit under the stop": (LIMIT | {"limitPrice": 2800}, "limitPrice must be above stopLoss"),
    "a limit at the stop": (LIMIT | {"limitPrice": 2890.5}, "limitPrice must be above stopLoss"),
    "a target under the limit": (LIMIT | {"target": 2940}, "target must be above limitPrice"),
    "a last day before the first": (
        {"startDate": "2026-11-24", "endDate": "2026-11-23"},
        "endDate must not be before startDate",
    ),
    "live without an account": ({"mode": "Live"}, "mode Live needs a brokerAccount"),
    "three decimals in stopLoss": (
        {"stopLoss": 2890.505},
        "stopLoss must have at most two decimals",
    ),
    "three decimals in stopLossPercent": (
        PERCENT | {"stopLossPercent": 1.505},
        "stopLossPercent must have at most two decimals",
    ),
    "three decimals in limitPrice": (
        LIMIT | {"limitPrice": 2950.001},
        "limitPrice must have at most two decimals",
    ),
    "three decimals in target": ({"target": 2990.999}, "target must have at most two decimals"),
    "three decimals in targetPercent": (
        {"targetPercent": 0.015},
        "targetPercent must have at most two decimals",
    ),
    "three decimals in trailingStopPercent": (
        {"trailingStopPercent": 0.125},
        "trailingStopPercent must have at most two decimals",
    ),
    "less than a paisa": ({"stopLoss": 0.001}, "stopLoss must have at most two decimals"),
}
"""Refused by a rule, with these words at every door."""

MALFORMED: dict[str, tuple[Spec, str]] = {
    "no symbol": ({"symbol": None}, "symbol"),
    "no buyTime": ({"buyTime": None}, "buyTime"),
    "no sellTime": ({"sellTime": None}, "sellTime"),
    "no quantity": ({"quantity": None}, "quantity"),
    "quantity 0": ({"quantity": 0}, "quantity"),
    "a negative quantity": ({"quantity": -1}, "quantity"),
    "quantity 1e9": ({"quantity": 1_000_000_000}, "quantity"),
    "a part of a share": ({"quantity": 1.5}, "quantity"),
    "a quantity in quotes": ({"quantity": "10"}, "quantity"),
    "a quantity of true": ({"quantity": True}, "quantity"),
    "a price in quotes": ({"stopLoss": "2890.5"}, "stopLoss"),
    "a price of true": ({"stopLoss": True}, "stopLoss"),
    "a price of 0": ({"stopLoss": 0}, "stopLoss"),
    "a negative price": ({"stopLoss": -5}, "stopLoss"),
    "a price of a million": ({"stopLoss": 1_000_000}, "stopLoss"),
    "0 percent": (PERCENT | {"stopLossPercent": 0}, "stopLossPercent"),
    "100 percent": (PERCENT | {"stopLossPercent": 100}, "stopLossPercent"),
    "a time without its zero": ({"buyTime": "9:20:00"}, "buyTime"),
    "a time without seconds": ({"buyTime": "09:20"}, "buyTime"),
    "an impossible hour": ({"sellTime": "25:00:00"}, "sellTime"),
    "an impossible minute": ({"sellTime": "14:60:00"}, "sellTime"),
    "a time as a number": ({"sellTime": 54300}, "sellTime"),
    "a time with a line end": ({"buyTime": "09:20:00\n"}, "buyTime"),
    "an unknown exchange": ({"exchange": "MCX"}, "exchange"),
    "a symbol in small letters": ({"symbol": "reliance"}, "symbol"),
    "an empty symbol": ({"symbol": ""}, "symbol"),
    "a symbol with a brace": ({"symbol": "A}B"}, "symbol"),
    "a symbol with a line end": ({"symbol": "RELIANCE\n"}, "symbol"),
    "a very long symbol": ({"symbol": "A" * 33}, "symbol"),
    "an unknown product": ({"product": "Carry"}, "product"),
    "an unknown order type": ({"orderType": "SL"}, "orderType"),
    "an unknown mode": ({"mode": "live"}, "mode"),
    "an unknown wish": ({"desiredState": "Running"}, "desiredState"),
    "an empty account": ({"brokerAccount": ""}, "brokerAccount"),
    "no weekday": ({"tradingDays": []}, "tradingDays"),
    "a weekend": ({"tradingDays": ["Sat"]}, "tradingDays"),
    "a weekday twice": ({"tradingDays": ["Mon", "Mon"]}, "tradingDays"),
    "a date by its month": ({"startDate": "23-11-2026"}, "startDate"),
    "an impossible month": ({"endDate": "2026-13-01"}, "endDate"),
    "no grace": ({"entryGraceSeconds": 0}, "entryGraceSeconds"),
    "more than an hour's grace": ({"entryGraceSeconds": 3601}, "entryGraceSeconds"),
    "an unknown field": ({"stoploss": 2890.5}, "stoploss"),
}
"""Refused for a field's form; every door names the field."""
