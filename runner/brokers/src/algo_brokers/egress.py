"""The way out to a broker: straight, or through the account's proxy by HTTP CONNECT to every host,
before any TLS.

Of our own, because httpcore's tunnel keeps the place in its pool when TLS through it fails (after
four failures nothing could be sent any more), and its TLS leaves the socket open when it is
cancelled.
"""

import re
import ssl
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpcore

from algo_brokers.errors import DeniedLocally

MAX_ANSWER: Final = 8192
"""Bytes of a proxy's answer to CONNECT."""

STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
HEAD_OF_A_BODY: Final = re.compile(
    rb"\r\ncontent-length: [1-9][0-9]*\r\n(.*\r\n)?\r\n\Z", re.IGNORECASE | re.DOTALL
)
_BACKEND: Final = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())


class Egress(httpcore.AsyncNetworkBackend):
    """Connects to every host, through one proxy where there is one."""

    def __init__(self, proxy: str | None) -> None:
        """`proxy` is an http:// address.

        Raises:
            DeniedLocally: it is not, or it holds a user or a password.
        """
        self._proxy: Final = proxy_address(proxy) if proxy else None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A stream to the host.

        Raises:
            ProxyError: the proxy refused; the message is of our own words.
        """
        to = self._proxy or (host, port)
        stream = await _BACKEND.connect_tcp(*to, timeout, local_address, socket_options)
        if self._proxy is not None:
            try:
                target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
                await stream.write(request.encode("ascii"), timeout)
                await _accepted(stream, timeout)
            except BaseException:
                await stream.aclose()
                raise
        return _Stream(stream)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection: closed when TLS over it fails or is cancelled. A request's head waits for its
    body, so that both are one write: a packet, and a wake-up of the server, less on the way of an
    order.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream: Final = stream
        self._head = b""

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
    ) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
    ) -> None:
        if not self._head and HEAD_OF_A_BODY.search(buffer):
            self._head = bytes(buffer)
            return
        whole, self._head = self._head + buffer, b""
        await self._stream.write(whole, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


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


async def _accepted(
    stream: httpcore.AsyncNetworkStream,
    timeout: float | None,  # noqa: ASYNC109 - handed on
) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = await stream.read(MAX_ANSWER, timeout)
        answer += piece
        if not piece or len(answer) > MAX_ANSWER:
            raise httpcore.ProxyError("the egress proxy gave no HTTP answer")
    status = STATUS.match(answer)
    if status is None or not answer.endswith(b"\r\n\r\n"):
        raise httpcore.ProxyError("the egress proxy gave no HTTP answer")
    if not status[1].startswith(b"2"):
        raise httpcore.ProxyError(f"the egress proxy answered {status[1].decode()}")
