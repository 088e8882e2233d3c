"""dhanhq and DhanLogin against a simulator: dhan_rest.py ROOT CLIENT_ID [TOKEN].

`login.NAME` calls DhanLogin; `use_token` builds the client again, as a program does after log-in.
"""

import sys
from collections.abc import Callable
from typing import Any

import dhan_point
import talk
from dhanhq import DhanLogin, dhanhq

talk.stay_on_loopback()
root, client_id = sys.argv[1:3]
clients: list[dhanhq] = []


def use_token(token: str) -> None:
    clients[:] = [dhanhq(dhan_point.context(root, client_id, token))]


def securities() -> list[dict[str, Any]]:
    """The instrument file as the SDK reads it, missing values as null."""
    frame = clients[0].fetch_security_list("compact")
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def find(name: str) -> Callable[..., Any]:
    if name.startswith("login."):
        return getattr(DhanLogin(client_id), name.removeprefix("login."))
    own = {"use_token": use_token, "securities": securities}
    return own.get(name) or getattr(clients[0], name)


use_token(sys.argv[3] if len(sys.argv) > 3 else "")
talk.answer_calls(find)
