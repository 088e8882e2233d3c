"""Logging in at Dhan: client id, PIN and one-time password, without a browser; and renewing.

A token lives 24 hours from its issue. (DhanHQ v2 authentication.)
"""

import asyncio
import base64
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlencode

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.dhan.parsing import ist_us, text_of
from algo_brokers.dhan.responses import read_answer
from algo_brokers.errors import (
    DeniedLocally,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import HttpClient
from algo_brokers.parsing import readable_token
from algo_brokers.urls import Endpoints

STEP_SECONDS: Final = 30
LEAST_LEFT_SECONDS: Final = 5.0
"""Of a step, for the request to arrive in it."""

SETTLED_SECONDS: Final = 1.0
"""Waited into a new step, for a broker whose clock is a little behind."""

TOKEN_LIFE_US: Final = 24 * 3600 * 1_000_000
TOO_SOON: Final = "once every"
"""Of the words with which a second log-in within two minutes is refused, without a code."""

TOO_SOON_SECONDS: Final = 120.0
WRONG_CODE: Final = "totp"
"""Of the words with which a one-time password is refused, in small letters."""

MAX_ADDRESS: Final = 45
"""Characters of an IPv6 address."""


class DhanAuth:
    """Implements `kinds.Login`."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Connects nothing. The clock is for tests: a code may have to be waited for."""
        self._auth: Final = endpoints.login
        self._api: Final = endpoints.rest
        self._monotonic: Final = monotonic
        self._sleep: Final = sleep

    def url(self, secrets: dict[str, str]) -> str:
        """Empty: nobody has to open a page."""
        del secrets
        return ""

    async def login(
        self, http: HttpClient, secrets: dict[str, str], *, callback: dict[str, str], now_us: int
    ) -> BrokerSession:
        """A new session. See `kinds.Login`.

        The first refusal of a code may be the fault of its moment: the next step's is tried, and no
        code twice. Takes up to 36 s, apart from the broker's own time.
        """
        del callback
        started = self._monotonic()

        def clock() -> float:
            return now_us / 1_000_000 + self._monotonic() - started

        code, step = await self._code(secrets["totp_seed"], clock)
        try:
            reply = await self._generate(http, secrets, code)
        except Rejected as error:
            if WRONG_CODE not in str(error).lower():
                raise
            code, _ = await self._code(secrets["totp_seed"], clock, after_step=step)
            reply = await self._generate(http, secrets, code)
        return _session(reply, client_id=secrets["client_id"], now_us=now_us)

    async def _code(
        self, seed: str, clock: Callable[[], float], *, after_step: int = -1
    ) -> tuple[str, int]:
        """A code that can be sent now, and its step; waits for it."""
        wait = seconds_to_code(clock(), after_step=after_step)
        if wait:
            await self._sleep(wait)
        at_seconds = int(clock())
        try:
            return totp(seed, at_seconds=at_seconds), at_seconds // STEP_SECONDS
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def _generate(self, http: HttpClient, secrets: dict[str, str], code: str) -> Any:
        """What the auth host answers to a code."""
        fields = {"dhanClientId": secrets["client_id"], "pin": secrets["pin"], "totp": code}
        url = f"{self._auth}/app/generateAccessToken?{urlencode(fields)}"
        try:
            return await _asked(http, "POST", url, {"Accept": "application/json"})
        except TokenExpired as error:
            raise Rejected(str(error)) from None
        except Rejected as error:
            if TOO_SOON in str(error):
                raise RateLimited(str(error), retry_after=TOO_SOON_SECONDS) from None
            raise

    async def renew(
        self, http: HttpClient, session: BrokerSession, *, now_us: int
    ) -> BrokerSession:
        """The session with a token for another 24 hours; the old one may be void from now on. See
        `kinds.Login`. Rejected: users report that only tokens made on Dhan's web page are renewed.
        """
        headers = {"access-token": session.access_token, "dhanClientId": session.client_id}
        reply = await _asked(http, "GET", f"{self._api}/RenewToken", headers)
        return _session(reply, client_id=session.client_id, now_us=now_us)

    async def observed_address(self, http: HttpClient, session: BrokerSession) -> str:
        """The address that Dhan sees us come from."""
        headers = {"access-token": session.access_token, "client-id": session.client_id}
        response = await http.read("GET", f"{self._api}/ip/getIP", headers=headers)
        reply = read_answer(response, is_write=False)
        return text_of(reply.get("detectedIP"))[:MAX_ADDRESS] if isinstance(reply, dict) else ""


async def _asked(http: HttpClient, method: str, url: str, headers: dict[str, str]) -> Any:
    try:
        return read_answer(await http.write(method, url, headers=headers), is_write=True)
    except DeniedLocally as error:
        raise Unresolved(str(error)) from error


def _session(reply: Any, *, client_id: str, now_us: int) -> BrokerSession:
    """The session that a token reply makes. A renewed token is seen under either name."""
    fields: dict[str, Any] = reply if isinstance(reply, dict) else {}
    token = readable_token(fields.get("accessToken")) or readable_token(fields.get("token"))
    if not token:
        raise Unresolved("Dhan answered the log-in without a token")
    return BrokerSession(
        broker="dhan",
        client_id=client_id,
        api_key="",
        access_token=token,
        issued_us=now_us,
        expires_us=_expiry_us(fields.get("expiryTime"), now_us=now_us),
    )


def _expiry_us(text: Any, *, now_us: int) -> int:
    """When the token ends: as told, else 24 hours from now, which is what Dhan documents."""
    try:
        return ist_us(text_of(text))
    except ValueError:
        return now_us + TOKEN_LIFE_US


def seconds_to_code(at_seconds: float, *, after_step: int = -1) -> float:
    """How long to wait, from a moment (seconds since the epoch), for a code that can be sent; one
    of a later step than `after_step`.
    """
    step = int(at_seconds // STEP_SECONDS)
    left = (step + 1) * STEP_SECONDS - at_seconds
    first = step if left >= LEAST_LEFT_SECONDS else step + 1
    wanted = max(first, after_step + 1)
    return 0.0 if wanted == step else wanted * STEP_SECONDS + SETTLED_SECONDS - at_seconds


def totp(seed: str, *, at_seconds: int, digits: int = 6) -> str:
    """The code of a base32 seed at a moment (seconds since the epoch), by RFC 6238 with SHA-1.

    Not by pyotp: it refuses seeds of less than 112 bits, and brokers give out shorter ones.

    Raises:
        ValueError: the seed is not base32. The message does not hold it.
    """
    text = seed.replace(" ", "").rstrip("=").upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raise ValueError("the TOTP seed is not base32") from None
    digest = hmac.digest(key, (at_seconds // STEP_SECONDS).to_bytes(8), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)
