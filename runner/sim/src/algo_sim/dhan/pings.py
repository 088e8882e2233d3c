"""Dhan's servers ping their clients about every ten seconds."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Final

from aiohttp import web

PING_SECONDS: Final = 10.0


@contextlib.contextmanager
def pinged(socket: web.WebSocketResponse) -> Generator[None]:
    """The client is pinged inside. One that is slow to answer is kept: how long the real servers
    wait is not documented.
    """
    pinging = asyncio.create_task(_ping(socket))
    try:
        yield
    finally:
        _ = pinging.cancel()


async def _ping(socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            await asyncio.sleep(PING_SECONDS)
            await socket.ping()
