"""How a scenario speaks with its test: one JSON object a line, each way.

The test sends {"call": NAME, "args": [...], "kwargs": {...}} and reads {"answer": ...} or
{"raised": CLASS, "message": ..., "code": ...}; what the SDK calls back with comes between as
{"event": NAME, "data": ...}.
Runs in the SDK's own environment, where nothing of the product is.
"""

import datetime as dt
import ipaddress
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

_lock = threading.Lock()


def _own_stdout() -> TextIO:
    """The pipe to the test alone: what the SDK prints goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


_pipe = _own_stdout()


def send(message: dict[str, Any]) -> None:
    with _lock:
        _pipe.write(json.dumps(message, default=_encoded) + "\n")
        _pipe.flush()


def event(name: str, data: Any = None) -> None:
    send({"event": name, "data": data})


def answer_calls(find: Callable[[str], Callable[..., Any]]) -> None:
    """Until the test closes its end."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = find(request["call"])(*request["args"], **request["kwargs"])
        except Exception as error:  # noqa: BLE001 - the test judges it
            code = getattr(error, "code", None)
            send({"raised": type(error).__name__, "message": str(error), "code": code})
        else:
            send({"answer": answer})


def stay_on_loopback() -> None:
    """A host that the scenario did not replace is told to the test, and is not reached."""
    sys.addaudithook(_refuse_other_hosts)


def _refuse_other_hosts(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "socket.getaddrinfo":
        host = arguments[0]
    elif name == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not _is_loopback(host):
        event("missed_host", str(host))
        raise OSError(f"{host} is not the simulator")


def _is_loopback(host: object) -> bool:
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return host in {None, "", "localhost"}


def _encoded(value: object) -> object:
    """Marked, so that the test sees that the SDK made a date of a text."""
    if isinstance(value, (dt.datetime, dt.date)):
        return {"$date": value.isoformat()}
    raise TypeError(f"{type(value).__name__} has no place in a message")
