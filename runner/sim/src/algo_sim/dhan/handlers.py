"""The way of a REST call: token, limits and faults at the desk, bare JSON or an error body back."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from aiohttp import web

from algo_sim.broker import SimulatedBroker
from algo_sim.dhan import errors
from algo_sim.dhan.errors import Refused
from algo_sim.dhan.tokens import Tokens
from algo_sim.exchange import account
from algo_sim.protocol import ApiError, FaultKind

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DATA_CODES: Final[dict[FaultKind, tuple[int, str, str]]] = {
    "rate_limit": (429, "805", "Too many requests. Further requests may lead to a block."),
    "token_expired": (401, "807", "Access token is expired"),
    "server_error": (500, "800", "Internal Server Error"),
}
"""Market data calls have numbers of their own (DhanHQ v2 "Annexure: Data API Error")."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its body read."""

    request: web.Request
    raw: bytes

    def fields(self) -> dict[str, Any]:
        """The body; numbers with a point are exact decimals.

        Raises:
            Refused: it is no JSON object.
        """
        try:
            found = json.loads(self.raw, parse_float=Decimal)
        except ValueError as error:
            raise Refused(errors.INPUT, "Bad request: the body is not JSON") from error
        if not isinstance(found, dict):
            raise Refused(errors.INPUT, "Bad request: the body is not a JSON object")
        return cast("dict[str, Any]", found)

    def word(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]


Work = Callable[[Call], Any]
"""Gives what is to be told as JSON, or a whole response."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What all handlers need."""

    broker: SimulatedBroker
    sessions: Tokens

    def handler(
        self,
        work: Work,
        *,
        operation: str = "other",
        limit: str = "other",
        is_public: bool = False,
        error: Callable[[ApiError], web.Response] | None = None,
    ) -> Handler:
        """A route's handler; `operation` and `limit` as `Desk.answer` takes them."""

        async def handle(request: web.Request) -> web.StreamResponse:
            call = Call(request, await request.read())
            return await self.broker.answer(
                request,
                operation=operation,
                limit=limit,
                is_known=lambda: is_public or self.knows(request),
                work=lambda: _answered(work, call),
                error=error or error_response,
            )

        return handle

    def knows(self, request: web.Request) -> bool:
        """Whether the caller's token is good."""
        return self.sessions.is_good(request.headers.get("access-token", ""))


def error_response(problem: ApiError) -> web.Response:
    """The trading calls' body of a problem."""
    return _refusal(errors.of_problem(problem))


def data_error_response(problem: ApiError) -> web.Response:
    """The market data calls' body of a problem."""
    found = _DATA_CODES.get(problem.kind)
    if found is None:
        return error_response(problem)
    status, code, text = found
    return web.json_response({"data": {code: text}, "status": "failed"}, status=status)


def _answered(work: Work, call: Call) -> web.StreamResponse:
    try:
        found = work(call)
    except Refused as refused:
        return _refusal(refused)
    except account.Refused as refused:
        return _refusal(errors.of_objection(refused.rejection))
    return found if isinstance(found, web.StreamResponse) else web.json_response(found)


def _refusal(refused: Refused) -> web.Response:
    return web.json_response(refused.body(), status=refused.status)
