"""The way out through an account's proxy: HTTP CONNECT to every host, before any TLS.

Of our own, because httpcore's tunnel keeps the place in its pool when TLS through it fails: after
four failures nothing could be sent any more.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpcore

from algo_brokers.errors import DeniedLocally

MAX_ANSWER: Final = 8192
"""Bytes of a proxy's answer to CONNECT."""

STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


DIRECT: Final = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
"""The way out without a proxy."""


class ThroughProxy(httpcore.AsyncNetworkBackend):
    """Connects to every host through one proxy."""

    def __init__(self, proxy: str) -> None:
        """`proxy` is an http:// address.

        Raises:
            DeniedLocally: it is not, or it holds a user or a password.
        """
        self._host, self._port = proxy_address(proxy)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A stream to the host, through the proxy.

        Raises:
            ProxyError: the proxy refused; the message is of our own words.
        """
        stream = await DIRECT.connect_tcp(
            self._host, self._port, timeout, local_address, socket_options
        )
        try:
            target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
            await stream.write(request.encode("ascii"), timeout)
            await _accepted(stream, timeout)
        except BaseException:
            await stream.aclose()
            raise
        return stream


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
