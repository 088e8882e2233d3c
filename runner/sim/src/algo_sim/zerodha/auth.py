"""Kite's log-in: a browser page, a request token used once, a checksum, an access token."""

import hashlib
import hmac
import html
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

REQUEST_TOKEN_SECONDS: Final = 300.0
"""A request token lives a few minutes."""

_IST_SECONDS: Final = 19_800
_DAY: Final = 86_400
_FLUSHED_AT: Final = 6 * 3600
"""Access tokens die about 06:00 IST of the next morning."""


class LoginRefused(ValueError):
    """The log-in is not good."""


@dataclass(slots=True)
class Tokens:
    """All tokens of one app and user. Times in seconds since the epoch, the wall clock's."""

    api_key: str
    api_secret: str = field(repr=False)
    now: Callable[[], float] = time.time
    _requests: dict[str, float] = field(default_factory=dict[str, float], repr=False)
    _access: dict[str, float] = field(default_factory=dict[str, float], repr=False)
    _refresh: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def request_token(self, api_key: str) -> str:
        """What the browser log-in returns.

        Raises:
            LoginRefused: not this app.
        """
        if not same(api_key, self.api_key):
            raise LoginRefused("Invalid `api_key`.")
        token = secrets.token_urlsafe(24).replace("-", "a").replace("_", "b")
        self._requests[token] = self.now() + REQUEST_TOKEN_SECONDS
        return token

    def session(self, *, api_key: str, request_token: str, checksum: str) -> str:
        """A new access token; the request token is used up by a good checksum.

        Raises:
            LoginRefused: unknown, used or old token, or a wrong checksum.
        """
        ends = self._requests.get(request_token, 0.0)
        if not same(api_key, self.api_key) or ends <= self.now():
            raise LoginRefused("Token is invalid or has expired.")
        if not same(checksum, self._checksum(request_token)):
            raise LoginRefused("Invalid `checksum`.")
        del self._requests[request_token]
        return self._issue()

    def refresh(self, *, api_key: str, refresh_token: str, checksum: str) -> str:
        """A new access token for a refresh token; apps of retail customers are given none.

        Raises:
            LoginRefused: always, unless the token and the checksum are good.
        """
        known = any(same(refresh_token, token) for token in self._refresh)
        good = same(checksum, self._checksum(refresh_token))
        if not same(api_key, self.api_key) or not known or not good:
            raise LoginRefused("Invalid `refresh_token`.")
        return self._issue()

    def grant(self, access_token: str) -> None:
        """Makes a token good until the next morning, without a log-in."""
        self._access[access_token] = flushed_at(self.now())

    def is_good(self, api_key: str, access_token: str) -> bool:
        """Whether a caller is logged in."""
        found = [ends for token, ends in self._access.items() if same(token, access_token)]
        return same(api_key, self.api_key) and bool(found) and found[0] > self.now()

    def end(self, access_token: str) -> None:
        """Logs out."""
        _ = self._access.pop(access_token, None)

    def expire(self) -> None:
        """Ends every session."""
        self._access.clear()

    def _issue(self) -> str:
        token = secrets.token_hex(16)
        self.grant(token)
        return token

    def _checksum(self, token: str) -> str:
        return hashlib.sha256((self.api_key + token + self.api_secret).encode()).hexdigest()


def same(given: str, wanted: str) -> bool:
    """Equal, in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def flushed_at(now: float) -> float:
    """The next 06:00 IST after a moment; both in seconds since the epoch."""
    into = (now + _IST_SECONDS - _FLUSHED_AT) % _DAY
    return now - into + _DAY


def redirect_address(target: str, request_token: str, extra: str) -> str:
    """Where the browser goes after the log-in: the app's address with the token.

    `extra` is the log-in address's `redirect_params`, url-encoded pairs.
    """
    parts = urlsplit(target)
    added = {"action": "login", "type": "login", "status": "success"}
    pairs = [*parse_qsl(parts.query), *parse_qsl(extra), *added.items()]
    query = urlencode([*pairs, ("request_token", request_token)])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def login_page(api_key: str, redirect_params: str) -> str:
    """A form; any password is good."""
    key, extra = html.escape(api_key, quote=True), html.escape(redirect_params, quote=True)
    return (
        "<!doctype html><title>Simulated Kite log-in</title><h1>Simulated Kite log-in</h1>"
        '<form method="post" action="/connect/login">'
        f'<input type="hidden" name="api_key" value="{key}">'
        f'<input type="hidden" name="redirect_params" value="{extra}">'
        '<p><label>User id <input name="user_id"></label>'
        '<p><label>Password <input name="password" type="password"></label>'
        '<p><label>Code <input name="twofa" autocomplete="off"></label>'
        "<p><button>Log in</button></form>"
    )


def finish_page(request_token: str) -> str:
    """Shown where the app has no address of its own: what an app would have been given."""
    return (
        "<!doctype html><title>Logged in</title><h1>Logged in</h1>"
        "<p>Copy this page's address, or the request token:</p>"
        f"<p><code>{html.escape(request_token)}</code></p>"
    )


def session_words(account: dict[str, Any], access_token: str, login_time: str) -> dict[str, Any]:
    """The data of a session answer."""
    return {
        **profile_words(account),
        "api_key": account["api_key"],
        "access_token": access_token,
        "public_token": secrets.token_hex(16),
        "enctoken": "",
        "refresh_token": "",
        "silo": "",
        "login_time": login_time,
    }


def profile_words(account: dict[str, Any]) -> dict[str, Any]:
    """The data of GET /user/profile."""
    return {
        "user_id": account["user_id"],
        "user_name": "Simulated Trader",
        "user_shortname": "Simulated",
        "email": "trader@example.com",
        "user_type": "individual",
        "broker": "ZERODHA",
        "exchanges": ["NSE", "BSE", "NFO", "BFO"],
        "products": ["CNC", "NRML", "MIS", "MTF"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": None,
        "meta": {"demat_consent": "consent"},
    }
