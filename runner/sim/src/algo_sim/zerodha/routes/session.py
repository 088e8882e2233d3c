"""Log-in, log-out, profile and money."""

import datetime as dt
from typing import Any, Final

from aiohttp import web
from algo_contract.money import rupees
from algo_contract.trading_day import IST

from algo_sim.broker import SimulatedBroker
from algo_sim.zerodha import auth
from algo_sim.zerodha.auth import LoginRefused, Tokens
from algo_sim.zerodha.errors import envelope, error
from algo_sim.zerodha.handlers import Handlers


class SessionRoutes(Handlers):
    """Who the user is."""

    def __init__(self, broker: SimulatedBroker, tokens: Tokens, account: dict[str, Any]) -> None:
        """Over one account."""
        super().__init__(broker, tokens)
        self._account: Final = account

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/connect/login", self._login_page),
            web.post("/connect/login", self._log_in),
            web.get("/connect/finish", self._finish),
            web.post("/session/token", self._session),
            web.delete("/session/token", self._log_out),
            web.post("/session/refresh_token", self._refresh),
            web.get("/user/profile", self._profile),
            web.get("/user/margins", self._margins),
            web.get("/user/margins/{segment}", self._margins),
        ]

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        page = auth.login_page(query.get("api_key", ""), query.get("redirect_params", ""))
        return web.Response(text=page, content_type="text/html")

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        api_key, extra = str(form.get("api_key", "")), str(form.get("redirect_params", ""))
        if not auth.same(str(form.get("user_id", "")), self._account["user_id"]):
            return web.Response(text="Invalid user id.", status=403)
        try:
            token = self.tokens.request_token(api_key)
        except LoginRefused as refused:
            return web.Response(text=str(refused), status=400)
        target = self._account["redirect_url"] or f"{request.url.origin()}/connect/finish"
        raise web.HTTPFound(auth.redirect_address(target, token, extra))

    async def _finish(self, request: web.Request) -> web.StreamResponse:
        page = auth.finish_page(request.query.get("request_token", ""))
        return web.Response(text=page, content_type="text/html")

    async def _session(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()

        def work() -> web.Response:
            try:
                token = self.tokens.session(
                    api_key=str(form.get("api_key", "")),
                    request_token=str(form.get("request_token", "")),
                    checksum=str(form.get("checksum", "")),
                )
            except LoginRefused as refused:
                return error("TokenException", str(refused))
            return self._session_answer(token)

        return await self.answer_anybody(request, "session", work)

    async def _refresh(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()

        def work() -> web.Response:
            try:
                token = self.tokens.refresh(
                    api_key=str(form.get("api_key", "")),
                    refresh_token=str(form.get("refresh_token", "")),
                    checksum=str(form.get("checksum", "")),
                )
            except LoginRefused as refused:
                return error("TokenException", str(refused))
            return self._session_answer(token)

        return await self.answer_anybody(request, "session", work)

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        def work() -> web.Response:
            key, token = request.query.get("api_key", ""), request.query.get("access_token", "")
            if not self.tokens.is_good(key, token):
                return error("TokenException", "Incorrect `api_key` or `access_token`.")
            self.tokens.end(token)
            return envelope(data=True)

        return await self.answer_anybody(request, "session", work)

    async def _profile(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(
            request, "profile", lambda: envelope(auth.profile_words(self._account))
        )

    async def _margins(self, request: web.Request) -> web.StreamResponse:
        segment = request.match_info.get("segment", "")

        def work() -> web.Response:
            found = self._segments()
            if segment and segment not in found:
                return error("InputException", "Invalid segment.")
            return envelope(found[segment] if segment else found)

        return await self.answer(request, "margins", work)

    def _session_answer(self, token: str) -> web.Response:
        now = dt.datetime.fromtimestamp(self.tokens.now(), IST)
        login_time = now.strftime("%Y-%m-%d %H:%M:%S")
        return envelope(auth.session_words(self._account, token, login_time))

    def _segments(self) -> dict[str, Any]:
        book = self.broker.account
        available, blocked = rupees(book.available()), rupees(book.blocked())
        return {
            "equity": _segment(cash=rupees(book.cash), live=available, used=blocked),
            "commodity": _segment(cash=0.0, live=0.0, used=0.0),
        }


def _segment(*, cash: float, live: float, used: float) -> dict[str, Any]:
    available = {
        "adhoc_margin": 0,
        "cash": cash,
        "opening_balance": cash,
        "live_balance": live,
        "collateral": 0,
        "intraday_payin": 0,
    }
    utilised = dict.fromkeys(
        (
            "debits",
            "exposure",
            "m2m_realised",
            "m2m_unrealised",
            "option_premium",
            "payout",
            "span",
            "holding_sales",
            "turnover",
            "liquid_collateral",
            "stock_collateral",
            "delivery",
        ),
        0,
    )
    return {
        "enabled": True,
        "net": live,
        "available": available,
        "utilised": {**utilised, "debits": used},
    }
