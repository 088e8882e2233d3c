"""What all of Kite's REST calls have in common: who calls, and how it is answered."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.account import Refused
from algo_sim.zerodha.auth import Tokens
from algo_sim.zerodha.errors import error, objected, problem_error
from algo_sim.zerodha.order_requests import InputError

Work = Callable[[], web.StreamResponse]


class Handlers:
    """Answers calls through the desk."""

    def __init__(self, broker: SimulatedBroker, tokens: Tokens) -> None:
        """Over one account."""
        self.broker: Final = broker
        self.tokens: Final = tokens

    async def answer(
        self, request: web.Request, operation: str, work: Work, *, limit: str = "other"
    ) -> web.StreamResponse:
        """A call by somebody who is logged in."""
        return await self.broker.answer(
            request,
            operation=operation,
            limit=limit,
            is_known=lambda: self.tokens.is_good(*credentials(request)),
            work=lambda: _worded(work),
            error=problem_error,
        )

    async def answer_anybody(
        self, request: web.Request, operation: str, work: Work
    ) -> web.StreamResponse:
        """A call that needs no log-in."""
        return await self.broker.answer(
            request,
            operation=operation,
            limit="other",
            is_known=lambda: True,
            work=lambda: _worded(work),
            error=problem_error,
        )


def credentials(request: web.Request) -> tuple[str, str]:
    """API key and access token of `Authorization: token KEY:TOKEN`; empty where not so."""
    scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
    key, _, token = pair.partition(":")
    return (key, token) if scheme == "token" else ("", "")


def _worded(work: Work) -> web.StreamResponse:
    """The answer, or the refusal in Kite's envelope."""
    try:
        return work()
    except InputError as wrong:
        return error("InputException", str(wrong))
    except Refused as refused:
        return objected(refused.rejection.reason, refused.rejection.text)
