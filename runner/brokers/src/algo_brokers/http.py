"""One pooled HTTP client an account: warm connections, a time-out a call, TLS verified, the
account's egress proxy where it has one.

What could not have reached the broker is told apart from what may have. No address with a query,
no header and no body ever gets into an error.
"""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from algo_brokers.errors import BrokerError, DeniedLocally, Unresolved

READ_SECONDS: Final = 5.0
WRITE_SECONDS: Final = 7.0
"""An order's answer is waited for this long; the vendors' own clients wait 7 s and more."""

CONNECT_SECONDS: Final = 3.0
KEEPALIVE_SECONDS: Final = 60.0
MAX_CONNECTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    body: bytes


class Http:
    """Calls to the hosts of one account."""

    def __init__(self, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`proxy` is an http:// address that takes CONNECT; connects nothing yet."""
        options: dict[str, Any] = {
            "ssl_context": tls or ssl.create_default_context(),
            "max_connections": MAX_CONNECTIONS,
            "max_keepalive_connections": MAX_CONNECTIONS,
            "keepalive_expiry": KEEPALIVE_SECONDS,
        }
        self._pool: Final[httpcore.AsyncConnectionPool] = (
            httpcore.AsyncHTTPProxy(_proxy_address(proxy), **options)
            if proxy
            else httpcore.AsyncConnectionPool(**options)
        )

    async def read(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """A call that changes nothing.

        Raises:
            Unresolved: no answer; it may be repeated.
        """
        try:
            return await self._call(method, url, headers, body, seconds=READ_SECONDS)
        except DeniedLocally as error:
            raise Unresolved(str(error)) from error

    async def write(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        send_by: float | None = None,
    ) -> Response:
        """A call that changes something; not sent after `send_by` (monotonic seconds).

        Raises:
            DeniedLocally: not a byte of the request was sent.
            Unresolved: it may have arrived.
        """
        return await self._call(method, url, headers, body, seconds=WRITE_SECONDS, send_by=send_by)

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.aclose()

    async def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        seconds: float,
        send_by: float | None = None,
    ) -> Response:
        sent = False

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            nonlocal sent
            if event == "http11.send_request_headers.started":
                if send_by is not None and time.monotonic() > send_by:
                    raise DeniedLocally("it was too late to send it")
                sent = True

        host = urlsplit(url).hostname
        timeout = {"connect": CONNECT_SECONDS, "pool": 1.0, "read": seconds, "write": seconds}
        try:
            response = await self._pool.request(
                method,
                url,
                headers=list(headers.items()),
                content=body,
                extensions={"timeout": timeout, "trace": trace},
            )
        except BrokerError:
            raise
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            what = f"{type(error).__name__} on {method} to {host}"
            raise (Unresolved(what) if sent else DeniedLocally(what)) from error
        except (httpcore.ProxyError, ssl.SSLError) as error:
            what = f"{type(error).__name__} on the way to {host}"
            raise (Unresolved(what) if sent else DeniedLocally(what)) from error
        return Response(
            status=response.status,
            headers={k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers},
            body=response.content,
        )


def _proxy_address(proxy: str) -> str:
    """The proxy's address.

    Raises:
        DeniedLocally: not an http:// address with a host.
    """
    parts = urlsplit(proxy)
    if parts.scheme != "http" or not parts.hostname:
        raise DeniedLocally("the egress proxy must be an http://host:port address")
    return proxy
