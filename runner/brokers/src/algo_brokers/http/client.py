"""One pooled HTTP client an account: warm connections, a time-out a call, TLS verified, the
account's egress proxy where it has one.

What could not have reached the broker is told apart from what may have. No address with a query,
no header and no body ever gets into an error, nor into what an error came from.
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from algo_brokers.errors import BrokerError, DeniedLocally, Unresolved
from algo_brokers.http.connection import Connection, ConnectionBroken, NotSent, within
from algo_brokers.http.gzip import BrokenFile, Inflater
from algo_brokers.http.pool import Pool
from algo_brokers.http.proxy import Origin, proxy_address

READ_SECONDS: Final = 5.0
WRITE_SECONDS: Final = 7.0
"""An order's whole answer is waited for this long; the vendors' own clients wait 7 s and more."""

DOWNLOAD_SECONDS: Final = 120.0
"""A whole instrument master."""

MAX_READS: Final = 2
"""At once, of the pool's four connections: reads that hang leave two to orders."""

MAX_BODY: Final = 16 * 1024 * 1024
MAX_DOWNLOAD: Final = 256 * 1024 * 1024
"""Bytes, unpacked."""

MAX_REFUSAL: Final = 64 * 1024
PORTS: Final = {"http": 80, "https": 443}
NAME: Final = re.compile(r"[A-Za-z0-9-]+")
NO_RESPONSE: Final = "nothing came"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    body: bytes


class HttpClient:
    """Calls to the hosts of one account.

    A call that is cancelled closes its connection; what it was to change may have been done.
    """

    def __init__(self, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`proxy` is an http:// address that takes CONNECT; connects nothing yet.

        Raises:
            DeniedLocally: the proxy's address is none.
        """
        self._pool: Final = Pool(
            tls=tls or ssl.create_default_context(),
            proxy=proxy_address(proxy) if proxy else None,
        )
        self._reads: Final = asyncio.Semaphore(MAX_READS)

    async def read(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """A call that changes nothing.

        Raises:
            Unresolved: no answer; it may be repeated.
        """
        try:
            await within(READ_SECONDS, self._reads.acquire(), "no connection became free")
        except ConnectionBroken as error:
            raise Unresolved(f"{method} to {_host(url)}: {error}") from None
        try:
            return await self._call(method, url, headers, body, seconds=READ_SECONDS)
        except DeniedLocally as error:
            message = str(error)
        finally:
            self._reads.release()
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
        """A call that changes something; not sent after `send_by` (monotonic seconds). Connecting
        goes on beyond that, for the next one: the denial may come some seconds later.

        Raises:
            DeniedLocally: not a byte of the request was sent.
            Unresolved: it may have arrived.
        """
        _check_time(send_by)
        return await self._call(method, url, headers, body, seconds=WRITE_SECONDS, send_by=send_by)

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
        connection: Connection | None = None
        async with self._reads:
            try:
                origin, request = _request("GET", url, headers)
                connection = await self._pool.take(origin)
                connection.send(request)
                async with contextlib.aclosing(_file(connection, refusal)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except BrokerError:
                raise
            except (ConnectionBroken, BrokenFile) as error:
                failure = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it was, the file is not whole
                failure = type(error).__name__
            finally:
                if connection is not None:
                    self._pool.give_back(connection)
        raise Unresolved(f"download from {_host(url)}: {failure}")

    async def close(self) -> None:
        """Closes all connections."""
        self._pool.close()

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
        connection: Connection | None = None
        is_sent = False
        try:
            origin, request = _request(method, url, headers, body)
            connection = await self._pool.take(origin)
            _check_time(send_by)
            is_sent = True
            connection.send(request)
            async with asyncio.timeout(seconds):
                return await _whole(connection, MAX_BODY)
        except BrokerError:
            raise
        except NotSent as error:
            failure, is_sent = str(error), False
        except ConnectionBroken as error:
            failure = str(error)
        except TimeoutError:
            failure = f"no whole answer within {seconds:g} s"
        except Exception as error:  # noqa: BLE001 - after the first byte everything is unresolved
            failure = type(error).__name__
        finally:
            if connection is not None:
                self._pool.give_back(connection)
        message = f"{method} to {_host(url)}: {failure}"
        raise Unresolved(message) if is_sent else DeniedLocally(message)


def _check_time(send_by: float | None) -> None:
    if send_by is not None and time.monotonic() > send_by:
        raise DeniedLocally("it was too late to send it")


async def _whole(connection: Connection, limit: int) -> Response:
    status, headers = await connection.head()
    body = bytearray()
    while piece := await connection.piece():
        body += piece
        if len(body) > limit:
            raise Unresolved(f"the answer is larger than {limit} bytes")
    return Response(status=status, headers=headers, body=bytes(body))


async def _file(
    connection: Connection, refusal: Callable[[Response], BrokerError]
) -> AsyncGenerator[bytes]:
    """The answer's file, unpacked, each piece within its time."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    status, _ = await within(READ_SECONDS, connection.head(), NO_RESPONSE)
    if status != 200:
        raise refusal(await within(READ_SECONDS, _whole(connection, MAX_REFUSAL), NO_RESPONSE))
    inflater = Inflater(MAX_DOWNLOAD)
    while piece := await within(READ_SECONDS, connection.piece(), NO_RESPONSE):
        for plain in inflater.feed(piece):
            yield plain
        if time.monotonic() > deadline:
            raise ConnectionBroken(f"it took over {DOWNLOAD_SECONDS:.0f} s")
    inflater.end()


def _request(
    method: str, url: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[Origin, bytes]:
    """Whom to ask, and the whole request.

    Raises:
        DeniedLocally: no address, or a header that is none; their text is not told.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise DeniedLocally("the address is none that can be called") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not parts.hostname or "@" in parts.netloc:
        raise DeniedLocally("the address is none that can be called")
    for name, value in headers.items():
        if not NAME.fullmatch(name):
            raise DeniedLocally("a header's name is none")
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise DeniedLocally(f"the header {name} holds characters that HTTP does not allow")
    lines = [
        f"{method} {parts.path or '/'}{'?' if parts.query else ''}{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    origin = Origin(parts.hostname, port, parts.scheme == "https")
    return origin, ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "an address without a host"
    except ValueError:
        return "an unreadable address"
