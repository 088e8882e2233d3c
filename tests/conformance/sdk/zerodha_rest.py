"""KiteConnect against a simulator: zerodha_rest.py ROOT API_KEY."""

import sys
from typing import Any

import talk
from kiteconnect import KiteConnect

talk.stay_on_loopback()
root, api_key = sys.argv[1:]
KiteConnect._default_login_uri = f"{root}/connect/login"
kite = KiteConnect(api_key, root=root, timeout=10)
kite.set_session_expiry_hook(lambda: talk.event("session_expired"))


def access_token() -> Any:
    return kite.access_token


talk.answer_calls(lambda name: access_token if name == "access_token" else getattr(kite, name))
