"""Logging in at Zerodha: a person in a browser, then the request token against a session."""

import datetime as dt
import hashlib
import hmac
from typing import Final
from urllib.parse import urlencode

from algo_contract.messages.broker_session import BrokerSession
from algo_contract.trading_day import ist_datetime, microseconds

from algo_brokers.errors import DeniedLocally, Rejected, TokenExpired, Unresolved
from algo_brokers.http.client import HttpClient
from algo_brokers.order_reports import readable_id
from algo_brokers.parsing import readable_token
from algo_brokers.urls import Endpoints
from algo_brokers.zerodha.parsing import Unreadable, fields_of
from algo_brokers.zerodha.responses import data_of
from algo_brokers.zerodha.urls import FORM, VERSION

EXPIRY_HOUR: Final = 6
"""IST. Tokens end between 06:00 and 07:35 of the next morning (Kite Connect 3, authentication, and
staff in its forum): the earliest counts."""


class ZerodhaAuth:
    """Implements `kinds.Login`."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Connects nothing."""
        self._endpoints: Final = endpoints

    def url(self, secrets: dict[str, str]) -> str:
        """The log-in page for the account's app."""
        return f"{self._endpoints.login}?{urlencode({'v': '3', 'api_key': secrets['api_key']})}"

    async def login(
        self, http: HttpClient, secrets: dict[str, str], *, callback: dict[str, str], now_us: int
    ) -> BrokerSession:
        """A session for the request token in `callback`, which is good once and for minutes. See
        `kinds.Login`.
        """
        request_token = callback.get("request_token", "")
        if not request_token or callback.get("status", "success") != "success":
            raise Rejected("no request token: log in on Zerodha's page first")
        key, secret = secrets["api_key"], secrets["api_secret"]
        checksum = hashlib.sha256(f"{key}{request_token}{secret}".encode()).hexdigest()
        form = {"api_key": key, "request_token": request_token, "checksum": checksum}
        user_id, access_token = await self._exchange(http, form)
        if not hmac.compare_digest(user_id.encode(), secrets["user_id"].encode()):
            raise Rejected("the log-in is that of another Zerodha account")
        return BrokerSession(
            broker="zerodha",
            client_id=user_id,
            api_key=key,
            access_token=access_token,
            issued_us=now_us,
            expires_us=expiry(now_us),
        )

    async def renew(
        self,
        http: HttpClient,  # noqa: ARG002 - as the protocol has it
        session: BrokerSession,  # noqa: ARG002
        *,
        now_us: int,  # noqa: ARG002
    ) -> BrokerSession:
        """Never. See `kinds.Login`."""
        raise Rejected("Zerodha renews no session: log in on its page")

    async def observed_address(
        self,
        http: HttpClient,  # noqa: ARG002 - as the protocol has it
        session: BrokerSession,  # noqa: ARG002
    ) -> str:
        """Zerodha does not tell. See `kinds.Login`."""
        return ""

    async def _exchange(self, http: HttpClient, form: dict[str, str]) -> tuple[str, str]:
        url = f"{self._endpoints.rest}/session/token"
        body = urlencode(form).encode()
        try:
            response = await http.write("POST", url, headers=VERSION | FORM, body=body)
            data = fields_of(data_of(response))
            user_id = readable_id(data.get("user_id"))
            access_token = readable_token(data.get("access_token"))
        except TokenExpired as error:
            raise Rejected(str(error)) from None
        except DeniedLocally as error:
            raise Unresolved(str(error)) from None
        except Unreadable:
            user_id = access_token = ""
        if not user_id or not access_token:
            raise Unresolved("unreadable answer from Zerodha to the log-in")
        return user_id, access_token


def expiry(now_us: int) -> int:
    """The end of a session that begins now: the next 06:00 IST."""
    now = ist_datetime(now_us)
    end = now.replace(hour=EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    return microseconds(end if end > now else end + dt.timedelta(days=1))
