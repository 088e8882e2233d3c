"""KiteTicker against a simulator: zerodha_ticker.py ROOT API_KEY ACCESS_TOKEN."""

import sys
from collections.abc import Callable
from typing import Any

import talk
from kiteconnect import KiteTicker
from twisted.internet import reactor
from twisted.internet.threads import blockingCallFromThread

talk.stay_on_loopback()
root, api_key, token = sys.argv[1:]
# Trying again at once keeps the scenario short; the SDK's own delays start at a second or two.
ticker = KiteTicker(api_key, token, root=root, reconnect_max_tries=5, reconnect_max_delay=5)
ticker.on_ticks = lambda _, ticks: talk.event("ticks", ticks)
ticker.on_connect = lambda _, __: talk.event("connected")
ticker.on_close = lambda _, code, reason: talk.event("closed", [code, reason])
ticker.on_error = lambda _, code, reason: talk.event("error", [code, reason])
ticker.on_reconnect = lambda _, attempts: talk.event("reconnects", attempts)
ticker.on_order_update = lambda _, order: talk.event("order", order)


def in_reactor(name: str) -> Callable[..., Any]:
    """The SDK's calls belong on the reactor's thread."""
    return lambda *args: blockingCallFromThread(reactor, getattr(ticker, name), *args)


ticker.connect(threaded=True)
talk.answer_calls(in_reactor)
