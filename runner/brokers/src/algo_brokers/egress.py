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

from algo_brokers.connection import Broken, Connection
from algo_brokers.errors import DeniedLocally

CONNECT_SECONDS: Final = 3.0
"""To connect, again for a proxy's answer, and again for TLS."""

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
    transport, door = await _in_time(
        loop.create_connection(_Door, host, port), "it could not be connected to"
    )
    transport.set_write_buffer_limits(high=0)  # uvloop writes at once, not in its next turn.
    connection = Connection()
    try:
        if proxy is not None:
            await _in_time(door.let_through(origin), "the egress proxy gave no answer")
        if origin.is_tls:
            tunnel = loop.start_tls(transport, connection, tls, server_hostname=origin.host)
            secured = await _in_time(tunnel, "TLS failed")
            connection.connection_made(cast("asyncio.Transport", secured))
        else:
            transport.set_protocol(connection)
            connection.connection_made(transport)
        return connection
    except BaseException:
        transport.abort()
        raise


def proxy_address(proxy: str) -> tuple[str, int]:
    """Host and port of an egress proxy.

    Raises:
        DeniedLocally: not an http:// address with a host, or it holds a user or a password.
    """
    parts = urlsplit(proxy)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or "@" in parts.netloc:
        raise DeniedLocally("the egress proxy must be an http://host:port address")
    return parts.hostname, port


class _Door(asyncio.Protocol):
    """A connection before TLS; through it a proxy is asked for the way to the broker."""

    def __init__(self) -> None:
        self._answer = b""
        self._is_closed = False
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        self._changed.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._is_closed = True
        self._changed.set()

    async def let_through(self, origin: Origin) -> None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}"
        self._transport.write(
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode("ascii")
        )
        while b"\r\n\r\n" not in self._answer:
            await self._changed.wait()
            self._changed.clear()
            if self._is_closed or len(self._answer) > MAX_ANSWER:
                raise Broken("the egress proxy gave no HTTP answer")
        status = STATUS.match(self._answer)
        if status is None or not self._answer.endswith(b"\r\n\r\n"):
            raise Broken("the egress proxy gave no HTTP answer")
        if not status[1].startswith(b"2"):
            raise Broken(f"the egress proxy answered {status[1].decode()}")


async def _in_time(step: Awaitable[_T], failure: str) -> _T:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await step
    except TimeoutError:
        why = f"not within {CONNECT_SECONDS:g} s"
    except (OSError, ValueError) as error:
        why = _why(error)
    raise Broken(f"{failure} ({why})")


def _why(error: OSError | ValueError) -> str:
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
