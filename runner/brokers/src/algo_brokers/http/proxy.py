"""The way out to a broker: straight, or through the account's proxy by HTTP CONNECT to every host,
before any TLS.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Awaitable
from typing import Final, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from algo_brokers.errors import DeniedLocally
from algo_brokers.http.connection import Connection, ConnectionBroken, within

CONNECT_SECONDS: Final = 3.0
"""To connect, again for a proxy's answer, and again for TLS."""

NEXT_ADDRESS_SECONDS: Final = 0.25
"""After which a host's next address is tried beside the one that has not answered (RFC 8305)."""

MAX_ANSWER: Final = 8192
"""Bytes of a proxy's answer to CONNECT."""

STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")

_T = TypeVar("_T")


class Origin(NamedTuple):
    """Whom a connection is to."""

    host: str
    port: int
    is_tls: bool


async def connect(
    origin: Origin, *, tls: ssl.SSLContext, proxy: tuple[str, int] | None
) -> Connection:
    """An open connection. One that fails or is cancelled leaves no socket behind.

    Raises:
        Broken: nobody is there, the proxy refused, or TLS failed.
    """
    loop = asyncio.get_running_loop()
    host, port = proxy or (origin.host, origin.port)
    wire, tunnel = await _done(_connected(host, port), "it could not be connected to")
    connection = Connection()
    try:
        if proxy is not None:
            await _done(tunnel.open_to(origin), "the egress proxy did not answer")
        if origin.is_tls:
            handshake = loop.start_tls(wire, connection, tls, server_hostname=origin.host)
            secured = await _done(handshake, "TLS failed")
            connection.connection_made(cast("asyncio.Transport", secured), wire)
        else:
            wire.set_protocol(connection)
            connection.connection_made(wire)
        return connection
    except BaseException:
        wire.abort()
        raise


def proxy_address(proxy: str) -> tuple[str, int]:
    """Host and port of an egress proxy.

    Raises:
        DeniedLocally: not an http:// address with a host alone; its text is not told.
    """
    try:
        parts = urlsplit(proxy)
        port = 80 if parts.port is None else parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    is_plain = proxy.isascii() and proxy.isprintable() and " " not in proxy
    has_more = "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "http" or not parts.hostname or not port or not is_plain or has_more:
        raise DeniedLocally("the egress proxy must be an http://host:port address")
    return parts.hostname, port


class _Tunnel(asyncio.Protocol):
    """A connection before TLS; through a proxy it is opened to the broker."""

    def __init__(self) -> None:
        self._answer = b""
        self._is_closed = False
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._is_closed = True
        self._changed.set()

    async def open_to(self, origin: Origin) -> None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}"
        request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
        self._transport.write(request.encode("ascii"))
        while b"\r\n\r\n" not in self._answer:
            if self._is_closed or len(self._answer) > MAX_ANSWER:
                raise ConnectionBroken("the egress proxy gave no HTTP answer")
            await self._changed.wait()
            self._changed.clear()
        status = STATUS.match(self._answer)
        if status is None:
            raise ConnectionBroken("the egress proxy gave no HTTP answer")
        if not status[1].startswith(b"2"):
            raise ConnectionBroken(f"the egress proxy answered {status[1].decode()}")
        if not self._answer.endswith(b"\r\n\r\n"):
            raise ConnectionBroken("the egress proxy spoke before the broker")


async def _connected(host: str, port: int) -> tuple[asyncio.Transport, _Tunnel]:
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    winner = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
    try:
        return await loop.create_connection(_Tunnel, sock=winner)
    except BaseException:
        winner.close()
        raise


async def _done(step: Awaitable[_T], failure: str) -> _T:
    try:
        return await within(CONNECT_SECONDS, step, f"{failure}: not")
    except (OSError, ValueError, RuntimeError) as error:
        why = _why(error)
    raise ConnectionBroken(f"{failure} ({why})")


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate: {error.verify_message}"
        case ssl.SSLError():
            return (error.reason or type(error).__name__).replace("_", " ").lower()
        case socket.gaierror():
            return error.strerror or "unknown name"
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return type(error).__name__
