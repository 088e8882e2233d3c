"""One pooled HTTP client an account: warm connections, a time-out a call, TLS verified, the
account's egress proxy where it has one.

What could not have reached the broker is told apart from what may have. No address with a query,
no header and no body ever gets into an error, nor into what an error came from.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from algo_brokers.egress import Egress
from algo_brokers.errors import BrokerError, DeniedLocally, Unresolved
from algo_brokers.inflate import BrokenFile, Inflater

READ_SECONDS: Final = 5.0
WRITE_SECONDS: Final = 7.0
"""An order's answer is waited for this long; the vendors' own clients wait 7 s and more."""

DOWNLOAD_SECONDS: Final = 120.0
"""A whole instrument master."""

CONNECT_SECONDS: Final = 3.0
"""To connect, and again for TLS."""

POOL_SECONDS: Final = 1.0
KEEPALIVE_SECONDS: Final = 45.0
"""Shorter than the 60 s after which common load balancers close a connection, so that an order
does not meet a close on its way."""

MAX_CONNECTIONS: Final = 4
MAX_READS: Final = 2
"""At once: reads that hang leave connections to orders."""

MAX_BODY: Final = 16 * 1024 * 1024
MAX_DOWNLOAD: Final = 256 * 1024 * 1024
"""Bytes, unpacked."""

MAX_REFUSAL: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    body: bytes


class Http:
    """Calls to the hosts of one account.

    A call that is cancelled closes its connection; what it was to change may have been done.
    """

    def __init__(self, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`proxy` is an http:// address that takes CONNECT; connects nothing yet.

        Raises:
            DeniedLocally: the proxy's address is none.
        """
        self._pool: Final = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=Egress(proxy),
        )
        self._reads: Final = asyncio.Semaphore(MAX_READS)

    async def read(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """A call that changes nothing.

        Raises:
            Unresolved: no answer; it may be repeated.
        """
        async with self._reads:
            try:
                return await self._call(
                    method, url, headers, body, flight=_Flight(), seconds=READ_SECONDS
                )
            except DeniedLocally as error:
                message = str(error)
        raise Unresolved(message)

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
        flight = _Flight(send_by)
        flight.check()
        return await self._call(method, url, headers, body, flight=flight, seconds=WRITE_SECONDS)

    async def download(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        refusal: Callable[[Response], BrokerError],
    ) -> AsyncIterator[bytes]:
        """A large file in pieces as they come, unpacked where it is gzip.

        Raises:
            Unresolved: it did not come whole; it may be repeated.
            BrokerError: what `refusal` makes of an answer that is not 200.
        """
        deadline = time.monotonic() + DOWNLOAD_SECONDS
        inflater = Inflater(MAX_DOWNLOAD)
        failure: BrokerError
        async with self._reads:
            try:
                _check_headers(headers)
                async with self._pool.stream(
                    "GET", url, headers=list(headers.items()), extensions=_options(READ_SECONDS)
                ) as response:
                    if response.status != 200:
                        raise refusal(await _whole(response, MAX_REFUSAL))
                    async for piece in response.aiter_stream():
                        for plain in inflater.feed(piece):
                            yield plain
                        if time.monotonic() > deadline:
                            raise Unresolved(f"the download took over {DOWNLOAD_SECONDS:.0f} s")
                    inflater.end()
                return
            except BrokerError:
                raise
            except BrokenFile as error:
                failure = Unresolved(f"unreadable download from {_host(url)}: {error}")
            except httpcore.ProxyError as error:
                failure = Unresolved(f"{error} on a download from {_host(url)}")
            except Exception as error:  # noqa: BLE001 - whatever it was, the file is not whole
                failure = Unresolved(f"{type(error).__name__} on a download from {_host(url)}")
        raise failure

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
        flight: "_Flight",
        seconds: float,
    ) -> Response:
        """One call, bounded as a whole too: a time-out of the pool's counts each piece anew."""
        _check_headers(headers)
        try:
            async with (
                asyncio.timeout(POOL_SECONDS + 2 * CONNECT_SECONDS + seconds),
                self._pool.stream(
                    method,
                    url,
                    headers=list(headers.items()),
                    content=body if body or method != "GET" else None,
                    extensions=_options(seconds) | {"trace": flight.trace},
                ) as response,
            ):
                return await _whole(response, MAX_BODY)
        except BrokerError:
            raise
        except httpcore.ProxyError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001 - after the first byte everything is unresolved
            failure = type(error).__name__
        raise flight.failure(f"{failure} on {method} to {_host(url)}")


class _Flight:
    """How far one request got."""

    def __init__(self, send_by: float | None = None) -> None:
        self._send_by: Final = send_by
        self._sent = False

    def check(self) -> None:
        """Refuses a request whose time is over.

        Raises:
            DeniedLocally: nothing was sent.
            Unresolved: its head was, its body was not: whoever serves it has half a request.
        """
        if self._send_by is None or time.monotonic() <= self._send_by:
            return
        if self._sent:
            raise Unresolved("it became late while it was being sent")
        raise DeniedLocally("it was too late to send it")

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Called by httpcore right before it writes head and body to the socket."""
        if event == "http11.send_request_headers.started":
            self.check()
            self._sent = True
        elif event == "http11.send_request_body.started":
            self.check()

    def failure(self, what: str) -> BrokerError:
        """What a call without an answer was."""
        return Unresolved(what) if self._sent else DeniedLocally(what)


def _options(seconds: float) -> dict[str, Any]:
    timeout = {
        "connect": CONNECT_SECONDS,
        "pool": POOL_SECONDS,
        "read": seconds,
        "write": seconds,
    }
    return {"timeout": timeout}


async def _whole(response: httpcore.Response, limit: int) -> Response:
    body = bytearray()
    async for piece in response.aiter_stream():
        body += piece
        if len(body) > limit:
            raise Unresolved(f"the answer is larger than {limit} bytes")
    return Response(
        status=response.status,
        headers={k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers},
        body=bytes(body),
    )


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuses what h11 would refuse with the header's text in its error.

    Raises:
        DeniedLocally: a header holds more than printable ASCII.
    """
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise DeniedLocally(f"the header {name} holds characters that HTTP does not allow")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "an address without a host"
    except ValueError:
        return "an unreadable address"
