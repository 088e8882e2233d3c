"""Log-in by PIN and one-time password, renewal, profile, and the registered address."""

from typing import Any

from aiohttp import web

from algo_sim.dhan import enums, errors, totp
from algo_sim.dhan.errors import Refused
from algo_sim.dhan.handlers import Call, Handlers
from algo_sim.dhan.tokens import same
from algo_sim.protocol import ApiError


class AuthRoutes:
    """The routes of the auth host and those around the session."""

    def __init__(self, front: Handlers, account: dict[str, Any]) -> None:
        """`account`: client_id, pin and totp_seed; with `renewal` false the broker renews only
        tokens made on its web page, as users report it; with `strict_totp` a password is good in
        its own step alone.
        """
        self._front = front
        self._broker = front.broker
        self._sessions = front.sessions
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        handler = self._front.handler
        return [
            web.post(
                "/app/generateAccessToken",
                handler(self._generate, limit="login", is_public=True, error=_auth_error),
            ),
            web.get("/v2/RenewToken", handler(self._renew)),
            web.post("/v2/RenewToken", handler(self._renew)),
            web.get("/v2/profile", handler(self._profile)),
            web.get("/v2/ip/getIP", handler(self._addresses)),
            web.post("/v2/ip/setIP", handler(self._set_address)),
            web.put("/v2/ip/modifyIP", handler(self._set_address)),
        ]

    def _generate(self, call: Call) -> Any:
        """What is wrong is told in a 200, as the auth host does."""
        query = call.request.query
        if not same(query.get("dhanClientId", ""), self._account["client_id"]):
            return _auth_words("Invalid Client ID")
        if not same(query.get("pin", ""), self._account["pin"]):
            return _auth_words("Invalid Pin")
        now = self._sessions.clock()
        seed, steps = self._account["totp_seed"], 0 if self._account.get("strict_totp") else 1
        if not totp.is_good(query.get("totp", ""), seed=seed, at=now, steps=steps):
            return _auth_words("Invalid TOTP")
        return self._session(self._sessions.issue())

    def _renew(self, call: Call) -> Any:
        """Under both names that are seen for the new token."""
        headers = call.request.headers
        if headers.get("dhanClientId", "") != self._account["client_id"]:
            raise Refused(errors.AUTHENTICATION, "Client ID does not belong to the access token")
        if not self._account.get("renewal", True):
            raise Refused(errors.INPUT, "Only tokens generated on Dhan Web can be renewed")
        session = self._session(self._sessions.renew(headers["access-token"]))
        return {**session, "token": session["accessToken"]}

    def _session(self, issued: tuple[str, float]) -> dict[str, Any]:
        token, ends = issued
        return {
            "dhanClientId": self._account["client_id"],
            "dhanClientName": "SIMULATED CLIENT",
            "dhanClientUcc": "SIMC0001",
            "givenPowerOfAttorney": False,
            "accessToken": token,
            "expiryTime": enums.ist_from_seconds(ends).strftime("%Y-%m-%dT%H:%M:%S.000"),
        }

    def _profile(self, call: Call) -> Any:
        ends = self._sessions.ends(call.request.headers["access-token"])
        return {
            "dhanClientId": self._account["client_id"],
            "tokenValidity": enums.ist_from_seconds(ends).strftime("%d/%m/%Y %H:%M"),
            "activeSegment": "Equity, Derivative, Currency, Commodity",
            "ddpi": "Active",
            "mtf": "Inactive",
            "dataPlan": "Active",
            "dataValidity": "2099-12-31 00:00:00.0",
        }

    def _addresses(self, call: Call) -> Any:
        registered, seen = self._broker.registered_ip, call.request.remote or ""
        is_good = registered in {"", seen}
        return {
            "primaryIP": registered,
            "secondaryIP": "",
            "modifyDatePrimary": "",
            "modifyDateSecondary": "",
            "detectedIP": seen,
            "ipMatchStatus": "MATCH" if is_good else "MISMATCH",
            "ordersAllowed": is_good,
        }

    def _set_address(self, call: Call) -> Any:
        fields = call.fields()
        address, flag = fields.get("ip"), fields.get("ipFlag")
        if not isinstance(address, str) or not address:
            raise Refused(errors.INPUT, "Missing required field: ip")
        if flag != "PRIMARY":
            raise Refused(errors.INPUT, "Bad value for ipFlag: the simulator keeps PRIMARY only")
        self._broker.registered_ip = address
        return {"message": "IP saved successfully", "status": "SUCCESS"}


def _auth_error(problem: ApiError) -> web.Response:
    """A problem at the auth host."""
    if problem.kind == "rate_limit":
        return web.json_response(_auth_words("Token can be generated once every 2 minutes"))
    refused = errors.of_problem(problem)
    return web.json_response(_auth_words(refused.message), status=refused.status)


def _auth_words(message: str) -> dict[str, str]:
    return {"status": "error", "message": message}
