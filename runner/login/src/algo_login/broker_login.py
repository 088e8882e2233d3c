"""Logs in at a broker with the account's own addresses and proxy; what goes wrong is said without a
secret.
"""

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from algo_brokers.adapters import adapter
from algo_brokers.errors import AddressRefused, BrokerError, RateLimited, Rejected, TokenExpired
from algo_brokers.http.client import HttpClient
from algo_brokers.port import Login
from algo_contract.messages.broker_session import BrokerSession
from algo_service.logging import get_logger

from algo_login.account import Account

log = get_logger(__name__)

CALL_SECONDS: Final = 25.0
"""For all of one renewal or look at the address: a proxy that drips bytes must not hold the worker
up.
"""

LOGIN_SECONDS: Final = 75.0
"""For all of one log-in, where a one-time password may be waited for, twice."""

_ADDRESS_LIMIT: Final = 64
_HIDDEN_FROM: Final = 4
"""Secrets shorter than this cannot be told from ordinary words."""


class LoginRefused(Exception):
    """The broker does not take these secrets; the same ones must not be tried again."""


class LoginUnavailable(Exception):
    """No answer, or not now; the same may be tried again."""

    def __init__(self, sentence: str, *, after_seconds: float = 0.0) -> None:
        """`after_seconds`: what the broker itself asks for."""
        super().__init__(sentence)
        self.after_seconds = after_seconds


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """One account's way to its broker, open for as long as a pass lasts."""

    login: Login
    http: HttpClient
    broker: str

    async def log_in(
        self, secrets: dict[str, str], callback: dict[str, str], *, now_us: int
    ) -> BrokerSession:
        """A new session.

        Raises:
            Refused: by the broker.
            TryLater: it could not be asked.
        """
        with _said_clean((*secrets.values(), *callback.values())):
            async with asyncio.timeout(LOGIN_SECONDS):
                return await self.login.login(self.http, secrets, callback=callback, now_us=now_us)

    async def renew(self, held: BrokerSession, *, now_us: int) -> BrokerSession | None:
        """The session, good for longer; None where only a new log-in helps.

        Raises:
            TryLater: the broker could not be asked.
        """
        try:
            with _said_clean((held.access_token, held.api_key)):
                async with asyncio.timeout(CALL_SECONDS):
                    return await self.login.renew(self.http, held, now_us=now_us)
        except LoginRefused:
            return None

    async def observed_address(self, session: BrokerSession | None, *, echo_url: str) -> str | None:
        """The address that the broker, or else the platform's echo, sees us come from; None where
        that could not be learnt, which says nothing against what was known.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                told = await self._told(session)
                if told or not echo_url:
                    return told
                answer = await self.http.read("GET", echo_url, headers={})
        except (BrokerError, TimeoutError) as error:
            log.info("address_not_observed", broker=self.broker, error=type(error).__name__)
            return None
        return _address(answer.body[:_ADDRESS_LIMIT].decode("ascii", "replace"))

    async def _told(self, session: BrokerSession | None) -> str | None:
        if session is None:
            return None
        return _address(await self.login.observed_address(self.http, session))


@asynccontextmanager
async def open_broker_login(account: Account) -> AsyncGenerator[BrokerLogin]:
    """Opens the way; nothing is connected before something is asked.

    Raises:
        TryLater: the account's proxy is no address to go through.
    """
    known = adapter(account.broker)
    login = known.login(known.endpoints(account.base_url or None, account.feed_url or None))
    try:
        http = HttpClient(proxy=account.egress_proxy or None)
    except BrokerError as error:
        raise LoginUnavailable(_clean(error, ())) from None
    try:
        yield BrokerLogin(login, http, account.broker)
    finally:
        await http.close()


def login_url(account: Account, secrets: dict[str, str]) -> str:
    """Where a person logs in; empty where the broker needs none."""
    known = adapter(account.broker)
    endpoints = known.endpoints(account.base_url or None, account.feed_url or None)
    return known.login(endpoints).url(secrets)


@contextmanager
def _said_clean(hidden: tuple[str, ...]) -> Generator[None]:
    """Turns what brokers answer into what must be done, without the secrets they were sent."""
    try:
        yield
    except TimeoutError:
        raise LoginUnavailable("no answer in time") from None
    except RateLimited as error:
        raise LoginUnavailable(_clean(error, hidden), after_seconds=error.retry_after) from None
    except AddressRefused as error:
        raise LoginUnavailable(_clean(error, hidden)) from None
    except (Rejected, TokenExpired) as error:
        raise LoginRefused(_clean(error, hidden)) from None
    except BrokerError as error:
        raise LoginUnavailable(_clean(error, hidden)) from None


def _clean(error: BrokerError, hidden: Iterable[str]) -> str:
    text = " ".join(str(error).split())[:300] or type(error).__name__
    for secret in sorted(hidden, key=len, reverse=True):
        if len(secret) >= _HIDDEN_FROM:
            text = text.replace(secret, "***")
    return text


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None
