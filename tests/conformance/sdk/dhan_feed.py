"""MarketFeed against a simulator: dhan_feed.py ROOT FEED_ROOT CLIENT_ID TOKEN INSTRUMENTS.

INSTRUMENTS is JSON: [[segment number, security id, request code], ...].
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import dhan_point
import talk
from dhanhq import MarketFeed

talk.stay_on_loopback()
root, feed_root, client_id, token, instruments = sys.argv[1:]
MarketFeed.market_feed_wss = f"{feed_root}/"


def tuples(rows: list[list[Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows]


feed = MarketFeed(
    dhan_point.context(root, client_id, token),
    tuples(json.loads(instruments)),
    on_connect=lambda _: talk.event("connected"),
    on_message=lambda _, data: talk.event("packet", data),
    on_close=lambda _: talk.event("closed"),
    on_error=lambda _, error: talk.event("error", f"{type(error).__name__}: {error}"),
)


def find(name: str) -> Callable[..., Any]:
    method = getattr(feed, name)
    return lambda *args: method(*[tuples(rows) for rows in args])


feed.start()
talk.answer_calls(find)
