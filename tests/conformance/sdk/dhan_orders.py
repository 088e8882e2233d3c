"""OrderUpdate against a simulator: dhan_orders.py ROOT SOCKET_URL CLIENT_ID TOKEN."""

import sys
import threading

import dhan_point
import talk
from dhanhq import OrderUpdate

talk.stay_on_loopback()
root, socket_url, client_id, token = sys.argv[1:]
updates = OrderUpdate(dhan_point.context(root, client_id, token))
updates.order_feed_wss = socket_url
updates.on_update = lambda message: talk.event("update", message)


def listen() -> None:
    """Until the server ends it."""
    updates.connect_to_dhan_websocket_sync()
    talk.event("closed")


threading.Thread(target=listen, daemon=True).start()
talk.answer_calls(lambda name: getattr(updates, name))
