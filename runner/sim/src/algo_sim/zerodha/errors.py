"""Kite's error envelopes: error_type and the HTTP status that mirrors it."""

from typing import Any, Final

from aiohttp import web

from algo_sim.exchange.order_checks import Reason
from algo_sim.protocol import ApiError, FaultKind

_STATUSES: Final = {
    "TokenException": 403,
    "PermissionException": 403,
    "InputException": 400,
    "OrderException": 400,
    "MarginException": 400,
    "HoldingException": 400,
    "NetworkException": 503,
    "GeneralException": 500,
}
_REASONS: Final[dict[Reason, str]] = {
    "input": "InputException",
    "tick_size": "InputException",
    "trigger": "InputException",
    "freeze": "InputException",
    "closed": "OrderException",
    "holding": "HoldingException",
    "funds": "MarginException",
    "state": "OrderException",
    "modifications": "OrderException",
    "unknown_order": "OrderException",
    "band": "InputException",
    "auction": "OrderException",
    "intraday_closed": "OrderException",
}
TAKEN_THEN_REJECTED: Final[frozenset[Reason]] = frozenset({"band", "auction", "intraday_closed"})
"""New orders with these objections get an id and are REJECTED in the book."""

_TROUBLES: Final[dict[FaultKind, tuple[int, str, str]]] = {
    "rate_limit": (429, "NetworkException", "Too many requests"),
    "token_expired": (403, "TokenException", "Incorrect `api_key` or `access_token`."),
    "address_refused": (
        403,
        "PermissionException",
        "Orders are allowed from the registered static IP address only.",
    ),
    "server_error": (503, "NetworkException", "Gateway timed out while talking to the OMS."),
    "refuse": (400, "OrderException", "The order was refused by the OMS."),
    "reject_modify": (
        400,
        "OrderException",
        "Order cannot be modified as it is being processed. Try later.",
    ),
}


def envelope(data: Any) -> web.Response:
    """A good answer."""
    return web.json_response({"status": "success", "data": data})


def error(error_type: str, message: str, *, status: int | None = None) -> web.Response:
    """A bad one."""
    body = {"status": "error", "message": message, "data": None, "error_type": error_type}
    return web.json_response(body, status=status or _STATUSES[error_type])


def objected(reason: Reason, message: str) -> web.Response:
    """A refusal by the exchange's rules."""
    return error(_REASONS[reason], message)


def problem_error(problem: ApiError) -> web.Response:
    """A call that did not get through."""
    status, error_type, message = _TROUBLES[problem.kind]
    return error(error_type, problem.message or message, status=status)
