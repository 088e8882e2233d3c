"""/metrics, /healthz and /readyz over a few lines of HTTP, for the small processes: a web framework
would cost each of them more memory than all of its work.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REQUEST_SECONDS: Final = 5.0
MAX_REQUEST_BYTES: Final = 8192
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the server answers with; the functions are called at each request."""

    metrics: Callable[[], str]
    """Prometheus' text format."""

    is_ready: Callable[[], bool]
    not_ready: str
    """Why a process is usually not ready, in words."""

    became_ready: asyncio.Event | None = None
    """Set when it becomes so; a question that comes before is held for `held_seconds`."""

    held_seconds: float = 0.0


async def serve(pages: Pages, listener: socket.socket) -> asyncio.Server:
    """Starts answering, first those that have connected already."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1].decode("latin-1")
                if path == "/readyz":
                    await _wait_ready(pages)
                writer.write(_response(pages, path))
                await writer.drain()
        except (
            TimeoutError,
            OSError,
            IndexError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, sock=listener, limit=MAX_REQUEST_BYTES)


async def _wait_ready(pages: Pages) -> None:
    if pages.became_ready is not None and not pages.is_ready():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pages.held_seconds):
                await pages.became_ready.wait()


def _response(pages: Pages, path: str) -> bytes:
    match path:
        case "/metrics":
            status, body = "200 OK", pages.metrics()
        case "/healthz":
            status, body = "200 OK", "ok\n"
        case "/readyz" if pages.is_ready():
            status, body = "200 OK", "ready\n"
        case "/readyz":
            status, body = "503 Service Unavailable", f"not ready: {pages.not_ready}\n"
        case _:
            status, body = "404 Not Found", "not found\n"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()
